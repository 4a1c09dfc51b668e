"""Files that are replaced whole, so that a reader never finds half a change; damaged files."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from callora_vault.errors import CalloraError

PUBLIC: Final = 0o644
"""The owner writes, everybody reads."""
PRIVATE: Final = 0o600
"""Only the owner reads and writes."""


def flaw(error: Exception) -> str:
    """Say in words what is wrong with a file's content, by the error that reading it raised."""
    match error:
        case CalloraError():
            return str(error)
        case json.JSONDecodeError():
            return f"it is not JSON (line {error.lineno}, column {error.colno})"
        case KeyError():
            return f"it has no {error.args[0]}"
        case UnicodeDecodeError():
            return "it is not UTF-8 text"
        case RecursionError():
            return "it is nested too deeply"
    return "its fields are not of the right kind"


def replace(path: Path, content: str | bytes, mode: int = PUBLIC) -> None:
    """Replace or create a file durably: it holds all of `content` or its old content.

    Arguments: `content`, text is written as UTF-8; `mode` of the new file. Raises OSError; the file
    is then unchanged.
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
    """Make the new name of a file durable, on systems where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
