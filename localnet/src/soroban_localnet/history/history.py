"""What happened: closed ledgers, their transactions and their events, for a window of ledgers.

Memory is bounded: no more ledgers are kept than the window holds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator

from soroban_localnet.history.closed_ledger import ClosedLedger
from soroban_localnet.history.event_index import EventIndex, drop_from, drop_to
from soroban_localnet.history.events import Event, EventPlace, Term
from soroban_localnet.history.record import Record

# A real RPC node keeps seven days of ledgers.
RETENTION_LEDGERS = 120_960


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
