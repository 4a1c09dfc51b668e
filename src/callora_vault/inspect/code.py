"""The code of a contract: whether it is known, and whether it can change.

Source: CAP-46-02 (code and instances), CAP-85 (executables by reference); the host's environment
interface for the imports of a contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import attrs
from stellar_sdk.sep.contract_info import ContractInfo
from stellar_sdk.sep.contract_spec import ContractSpec
from stellar_sdk.sep.exceptions import InvalidWasmError

from callora_vault import wasm
from callora_vault.inspect.interface import Interface, compare

_REPLACES_ITS_CODE = ("l", "6")
"""The host function update_current_contract_wasm, by module and name."""
_IMPORT_SECTION = 2
_FUNCTION, _TABLE, _MEMORY, _GLOBAL = range(4)


@attrs.frozen
class Code:
    """Compiled code: its SHA-256 in hex, its size in bytes, and its own declarations.

    `known` is its name if it is a contract of this package, else None.
    `changes_itself`: whether it imports the host function that replaces a contract's code.
    `interface` is None if the code has no readable spec. `protocol` is the oldest protocol that it
    runs on, `meta` the makers' own text; neither is verified.
    """

    hash: str
    size: int
    known: str | None
    changes_itself: bool
    interface: Interface | None
    protocol: int | None
    meta: dict[str, str]


def read_code(code: bytes) -> Code:
    """Read compiled code. Code that cannot be read counts as changing itself."""
    digest = sha256(code).hexdigest()
    try:
        info = ContractInfo.from_wasm(code)
        spec = ContractSpec.from_wasm(code)
        imports = set(_imports(code))
    except (InvalidWasmError, ValueError, IndexError):
        return Code(digest, len(code), wasm.known_code().get(digest), True, None, None, {})
    versions = (entry.interface_version for entry in info.env_meta)
    texts = (entry.v0 for entry in info.meta.entries)
    return Code(
        digest,
        len(code),
        wasm.known_code().get(digest),
        _REPLACES_ITS_CODE in imports,
        compare(spec) if spec.functions else None,
        max((v.protocol.uint32 for v in versions if v is not None), default=None),
        {
            text.key.decode(errors="replace"): text.val.decode(errors="replace")
            for text in texts
            if text is not None
        },
    )


def _imports(code: bytes) -> Iterator[tuple[str, str]]:
    """Yield the imports of a module, by module and name.

    Raises ValueError or IndexError if it is not a module.
    """
    if code[:8] != b"\0asm\1\0\0\0":
        raise ValueError("not a WebAssembly module")
    position = 8
    while position < len(code):
        section = code[position]
        size, position = _number(code, position + 1)
        if section == _IMPORT_SECTION:
            yield from _import_section(code[position : position + size])
        position += size


def _import_section(body: bytes) -> Iterator[tuple[str, str]]:
    count, position = _number(body, 0)
    for _ in range(count):
        names = []
        for _ in range(2):
            length, position = _number(body, position)
            names.append(body[position : position + length].decode())
            position += length
        yield names[0], names[1]
        kind = body[position]
        position += 1
        if kind == _FUNCTION:
            _, position = _number(body, position)
        elif kind in (_TABLE, _MEMORY):
            position += kind == _TABLE
            flags, position = _number(body, position)
            for _ in range(1 + (flags & 1)):
                _, position = _number(body, position)
        elif kind == _GLOBAL:
            position += 2
        else:
            raise ValueError(f"an import of kind {kind}")


def _number(data: bytes, position: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number; return it and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
