"""getEvents: what is emitted is found once, in order, by every filter; the index behind it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.contract import Contract, Kind, deploy
from localnet.tests.support.made_up_history import (
    append,
    close_time,
    contract_event,
    record,
    transaction_event,
)
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Keypair, Payment, StrKey, scval, xdr
from stellar_sdk.exceptions import SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import EventFilter, EventFilterType, EventInfo, GetEventsResponse

from soroban_localnet import LocalNetwork
from soroban_localnet.history.closed_ledger import ClosedLedger
from soroban_localnet.history.event_index import EventIndex
from soroban_localnet.history.events import read

some = settings(deadline=None, max_examples=60)

Stage = xdr.TransactionEventStage
BEFORE, AFTER_TX, AFTER = (
    Stage.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS,
    Stage.TRANSACTION_EVENT_STAGE_AFTER_TX,
    Stage.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS,
)


def text(value: xdr.SCVal) -> str:
    return value.to_xdr()


def ask(network: LocalNetwork, **params: object) -> Any:
    return network.dispatcher.answer(
        {"jsonrpc": "2.0", "id": 1, "method": "getEvents", "params": params}
    )


def answer(network: LocalNetwork, **params: object) -> dict[str, Any]:
    document = ask(network, **params)
    assert "result" in document, document
    result: dict[str, Any] = document["result"]
    return result


def refused(network: LocalNetwork, **params: object) -> tuple[int, str]:
    document = ask(network, **params)
    assert "error" in document, document
    return document["error"]["code"], document["error"]["message"]


def emit(sender: Sender, contract: Contract, count: int, size: int = 0) -> None:
    sent = sender.invoke(contract.call("emit", scval.to_uint32(count), scval.to_uint32(size)))
    assert len(sent.events) == count


# -- what transactions emit --------------------------------------------------------------------


def test_an_event_comes_with_its_place_and_its_transaction(
    alice: Sender, contract: Contract
) -> None:
    emit(alice, contract, 2, 3)
    network = alice.network
    ledger = network.latest_ledger
    found = alice.server.get_events(ledger, filters=[EventFilter(contractIds=[contract.id])])
    (record_,) = network.history.transactions(ledger)
    assert [event.model_dump() for event in found.events] == [
        {
            "event_type": "contract",
            "ledger": ledger,
            "ledger_close_at": datetime.fromtimestamp(network.close_time, UTC),
            "contract_id": contract.id,
            "id": f"{(ledger << 32) + (1 << 12):019d}-{index:010d}",
            "topic": [text(scval.to_symbol("filled")), text(scval.to_uint32(index))],
            "value": text(scval.to_bytes(bytes(3))),
            "in_successful_contract_call": True,
            "operation_index": 0,
            "transaction_index": 1,
            "transaction_hash": record_.hash.hex(),
        }
        for index in range(2)
    ]


def test_fees_come_first_in_a_ledger_and_refunds_last(alice: Sender, contract: Contract) -> None:
    emit(alice, contract, 1)
    ledger = alice.network.latest_ledger
    events = alice.server.get_events(ledger).events
    places = [(e.transaction_index, e.operation_index, e.id[-10:]) for e in events]
    assert places == [(0, 0, "0" * 10), (1, 0, "0" * 10), (0xFFFFF, 0, "0" * 10)]
    assert [e.id for e in events] == sorted(e.id for e in events)
    fee, _, refund = events
    native = Asset.native().contract_id(alice.network.passphrase)
    assert fee.contract_id == refund.contract_id == native
    assert fee.topic == refund.topic
    assert fee.topic == [text(scval.to_symbol("fee")), text(scval.to_address(alice.id))]
    paid = scval.from_int128(fee.value) + scval.from_int128(refund.value)
    (record_,) = alice.network.history.transactions(ledger)
    assert paid == record_.applied.fee_charged


def test_a_transaction_that_failed_emits_its_fee_alone(alice: Sender, contract: Contract) -> None:
    call = contract.call("add", Kind.INSTANCE, "n", 1)
    prepared = alice.prepare(call)
    assert prepared.transaction.soroban_data is not None
    prepared.transaction.soroban_data.resources.instructions = xdr.Uint32(1)
    prepared.sign(alice.key)
    assert alice.submit(prepared).code == xdr.TransactionResultCode.txFAILED
    fee, refund = alice.server.get_events(alice.network.latest_ledger).events
    with pytest.warns(DeprecationWarning):
        assert not fee.in_successful_contract_call
    assert fee.topic[0] == refund.topic[0] == text(scval.to_symbol("fee"))


def test_the_events_are_those_of_the_transactions(alice: Sender, bob: Sender) -> None:
    operation = Payment(bob.id, Asset.native(), "1")
    alice.send(operation, operation)
    ledger = alice.network.latest_ledger
    events = alice.server.get_events(ledger).events
    (record_,) = alice.network.history.transactions(ledger)
    got = alice.server.get_transaction(record_.hash.hex()).events
    assert got is not None
    assert got.contract_events_xdr is not None
    assert got.transaction_events_xdr is not None
    emitted = [xdr.ContractEvent.from_xdr(e) for of in got.contract_events_xdr for e in of]
    fees = [xdr.TransactionEvent.from_xdr(e).event for e in got.transaction_events_xdr]
    assert [e.operation_index for e in events] == [0, 0, 1]
    for event, expected in zip(events, [*fees, *emitted], strict=True):
        body = expected.body.v0
        assert body is not None
        assert event.topic == [topic.to_xdr() for topic in body.topics]
        assert event.value == body.data.to_xdr()


def test_events_are_gone_after_a_revert_and_there_again_when_emitted_again(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    start = network.latest_ledger
    filters = [EventFilter(contractIds=[contract.id])]
    mark = network.snapshot()
    emit(alice, contract, 2)
    first = alice.server.get_events(start, filters=filters)
    network.revert(mark)
    assert alice.server.get_events(start, filters=filters).events == []
    emit(alice, contract, 1)
    assert len(alice.server.get_events(start, filters=filters).events) == 1
    network.revert(mark)
    emit(alice, contract, 2)
    assert [e.id for e in alice.server.get_events(start, filters=filters).events] == [
        e.id for e in first.events
    ]


def test_a_revert_after_a_jump_ahead_brings_the_events_back(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    emit(alice, contract, 2)
    before = answer(network, startLedger=1)
    mark = network.snapshot()
    network.advance_ledgers(200_000)
    gone = (-32600, f"startLedger must be within the ledger range: {network.latest_ledger} - ")
    assert refused(network, startLedger=1)[1].startswith(gone[1])
    network.revert(mark)
    assert answer(network, startLedger=1) == before


# -- the client's view -------------------------------------------------------------------------


def test_filters_of_the_sdk_find_by_contract_topic_and_type(
    alice: Sender, contract: Contract
) -> None:
    other = deploy(alice, bytes([1] * 32))
    start = alice.network.latest_ledger + 1
    emit(alice, contract, 3)
    emit(alice, other, 3)
    get = alice.server.get_events

    def found(*filters: EventFilter) -> list[tuple[str, int]]:
        events = get(start, filters=filters).events
        return [(e.contract_id, scval.from_uint32(e.topic[1])) for e in events]

    second = ["*", text(scval.to_uint32(1))]
    ours = EventFilter(contractIds=[contract.id])
    assert found(ours) == [(contract.id, 0), (contract.id, 1), (contract.id, 2)]
    assert found(EventFilter(topics=[second])) == [(contract.id, 1), (other.id, 1)]
    assert found(EventFilter(contractIds=[other.id], topics=[second])) == [(other.id, 1)]
    assert found(ours, EventFilter(topics=[second])) == [*found(ours), (other.id, 1)]
    both = EventFilter(type=EventFilterType.CONTRACT, contractIds=[contract.id, other.id])
    assert found(both) == [(c.id, n) for c in (contract, other) for n in range(3)]
    assert found(EventFilter(type=EventFilterType.SYSTEM)) == []


def test_the_sdk_pages_with_limit_and_cursor(alice: Sender, contract: Contract) -> None:
    start = alice.network.latest_ledger + 1
    emit(alice, contract, 5)
    emit(alice, contract, 2)
    filters = [EventFilter(contractIds=[contract.id])]
    whole = alice.server.get_events(start, filters=filters).events
    page = alice.server.get_events(start, filters=filters, limit=3)
    paged = [*page.events]
    while page.events:
        assert page.cursor >= page.events[-1].id
        assert (page.cursor == page.events[-1].id) == (len(page.events) == 3)
        page = alice.server.get_events(filters=filters, cursor=page.cursor, limit=3)
        paged += page.events
    assert paged == whole
    assert len(whole) == 7
    emit(alice, contract, 1)
    later = alice.server.get_events(filters=filters, cursor=page.cursor, limit=3)
    assert [e.ledger for e in later.events] == [alice.network.latest_ledger]


def test_an_error_reaches_the_sdk(alice: Sender) -> None:
    with pytest.raises(SorobanRpcErrorResponse) as caught:
        alice.server.get_events(99)
    assert caught.value.code == -32600
    latest = alice.network.latest_ledger
    assert caught.value.message == f"startLedger must be within the ledger range: 1 - {latest}"


def test_an_answer_has_the_window_and_its_close_times() -> None:
    network = LocalNetwork(start_time=1_790_000_000)
    network.advance_ledgers(9)
    assert answer(network, startLedger=1) == {
        "events": [],
        "cursor": f"{(10 << 32) + 0xFFFFFFFF:019d}-4294967295",
        "latestLedger": 10,
        "oldestLedger": 1,
        "latestLedgerCloseTime": str(network.close_time),
        "oldestLedgerCloseTime": "1790000000",
    }
    GetEventsResponse.model_validate(answer(network, startLedger=10))


def test_the_last_ledger_is_before_the_end(alice: Sender, contract: Contract) -> None:
    first = alice.network.latest_ledger + 1
    for _ in range(3):
        emit(alice, contract, 1)

    def ledgers(**params: object) -> list[int]:
        filters = [{"contractIds": [contract.id]}]
        events = answer(alice.network, startLedger=first, filters=filters, **params)["events"]
        return [event["ledger"] for event in events]

    assert ledgers() == ledgers(endLedger=first + 100) == [first, first + 1, first + 2]
    assert ledgers(endLedger=first + 2) == [first, first + 1]
    assert ledgers(endLedger=first) == ledgers(endLedger=1) == []
    end = answer(alice.network, startLedger=first, endLedger=first + 2)["cursor"]
    assert end == f"{(first + 1 << 32) + 0xFFFFFFFF:019d}-4294967295"


def test_a_page_searches_ten_thousand_ledgers(network: LocalNetwork) -> None:
    event = contract_event(bytes(32), [], scval.to_void()).to_xdr_bytes()
    append(network, 10_001, [record(10_001, 1, [[event]])])
    append(network, 30_000, [record(30_000, 1, [[event]])])
    filters = [{"contractIds": [StrKey.encode_contract(bytes(32))]}]
    page = answer(network, startLedger=1, filters=filters)
    assert page["events"] == []
    assert page["cursor"].startswith(f"{(10_000 << 32) + 0xFFFFFFFF:019d}")
    found = []
    for _ in range(3):
        page = answer(network, pagination={"cursor": page["cursor"]}, filters=filters)
        found.append([event["ledger"] for event in page["events"]])
    assert found == [[10_001], [], [30_000]]


# -- bad input -------------------------------------------------------------------------------

VALID_TOPIC = text(scval.to_symbol("x"))
CONTRACT_ID = StrKey.encode_contract(bytes(32))
NONSENSE = b64encode(b"nonsense").decode()

REFUSED: list[tuple[dict[str, object], str]] = [
    ({}, "startLedger must be positive"),
    ({"startLedger": 0}, "startLedger must be positive"),
    ({"startLedger": None, "pagination": {"limit": 5}}, "startLedger must be positive"),
    (
        {"startLedger": 1, "pagination": {"cursor": "0000000000000004096-0000000000"}},
        "ledger ranges and cursor cannot both be set",
    ),
    (
        {"endLedger": 9, "pagination": {"cursor": "0000000000000004096-0000000000"}},
        "ledger ranges and cursor cannot both be set",
    ),
    ({"pagination": {"cursor": ""}}, "invalid event id "),
    ({"pagination": {"cursor": "1"}}, "invalid event id 1"),
    ({"pagination": {"cursor": "1-x"}}, "invalid event id 1-x"),
    ({"pagination": {"cursor": "1-4294967296"}}, "invalid event id 1-4294967296"),
    ({"pagination": {"cursor": f"{2**63}-0"}}, f"invalid event id {2**63}-0"),
    ({"pagination": {"cursor": "1_0-0"}}, "invalid event id 1_0-0"),
    ({"startLedger": 1, "pagination": {"limit": 10_001}}, "limit must not exceed 10000"),
    ({"startLedger": 1, "filters": [{}] * 6}, "maximum 5 filters per request"),
    (
        {"startLedger": 1, "filters": [{}, {"contractIds": [CONTRACT_ID] * 6}]},
        "filter 2 invalid: maximum 5 contract IDs per filter",
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [["*"]] * 6}]},
        "filter 1 invalid: maximum 5 topics per filter",
    ),
    (
        {"startLedger": 1, "filters": [{"contractIds": [CONTRACT_ID, CONTRACT_ID[:-1] + "X"]}]},
        "filter 1 invalid: contract ID 2 invalid",
    ),
    (
        {"startLedger": 1, "filters": [{"contractIds": [Keypair.random().public_key]}]},
        "filter 1 invalid: contract ID 1 invalid",
    ),
    *(
        (
            {"startLedger": 1, "filters": [{"type": kind}]},
            "filter 1 invalid: filter type invalid: "
            "if set, type must be either 'system' or 'contract'",
        )
        for kind in ("diagnostic", "x", "contract,", "contract, system", "Contract")
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [["*"], []]}]},
        "filter 1 invalid: topic 2 invalid: topic must have at least 1 segment",
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [["*"] * 5]}]},
        "filter 1 invalid: topic 1 invalid: topic cannot have more than 4 segments",
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [["*", "**", "*"]]}]},
        "filter 1 invalid: topic 1 invalid: segment 2 invalid: "
        "wildcard '**' is only allowed as the last segment",
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [[VALID_TOPIC, "***"]]}]},
        "filter 1 invalid: topic 1 invalid: segment 2 invalid: no SCVal in base64",
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [[NONSENSE]]}]},
        "filter 1 invalid: topic 1 invalid: segment 1 invalid: no SCVal in base64",
    ),
]


@pytest.mark.parametrize(("params", "message"), REFUSED)
def test_bad_parameters_are_refused_in_the_words_of_stellar_rpc(
    params: dict[str, object], message: str
) -> None:
    assert refused(LocalNetwork(), **params) == (-32602, message)


@pytest.mark.parametrize(
    "params",
    [
        {"startLedger": 12, "pagination": {"limit": 10_000}, "filters": [{}] * 5},
        {"startLedger": 12, "filters": [{"topics": [["*"] * 4 + ["**"]] * 5}]},
        {"startLedger": 12, "filters": [{"topics": [["**"]], "type": "contract,system"}]},
        {"startLedger": 12, "filters": [{"contractIds": [CONTRACT_ID] * 5}]},
        {"startLedger": 12, "filters": [{"type": "", "contractIds": [], "topics": []}]},
        {"pagination": {"cursor": f"{12 << 32}-0", "limit": 0}},
    ],
)
def test_what_is_within_the_limits_is_taken(params: dict[str, Any]) -> None:
    network = LocalNetwork()
    network.close_ledgers(11)
    nulls = {"endLedger": None, "xdrFormat": None, "filters": None, **params}
    assert answer(network, **params) == answer(network, **nulls)


@pytest.mark.parametrize(
    "params",
    [
        {"startLedger": 7},
        {"startLedger": 13},
        {"startLedger": 2**32 - 1},
        {"pagination": {"cursor": f"{(7 << 32) + 0xFFFFFFFF}-4294967295"}},
        {"pagination": {"cursor": f"{13 << 32}-0"}},
        {"pagination": {"cursor": f"{2**63 - 1}-0"}},
        {"pagination": {"cursor": "0-0"}},
    ],
)
def test_outside_the_window_the_error_names_it(params: dict[str, object]) -> None:
    network = LocalNetwork(retention=5)
    network.close_ledgers(11)
    message = "startLedger must be within the ledger range: 8 - 12"
    assert refused(network, **params) == (-32600, message)


# -- properties ------------------------------------------------------------------------------

CONTRACTS = [bytes([n] * 32) for n in range(3)]
TOPICS = [
    scval.to_symbol("a"),
    scval.to_symbol("transfer"),
    scval.to_uint32(0),
    scval.to_uint64(1),
    scval.to_int128(-1),
    scval.to_uint256(1),
    scval.to_void(),
    scval.to_bool(True),
    scval.to_string("abcde"),
    scval.to_bytes(b""),
    scval.to_address(StrKey.encode_contract(CONTRACTS[0])),
    scval.to_address(StrKey.encode_ed25519_public_key(CONTRACTS[1])),
    scval.to_address(StrKey.encode_claimable_balance(bytes(33))),
    scval.to_address(StrKey.encode_liquidity_pool(CONTRACTS[2])),
    scval.to_vec([scval.to_void(), scval.to_symbol("a")]),
    scval.to_map({scval.to_symbol("a"): scval.to_vec([])}),
    xdr.SCVal(
        xdr.SCValType.SCV_ERROR,
        error=xdr.SCError(xdr.SCErrorType.SCE_CONTRACT, contract_code=xdr.Uint32(7)),
    ),
]
FEW = TOPICS[:2]

events_of_any_kind = st.builds(
    contract_event,
    st.sampled_from(CONTRACTS) | st.none(),
    st.lists(st.sampled_from(FEW), max_size=5) | st.lists(st.sampled_from(TOPICS), max_size=5),
    st.sampled_from(TOPICS),
    system=st.sampled_from([False, False, False, True]),
)


@attrs.frozen
class Transaction:
    operations: list[list[xdr.ContractEvent]]
    events: list[tuple[xdr.TransactionEventStage, xdr.ContractEvent]]
    success: bool


transactions = st.builds(
    Transaction,
    st.lists(st.lists(events_of_any_kind, max_size=3), max_size=2),
    st.lists(st.tuples(st.sampled_from(Stage), events_of_any_kind), max_size=2),
    st.booleans(),
)
ledgers = st.lists(transactions, max_size=3)
pasts = st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 9_999]), ledgers), max_size=8)


def appended(network: LocalNetwork, gap: int, made_up: list[Transaction]) -> ClosedLedger:
    sequence = network.latest_ledger + gap
    records = [
        record(
            sequence,
            index,
            [[event.to_xdr_bytes() for event in emitted] for emitted in transaction.operations],
            [transaction_event(stage, event) for stage, event in transaction.events],
            success=transaction.success,
        )
        for index, transaction in enumerate(made_up, 1)
    ]
    return append(network, sequence, records)


Expected = tuple[str, xdr.ContractEvent]


def naive(sequence: int, made_up: list[Transaction]) -> Iterator[Expected]:
    """Give the events of a ledger their ids, as the documents say."""
    counted: dict[tuple[int, int], int] = {}
    found = []

    def put(transaction: int, operation: int, event: xdr.ContractEvent) -> None:
        index = counted.get((transaction, operation), 0)
        counted[transaction, operation] = index + 1
        toid = (sequence << 32) + (transaction << 12) + operation
        found.append((f"{toid:019d}-{index:010d}", event))

    for order, transaction in enumerate(made_up, 1):
        for stage, event in transaction.events:
            put(
                {BEFORE: 0, AFTER_TX: order, AFTER: 2**20 - 1}[stage],
                2**12 - 1 if stage == AFTER_TX else 0,
                event,
            )
        for operation, emitted in enumerate(transaction.operations):
            for event in emitted:
                put(order, operation, event)
    yield from sorted(found, key=lambda item: item[0])


def segments(topics: list[xdr.SCVal]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.just("*") | st.sampled_from(topics).map(text), max_size=4)


patterns = (segments(FEW) | segments(FEW) | segments(TOPICS)).flatmap(
    lambda found: st.sampled_from([found or ["*"], [*found, "**"]])
)
filters_of_any_kind = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["contract", "system", "contract,system", ""]),
        "contractIds": st.lists(
            st.sampled_from([StrKey.encode_contract(c) for c in CONTRACTS]), max_size=2
        ),
        "topics": st.lists(patterns, max_size=2),
    },
)


@st.composite
def apt_filters(draw: st.DrawFn, past: list[tuple[int, list[Transaction]]]) -> dict[str, Any]:
    """Draw a filter for topics of an event that there is, or any filter where there is none."""
    emitted = [
        event
        for _, made_up in past
        for transaction in made_up
        for of_operation in transaction.operations
        for event in of_operation
    ]
    topics = [event.body.v0.topics for event in emitted if event.body.v0]
    if not any(topics):
        return draw(filters_of_any_kind)
    like = draw(st.sampled_from([found for found in topics if found]))[:4]
    pattern = [text(topic) if draw(st.booleans()) else "*" for topic in like]
    if draw(st.booleans()):
        pattern = [*pattern[: draw(st.integers(0, len(pattern)))], "**"]
    return {**draw(filters_of_any_kind), "topics": [pattern]}


def holds(asked: dict[str, Any], event: xdr.ContractEvent) -> bool:
    """Apply a filter to what the SDK decodes."""
    body = event.body.v0
    assert body is not None
    kinds = {"contract": xdr.ContractEventType.CONTRACT, "system": xdr.ContractEventType.SYSTEM}
    if asked.get("type") and event.type not in [kinds[k] for k in asked["type"].split(",")]:
        return False
    if asked.get("contractIds"):
        contract = event.contract_id
        known = None if contract is None else StrKey.encode_contract(contract.contract_id.hash)
        if known not in asked["contractIds"]:
            return False
    return not asked.get("topics") or any(
        agrees(pattern, body.topics) for pattern in asked["topics"]
    )


def agrees(pattern: list[str], topics: Sequence[xdr.SCVal]) -> bool:
    if pattern == ["**"]:
        return True
    if not pattern or not topics:
        return not pattern and not topics
    same = pattern[0] == "*" or xdr.SCVal.from_xdr(pattern[0]) == topics[0]
    return same and agrees(pattern[1:], topics[1:])


@settings(deadline=None, max_examples=60)
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
