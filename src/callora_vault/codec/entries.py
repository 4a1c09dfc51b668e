"""Ledger entries: what an instance stores, and the factory's successors."""

from itertools import zip_longest
from typing import Any, Final

import attrs
from stellar_sdk import xdr
from stellar_sdk.utils import external_ref_owner_address

from callora_vault.codec.values import (
    DECODE,
    ENCODE,
    CannotDecode,
    decode_address,
    encode_fields,
    encode_symbol,
    type_name,
    words,
)
from callora_vault.model.layouts import (
    META_KEY,
    Difference,
    Fault,
    Layout,
    UnknownLayout,
    VaultMeta,
    check_meta,
    recognise,
)
from callora_vault.model.units import Address


@attrs.frozen
class StoredVault:
    """What the instance entry of a vault holds.

    `layout` and `meta` are None before `init`. `extra` has the instance's entries besides
    `meta`; a vault of contracts/ has none.
    """

    executable: xdr.ContractExecutable
    layout: Layout | None
    meta: VaultMeta | None
    extra: tuple[xdr.SCMapEntry, ...]


def describe_executable(executable: xdr.ContractExecutable) -> str:
    """Write in words which code an instance runs."""
    if executable.wasm_hash is not None:
        return f"the code {executable.wasm_hash.hash.hex()}"
    if executable.external_ref is None:
        return "the Stellar asset contract"
    return f"code by reference to {external_ref_owner_address(executable.external_ref).address}"


def decode_stored(entry: xdr.LedgerEntryData) -> StoredVault:
    """Decode an instance entry. Raises UnknownLayout; CannotDecode if it is not an instance."""
    if entry.contract_data is None:
        raise CannotDecode("the entry", "ContractData", words(entry.type.name))
    instance = entry.contract_data.val.instance
    if instance is None:
        raise CannotDecode("the entry", "ContractInstance", type_name(entry.contract_data.val))
    layout, meta = None, None
    extra = []
    for item in [] if instance.storage is None else instance.storage.sc_map:
        if item.key == _META_KEY:
            layout, meta = decode_meta(item.val)
        else:
            extra.append(item)
    return StoredVault(instance.executable, layout, meta, tuple(extra))


def decode_vault(entry: xdr.LedgerEntryData) -> StoredVault:
    """Decode the instance entry of a vault; one that stores nothing is not initialised.

    Raises UnknownLayout, which names every entry if `meta` is not among them; CannotDecode if it is
    not an instance.
    """
    stored = decode_stored(entry)
    if stored.meta is None and stored.extra:
        missing = Difference(META_KEY, Fault.MISSING, "Map", None)
        others = (
            Difference(_name(item.key), Fault.EXTRA, None, type_name(item.val))
            for item in stored.extra
        )
        raise UnknownLayout(None, (missing, *others))
    return stored


_META_KEY: Final = encode_symbol(META_KEY)


def decode_meta(value: xdr.SCVal) -> tuple[Layout, VaultMeta]:
    """Decode the stored `meta` of any known layout. Raises UnknownLayout."""
    if value.map is None:
        wrong = Difference(META_KEY, Fault.WRONG_TYPE, "Map", type_name(value))
        raise UnknownLayout(None, (wrong,))
    entries = value.map.sc_map
    names = [_name(entry.key) for entry in entries]
    layout = recognise(
        {name: type_name(entry.val) for name, entry in zip(names, entries, strict=True)}
    )
    values: dict[str, Any] = {}
    for field, name, entry in zip_longest(layout.fields, names, entries):
        if field is None or field.name != name:
            wrong = Difference(name, Fault.OUT_OF_ORDER, None, None)
            raise UnknownLayout(layout, (wrong,))
        values[name] = DECODE[field.type](entry.val, name)
    return layout, VaultMeta(**values)


def _name(key: xdr.SCVal) -> str:
    """Name a key: a Symbol by its text, any other value as JSON."""
    return key.to_json() if key.sym is None else key.sym.sc_symbol.decode(errors="replace")


def encode_meta(meta: VaultMeta, layout: Layout) -> xdr.SCVal:
    """Encode `meta` as a vault of `layout` stores it. Raises BadValue."""
    check_meta(meta)
    return encode_fields(
        {field.name: ENCODE[field.type](getattr(meta, field.name)) for field in layout.fields}
    )


def decode_successor(entry: xdr.LedgerEntryData) -> Address:
    """Decode the entry of a successor_key. Raises CannotDecode."""
    if entry.contract_data is None:
        raise CannotDecode("the entry", "ContractData", words(entry.type.name))
    return decode_address(entry.contract_data.val, "the successor")
