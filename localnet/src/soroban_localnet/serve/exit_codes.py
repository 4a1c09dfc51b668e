"""The exit codes of `soroban-localnet`, as its README and its `--help` name them."""

from __future__ import annotations

from soroban_localnet.errors import LocalnetError

STOPPED = 0
"""It was stopped, as every server is in the end."""

COULD_NOT_START = LocalnetError.exit_code
"""It could not start: wrong options, a taken port, a file or a remote that cannot be used."""
