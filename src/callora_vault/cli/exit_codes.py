"""The exit codes of the command line; each command's help lists its own."""

from typing import Final

DONE: Final = 0
"""Done, and nothing wrong was found."""

FINDINGS: Final = 1
"""Checked, and something is wrong."""

COULD_NOT_RUN: Final = 2
"""Refused or impossible; nothing was changed. The default of `CalloraError`."""

NOT_YET: Final = 3
"""Something is still open: run it again, or resume."""

UNKNOWN: Final = 4
"""Whether a transaction was applied can no longer be determined."""

INTERRUPTED: Final = 130
"""Interrupted by Ctrl-C."""

PIPE_CLOSED: Final = 141
"""Nobody reads the output any more."""
