"""The root of every error of this package."""

from typing import ClassVar


class CalloraError(Exception):
    """The root of every error of this package; its text is one line with cause and remedy.

    `exit_code` is the exit code of the command line: 2 if the call changed nothing.
    """

    exit_code: ClassVar[int] = 2
