"""What the command line ends with; each command's help says which of these it has."""

from typing import Final

DONE: Final = 0
"""Done, and nothing found that is not as it should be."""

FINDINGS: Final = 1
"""Looked at, and something is not as it should be."""

COULD_NOT_RUN: Final = 2
"""Refused, or it could not be done; nothing was changed. What `CalloraError` has by default."""

NOT_YET: Final = 3
"""Something is open still: run it again, or resume."""

UNKNOWN: Final = 4
"""What became of a transaction cannot be known any more."""

INTERRUPTED: Final = 130
"""By Ctrl-C."""

PIPE_CLOSED: Final = 141
"""Nobody reads the output any more."""
