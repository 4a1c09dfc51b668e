"""Why a parity run could not be made. Each error is one line: the cause, and the remedy."""

from __future__ import annotations


class CannotRun(Exception):
    """The run could not be made or finished; the contract was not judged.

    Arguments: `cause`, what is wrong; `remedy`, what to do about it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy
