"""getEvents: events by ledger, contract, type and topics.

Source: stellar-rpc's getEvents and its event filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import attrs
from msgspec import Struct
from stellar_sdk import StrKey
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.history.events import (
    CONTRACT,
    FIRST_TOPIC,
    TOPIC_COUNT,
    TYPE,
    Content,
    Event,
    Term,
)
from soroban_localnet.history.events import read as read_event
from soroban_localnet.node.node import Node
from soroban_localnet.rpc.cursors import EventCursor
from soroban_localnet.rpc.errors import INVALID_PARAMS, INVALID_REQUEST, RpcError
from soroban_localnet.rpc.parameters import LedgerSequence, Paged, decode_xdr

DEFAULT_EVENTS, MAX_EVENTS = 100, 10_000
SCANNED_LEDGERS = 10_000
MAX_FILTERS = MAX_CONTRACTS = MAX_PATTERNS = 5
MAX_SEGMENTS = 4
ONE, ANY_NUMBER = "*", "**"

RFC3339 = "%Y-%m-%dT%H:%M:%SZ"

_TYPE_NAMES = {kind.value: kind.name.lower() for kind in stellar_xdr.ContractEventType}
_TYPES = {name: value for value, name in _TYPE_NAMES.items() if name != "diagnostic"}


class EventFilter(Struct, rename="camel"):
    """What an event has to meet, all of it; topics in base64, `*` and `**` as wildcards."""

    type: str | None = None
    contract_ids: list[str] | None = None
    topics: list[list[str]] | None = None


class GetEvents(Paged):
    """Parameters: ledgers from `startLedger` to before `endLedger`, or a cursor; filters."""

    end_ledger: LedgerSequence | None = None
    filters: list[EventFilter] | None = None


@attrs.frozen
class _Pattern:
    """What topics have to be: a value each, or None for any; `open` for any number more."""

    segments: tuple[bytes | None, ...]
    open: bool

    def terms(self) -> Iterator[Term]:
        if not self.open:
            yield TOPIC_COUNT, xdr.u32(len(self.segments))
        for place, segment in enumerate(self.segments, FIRST_TOPIC):
            if segment is not None:
                yield place, segment

    def matches(self, topics: Sequence[bytes]) -> bool:
        missing = len(self.segments) - len(topics)
        if missing > 0 or (missing < 0 and not self.open):
            return False
        return all(s is None or s == t for s, t in zip(self.segments, topics, strict=False))


@attrs.frozen
class _Filter:
    """A filter as it is applied; what is empty holds for every event."""

    types: frozenset[int]
    contracts: frozenset[bytes]
    patterns: tuple[_Pattern, ...]

    def alternatives(self) -> Iterator[list[Term]]:
        """Yield the terms that an event has, in one of several ways."""
        types = [(TYPE, xdr.u32(kind)) for kind in self.types] if len(self.types) == 1 else []
        for contract in self.contracts or (None,):
            terms = types if contract is None else [*types, (CONTRACT, contract)]
            for pattern in self.patterns or (None,):
                yield terms if pattern is None else [*terms, *pattern.terms()]

    def matches(self, content: Content) -> bool:
        return (
            (not self.types or content.type in self.types)
            and (not self.contracts or content.contract in self.contracts)
            and (not self.patterns or any(p.matches(content.topics) for p in self.patterns))
        )


def get_events(node: Node, params: GetEvents) -> dict[str, Any]:
    """Return a page of events.

    At most 10,000 ledgers are searched for one page. The cursor is the id of its last event, or the
    end of what was searched where the page is not full.
    """
    filters, start = _valid(params)
    history = node.history
    oldest, latest = history.oldest, history.latest
    if not oldest.sequence <= start.ledger <= latest.sequence:
        span = f"{oldest.sequence} - {latest.sequence}"
        raise RpcError(INVALID_REQUEST, f"startLedger must be within the ledger range: {span}")
    limit = params.asked_limit or DEFAULT_EVENTS
    end = min(latest.sequence + 1, start.ledger + SCANNED_LEDGERS)
    if params.end_ledger:
        end = min(end, params.end_ledger)
    alternatives = [terms for item in filters for terms in item.alternatives()] or [[]]
    found: list[dict[str, Any]] = []
    cursor = EventCursor.end_of(end - 1)
    for event in history.events(alternatives, start.ledger, end, start.place):
        content = read_event(event.xdr)
        if filters and not any(item.matches(content) for item in filters):
            continue
        found.append(_event(event, content))
        if len(found) == limit:
            cursor = EventCursor.of(event)
            break
    return {
        "events": found,
        "cursor": str(cursor),
        "latestLedger": latest.sequence,
        "oldestLedger": oldest.sequence,
        "latestLedgerCloseTime": str(latest.close_time),
        "oldestLedgerCloseTime": str(oldest.close_time),
    }


def _valid(params: GetEvents) -> tuple[list[_Filter], EventCursor]:
    """Check the parameters in stellar-rpc's order; return the filters and where to begin."""
    if params.cursor is not None:
        start = EventCursor.parse(params.cursor)
        if params.first_ledger or params.end_ledger:
            raise RpcError(INVALID_PARAMS, "ledger ranges and cursor cannot both be set")
    else:
        start = EventCursor.start_of(params.first_ledger)
        if not params.first_ledger:
            raise RpcError(INVALID_PARAMS, "startLedger must be positive")
    if params.asked_limit > MAX_EVENTS:
        raise RpcError(INVALID_PARAMS, f"limit must not exceed {MAX_EVENTS}")
    asked = params.filters or []
    if len(asked) > MAX_FILTERS:
        raise RpcError(INVALID_PARAMS, f"maximum {MAX_FILTERS} filters per request")
    filters = []
    for number, item in enumerate(asked, 1):
        try:
            filters.append(_filter(item))
        except ValueError as error:
            raise RpcError(INVALID_PARAMS, f"filter {number} invalid: {error}") from error
    return filters, start


def _filter(asked: EventFilter) -> _Filter:
    names = asked.type.split(",") if asked.type else []
    if not _TYPES.keys() >= set(names):
        raise ValueError("filter type invalid: if set, type must be either 'system' or 'contract'")
    contracts, patterns = asked.contract_ids or [], asked.topics or []
    if len(contracts) > MAX_CONTRACTS:
        raise ValueError(f"maximum {MAX_CONTRACTS} contract IDs per filter")
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"maximum {MAX_PATTERNS} topics per filter")
    for number, contract in enumerate(contracts, 1):
        if not StrKey.is_valid_contract(contract):
            raise ValueError(f"contract ID {number} invalid")
    return _Filter(
        types=frozenset(_TYPES[name] for name in names),
        contracts=frozenset(map(StrKey.decode_contract, contracts)),
        patterns=tuple(_pattern(number, pattern) for number, pattern in enumerate(patterns, 1)),
    )


def _pattern(number: int, asked: list[str]) -> _Pattern:
    if not asked:
        raise ValueError(f"topic {number} invalid: topic must have at least 1 segment")
    is_open = asked[-1] == ANY_NUMBER
    texts = asked[:-1] if is_open else asked
    if ANY_NUMBER in texts:
        place = texts.index(ANY_NUMBER) + 1
        raise ValueError(
            f"topic {number} invalid: segment {place} invalid: "
            "wildcard '**' is only allowed as the last segment"
        )
    if len(texts) > MAX_SEGMENTS:
        raise ValueError(
            f"topic {number} invalid: topic cannot have more than {MAX_SEGMENTS} segments"
        )
    segments = []
    for place, text in enumerate(texts, 1):
        try:
            segments.append(None if text == ONE else decode_xdr(text, stellar_xdr.SCVal)[0])
        except ValueError as error:
            raise ValueError(f"topic {number} invalid: segment {place} invalid: {error}") from error
    return _Pattern(tuple(segments), is_open)


def _event(event: Event, content: Content) -> dict[str, Any]:
    record = event.record
    return {
        "type": _TYPE_NAMES[content.type],
        "ledger": record.ledger,
        "ledgerClosedAt": datetime.fromtimestamp(record.close_time, UTC).strftime(RFC3339),
        "contractId": "" if content.contract is None else _address(content.contract),
        "id": str(EventCursor.of(event)),
        "operationIndex": event.operation,
        "transactionIndex": event.transaction,
        "inSuccessfulContractCall": record.applied.success,
        "txHash": record.hash.hex(),
        "topic": [xdr.base64(topic) for topic in content.topics],
        "value": xdr.base64(content.data),
    }


@lru_cache(maxsize=1024)
def _address(contract: bytes) -> str:
    return StrKey.encode_contract(contract)
