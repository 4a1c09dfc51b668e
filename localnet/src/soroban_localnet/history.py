"""What happened: closed ledgers, and the transactions in them, newest kept for a window.

Memory is bounded: what is older than the retention window is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

import attrs

from soroban_localnet import wire
from soroban_localnet.apply import Applied
from soroban_localnet.envelope import Transaction
from soroban_localnet.scene import BASE_FEE, BASE_RESERVE
from soroban_localnet.settings import PROTOCOL

# A real RPC node keeps seven days of ledgers.
RETENTION_LEDGERS = 120_960
TOTAL_COINS = 100_000_000_000 * 10_000_000

_TAIL = Struct(">I q q I Q I I I")


@attrs.frozen(slots=True)
class Record:
    """A transaction in a ledger, with what is kept of it, `index` counting from 1.

    `hashes` are those by which it is found, its own first; a fee bump is found by the hash of the
    transaction inside too. `operations` is their number.
    """

    envelope: bytes
    hashes: tuple[bytes, ...]
    is_soroban: bool
    operations: int
    applied: Applied
    ledger: int
    close_time: int
    index: int

    @classmethod
    def of(
        cls, transaction: Transaction, applied: Applied, ledger: int, close_time: int, index: int
    ) -> Record:
        """Record a transaction that was applied."""
        return cls(
            envelope=transaction.envelope,
            hashes=(transaction.hash,),
            is_soroban=transaction.is_soroban,
            operations=len(transaction.operations),
            applied=applied,
            ledger=ledger,
            close_time=close_time,
            index=index,
        )

    @property
    def hash(self) -> bytes:
        """The hash of what was sent: of the fee bump, where it is one."""
        return self.hashes[0]

    @property
    def fee_bump(self) -> bool:
        """Tell whether it is a fee bump."""
        return len(self.hashes) > 1


@attrs.frozen(slots=True)
class ClosedLedger:
    """A ledger that is closed: its header and the hash of it. `close_time` in seconds."""

    sequence: int
    close_time: int
    header: bytes
    hash: bytes
    records: tuple[Record, ...] = ()

    def meta(self) -> bytes:
        """Encode the LedgerCloseMeta of the ledger."""
        return b"".join(
            (
                wire.u32(2),
                wire.ABSENT,
                self.hash + self.header + wire.ABSENT,
                _transaction_set(self.header[4:36], self.records),
                wire.array(_result_meta(record) for record in self.records),
                wire.ABSENT,  # no upgrades
                wire.ABSENT,  # no consensus messages
                wire.u64(PROTOCOL.live_state_bytes),
                wire.ABSENT,  # nothing is evicted: expired temporary entries stay, unseen
            )
        )


def _transaction_set(previous_hash: bytes, records: Sequence[Record]) -> bytes:
    """Encode the GeneralizedTransactionSet: classic transactions, then Soroban ones."""
    classic = [r.envelope for r in records if not r.is_soroban]
    soroban = [r.envelope for r in records if r.is_soroban]
    fee = wire.optional(wire.i64(BASE_FEE))
    component = wire.u32(0) + fee + wire.array(classic)
    stages = [wire.array((wire.array(soroban),))] if soroban else []
    phases = (
        wire.u32(0) + wire.array((component,) if classic else ()),
        wire.u32(1) + fee + wire.array(stages),
    )
    return wire.u32(1) + previous_hash + wire.array(phases)


def _result_meta(record: Record) -> bytes:
    applied = record.applied
    return b"".join(
        (
            wire.ABSENT,
            record.hash + applied.result,
            applied.fee_changes,
            applied.meta.encode(),
            applied.refund_changes,
        )
    )


def close(
    previous: ClosedLedger | None, sequence: int, close_time: int, records: tuple[Record, ...]
) -> ClosedLedger:
    """Close a ledger on top of the previous one: each header holds the hash of the one before."""
    previous_hash = bytes(32) if previous is None else previous.hash
    set_hash = wire.sha256(_transaction_set(previous_hash, records))
    results = wire.array(r.hash + r.applied.result for r in records)
    header = b"".join(
        (
            wire.u32(PROTOCOL.version),
            previous_hash,
            set_hash,
            wire.u64(close_time),
            wire.ABSENT,  # no upgrades
            wire.ABSENT,  # a basic value, without the proposer's signature
            wire.sha256(results),
            bytes(32),  # there are no buckets
            _TAIL.pack(sequence, TOTAL_COINS, 0, 0, 0, BASE_FEE, BASE_RESERVE, 100),
            bytes(128),
            wire.ABSENT,
        )
    )
    return ClosedLedger(sequence, close_time, header, wire.sha256(header), records)


class History:
    """Closed ledgers by sequence and transactions by hash, for a window of ledgers."""

    def __init__(self, retention: int) -> None:
        self.retention = retention
        self._ledgers: dict[int, ClosedLedger] = {}
        self._by_hash: dict[bytes, Record] = {}
        self.latest: ClosedLedger

    @property
    def oldest(self) -> ClosedLedger:
        """The oldest ledger that is kept."""
        return next(iter(self._ledgers.values()))

    def add(self, ledger: ClosedLedger) -> None:
        """Append a ledger and forget what falls out of the window."""
        self._ledgers[ledger.sequence] = ledger
        for record in ledger.records:
            for transaction_hash in record.hashes:
                self._by_hash[transaction_hash] = record
        self.latest = ledger
        first = ledger.sequence - self.retention + 1
        while self.oldest.sequence < first:
            self._forget(self.oldest)

    def revert(self, ledger: ClosedLedger) -> None:
        """Forget everything after `ledger`."""
        while self._ledgers and self.latest.sequence > ledger.sequence:
            self._forget(self.latest)
            self.latest = next(reversed(self._ledgers.values()), ledger)
        self._ledgers[ledger.sequence] = self.latest = ledger

    def _forget(self, ledger: ClosedLedger) -> None:
        del self._ledgers[ledger.sequence]
        for record in ledger.records:
            for transaction_hash in record.hashes:
                self._by_hash.pop(transaction_hash, None)

    def find(self, transaction_hash: bytes) -> Record | None:
        """Return the transaction, or None where it is unknown or too old."""
        return self._by_hash.get(transaction_hash)

    def records(self, first: int, last: int) -> Iterator[Record]:
        """Yield the transactions of the ledgers from `first` to `last`, in their order."""
        for sequence in range(max(first, self.oldest.sequence), last + 1):
            ledger = self._ledgers.get(sequence)
            if ledger is not None:
                yield from ledger.records
