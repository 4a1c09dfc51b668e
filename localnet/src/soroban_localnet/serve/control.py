"""Control methods: for clients in other processes, what the network object can do.

They are JSON-RPC methods beside those of Stellar RPC; no real network has them. Each checks its
parameters and answers INVALID_PARAMS with the name of a wrong one, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct
from stellar_sdk import StrKey
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet.errors import FundingFailed, UnknownSnapshot
from soroban_localnet.ledger.parameters import LEDGER_SECONDS
from soroban_localnet.node import faucet
from soroban_localnet.node.node import Node
from soroban_localnet.rpc import INVALID_PARAMS, Method, RpcError
from soroban_localnet.rpc.parameters import LedgerSequence, decode_xdr

MAX_CLOSED = 10_000
"""How many ledgers one call closes: each is made and kept."""

LAST_LEDGER = 2**31 - 1
"""A new account's sequence number is its ledger times 2^32, in 64 bits with a sign."""

LAST_TIME = 253_402_300_799
"""The last second of the year 9999, where clients' calendars end."""

_TTL_TYPES = (
    stellar_xdr.LedgerEntryType.CONTRACT_DATA,
    stellar_xdr.LedgerEntryType.CONTRACT_CODE,
)


class NoArguments(Struct, forbid_unknown_fields=True):
    """No parameters."""


class CloseLedgers(Struct, forbid_unknown_fields=True):
    """Parameters: `count` of ledgers, 1 to MAX_CLOSED."""

    count: Annotated[int, Meta(ge=1, le=MAX_CLOSED)] = 1


class AdvanceLedgers(Struct, forbid_unknown_fields=True):
    """Parameters: `count` of ledgers, up to LAST_LEDGER."""

    count: Annotated[int, Meta(ge=1, le=LAST_LEDGER)]


class AdvanceTime(Struct, forbid_unknown_fields=True):
    """Parameters: `seconds`, up to LAST_TIME."""

    seconds: Annotated[int, Meta(ge=0, le=LAST_TIME)]


class Revert(Struct, forbid_unknown_fields=True):
    """Parameters: `snapshot`, the answer of localnet_snapshot."""

    snapshot: int


class SetEntry(Struct, rename={"live_until": "liveUntilLedgerSeq"}, forbid_unknown_fields=True):
    """Parameters: `xdr`, a LedgerEntry in base64; its live-until ledger."""

    xdr: str
    live_until: LedgerSequence | None = None


class RemoveEntry(Struct, forbid_unknown_fields=True):
    """Parameters: `key`, a LedgerKey in base64."""

    key: str


class Fund(Struct, forbid_unknown_fields=True):
    """Parameters: `address` (G...), and `stroops` for its balance (default: as friendbot)."""

    address: str
    stroops: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


def close_ledgers(node: Node, params: CloseLedgers) -> dict[str, Any]:
    """Close ledgers, the first of them with the waiting transactions."""
    _check_ledger(node, params.count)
    node.close_ledgers(params.count)
    return _latest(node)


def advance_ledgers(node: Node, params: AdvanceLedgers) -> dict[str, Any]:
    """Jump ahead by ledgers, 5 seconds each."""
    _check_ledger(node, params.count)
    _check_time(node, "count", params.count, LEDGER_SECONDS)
    node.advance_ledgers(params.count)
    return _latest(node)


def advance_time(node: Node, params: AdvanceTime) -> dict[str, Any]:
    """Move the clock ahead and close a ledger with the new time."""
    _check_time(node, "seconds", params.seconds)
    node.advance_time(params.seconds)
    return _latest(node)


def snapshot(node: Node, params: NoArguments) -> dict[str, Any]:
    """Take a snapshot of the present state, for localnet_revert."""
    return {"snapshot": node.snapshot(), **_latest(node)}


def revert(node: Node, params: Revert) -> dict[str, Any]:
    """Return to a snapshot. It can be used again; later snapshots are removed."""
    try:
        node.revert(params.snapshot)
    except UnknownSnapshot as error:
        raise _invalid("snapshot", str(error)) from error
    return _latest(node)


def set_entry(node: Node, params: SetEntry) -> dict[str, Any]:
    """Store an entry without any check."""
    data, entry = _decode("xdr", params.xdr, stellar_xdr.LedgerEntry)
    has_ttl = entry.data.type in _TTL_TYPES
    if has_ttl and params.live_until is None:
        raise _invalid("liveUntilLedgerSeq", "contract data and code need a live-until ledger")
    if not has_ttl and params.live_until is not None:
        raise _invalid("liveUntilLedgerSeq", "only contract data and code have a live-until ledger")
    try:
        node.set_entry(data, params.live_until)
    except ValueError as error:
        raise _invalid("xdr", str(error)) from error
    return _latest(node)


def remove_entry(node: Node, params: RemoveEntry) -> dict[str, Any]:
    """Remove an entry without any check, if it exists."""
    data, key = _decode("key", params.key, stellar_xdr.LedgerKey)
    if key.type in (stellar_xdr.LedgerEntryType.TTL, stellar_xdr.LedgerEntryType.CONFIG_SETTING):
        raise _invalid("key", f"entries of type {key.type.name} cannot be removed")
    node.remove_entry(data)
    return _latest(node)


def fund(node: Node, params: Fund) -> dict[str, Any]:
    """Create an account with a balance, as friendbot does."""
    if not StrKey.is_valid_ed25519_public_key(params.address):
        raise _invalid("address", "must be the address of an account (G...)")
    amount = () if params.stroops is None else (params.stroops,)
    try:
        transaction_hash = faucet.fund(node, params.address, *amount)
    except FundingFailed as error:
        raise _invalid("address", str(error)) from error
    return {"hash": transaction_hash, **_latest(node)}


METHODS: Mapping[str, Method] = {
    "localnet_closeLedgers": (CloseLedgers, close_ledgers),
    "localnet_advanceLedgers": (AdvanceLedgers, advance_ledgers),
    "localnet_advanceTime": (AdvanceTime, advance_time),
    "localnet_snapshot": (NoArguments, snapshot),
    "localnet_revert": (Revert, revert),
    "localnet_setEntry": (SetEntry, set_entry),
    "localnet_removeEntry": (RemoveEntry, remove_entry),
    "localnet_fund": (Fund, fund),
}


def _latest(node: Node) -> dict[str, Any]:
    return {
        "latestLedger": node.latest_ledger,
        "latestLedgerCloseTime": str(node.close_time),
    }


def _invalid(field: str, reason: str) -> RpcError:
    return RpcError(INVALID_PARAMS, f"{field}: {reason}")


def _decode(field: str, text: str, kind: Any) -> tuple[bytes, Any]:
    try:
        return decode_xdr(text, kind)
    except ValueError as error:
        raise _invalid(field, str(error)) from error


def _check_ledger(node: Node, count: int) -> None:
    left = LAST_LEDGER - node.latest_ledger
    if count > left:
        raise _invalid("count", f"must be {left} or less: the last ledger is {LAST_LEDGER}")


def _check_time(node: Node, field: str, count: int, unit: int = 1) -> None:
    left = LAST_TIME - node.close_time
    if count * unit > left:
        raise _invalid(field, f"must be {left // unit} or less: time ends with the year 9999")
