"""A history's events for people: each decoded, with the rules that it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from callora_vault.codec.values import CannotDecode
from callora_vault.inspect.audit import Audit
from callora_vault.inspect.breaks import Rule
from callora_vault.inspect.history import History
from callora_vault.model.events import EVENTS
from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.reading import read_balance, read_event

FIELDS: Final = tuple(
    dict.fromkeys(name for e in EVENTS for name, _ in (*e.shape.topics, *e.shape.data))
)
"""The names of the fields of all events, each once."""


@attrs.frozen
class ListedEvent:
    """An event: its name, "" if it has none, and its fields by name.

    `values` has the fields that can be read. `breaks` are the rules that it breaks; an
    event after the end of the replay breaks none.
    """

    record: EventRecord
    name: str
    values: dict[str, Address | str | int | None]
    breaks: tuple[Rule, ...]


def listed(history: History, audited: Audit) -> Iterator[ListedEvent]:
    """Yield all events of a history, in order. Arguments: `audited`, its audit."""
    for record in history.events:
        values: dict[str, Address | str | int | None]
        try:
            event = read_event(record)
            name, values = event.shape.name, attrs.asdict(event)
        except (CannotDecode, ValueError):
            name, balance = read_balance(record)
            values = {} if balance is None else {"balance": balance}
        yield ListedEvent(record, name, values, audited.marks.get(record.id, ()))
