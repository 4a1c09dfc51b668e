"""getEvents: what is emitted is found once, in order, by every filter."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from localnet.tests.support.contract import Contract, Kind, deploy
from localnet.tests.support.get_events import answer, refused, text
from localnet.tests.support.made_up_history import append, contract_event, record
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Keypair, Payment, StrKey, scval, xdr
from stellar_sdk.exceptions import SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import EventFilter, EventFilterType, GetEventsResponse

from soroban_localnet import LocalNetwork


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
        "filter 1 invalid: topic 1 invalid: segment 2 invalid: not a SCVal in base64",
    ),
    (
        {"startLedger": 1, "filters": [{"topics": [[NONSENSE]]}]},
        "filter 1 invalid: topic 1 invalid: segment 1 invalid: not a SCVal in base64",
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
