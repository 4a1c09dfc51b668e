"""XDR bytes, joined without building objects.

Ledger keys, transaction meta and results are mostly made of parts that already are XDR: they come
from the envelope or from the host. This module holds the few encoders that put them together.
Everything it writes is decoded again by `stellar_sdk.xdr` in the tests.

Source: Stellar-ledger-entries.x, Stellar-ledger.x, Stellar-transaction.x.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from struct import Struct

_U32 = Struct(">I")
_I32 = Struct(">i")
_U64 = Struct(">Q")
_I64 = Struct(">q")

u32 = _U32.pack
i32 = _I32.pack
u64 = _U64.pack
i64 = _I64.pack

ABSENT = u32(0)
PRESENT = u32(1)

ACCOUNT = 0
TRUSTLINE = 1
DATA = 3
CONTRACT_DATA = 6
CONTRACT_CODE = 7
CONFIG_SETTING = 8
TTL = 9

TEMPORARY = 0
PERSISTENT = 1


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest of `data`."""
    return hashlib.sha256(data).digest()


def base64(data: bytes) -> str:
    """Return XDR as the text that goes through JSON."""
    return b64encode(data).decode()


def opaque(data: bytes) -> bytes:
    """Encode variable-length opaque data: its length, the bytes, zeros up to a multiple of four."""
    length = len(data)
    return u32(length) + data + bytes(-length % 4)


def array(items: Iterable[bytes]) -> bytes:
    """Encode a variable-length array of items that are XDR already."""
    parts = list(items)
    return u32(len(parts)) + b"".join(parts)


def optional(item: bytes | None) -> bytes:
    """Encode an optional item that is XDR already."""
    return ABSENT if item is None else PRESENT + item


def account_id(public_key: bytes) -> bytes:
    """Encode an AccountID (an ed25519 public key)."""
    return ABSENT + public_key


def account_key(public_key: bytes) -> bytes:
    """Encode the LedgerKey of an account."""
    return u32(ACCOUNT) + ABSENT + public_key


def trustline_key(public_key: bytes, asset: bytes) -> bytes:
    """Encode the LedgerKey of an account's trustline to an asset, which is XDR already."""
    return u32(TRUSTLINE) + ABSENT + public_key + asset


def trustline_parts(key: bytes) -> tuple[bytes, bytes]:
    """Return the public key and the asset's XDR of a trustline's LedgerKey."""
    return key[8:40], key[40:]


def data_key(public_key: bytes, name: bytes) -> bytes:
    """Encode the LedgerKey of an account's data entry."""
    return u32(DATA) + ABSENT + public_key + opaque(name)


_INSTANCE_KEY = u32(20) + u32(PERSISTENT)


def contract_instance_key(contract_id: bytes) -> bytes:
    """Encode the LedgerKey of a contract's instance."""
    return u32(CONTRACT_DATA) + PRESENT + contract_id + _INSTANCE_KEY


def contract_code_key(code_hash: bytes) -> bytes:
    """Encode the LedgerKey of a contract's code."""
    return u32(CONTRACT_CODE) + code_hash


def executable_hash(instance: bytes) -> bytes | None:
    """Return the hash of the code of a contract's instance (LedgerEntry), None for a built-in."""
    # after lastModified, type, ext, contract, key, durability and the value's type
    executable = instance[60:96]
    return executable[4:] if executable[:4] == ABSENT else None


def config_setting_key(setting_id: int) -> bytes:
    """Encode the LedgerKey of a network setting."""
    return u32(CONFIG_SETTING) + i32(setting_id)


def key_type(key: bytes) -> int:
    """Return the LedgerEntryType of a LedgerKey."""
    return int.from_bytes(key[:4], "big")


def has_ttl(key: bytes) -> bool:
    """Tell whether the key names a Soroban entry: contract data or contract code."""
    return key_type(key) in (CONTRACT_DATA, CONTRACT_CODE)


def is_temporary(key: bytes) -> bool:
    """Tell whether the key names a temporary entry, which is gone when its TTL runs out."""
    return key_type(key) == CONTRACT_DATA and key[-4:] == ABSENT


def is_persistent(key: bytes) -> bool:
    """Tell whether the key names a persistent Soroban entry, which is archived, never lost."""
    return has_ttl(key) and not is_temporary(key)


def ttl_key(key_hash: bytes) -> bytes:
    """Encode the LedgerKey of a TTL entry from the SHA-256 of the key it belongs to."""
    return u32(TTL) + key_hash


def ttl_entry(key_hash: bytes, live_until: int, last_modified: int) -> bytes:
    """Encode the LedgerEntry of a TTL. `live_until` and `last_modified` are ledger sequences."""
    return u32(last_modified) + u32(TTL) + key_hash + u32(live_until) + ABSENT


def with_last_modified(entry: bytes, ledger: int) -> bytes:
    """Return the LedgerEntry with another lastModifiedLedgerSeq."""
    return u32(ledger) + entry[4:]


def symbol(text: str) -> bytes:
    """Encode an ScVal of type symbol."""
    return u32(15) + opaque(text.encode())


def string(text: bytes) -> bytes:
    """Encode an ScVal of type string."""
    return u32(14) + opaque(text)


def byte_string(data: bytes) -> bytes:
    """Encode an ScVal of type bytes."""
    return u32(13) + opaque(data)


def boolean(value: bool) -> bytes:
    """Encode an ScVal of type bool."""
    return ABSENT + u32(value)


def uint64(value: int) -> bytes:
    """Encode an ScVal of type u64."""
    return u32(5) + u64(value)


def symbol_map(**items: bytes) -> bytes:
    """Encode an ScVal of type map from names, in their order, to ScVals that are XDR already."""
    return u32(17) + PRESENT + array(symbol(name) + value for name, value in items.items())


def account_address(public_key: bytes) -> bytes:
    """Encode an ScVal that holds an account's address."""
    return u32(18) + ABSENT + ABSENT + public_key


def int128(value: int) -> bytes:
    """Encode an ScVal of type i128."""
    return u32(10) + value.to_bytes(16, "big", signed=True)


def contract_event(contract_id: bytes, topics: Iterable[bytes], data: bytes) -> bytes:
    """Encode a ContractEvent of type contract."""
    return ABSENT + PRESENT + contract_id + u32(1) + ABSENT + array(topics) + data


def last_modified(entry: bytes) -> int:
    """Return the lastModifiedLedgerSeq of a LedgerEntry."""
    return int.from_bytes(entry[:4], "big")


def sponsor(extension: bytes) -> bytes | None:
    """Return the public key of the account that sponsors an entry, from its LedgerEntryExt."""
    return extension[12:44] if extension[:8] == PRESENT + PRESENT else None
