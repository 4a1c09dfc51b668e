"""Examples of earlier runs, kept by the hash of the contract's code.

They are run again at the start of a run, and replaced by that run's findings. A file that cannot be
read is ignored; if it cannot be written, the next run only takes longer.
"""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_cache_path

from callora_vault import files
from callora_vault.model.units import BadValue
from callora_vault.parity.notation import from_json, to_json
from callora_vault.parity.steps import Step


def default_folder() -> Path:
    """Return the folder of this user's saved examples."""
    return user_cache_path("callora-vault") / "parity"


def load(folder: Path, code_sha256: str) -> list[tuple[Step, ...]]:
    """Return the saved examples for a contract; none if no file can be read."""
    try:
        document = json.loads(_file(folder, code_sha256).read_text(encoding="utf-8"))
        return [tuple(from_json(step) for step in example) for example in document]
    except (OSError, ValueError, TypeError, BadValue):
        return []


def store(folder: Path, code_sha256: str, examples: list[tuple[Step, ...]]) -> None:
    """Replace the saved examples of a contract; with none, remove the file. Raises OSError."""
    file = _file(folder, code_sha256)
    if not examples:
        file.unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    document = [[to_json(step) for step in example] for example in examples]
    files.replace(file, json.dumps(document))


def _file(folder: Path, code_sha256: str) -> Path:
    return folder / f"{code_sha256}.json"
