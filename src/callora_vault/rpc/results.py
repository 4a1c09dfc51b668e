"""The result of a transaction in a ledger, as a value and as JSON for the journal.

Source: TransactionMeta V4 and TransactionResult in the Stellar XDR; rent and refunds in the Stellar
documentation on fees.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import GetTransactionResponse, GetTransactionStatus
from stellar_sdk.utils import sha256

from callora_vault.codec.errors import HostError, find_error

_Invoke = xdr.InvokeHostFunctionResultCode


@attrs.frozen
class Fee:
    """The fee of a transaction, in stroops, after the refund.

    `rent` is the part for the TTL of entries; `renewed` names those whose TTL was extended,
    `restored` those that were archived: "instance" and "code" of the vault.
    """

    charged: int
    rent: int = 0
    renewed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.charged:,} stroops"
        parts = [("renews", self.renewed), ("restores", self.restored)]
        done = [f"{verb} {' and '.join(names)}" for verb, names in parts if names]
        return f"{text}, {self.rent:,} of it rent: it {' and '.join(done)}" if done else text


@attrs.frozen
class Success:
    """A transaction that succeeded in `ledger`: its return value and its events."""

    ledger: int
    fee: Fee
    returned: xdr.SCVal
    events: tuple[xdr.ContractEvent, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON."""
        return {
            "ledger": self.ledger,
            "fee": attrs.asdict(self.fee),
            "returned": self.returned.to_xdr(),
            "events": [event.to_xdr() for event in self.events],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Success:
        """Read what `to_json` wrote."""
        fee = document["fee"]
        return cls(
            document["ledger"],
            Fee(fee["charged"], fee["rent"], tuple(fee["renewed"]), tuple(fee["restored"])),
            xdr.SCVal.from_xdr(document["returned"]),
            tuple(map(xdr.ContractEvent.from_xdr, document["events"])),
        )


@attrs.frozen
class Unread:
    """A transaction that succeeded in `ledger`, whose `meta` this program cannot read.

    `fee` in stroops; `meta` is base64 XDR, for a program that can; `reason` says what it is.
    """

    ledger: int
    fee: int
    reason: str
    meta: str = attrs.field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON."""
        return {
            "ledger": self.ledger,
            "fee": self.fee,
            "reason": self.reason,
            "meta": self.meta,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Unread | Success:
        """Read what `to_json` wrote: a Success where this program can read it."""
        ledger, fee, meta = document["ledger"], document["fee"], document["meta"]
        return _read_success(ledger, fee, meta, dict)


@attrs.frozen
class Failure:
    """A transaction that failed in `ledger` and paid `fee` stroops.

    `code` names its result; `error` ended the invocation, None if the RPC names none.
    """

    ledger: int
    fee: int
    code: str
    error: HostError | None

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON."""
        error = None if self.error is None else [self.error.type.name, self.error.code]
        return {"ledger": self.ledger, "fee": self.fee, "code": self.code, "error": error}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Failure:
        """Read what `to_json` wrote."""
        error = document["error"]
        named = None if error is None else HostError(xdr.SCErrorType[error[0]], error[1])
        return cls(document["ledger"], document["fee"], document["code"], named)


def read_result(
    answer: GetTransactionResponse, names: Callable[[], Mapping[bytes, str]]
) -> Success | Unread | Failure:
    """Read the answer of getTransaction for a transaction that is in a ledger.

    Arguments: `names`, called if TTLs were extended: names of entries by the XDR of their keys.
    Raises ValueError for an incomplete answer.
    """
    if answer.result_xdr is None or answer.ledger is None:
        raise ValueError("an answer without a result")
    result = xdr.TransactionResult.from_xdr(answer.result_xdr)
    charged = result.fee_charged.int64
    if answer.status == GetTransactionStatus.FAILED:
        meta, _ = _read_meta(answer.result_meta_xdr)
        beside = map(xdr.DiagnosticEvent.from_xdr, answer.diagnostic_events_xdr or ())
        diagnostics = [*(meta.diagnostic_events if meta else ()), *beside]
        return Failure(answer.ledger, charged, result_name(result), find_error(diagnostics))
    if answer.result_meta_xdr is None:
        raise ValueError("an answer without transaction meta")
    return _read_success(answer.ledger, charged, answer.result_meta_xdr, names)


def _read_success(
    ledger: int, charged: int, meta_xdr: str, names: Callable[[], Mapping[bytes, str]]
) -> Success | Unread:
    meta, reason = _read_meta(meta_xdr)
    if meta is None:
        return Unread(ledger, charged, reason, meta_xdr)
    if meta.soroban_meta is None or meta.soroban_meta.return_value is None:
        raise ValueError("an answer without the value that was returned")
    extension = meta.soroban_meta.ext.v1
    rent = 0 if extension is None else extension.rent_fee_charged.int64
    renewed, restored = _lives(meta.operations, names)
    return Success(
        ledger,
        Fee(charged, rent, renewed, restored),
        meta.soroban_meta.return_value,
        tuple(event for operation in meta.operations for event in operation.events),
    )


_META: Final = 4
"""The version of TransactionMeta that this program reads."""


def _read_meta(text: str | None) -> tuple[xdr.TransactionMetaV4 | None, str]:
    """Read transaction meta; where it is of another version, say which, and return None.

    Raises ValueError for what is no meta.
    """
    if text is None:
        return None, "it has no transaction meta"
    version = int.from_bytes(base64.b64decode(text)[:4], "big")
    if version != _META:
        return None, f"its transaction meta is of version {version}, and this program reads {_META}"
    return xdr.TransactionMeta.from_xdr(text).v4, ""


def read_states(
    answer: GetTransactionResponse, key: xdr.LedgerKey
) -> tuple[xdr.LedgerEntryData, ...]:
    """Read a contract's entry before, in and after a transaction; empty if it was not written.

    Raises ValueError for an answer without the transaction's meta.
    """
    if answer.result_meta_xdr is None:
        raise ValueError("an answer without transaction meta")
    meta, reason = _read_meta(answer.result_meta_xdr)
    if meta is None:
        raise ValueError(reason)
    changes = [c for op in meta.operations for c in op.changes.ledger_entry_changes]
    entries = (e for c in changes for e in (c.state, c.restored, c.updated) if e is not None)
    return tuple(entry.data for entry in entries if _is_of(entry.data, key))


def _is_of(data: xdr.LedgerEntryData, key: xdr.LedgerKey) -> bool:
    at, wanted = data.contract_data, key.contract_data
    if at is None or wanted is None:
        return False
    return (at.contract, at.key, at.durability) == (wanted.contract, wanted.key, wanted.durability)


def _lives(
    operations: Sequence[xdr.OperationMetaV2], names: Callable[[], Mapping[bytes, str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the entries whose TTL was extended, and those that were restored."""
    changes = [c for operation in operations for c in operation.changes.ledger_entry_changes]
    renewed, restored = _ttls(c.updated for c in changes), _ttls(c.restored for c in changes)
    if not renewed and not restored:
        return (), ()
    by_hash = {sha256(key): name for key, name in names().items()}
    return (
        tuple(name for key, name in by_hash.items() if key in renewed),
        tuple(name for key, name in by_hash.items() if key in restored),
    )


def _ttls(entries: Iterable[xdr.LedgerEntry | None]) -> set[bytes]:
    """Return the hashes of the keys whose TTL is in these entries."""
    lives = (None if entry is None else entry.data.ttl for entry in entries)
    return {life.key_hash.hash for life in lives if life is not None}


def result_name(result: xdr.TransactionResult) -> str:
    """Name the result of a transaction: its operation's result if it has one."""
    for operation in result.result.results or ():
        if operation.tr is not None and operation.tr.invoke_host_function_result is not None:
            return operation.tr.invoke_host_function_result.code.name
    return result.result.code.name


RETRYABLE = frozenset(
    code.name
    for code in (
        _Invoke.INVOKE_HOST_FUNCTION_INSUFFICIENT_REFUNDABLE_FEE,
        _Invoke.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED,
        _Invoke.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED,
        xdr.TransactionResultCode.txBAD_SEQ,
    )
)
"""Failures of a call that can be repeated: the ledger changed after its simulation."""
