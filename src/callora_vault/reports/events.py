"""A vault's events as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO

from callora_vault.inspect.listing import FIELDS, ListedEvent


def csv_text(events: Iterable[ListedEvent]) -> str:
    """Write a line of names and a line for each event; the names are stable.

    Times are in UTC, amounts in the vault's own unit; a field that an event does not have is empty.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ledger", "closed_at", "event", *FIELDS, "breaks", "transaction", "id"])
    for event in events:
        record = event.record
        values = [event.values.get(name) for name in FIELDS]
        writer.writerow(
            [
                record.ledger,
                datetime.fromtimestamp(record.closed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                event.name,
                *("" if value is None else value for value in values),
                "; ".join(rule.value for rule in event.breaks),
                record.transaction,
                record.id,
            ]
        )
    return text.getvalue()
