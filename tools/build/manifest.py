"""Manifests: what a group's committed files are, and what they were built with."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tools.build.groups import Group


def sha256(data: bytes) -> str:
    """Return the hash of data in hex."""
    return hashlib.sha256(data).hexdigest()


def committed(group: Group, root: Path) -> dict[str, Any]:
    """Read a group's manifest; an empty one where there is none yet."""
    path = root / group.manifest
    if not path.is_file():
        return {}
    document: dict[str, Any] = json.loads(path.read_text())
    return document
