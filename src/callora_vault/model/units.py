"""Values that a call can carry: i128 amounts, addresses, symbols, hashes; how they are written.

Each check returns the value unchanged or raises `BadValue`, which names the field.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias

import attrs

from callora_vault.errors import CalloraError

Address: TypeAlias = str
"""A strkey: an account (`G...`) or a contract (`C...`)."""

Symbol: TypeAlias = str
"""Up to 32 characters of `[A-Za-z0-9_]`; may be empty."""

I128_MIN: Final = -(2**127)
I128_MAX: Final = 2**127 - 1
SYMBOL_LIMIT: Final = 32


class ScType(Enum):
    """The ScVal types of fields in events and storage; the value lists those that a field takes."""

    ADDRESS = ("Address",)
    OPTIONAL_ADDRESS = ("Address", "Void")
    I128 = ("I128",)
    SYMBOL = ("Symbol",)

    def __str__(self) -> str:
        return " or ".join(self.value)


@attrs.frozen
class BadValue(CalloraError, ValueError):
    """A value that a call or an option cannot take.

    `field` is the name of the argument, `reason` says what is wrong with it.
    """

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


def in_words(values: Mapping[str, Any], *, none: str = "") -> str:
    """Write named values in one line, for people: `amount=3, request_id=req_1`.

    Bytes are in hex, an empty text is `""`. Arguments: `none`, what stands for None, which is left
    out by default.
    """
    shown = {name: none if value is None else value for name, value in values.items()}
    return ", ".join(
        f"{name}={_in_words(value)}"
        for name, value in shown.items()
        if values[name] is not None or none
    )


def _in_words(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return '""' if value == "" else str(value)


def amount(value: int, field: str) -> int:
    """Check an amount in the vault's own unit.

    Raises BadValue for anything but an int, for a bool, and outside i128.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValue(field, f"an amount is an int, not {type(value).__name__}")
    if not I128_MIN <= value <= I128_MAX:
        raise BadValue(field, "the amount is outside i128, -2**127 to 2**127 - 1")
    return value


_SYMBOL = re.compile(r"[A-Za-z0-9_]*")


def symbol(value: Symbol, field: str) -> Symbol:
    """Check a symbol: at most 32 characters of `[A-Za-z0-9_]`, possibly none."""
    if not isinstance(value, str):
        raise BadValue(field, f"a symbol is a str, not {type(value).__name__}")
    if len(value) > SYMBOL_LIMIT:
        raise BadValue(field, f"a symbol has at most 32 characters, not {len(value)}")
    if not _SYMBOL.fullmatch(value):
        raise BadValue(field, "a symbol has only the characters A-Z, a-z, 0-9 and _")
    return value


def bytes32(value: bytes, field: str) -> bytes:
    """Check 32 bytes, such as the hash of a contract's code."""
    if not isinstance(value, bytes):
        raise BadValue(field, f"a hash or salt is bytes, not {type(value).__name__}")
    if len(value) != 32:
        raise BadValue(field, f"a hash or salt has 32 bytes, not {len(value)}")
    return value


def address(value: Address, field: str) -> Address:
    """Check an address: the strkey of an account or a contract, checksum included.

    An ScAddress can also be a muxed account (`M...`), a claimable balance (`B...`) or a
    liquidity pool (`L...`). A contract's Address parameter takes none of them: the host refuses
    the last two and passes a muxed account as another type. They are refused here too.
    The message never repeats the value, which could be a secret seed given by mistake.
    """
    if not isinstance(value, str):
        raise BadValue(field, f"an address is a str, not {type(value).__name__}")
    kind = value[:1]
    if kind not in _VERSION:
        raise BadValue(field, _OTHER_STRKEYS.get(kind, "an address starts with G or C"))
    if not _is_strkey(value):
        raise BadValue(field, "not a valid address; its length, alphabet or checksum is wrong")
    return value


def contract(value: Address, field: str) -> Address:
    """Check that an address is a contract's (`C...`)."""
    address(value, field)
    if not value.startswith("C"):
        raise BadValue(field, "this is an account; give the id of a contract (C...)")
    return value


_VERSION: Final = {"G": 6 << 3, "C": 2 << 3}
_OTHER_STRKEYS: Final = {
    "M": "a contract does not accept a muxed account (M...); give its account (G...)",
    "B": "a contract does not accept a claimable balance (B...) as an address",
    "L": "a contract does not accept a liquidity pool (L...) as an address",
    "S": "this looks like a secret seed; give the account's address (G...)",
}


@lru_cache(maxsize=4096)
def _is_strkey(value: str) -> bool:
    """Version byte, 32 bytes, CRC16-XModem low byte first, in base32 (SEP-23)."""
    try:
        raw = base64.b32decode(value)
    except ValueError:
        return False
    checksum = binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little")
    return len(raw) == 35 and raw[0] == _VERSION[value[0]] and raw[33:] == checksum
