"""The index of events, and how their XDR is read for it."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.event_strategies import (
    Expected,
    Transaction,
    appended,
    apt_filters,
    events_of_any_kind,
    holds,
    naive,
    pasts,
)
from localnet.tests.support.get_events import answer
from stellar_sdk import xdr

from soroban_localnet import LocalNetwork
from soroban_localnet.history.event_index import EventIndex
from soroban_localnet.history.events import read

some = settings(max_examples=60)


@some
@given(pasts, st.data())
def test_events_that_share_a_bucket_are_told_apart(
    past: list[tuple[int, list[Transaction]]], data: st.DataObject
) -> None:
    asked = data.draw(apt_filters(past))
    network = LocalNetwork()
    everything: list[Expected] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soroban_localnet.history.event_index.LAST_BUCKET", 0)
        for gap, made_up in past:
            sequence = appended(network, min(gap, 2), made_up).sequence
            everything += naive(sequence, made_up)
        page = answer(network, startLedger=1, filters=[asked], pagination={"limit": 10_000})
    assert [item["id"] for item in page["events"]] == [
        identity for identity, event in everything if holds(asked, event)
    ]


@some
@given(pasts)
def test_an_index_that_lost_all_ledgers_is_empty(
    past: list[tuple[int, list[Transaction]]],
) -> None:
    network = LocalNetwork()
    added = [appended(network, gap, made_up) for gap, made_up in past]
    for dropped in (EventIndex.drop_first, EventIndex.drop_last):
        index = EventIndex()
        for ledger in added:
            index.add(ledger.sequence, ledger.events)
        for ledger in added if dropped is EventIndex.drop_first else reversed(added):
            dropped(index, ledger.sequence, ledger.events)
        assert not len(index)


@given(events_of_any_kind)
def test_an_event_is_read_as_the_sdk_decodes_it(event: xdr.ContractEvent) -> None:
    body = event.body.v0
    assert body is not None
    content = read(event.to_xdr_bytes())
    contract = event.contract_id
    assert content.contract == (None if contract is None else contract.contract_id.hash)
    assert content.type == event.type.value
    assert list(content.topics) == [topic.to_xdr_bytes() for topic in body.topics]
    assert content.data == body.data.to_xdr_bytes()
    assert b64decode(body.data.to_xdr()) == content.data
