"""What happened: closed ledgers, and the transactions in them, newest kept for a window.

Memory is bounded: what is older than the retention window is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import attrs

from soroban_localnet import wire
from soroban_localnet.apply import Applied
from soroban_localnet.envelope import Transaction
from soroban_localnet.scene import BASE_FEE, BASE_RESERVE, MAX_CLASSIC_OPERATIONS
from soroban_localnet.settings import PROTOCOL
from soroban_localnet.transaction_set import BaseFees, TransactionSet

# A real RPC node keeps seven days of ledgers.
RETENTION_LEDGERS = 120_960
TOTAL_COINS = 100_000_000_000 * 10_000_000

_TAIL = Struct(">I q q I Q I I I")


@attrs.frozen(slots=True)
class Record:
    """A transaction in a ledger, `index` counting from 1."""

    transaction: Transaction
    applied: Applied
    ledger: int
    close_time: int
    index: int


@attrs.frozen(slots=True)
class ClosedLedger:
    """A ledger that is closed: its header and the hash of it.

    `close_time` in seconds; `fee_pool`, all fees that were ever paid, in stroops. `records` are in
    the order in which the transactions were applied.
    """

    sequence: int
    close_time: int
    header: bytes
    hash: bytes
    fee_pool: int
    records: tuple[Record, ...]
    base_fees: BaseFees

    def meta(self) -> bytes:
        """Encode the LedgerCloseMeta of the ledger."""
        return b"".join(
            (
                wire.u32(2),
                wire.ABSENT,
                self.hash + self.header + wire.ABSENT,
                self._transaction_set().encode(),
                wire.array(_result_meta(record) for record in self.records),
                wire.ABSENT,  # no upgrades
                wire.ABSENT,  # no consensus messages
                wire.u64(PROTOCOL.live_state_bytes),
                wire.ABSENT,  # nothing is evicted: expired temporary entries stay, unseen
            )
        )

    def _transaction_set(self) -> TransactionSet:
        transactions = (record.transaction for record in self.records)
        return TransactionSet.of(self.header[4:36], transactions, self.base_fees)


def _result_meta(record: Record) -> bytes:
    applied = record.applied
    return b"".join(
        (
            wire.ABSENT,
            record.transaction.hash + applied.result,
            applied.fee_changes,
            applied.meta,
            applied.refund_changes,
        )
    )


def close(
    previous: ClosedLedger | None,
    sequence: int,
    close_time: int,
    records: tuple[Record, ...],
    transactions: TransactionSet,
) -> ClosedLedger:
    """Close a ledger on top of the previous one: each header holds the hash of the one before.

    Arguments: `records`, in the order in which they were applied; `transactions`, the set of them.
    """
    fee_pool = sum(record.applied.fee_charged for record in records)
    if previous is not None:
        fee_pool += previous.fee_pool
    results = wire.array(r.transaction.hash + r.applied.result for r in records)
    header = b"".join(
        (
            wire.u32(PROTOCOL.version),
            transactions.previous_hash,
            transactions.hash,
            wire.u64(close_time),
            wire.ABSENT,  # no upgrades
            wire.ABSENT,  # a basic value, without the proposer's signature
            wire.sha256(results),
            bytes(32),  # there are no buckets
            _TAIL.pack(
                sequence,
                TOTAL_COINS,
                fee_pool,
                0,  # no inflation
                0,  # no identifiers were given away
                BASE_FEE,
                BASE_RESERVE,
                MAX_CLASSIC_OPERATIONS,
            ),
            bytes(128),
            wire.ABSENT,
        )
    )
    ledger_hash = wire.sha256(header)
    return ClosedLedger(
        sequence, close_time, header, ledger_hash, fee_pool, records, transactions.fees
    )


def first_ledger(sequence: int, close_time: int) -> ClosedLedger:
    """Close a ledger that is the first here, without transactions."""
    return close(None, sequence, close_time, (), TransactionSet.of(bytes(32), (), BaseFees()))


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
            self._by_hash[record.transaction.hash] = record
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
            self._by_hash.pop(record.transaction.hash, None)

    def find(self, transaction_hash: bytes) -> Record | None:
        """Return the transaction, or None where it is unknown or too old."""
        return self._by_hash.get(transaction_hash)

    def records(self, first: int, last: int) -> Iterator[Record]:
        """Yield the transactions of the ledgers from `first` to `last`, in their order."""
        for sequence in range(max(first, self.oldest.sequence), last + 1):
            ledger = self._ledgers.get(sequence)
            if ledger is not None:
                yield from ledger.records
