"""The known events of a vault: those of its history, and those of the journal's transactions.

An RPC drops events after about a week. Kept events count, and `Evidence` knows of which ledgers all
events are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from callora_vault.codec.values import CannotDecode
from callora_vault.inspect import Audit, History, Span, audit, audits
from callora_vault.model.events import Event
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.reading import read_event


@attrs.frozen
class Evidence:
    """A vault's history with its decoded events, in order; one that is not a vault's is None.

    `audits` are those of the parts between gaps; `kept` are the transactions that only the journal
    has the events of.
    """

    history: History
    events: tuple[tuple[EventRecord, Event | None], ...]
    audits: tuple[Audit, ...]
    kept: frozenset[str]

    @classmethod
    def of(cls, history: History, own: Iterable[EventRecord]) -> Evidence:
        """Join a history with the events of the migration's own transactions.

        Raises NoState.
        """
        known = {record.transaction for record in history.events}
        added = [record for record in own if record.transaction not in known]
        records = sorted((*history.events, *added), key=lambda record: record.id)
        return cls(
            history,
            tuple((record, decode(record)) for record in records),
            tuple(audits(history)) or (audit(history),),
            frozenset(record.transaction for record in added),
        )

    @property
    def last(self) -> Audit:
        """The audit that ends with the latest stored state."""
        return self.audits[-1]

    def covers(self, first: int, last: int) -> bool:
        """Return whether the events of all these ledgers are in the history."""
        return any(span.first <= first and last <= span.last for span in self.history.seen)

    def missing(self, since: int) -> Iterator[Span]:
        """Yield the ledgers from `since` on whose events are no longer known."""
        for span in self.history.seen:
            if span.first > since:
                yield Span(since, span.first - 1)
            since = max(since, span.last + 1)

    def lines(self, name: str, since: int) -> Iterator[str]:
        """Yield, in words, the ledgers since a ledger whose events are known, and those unknown."""
        for span in self.history.seen:
            if span.last >= since:
                first = max(span.first, since)
                yield f"{name}: all events of the ledgers {first:,} to {span.last:,}"
        for span in self.missing(since):
            gone = f"ledgers {span.first:,} to {span.last:,} are no longer known"
            yield f"{name}: the events of the {gone}"
        if self.kept:
            count = f"{len(self.kept):,} of the migration's own transactions"
            yield f"{name}: from the journal, {count}"


def decode(record: EventRecord) -> Event | None:
    """Decode an event of a vault; None if it is not one."""
    try:
        return read_event(record)
    except (CannotDecode, ValueError):
        return None
