"""Why a parity run could not be made. Each error is one line: the cause, and the remedy."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


class CannotRun(Exception):
    """The run could not be made or finished; the contract was not judged.

    Arguments: `cause`, what is wrong; `remedy`, what to do about it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy


class Inconclusive(Exception):
    """A call ended in a way that says nothing of the contract; its example ends there.

    Arguments: `cause`, how it ended.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def no_rpc(url: str, error: Exception, option: str) -> CannotRun:
    """Say that no Stellar RPC answers at a URL; `option` is where it was given."""
    return CannotRun(
        f"no Stellar RPC answers at {origin(url)} ({cause(error)})",
        f"check {option} and that the server runs",
    )


def check_url(url: str, option: str) -> None:
    """Raise CannotRun where a URL cannot be one of a server."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise CannotRun(f"{option} is no URL of a server", "give http(s)://HOST[:PORT][/PATH]")


def origin(url: str) -> str:
    """Name a server without what a URL may carry in secret: user, password, path, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def cause(error: Exception) -> str:
    """Name why a request failed; the whole text would repeat the URL and what is secret in it."""
    found = re.search(r"\[Errno -?\d+\] ([A-Za-z ,]+)", str(error))
    return found[1].strip() if found else type(error).__name__
