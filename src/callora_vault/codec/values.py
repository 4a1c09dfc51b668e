"""Scalars and structs as ScVals: addresses, symbols, amounts, maps of fields.

Decoding checks the whole value and raises CannotDecode for anything else. Cached functions return
shared objects, which must not be changed.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import attrs
from stellar_sdk import StrKey, scval, xdr

from callora_vault.errors import CalloraError
from callora_vault.model import units
from callora_vault.model.units import Address, ScType, Symbol


@attrs.frozen
class CannotDecode(CalloraError, ValueError):
    """XDR with another content than it should have: `what` is `found` instead of `expected`."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


VOID: Final = scval.to_void()


_ADDRESS_TYPES: Final = (
    xdr.SCAddressType.SC_ADDRESS_TYPE_ACCOUNT,
    xdr.SCAddressType.SC_ADDRESS_TYPE_CONTRACT,
)


@lru_cache(maxsize=4096)
def encode_address(value: Address) -> xdr.SCVal:
    """Encode a `G...` or `C...` strkey. Raises BadValue."""
    return scval.to_address(units.address(value, "address"))


@lru_cache(maxsize=4096)
def encode_symbol(value: Symbol) -> xdr.SCVal:
    """Encode a symbol. Raises BadValue."""
    return scval.to_symbol(units.symbol(value, "symbol"))


def encode_optional_address(value: Address | None) -> xdr.SCVal:
    """Encode an address, or Void for None. Raises BadValue."""
    return VOID if value is None else encode_address(value)


def encode_i128(value: int) -> xdr.SCVal:
    """Encode an amount. Raises BadValue."""
    return scval.to_int128(units.amount(value, "amount"))


def type_name(value: xdr.SCVal) -> str:
    """Name the type of a value as layouts.py does, such as `I128`.

    An address of another kind than account or contract adds its kind, such as `Address:muxed`.
    """
    if value.address is not None and value.address.type not in _ADDRESS_TYPES:
        return "Address:" + value.address.type.name.removeprefix("SC_ADDRESS_TYPE_").lower()
    return _type_name(value.type)


@cache
def _type_name(kind: xdr.SCValType) -> str:
    return words(kind.name.removeprefix("SCV_"))


def words(name: str) -> str:
    """Write an XDR name in capitals, such as `CONTRACT_DATA`, as words: `ContractData`."""
    return "".join(map(str.capitalize, name.split("_")))


def decode_address(value: xdr.SCVal, what: str) -> Address:
    """Decode the address of an account or a contract. Raises CannotDecode about `what`."""
    if value.address is None or value.address.type not in _ADDRESS_TYPES:
        raise CannotDecode(what, str(ScType.ADDRESS), type_name(value))
    if value.address.contract_id is not None:
        return contract_address(value.address.contract_id.contract_id.hash)
    key = value.address.account_id.account_id.ed25519  # type: ignore[union-attr]
    return _account_address(key.uint256)  # type: ignore[union-attr]


def decode_optional_address(value: xdr.SCVal, what: str) -> Address | None:
    """Decode an address, or None from Void. Raises CannotDecode about `what`."""
    return None if value.type == xdr.SCValType.SCV_VOID else decode_address(value, what)


def decode_symbol(value: xdr.SCVal, what: str) -> Symbol:
    """Decode a symbol. Raises CannotDecode about `what`."""
    if value.sym is None:
        raise CannotDecode(what, str(ScType.SYMBOL), type_name(value))
    try:
        return units.symbol(value.sym.sc_symbol.decode(), what)
    except ValueError as error:
        found = value.sym.sc_symbol.decode(errors="replace")
        raise CannotDecode(what, "a valid Symbol", repr(found)) from error


def decode_i128(value: xdr.SCVal, what: str) -> int:
    """Decode an amount. Raises CannotDecode about `what`."""
    if value.i128 is None:
        raise CannotDecode(what, str(ScType.I128), type_name(value))
    return value.i128.hi.int64 << 64 | value.i128.lo.uint64


_account_address: Final = lru_cache(maxsize=4096)(StrKey.encode_ed25519_public_key)


contract_address: Final = lru_cache(maxsize=4096)(StrKey.encode_contract)


ENCODE: Final[Mapping[ScType, Callable[[Any], xdr.SCVal]]] = {
    ScType.ADDRESS: encode_address,
    ScType.OPTIONAL_ADDRESS: encode_optional_address,
    ScType.SYMBOL: encode_symbol,
    ScType.I128: encode_i128,
}


DECODE: Final[Mapping[ScType, Callable[[xdr.SCVal, str], Address | Symbol | int | None]]] = {
    ScType.ADDRESS: decode_address,
    ScType.OPTIONAL_ADDRESS: decode_optional_address,
    ScType.SYMBOL: decode_symbol,
    ScType.I128: decode_i128,
}


def encode_optional_i128(value: int | None) -> xdr.SCVal:
    """Encode an amount, or Void for None. Raises BadValue."""
    return VOID if value is None else encode_i128(value)


def encode_optional_symbol(value: Symbol | None) -> xdr.SCVal:
    """Encode a symbol, or Void for None. Raises BadValue."""
    return VOID if value is None else encode_symbol(value)


def encode_fields(fields: Mapping[str, xdr.SCVal]) -> xdr.SCVal:
    """Build a struct, a map of Symbols, from fields that are sorted by name. Raises BadValue."""
    entries = [xdr.SCMapEntry(encode_symbol(name), value) for name, value in fields.items()]
    return xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries))
