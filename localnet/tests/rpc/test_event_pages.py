"""getEvents, whatever happened and whatever is asked for: pages, cursors, what is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.event_strategies import (
    Expected,
    Transaction,
    appended,
    apt_filters,
    filters_of_any_kind,
    holds,
    ledgers,
    naive,
    pasts,
)
from localnet.tests.support.get_events import answer
from localnet.tests.support.made_up_history import close_time
from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import EventInfo

from soroban_localnet import LocalNetwork
from soroban_localnet.history.closed_ledger import ClosedLedger

some = settings(max_examples=60)


@settings(max_examples=60)
@given(
    pasts,
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.integers(0, 30),
    st.data(),
)
def test_pages_hold_each_event_once_in_order_whatever_the_filter(
    past: list[tuple[int, list[Transaction]]],
    limits: list[int],
    ahead: int,
    data: st.DataObject,
) -> None:
    filters = data.draw(st.lists(filters_of_any_kind | apt_filters(past), max_size=3))
    network = LocalNetwork()
    everything: list[Expected] = []
    for gap, made_up in past:
        sequence = appended(network, gap, made_up).sequence
        everything += naive(sequence, made_up)
    expected = [
        item
        for item in everything
        if not filters or any(holds(asked, item[1]) for asked in filters)
    ]
    kept = list(network.history.ledgers(0))
    start = kept[ahead % len(kept)].sequence
    expected = [item for item in expected if int(item[0][:19]) >= start << 32]
    found: list[dict[str, Any]] = []
    params: dict[str, object] = {"startLedger": start}
    for turn in range(1_000):
        limit = limits[turn % len(limits)]
        pagination = {**params.pop("pagination", {}), "limit": limit}  # type: ignore[dict-item]
        page = answer(network, filters=filters, pagination=pagination, **params)
        found += page["events"]
        assert len(page["events"]) <= limit
        end = f"{(network.latest_ledger << 32) + 0xFFFFFFFF:019d}-4294967295"
        if page["cursor"] == end:
            break
        params = {"pagination": {"cursor": page["cursor"]}}
    else:
        raise AssertionError("no end")
    assert [item["id"] for item in found] == [identity for identity, _ in expected]
    for item, (_, event) in zip(found, expected, strict=True):
        body = event.body.v0
        assert body is not None
        assert [xdr.SCVal.from_xdr(topic) for topic in item["topic"]] == body.topics
        assert item["value"] == body.data.to_xdr()
        assert item["type"] == event.type.name.lower()
        assert item["ledgerClosedAt"] == datetime.fromtimestamp(
            close_time(item["ledger"]), UTC
        ).strftime("%Y-%m-%dT%H:%M:%SZ")
        EventInfo.model_validate(item)


@some
@given(pasts, filters_of_any_kind, st.data())
def test_a_page_begins_after_any_cursor(
    past: list[tuple[int, list[Transaction]]], asked: dict[str, Any], data: st.DataObject
) -> None:
    network = LocalNetwork()
    everything: list[Expected] = []
    for gap, made_up in past:
        sequence = appended(network, min(gap, 2), made_up).sequence
        everything += naive(sequence, made_up)
    latest = network.latest_ledger
    ledger = data.draw(st.integers(1, latest))
    transaction = data.draw(st.sampled_from([0, 1, 2, 3, 4, 2**20 - 1]))
    operation = data.draw(st.sampled_from([0, 1, 2, 2**12 - 1]))
    index = data.draw(st.sampled_from([0, 1, 2, 2**32 - 1]))
    cursor = f"{(ledger << 32) + (transaction << 12) + operation:019d}-{index:010d}"
    page = answer(network, filters=[asked], pagination={"cursor": cursor, "limit": 10_000})
    assert [item["id"] for item in page["events"]] == [
        identity for identity, event in everything if identity > cursor and holds(asked, event)
    ]


@some
@given(
    st.lists(st.tuples(st.sampled_from(["add", "add", "add", "back"]), ledgers), max_size=14),
    st.integers(1, 6),
    st.lists(filters_of_any_kind, min_size=1, max_size=2),
)
def test_what_is_forgotten_and_what_is_reverted_is_not_found(
    steps: list[tuple[str, list[Transaction]]], retention: int, filters: list[dict[str, Any]]
) -> None:
    network = LocalNetwork(retention=retention)
    kept: list[tuple[ClosedLedger, list[Transaction]]] = [(network.history.latest, [])]
    for step, made_up in steps:
        if step == "add":
            kept.append((appended(network, 1, made_up), made_up))
            del kept[:-retention]
        elif len(kept) > 1:
            kept.pop()
            network.history.revert(kept[-1][0])
        expected = [
            identity
            for ledger, past in kept
            for identity, event in naive(ledger.sequence, past)
            if any(holds(asked, event) for asked in filters)
        ]
        oldest = kept[0][0].sequence
        page = answer(network, startLedger=oldest, filters=filters, pagination={"limit": 1_000})
        assert [item["id"] for item in page["events"]] == expected
        assert page["oldestLedger"] == oldest
        assert page["latestLedger"] == kept[-1][0].sequence
