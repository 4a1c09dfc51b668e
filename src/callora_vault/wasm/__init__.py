"""The compiled contracts and the manifest of their build (`make wasm` rebuilds them)."""

import json
from functools import lru_cache
from importlib import resources
from typing import Any


def read(name: str) -> bytes:
    """Return a compiled contract.

    Arguments: `name`, as in the manifest ("v1", "v2", "factory").
    Raises FileNotFoundError.
    """
    return (resources.files(__name__) / f"{name}.wasm").read_bytes()


def manifest() -> dict[str, Any]:
    """Return the manifest: the tools of the build; sha256, size and layout of each contract."""
    text = (resources.files(__name__) / "manifest.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@lru_cache
def code_hash(name: str) -> bytes:
    """Return the SHA-256 of a compiled contract.

    Arguments: `name`, as of `read`. Raises KeyError.
    """
    return bytes.fromhex(manifest()["files"][f"{name}.wasm"]["sha256"])


@lru_cache
def known_code() -> dict[str, str]:
    """Map the SHA-256 hashes of the compiled contracts, in hex, to their names."""
    files = manifest()["files"]
    return {file["sha256"]: name.removesuffix(".wasm") for name, file in files.items()}
