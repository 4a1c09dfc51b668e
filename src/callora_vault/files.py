"""Files that are replaced whole: a reader finds the file before a change or after it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

PUBLIC: Final = 0o644
"""The owner writes, everybody reads."""
PRIVATE: Final = 0o600
"""The owner alone reads and writes."""


def replace(path: Path, content: str | bytes, mode: int = PUBLIC) -> None:
    """Replace a file, or make it, durably: it has all of `content` or what it had before.

    Arguments: `content`, text is written as UTF-8; `mode` of the new file. Raises OSError, with the
    file as it was before.
    """
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file durable, where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
