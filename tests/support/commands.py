"""Runs commands of callora-vault as a person types them.

In this process, which has loaded everything already; in a process of its own where a test is about
the process: its signals, its pipes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import attrs
from stellar_sdk import Keypair

from callora_vault.cli.__main__ import main

Ran: TypeAlias = subprocess.CompletedProcess[str]


def run(*arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> Ran:
    """Run a command in this process: its own arguments, environment, folder and streams.

    Arguments: `env`, all of the environment, None for this process's.
    """
    given = ["callora-vault", *map(str, arguments)]
    interrupt = signal.getsignal(signal.SIGINT)
    with (
        redirect_stdout(StringIO()) as stdout,
        redirect_stderr(StringIO()) as stderr,
        Path(os.devnull).open(encoding="utf-8") as nobody,
        patch.object(sys, "stdin", nobody),
        patch.object(sys, "argv", given),
        patch.dict(os.environ, os.environ if env is None else env, clear=True),
        chdir(cwd or Path.cwd()),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        finally:
            signal.signal(signal.SIGINT, interrupt)
    assert isinstance(code, int)
    return subprocess.CompletedProcess(given, code, stdout.getvalue(), stderr.getvalue())


def run_process(
    *arguments: object,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int = subprocess.PIPE,
) -> Ran:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "callora_vault.cli", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=env,
        cwd=cwd,
    )


@attrs.frozen
class User:
    """Somebody with a key, a journal and a directory in a folder, and a network to work on."""

    folder: Path
    url: str
    owner: Keypair

    def run(self, *arguments: object, key: bool = True, env: dict[str, str] | None = None) -> Ran:
        """Run a command in this process."""
        return run(*self._complete(arguments), env=self._environment(key) | (env or {}))

    def run_process(self, *arguments: object, stdout: int = subprocess.PIPE) -> Ran:
        """Run a command in a process of its own."""
        return run_process(
            *self._complete(arguments), env=self._environment(key=True), stdout=stdout
        )

    def json(self, *arguments: object) -> dict[str, Any]:
        """Run a command that succeeds, and return its JSON."""
        ran = self.run(*arguments, "--json")
        assert ran.returncode == 0, ran.stderr
        document: dict[str, Any] = json.loads(ran.stdout)
        return document

    def _complete(self, arguments: tuple[object, ...]) -> tuple[object, ...]:
        if arguments[:2] == ("directory", "list"):
            return arguments
        return (*arguments, "--network", self.url, "--timeout", 20)

    def _environment(self, key: bool) -> dict[str, str]:
        folder = str(self.folder)
        variables = {**os.environ, "COLUMNS": "200"}
        variables |= {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        return variables | ({"CALLORA_VAULT_KEY": self.owner.secret} if key else {})
