"""The root of every error of this package."""

from typing import ClassVar


class CalloraError(Exception):
    """The root of every error of this package; its text is one line with cause and remedy.

    `exit_code` is what the command line ends with: 2 where nothing was changed by the call.
    """

    exit_code: ClassVar[int] = 2
