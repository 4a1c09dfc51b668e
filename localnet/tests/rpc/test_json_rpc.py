"""JSON-RPC itself: requests, batches, notifications, and what is answered to nonsense."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from localnet.tests.support.contract import CODE, CODE_KEY, Kind, account_key, deploy, upload
from localnet.tests.support.rpc_setup import (
    Setup,
    ask,
    error,
    key_text,
    payment,
    result,
    signed,
    text,
)
from localnet.tests.support.sender import Sender
from stellar_sdk import xdr

from soroban_localnet import LocalNetwork, MalformedEnvelope
from soroban_localnet.transactions.envelope import parse

NO_HASH = "0" * 64
some = settings(max_examples=150)


# -- JSON-RPC --------------------------------------------------------------------------------

CALLS: list[tuple[str, dict[str, object]]] = [
    ("getHealth", {}),
    ("getNetwork", {}),
    ("getVersionInfo", {}),
    ("getLatestLedger", {}),
    ("getLedgerEntries", {"keys": [key_text(CODE_KEY)]}),
    ("simulateTransaction", {"transaction": ""}),
    ("sendTransaction", {"transaction": ""}),
    ("getTransaction", {"hash": NO_HASH}),
    ("getTransactions", {"startLedger": 1}),
    ("getLedgers", {"startLedger": 1}),
    ("getEvents", {"startLedger": 1}),
    ("getFeeStats", {}),
]
OPTIONAL = {
    "simulateTransaction": ("xdrFormat", "resourceConfig", "authMode", "useUpgradedAuth"),
    "getLedgerEntries": ("xdrFormat",),
    "sendTransaction": ("xdrFormat",),
    "getTransaction": ("xdrFormat",),
    "getTransactions": ("xdrFormat", "pagination"),
    "getLedgers": ("xdrFormat", "pagination"),
    "getEvents": ("xdrFormat", "endLedger", "filters", "pagination"),
}


def test_every_method_is_called_here(network: LocalNetwork) -> None:
    assert sorted(network.dispatcher.methods) == sorted(method for method, _ in CALLS)


@pytest.mark.parametrize(("method", "params"), CALLS)
def test_explicit_nulls_stand_for_absent_values(
    setup: Setup, method: str, params: dict[str, object]
) -> None:
    plain = ask(setup.network, method, params)
    nulls = dict.fromkeys(OPTIONAL.get(method, ()))
    assert ask(setup.network, method, {**params, **nulls}) == plain
    if not params:
        assert ask(setup.network, method, None) == plain
        without = {"jsonrpc": "2.0", "id": 1, "method": method}
        assert setup.network.dispatcher.answer(without) == plain


def test_a_null_leeway_stands_for_none(setup: Setup) -> None:
    call = text(setup.call)
    plain = result(setup.network, "simulateTransaction", transaction=call)
    config = {"instructionLeeway": None}
    assert plain == result(
        setup.network, "simulateTransaction", transaction=call, resourceConfig=config
    )


@pytest.mark.parametrize("identity", [0, -1, 2**60, "", "abc", None])
def test_the_answer_carries_the_id_of_the_request(setup: Setup, identity: object) -> None:
    answer = ask(setup.network, "getHealth", None, id=identity)
    assert answer["id"] == identity
    assert "result" in answer


@pytest.mark.parametrize("request_", [None, 1, "x", [], True, {}])
def test_what_is_no_request_is_refused(setup: Setup, request_: object) -> None:
    answer = setup.network.dispatcher.answer(request_)
    assert answer["id"] is None
    assert answer["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"jsonrpc": "1.0"}, "jsonrpc"),
        ({"jsonrpc": None}, "jsonrpc"),
        ({"method": None}, "method"),
        ({"method": 1}, "method"),
        ({"id": []}, "id"),
        ({"id": {}}, "id"),
        ({"id": True}, "id"),
    ],
)
def test_a_request_of_another_form_is_refused_by_its_member(
    setup: Setup, change: dict[str, object], named: str
) -> None:
    request = {"jsonrpc": "2.0", "id": 7, "method": "getHealth", **change}
    answer = setup.network.dispatcher.answer(request)
    assert answer["error"]["code"] == -32600
    assert answer["error"]["message"].startswith(f"{named}:")
    assert answer["id"] == (None if named == "id" else 7)


@pytest.mark.parametrize("method", ["", "gethealth", "getHealth ", "call", "_get_health", "é"])
def test_an_unknown_method_is_refused_by_its_name(setup: Setup, method: str) -> None:
    answer = ask(setup.network, method)
    assert answer["error"]["code"] == -32601
    assert repr(method) in answer["error"]["message"]


@pytest.mark.parametrize("params", [[], [1], "x", 1, True])
def test_parameters_have_names(setup: Setup, params: object) -> None:
    answer = ask(setup.network, "getTransaction", params)
    assert answer["error"]["code"] == -32602
    assert answer["error"]["message"].startswith("params:")


@pytest.mark.parametrize(
    ("method", "params", "named"),
    [
        ("getLedgerEntries", {}, "keys"),
        ("getLedgerEntries", {"keys": None}, "keys"),
        ("getLedgerEntries", {"keys": "AAAA"}, "keys"),
        ("getLedgerEntries", {"keys": [1]}, "keys"),
        ("getTransaction", {}, "hash"),
        ("getTransaction", {"hash": 1}, "hash"),
        ("sendTransaction", {}, "transaction"),
        ("sendTransaction", {"transaction": None}, "transaction"),
        ("simulateTransaction", {"transaction": []}, "transaction"),
        ("simulateTransaction", {"transaction": "", "authMode": 1}, "authMode"),
        ("simulateTransaction", {"transaction": "", "useUpgradedAuth": "x"}, "useUpgradedAuth"),
        (
            "simulateTransaction",
            {"transaction": "", "resourceConfig": {"instructionLeeway": "1"}},
            "resourceConfig.instructionLeeway",
        ),
        (
            "simulateTransaction",
            {"transaction": None, "resourceConfig": 1, "authMode": "record"},
            "transaction",
        ),
        ("getTransaction", {"hash": NO_HASH, "xdrFormat": "json"}, "xdrFormat"),
        ("getTransaction", {"hash": NO_HASH, "xdrFormat": 5}, "xdrFormat"),
        ("getEvents", {"xdrFormat": "x"}, "got 'x': expected base64, json"),
        ("getEvents", {"startLedger": -1}, "startLedger"),
        ("getEvents", {"startLedger": 2**32}, "startLedger"),
        ("getEvents", {"startLedger": 1, "endLedger": "2"}, "endLedger"),
        ("getEvents", {"startLedger": 1, "filters": {}}, "filters"),
        ("getEvents", {"startLedger": 1, "filters": [{"topics": ["*"]}]}, "topics"),
        ("getEvents", {"startLedger": 1, "filters": [{"type": ["system"]}]}, "type"),
        ("getTransactions", {"startLedger": 1, "pagination": []}, "pagination"),
        ("getTransactions", {"pagination": {"limit": -1}}, "pagination.limit"),
        ("getLedgers", {"pagination": {"cursor": 5}}, "pagination.cursor"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(
    setup: Setup, method: str, params: dict[str, object], named: str
) -> None:
    code, message = error(setup.network, method, **params)
    assert code == -32602
    assert named in message


@pytest.mark.parametrize("leeway", [-1, 2**32, 2**80])
def test_a_leeway_out_of_range_is_refused(setup: Setup, leeway: int) -> None:
    code, message = error(
        setup.network,
        "simulateTransaction",
        transaction=text(setup.call),
        resourceConfig={"instructionLeeway": leeway},
    )
    assert code == -32602
    assert "resourceConfig.instructionLeeway" in message


# -- batches and notifications -----------------------------------------------------------------


def request_of(method: str, **more: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": method, **more}


def test_a_batch_is_answered_in_its_order(setup: Setup) -> None:
    dispatcher = setup.network.dispatcher
    batch = [
        request_of("getHealth", id=2),
        request_of("getTransaction", id="x", params={"hash": ""}),
        request_of("nothing", id=1),
        request_of("getHealth", id=2),
    ]
    answers = dispatcher.answer(batch)
    assert answers == [dispatcher.answer(request) for request in batch]
    assert [answer["id"] for answer in answers] == [2, "x", 1, 2]


@pytest.mark.parametrize("item", [None, 1, "x", [], [request_of("getHealth", id=1)], {}])
def test_what_is_no_request_in_a_batch_is_refused_alone(setup: Setup, item: object) -> None:
    refused, answered = setup.network.dispatcher.answer([item, request_of("getHealth", id=1)])
    assert (refused["id"], refused["error"]["code"]) == (None, -32600)
    assert answered["result"]["status"] == "healthy"


def test_a_batch_is_bounded(setup: Setup) -> None:
    dispatcher = setup.network.dispatcher
    request = request_of("getHealth", id=1)
    assert len(dispatcher.answer([request] * 100)) == 100
    refused = dispatcher.answer([request] * 101)
    assert (refused["id"], refused["error"]["code"]) == (None, -32600)
    assert "101" in refused["error"]["message"]


@pytest.mark.parametrize(
    "request_",
    [
        request_of("getHealth"),
        request_of("nothing"),
        request_of("getTransaction", params={"hash": 1}),
        request_of("getTransaction", params=[]),
    ],
)
def test_a_request_without_an_id_has_no_answer(setup: Setup, request_: dict[str, object]) -> None:
    dispatcher = setup.network.dispatcher
    assert dispatcher.answer(request_) is None
    assert dispatcher.answer([request_, request_]) is None
    (answer,) = dispatcher.answer([request_, request_of("getHealth", id=None), request_])
    assert (answer["id"], answer["result"]["status"]) == (None, "healthy")


def test_a_notification_takes_effect(alice: Sender) -> None:
    envelope = payment(alice)
    request = request_of("sendTransaction", params={"transaction": envelope.to_xdr()})
    assert alice.network.dispatcher.answer(request) is None
    got = result(alice.network, "getTransaction", hash=envelope.hash_hex())
    assert got["status"] == "SUCCESS"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = (
    "keys",
    "hash",
    "transaction",
    "xdrFormat",
    "authMode",
    "resourceConfig",
    "startLedger",
    "endLedger",
    "pagination",
    "filters",
)


@some
@given(
    st.sampled_from([method for method, _ in CALLS]),
    st.dictionaries(st.sampled_from(FIELDS), json_values) | json_values,
)
@example("getLedgerEntries", {"keys": []})
def test_whatever_the_parameters_the_answer_is_json_rpc(
    setup: Setup, method: str, params: object
) -> None:
    before = setup.state
    answer = ask(setup.network, method, params)
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        no_keys = -32603, "could not query captive core: no keys specified in request"
        if (answer["error"]["code"], answer["error"]["message"]) == no_keys:
            assert method == "getLedgerEntries"
            assert isinstance(params, dict)
            assert params["keys"] == []
        else:
            assert answer["error"]["code"] in (-32602, -32600)
    assert setup.state == before


# -- malformed envelopes and keys --------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, prolong or flip bits of valid XDR."""
    kind = draw(st.sampled_from(["cut", "prolong", "flip", "word"]))
    if kind == "cut":
        return data[: draw(st.integers(0, len(data) - 1))]
    if kind == "prolong":
        return data + draw(st.binary(min_size=1, max_size=8))
    changed = bytearray(data)
    if kind == "flip":
        for _ in range(draw(st.integers(1, 3))):
            changed[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    else:
        start = 4 * draw(st.integers(0, len(data) // 4 - 1))
        word = draw(st.sampled_from([0, 1, 2, 3, 255, 2**31 - 1, 2**31, 2**32 - 1]))
        changed[start : start + 4] = word.to_bytes(4, "big")
    return bytes(changed)


@some
@given(data=st.data())
def test_a_damaged_transaction_is_refused_and_changes_nothing(
    setup: Setup, data: st.DataObject
) -> None:
    original = data.draw(st.sampled_from([setup.payment, setup.call]))
    envelope = data.draw(damaged(original) | st.binary(max_size=200))
    if envelope == original:
        return
    before = setup.state
    answer = ask(setup.network, "sendTransaction", {"transaction": text(envelope)})
    if "error" in answer:
        assert answer["error"]["code"] == -32602
        assert answer["error"]["message"] == "invalid_xdr"
        assert answer["error"]["data"]
    else:
        assert answer["result"]["status"] == "ERROR"
        xdr.TransactionResult.from_xdr(answer["result"]["errorResultXdr"])
    assert setup.state == before


@some
@given(data=st.data())
def test_a_damaged_transaction_is_simulated_or_refused_and_changes_nothing(
    setup: Setup, data: st.DataObject
) -> None:
    envelope = data.draw(damaged(setup.call) | st.binary(max_size=200))
    before = setup.state
    answer = result(setup.network, "simulateTransaction", transaction=text(envelope))
    assert answer["latestLedger"] in (0, setup.network.latest_ledger)
    assert ("error" in answer) != ("results" in answer)
    assert setup.state == before


@pytest.mark.parametrize("value", [0, 1, 2, 2**31, 2**32 - 1])
def test_an_envelope_is_taken_only_where_its_bytes_are_the_only_ones_for_it(
    setup: Setup, value: int
) -> None:
    word = value.to_bytes(4, "big")
    for original in (setup.payment, setup.call):
        for start in range(0, len(original), 4):
            envelope = original[:start] + word + original[start + 4 :]
            try:
                transaction = parse(envelope, setup.network.network_id)
            except MalformedEnvelope:
                continue
            decoded = xdr.TransactionEnvelope.from_xdr_bytes(envelope)
            assert decoded.to_xdr_bytes() == transaction.envelope == envelope


@some
@given(st.text(max_size=40))
def test_text_that_is_no_base64_is_refused(setup: Setup, asked: str) -> None:
    before = setup.state
    code, message = error(setup.network, "sendTransaction", transaction=asked)
    assert (code, message) == (-32602, "invalid_xdr")
    simulated = result(setup.network, "simulateTransaction", transaction=asked)
    assert simulated == {"error": "Could not unmarshal transaction", "latestLedger": 0}
    code, message = error(setup.network, "getLedgerEntries", keys=[key_text(CODE_KEY), asked])
    assert (code, message) == (-32602, f"cannot unmarshal key value {asked} at index 1")
    assert setup.state == before


@some
@given(data=st.data())
def test_a_damaged_key_is_refused_or_finds_another_entry(setup: Setup, data: st.DataObject) -> None:
    keys = (account_key(setup.alice.id), CODE_KEY, setup.contract.entry(Kind.PERSISTENT, "n"))
    original = data.draw(st.sampled_from([key.to_xdr_bytes() for key in keys]))
    key = data.draw(damaged(original) | st.binary(max_size=80))
    answer = ask(setup.network, "getLedgerEntries", {"keys": [text(key)]})
    if "error" in answer:
        assert answer["error"]["code"] == -32602
    else:
        assert xdr.LedgerKey.from_xdr_bytes(key).to_xdr_bytes() == key
        found = answer["result"]["entries"]
        assert found == [] or key in setup.network.entries()


def test_what_was_damaged_in_these_tests_is_accepted_undamaged(alice: Sender) -> None:
    alice.invoke(upload())
    contract = deploy(alice)
    call = signed(alice, alice.prepare(contract.call("add", Kind.PERSISTENT, "n", 1)))
    sent = result(alice.network, "sendTransaction", transaction=call.to_xdr())
    assert sent["status"] == "PENDING"
    assert result(alice.network, "getTransaction", hash=sent["hash"])["status"] == "SUCCESS"
    assert CODE in alice.network.entry(CODE_KEY.to_xdr_bytes())[0]  # type: ignore[index]
