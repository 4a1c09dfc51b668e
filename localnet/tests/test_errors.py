"""Every error of the package is one LocalnetError, with the exit code of a command line."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import soroban_localnet
from soroban_localnet import LocalnetError
from soroban_localnet.serve.exit_codes import COULD_NOT_START


def errors() -> Iterator[type[BaseException]]:
    for module in walk_packages(soroban_localnet.__path__, "soroban_localnet."):
        for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(found, BaseException) and found.__module__ == module.name:
                yield found


def test_the_errors_have_one_root() -> None:
    found = list(errors())
    assert len(found) > 20
    assert [error for error in found if not issubclass(error, LocalnetError)] == []


def test_the_root_carries_the_exit_code_of_what_could_not_start() -> None:
    assert LocalnetError.exit_code == COULD_NOT_START == 2
