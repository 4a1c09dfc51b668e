"""Cursors: what a page ends with and the next one begins after.

A TOID holds the sequence of a ledger (32 bits), the order of a transaction in it (20) and of an
operation in that (12). Transactions have a TOID as cursor, events a TOID and an index.
Source: SEP-35, and stellar-rpc's cursor of events.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from soroban_localnet.history.events import AFTER_LAST, AFTER_OPERATIONS, Event, EventPlace
from soroban_localnet.rpc.errors import INVALID_PARAMS, RpcError

TOID_BITS = 63

_INTEGER = re.compile(r"[0-9]{1,40}", re.ASCII)


def toid(ledger: int, transaction: int, operation: int) -> int:
    """Put a TOID together."""
    return ledger << 32 | transaction << 12 | operation


def integer(text: str, bits: int) -> int | None:
    """Read an unsigned integer; None where the text is none, or has more bits."""
    number = int(text) if _INTEGER.fullmatch(text) else None
    return None if number is None or number >> bits else number


class EventCursor(NamedTuple):
    """The place of an event, or the end of a ledger."""

    ledger: int
    place: EventPlace

    @classmethod
    def of(cls, event: Event) -> EventCursor:
        """Return the cursor of an event: its id."""
        return cls(event.record.ledger, event.place)

    @classmethod
    def start_of(cls, ledger: int) -> EventCursor:
        """Return the cursor before the first event of a ledger."""
        return cls(ledger, (-1, 0, 0))

    @classmethod
    def end_of(cls, ledger: int) -> EventCursor:
        """Return the cursor after the last event that a ledger can hold."""
        return cls(ledger, (AFTER_LAST, AFTER_OPERATIONS, 0xFFFFFFFF))

    @classmethod
    def parse(cls, text: str) -> EventCursor:
        """Read a cursor. Raises RpcError."""
        first, _, second = text.partition("-")
        number, index = integer(first, TOID_BITS), integer(second, 32)
        if number is None or index is None:
            raise RpcError(INVALID_PARAMS, f"invalid event id {text}")
        transaction, operation = number >> 12 & AFTER_LAST, number & AFTER_OPERATIONS
        return cls(number >> 32, (transaction, operation, index))

    def __str__(self) -> str:
        transaction, operation, index = self.place
        return f"{toid(self.ledger, transaction, operation):019d}-{index:010d}"
