"""Errors in the arguments of a command, in one line: the cause, and the remedy."""

from __future__ import annotations

from typing import Final

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownOptionError,
    UnusedCliTokensError,
)

_KINDS: Final[dict[object, str]] = {int: "a whole number", float: "a number"}


def explain(error: CycloptsError) -> str:
    """Say what is wrong with the arguments."""
    command = " ".join(("callora-vault", *(error.command_chain or ())))
    remedy = f"see `{command} --help`"
    match error:
        case UnusedCliTokensError():
            unexpected = " ".join(error.unused_tokens or ())
            return f"unexpected argument: {unexpected}; {remedy}"
        case MissingArgumentError(keyword=None):
            return f"{_name(error)} is missing; {remedy}"
        case MissingArgumentError():
            return f"{error.keyword} has no value; {remedy}"
        case CoercionError(token=token, target_type=kind) if token is not None and kind in _KINDS:
            return f'{token.keyword or _name(error)}: "{token.value}" is not {_KINDS[kind]}'
        case UnknownOptionError() if "Did you mean" not in str(error):
            return f"{str(error).rstrip('.')}; {remedy}"
    return str(error)


def _name(error: CycloptsError) -> str:
    """Name an argument as its help does: --option, or POSITIONAL."""
    if error.argument is None:
        return "an argument"
    options = (name for name in error.argument.names if name.startswith("-"))
    return next(options, error.argument.name)
