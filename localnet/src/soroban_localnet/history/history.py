"""What happened: closed ledgers, their transactions and their events, for a window of ledgers.

Memory is bounded: no more ledgers are kept than the window holds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from struct import Struct

import attrs

from soroban_localnet import xdr
from soroban_localnet.history.events import (
    Event,
    EventIndex,
    EventPlace,
    Term,
    drop_from,
    drop_to,
    in_order,
)
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger.environment import BASE_FEE, BASE_RESERVE, MAX_CLASSIC_OPERATIONS
from soroban_localnet.transactions.apply import Applied
from soroban_localnet.transactions.envelope import Transaction
from soroban_localnet.transactions.set import UNCONTESTED, BaseFees, encode_set

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
            hashes=transaction.hashes,
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
    """A ledger that is closed: its header and the hash of it.

    `close_time` in seconds; `fee_pool`, all fees that were ever paid, in stroops. `records` are in
    the order in which the transactions were applied. `evicted` are keys of temporary entries that
    had expired long before, and were removed.
    """

    sequence: int
    close_time: int
    header: bytes
    hash: bytes
    fee_pool: int
    records: tuple[Record, ...]
    base_fees: BaseFees
    evicted: tuple[bytes, ...] = ()
    events: tuple[Event, ...] = attrs.field(
        init=False,
        repr=False,
        default=attrs.Factory(lambda ledger: in_order(ledger.records), takes_self=True),
    )

    @property
    def history_entry(self) -> bytes:
        """The LedgerHeaderHistoryEntry: the header with its hash."""
        return self.hash + self.header + xdr.ABSENT

    def meta(self) -> bytes:
        """Encode the LedgerCloseMeta of the ledger."""
        return b"".join(
            (
                xdr.u32(2),
                xdr.ABSENT,
                self.history_entry,
                encode_set(self.header[4:36], self.records, self.base_fees),
                xdr.array(_result_meta(record) for record in self.records),
                xdr.ABSENT,  # no upgrades
                xdr.ABSENT,  # no consensus messages
                xdr.u64(PROTOCOL.live_state_bytes),
                xdr.array(
                    gone for key in self.evicted for gone in (key, xdr.ttl_key(xdr.sha256(key)))
                ),
            )
        )


def _result_meta(record: Record) -> bytes:
    applied = record.applied
    return b"".join(
        (
            xdr.ABSENT,
            record.hash + applied.result,
            applied.fee_changes,
            applied.meta.encode(),
            applied.refund_changes,
        )
    )


def close(
    previous: ClosedLedger | None,
    sequence: int,
    close_time: int,
    records: tuple[Record, ...],
    fees: BaseFees = UNCONTESTED,
    set_hash: bytes | None = None,
    evicted: tuple[bytes, ...] = (),
) -> ClosedLedger:
    """Close a ledger on top of the previous one: each header holds the hash of the one before.

    Arguments: `records`, in the order in which they were applied; `fees` that they paid; `set_hash`
    of the transaction set, where it is known already; `evicted` as in ClosedLedger.
    """
    previous_hash, fee_pool = bytes(32), sum(record.applied.fee_charged for record in records)
    if previous is not None:
        previous_hash, fee_pool = previous.hash, fee_pool + previous.fee_pool
    if set_hash is None:
        set_hash = xdr.sha256(encode_set(previous_hash, records, fees))
    results = xdr.array(r.hash + r.applied.result for r in records)
    header = b"".join(
        (
            xdr.u32(PROTOCOL.version),
            previous_hash,
            set_hash,
            xdr.u64(close_time),
            xdr.ABSENT,  # no upgrades
            xdr.ABSENT,  # a basic value, without the proposer's signature
            xdr.sha256(results),
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
            xdr.ABSENT,
        )
    )
    ledger_hash = xdr.sha256(header)
    return ClosedLedger(sequence, close_time, header, ledger_hash, fee_pool, records, fees, evicted)


def first_ledger(sequence: int, close_time: int) -> ClosedLedger:
    """Close a ledger that is the first here, without transactions."""
    return close(None, sequence, close_time, ())


class History:
    """Closed ledgers by sequence, transactions by hash, and an index of the events.

    Ledgers older than `retention` are out of sight. As many ledgers as that are kept, so that a
    revert finds again what a jump ahead had put out of sight.
    """

    def __init__(self, retention: int) -> None:
        self.retention = retention
        self._ledgers: dict[int, ClosedLedger] = {}
        self._sequences = array("Q")
        self._transactions = array("Q")
        self._by_hash: dict[bytes, Record] = {}
        self._events = EventIndex()
        self.latest: ClosedLedger

    @property
    def oldest(self) -> ClosedLedger:
        """The oldest ledger in sight."""
        first = max(self.latest.sequence - self.retention + 1, 0)
        return next(self.ledgers(first))

    def add(self, ledger: ClosedLedger) -> None:
        """Append a ledger; forget the first one where there are too many."""
        sequence = ledger.sequence
        self._ledgers[sequence] = ledger
        self._sequences.append(sequence)
        for record in ledger.records:
            self._transactions.append(sequence << 32 | record.index)
            for transaction_hash in record.hashes:
                self._by_hash[transaction_hash] = record
        self._events.add(sequence, ledger.events)
        self.latest = ledger
        if len(self._ledgers) > self.retention:
            self._forget_first()

    def revert(self, ledger: ClosedLedger) -> None:
        """Forget everything after `ledger`."""
        while self._ledgers and self.latest.sequence > ledger.sequence:
            self._forget(self.latest)
            drop_from(self._sequences, self.latest.sequence)
            drop_from(self._transactions, self.latest.sequence << 32)
            self._events.drop_last(self.latest.sequence, self.latest.events)
            if self._ledgers:
                self.latest = self._ledgers[self._sequences[-1]]
        if not self._ledgers:
            for positions in (self._sequences, self._transactions):
                del positions[:]  # of ledgers that were forgotten before
            self._events = EventIndex()
            self.add(ledger)

    @property
    def _first_place(self) -> int:
        """Where the sequences of kept ledgers begin: those before are yet to be dropped."""
        return len(self._sequences) - len(self._ledgers)

    def _forget_first(self) -> None:
        ledger = self._ledgers[self._sequences[self._first_place]]
        self._forget(ledger)
        drop_to(self._sequences, ledger.sequence)
        drop_to(self._transactions, (ledger.sequence + 1) << 32)
        self._events.drop_first(ledger.sequence, ledger.events)

    def _forget(self, ledger: ClosedLedger) -> None:
        del self._ledgers[ledger.sequence]
        for record in ledger.records:
            for transaction_hash in record.hashes:
                if self._by_hash.get(transaction_hash) is record:
                    del self._by_hash[transaction_hash]

    def find(self, transaction_hash: bytes) -> Record | None:
        """Return the transaction, or None where it is unknown or out of sight."""
        record = self._by_hash.get(transaction_hash)
        return record if record and record.ledger >= self.oldest.sequence else None

    def ledgers(self, first: int) -> Iterator[ClosedLedger]:
        """Yield the ledgers from the sequence `first`, oldest first."""
        start = bisect_left(self._sequences, first, self._first_place)
        for place in range(start, len(self._sequences)):
            yield self._ledgers[self._sequences[place]]

    def transactions(self, first: int, index: int = 1) -> Iterator[Record]:
        """Yield the transactions from the ledger `first`, there from `index`, oldest first."""
        start = bisect_left(self._transactions, first << 32 | index)
        for place in range(start, len(self._transactions)):
            position = self._transactions[place]
            yield self._ledgers[position >> 32].records[(position & 0xFFFFFFFF) - 1]

    def events(
        self,
        alternatives: Iterable[Collection[Term]],
        first: int,
        end: int,
        after: EventPlace | None = None,
    ) -> Iterator[Event]:
        """Yield the events that may hold all terms of one of the alternatives, oldest first.

        Arguments: `first` and `end`, the sequences of the first ledger and of that after the last;
        `after`, a place in the first ledger: only events behind it.
        """
        start = first << 32
        ledger = self._ledgers.get(first)
        if after is not None and ledger is not None:
            start += bisect_right(ledger.events, after, key=lambda event: event.place)
        for position in self._events.search(alternatives, start, end << 32):
            yield self._ledgers[position >> 32].events[position & 0xFFFFFFFF]
