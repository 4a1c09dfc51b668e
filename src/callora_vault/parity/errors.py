"""Why a parity run could not be made. Each error is one line: the cause, and the remedy."""

from __future__ import annotations

from callora_vault.errors import CalloraError
from callora_vault.rpc.urls import cause, is_server, origin


class CannotRun(CalloraError):
    """The run could not be made or finished; the contract was not judged.

    Arguments: `cause`, what is wrong; `remedy`, what to do about it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy


class Inconclusive(CalloraError):
    """A call whose result says nothing about the contract; its example ends there.

    Arguments: `cause`, how it ended.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def no_rpc(url: str, error: Exception, option: str) -> CannotRun:
    """Build the error for a URL without a Stellar RPC; `option` gave the URL."""
    return CannotRun(
        f"no Stellar RPC answers at {origin(url)} ({cause(error)})",
        f"check {option} and that the server runs",
    )


def check_url(url: str, option: str) -> None:
    """Raise CannotRun if a URL cannot be one of a server."""
    if not is_server(url):
        raise CannotRun(f"{option} is not a URL of a server", "give http(s)://HOST[:PORT][/PATH]")
