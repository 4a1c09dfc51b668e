"""An index that finds events by what filters ask for, in memory that is bounded for each event."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from zlib import crc32

from soroban_localnet.history.events import Event, Term, read


def drop_from(ascending: array[int], limit: int) -> None:
    """Drop the numbers from `limit` on."""
    del ascending[bisect_left(ascending, limit) :]


def drop_to(ascending: array[int], limit: int) -> None:
    """Drop the numbers below `limit` once they are half of all, which costs little on average."""
    dropped = bisect_left(ascending, limit)
    if 2 * dropped >= len(ascending):
        del ascending[:dropped]


class EventIndex:
    """Positions of events, ascending, by the terms of what they say.

    A position is the sequence of the ledger << 32 and the event's place in it. Terms share a
    bounded number of buckets, so that an event costs eight bytes a term however many terms there
    are: what is found for a term may lack it, and nothing is missed.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[int, array[int]] = defaultdict(lambda: array("Q"))

    def __len__(self) -> int:
        """Return how many buckets hold positions."""
        return len(self._buckets)

    def add(self, sequence: int, events: Sequence[Event]) -> None:
        """Add the events of a ledger that comes after all others."""
        for position, event in enumerate(events, sequence << 32):
            for bucket in _buckets(event):
                self._buckets[bucket].append(position)

    def drop_first(self, sequence: int, events: Sequence[Event]) -> None:
        """Drop the events of the first ledger."""
        self._drop(events, drop_to, (sequence + 1) << 32)

    def drop_last(self, sequence: int, events: Sequence[Event]) -> None:
        """Drop the events of the last ledger."""
        self._drop(events, drop_from, sequence << 32)

    def _drop(
        self, events: Sequence[Event], drop: Callable[[array[int], int], None], limit: int
    ) -> None:
        for bucket in set().union(*map(_buckets, events)):
            drop(self._buckets[bucket], limit)
            if not self._buckets[bucket]:
                del self._buckets[bucket]

    def search(
        self, alternatives: Iterable[Collection[Term]], start: int, end: int
    ) -> Iterator[int]:
        """Yield the positions from `start` to before `end` that may hold all terms of one of them.

        Arguments: `alternatives`, collections of terms; an empty one holds for every event.
        """
        found = (self._with_all(terms, start, end) for terms in alternatives)
        last = -1
        for position in heapq.merge(*found):
            if position != last:
                yield position
                last = position

    def _with_all(self, terms: Collection[Term], start: int, end: int) -> Iterator[int]:
        buckets = {_bucket(term) for term in terms} or {_EVERY_EVENT}
        if not buckets <= self._buckets.keys():
            return
        rarest, *others = sorted((self._buckets[bucket] for bucket in buckets), key=len)
        places = [0] * len(others)
        place = bisect_left(rarest, start)
        while place < len(rarest) and rarest[place] < end:
            candidate = rarest[place]
            for which, positions in enumerate(others):
                found = bisect_left(positions, candidate, places[which])
                if found == len(positions):
                    return
                places[which] = found
                if positions[found] != candidate:
                    place = bisect_left(rarest, positions[found], place)
                    break
            else:
                yield candidate
                place += 1


_EVERY_EVENT = -1

LAST_BUCKET = 0x3FFFF


def _bucket(term: Term) -> int:
    subject, value = term
    return crc32(value, subject) & LAST_BUCKET


def _buckets(event: Event) -> set[int]:
    return {_EVERY_EVENT, *map(_bucket, read(event.xdr).terms())}
