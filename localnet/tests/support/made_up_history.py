"""A past made up: ledgers with transactions and events of any kind, put into a history."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import LEDGER_SECONDS, LocalNetwork, xdr
from soroban_localnet.history.closed_ledger import ClosedLedger, close
from soroban_localnet.history.record import Record
from soroban_localnet.transactions.apply import Applied
from soroban_localnet.transactions.meta import TransactionMeta

_EMPTY = xdr.array(())
_SUCCESS = xdr.i64(100) + xdr.i32(0) + xdr.array(()) + xdr.ABSENT


def contract_event(
    contract: bytes | None,
    topics: Sequence[stellar_xdr.SCVal],
    data: stellar_xdr.SCVal,
    *,
    system: bool = False,
) -> stellar_xdr.ContractEvent:
    kinds = stellar_xdr.ContractEventType
    return stellar_xdr.ContractEvent(
        ext=stellar_xdr.ExtensionPoint(0),
        contract_id=None
        if contract is None
        else stellar_xdr.ContractID(stellar_xdr.Hash(contract)),
        type=kinds.SYSTEM if system else kinds.CONTRACT,
        body=stellar_xdr.ContractEventBody(0, v0=stellar_xdr.ContractEventV0(list(topics), data)),
    )


def transaction_event(
    stage: stellar_xdr.TransactionEventStage, event: stellar_xdr.ContractEvent
) -> bytes:
    return stellar_xdr.TransactionEvent(stage, event).to_xdr_bytes()


def record(
    ledger: int,
    index: int,
    operations: Sequence[Sequence[bytes]] = (),
    events: Sequence[bytes] = (),
    *,
    success: bool = True,
) -> Record:
    """Make a transaction that emitted events and changed nothing; its hash is that of its place."""
    meta = TransactionMeta(
        before=_EMPTY,
        operations=tuple((_EMPTY, tuple(emitted)) for emitted in operations),
        soroban=None,
        events=tuple(events),
        diagnostics=(),
    )
    return Record(
        envelope=b"",
        hashes=(sha256(f"{ledger} {index}".encode()).digest(),),
        is_soroban=False,
        operations=1,
        applied=Applied(success, 100, _SUCCESS, meta, _EMPTY, _EMPTY),
        ledger=ledger,
        close_time=close_time(ledger),
        index=index,
    )


def close_time(ledger: int) -> int:
    return 1_790_000_000 + ledger * LEDGER_SECONDS


def append(network: LocalNetwork, sequence: int, records: Sequence[Record]) -> ClosedLedger:
    """Close a ledger with transactions that nobody checked or applied."""
    ledger = close(network.history.latest, sequence, close_time(sequence), tuple(records))
    network.history.add(ledger)
    return ledger
