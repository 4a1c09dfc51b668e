"""The RPC methods by their documented fields, and what they answer to nonsense."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.contract import (
    CODE,
    CODE_KEY,
    Contract,
    Kind,
    account_key,
    code_key,
    deploy,
    ttl_key,
    upload,
)
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Keypair, Payment, TransactionEnvelope, xdr

from soroban_localnet import STANDALONE, LocalNetwork, MalformedEnvelope
from soroban_localnet.ledger.store import Entry
from soroban_localnet.transactions.envelope import parse

some = settings(deadline=None, max_examples=150)
NO_HASH = "0" * 64


@attrs.frozen
class Setup:
    """A network with a contract and two signed transactions that nobody has sent yet."""

    network: LocalNetwork
    alice: Sender
    contract: Contract
    payment: bytes
    call: bytes

    @property
    def state(self) -> tuple[int, dict[bytes, Entry]]:
        """The latest ledger and all entries; an entry that was written is another object."""
        return self.network.latest_ledger, self.network.entries()


def signed(sender: Sender, envelope: TransactionEnvelope) -> TransactionEnvelope:
    envelope.sign(sender.key)
    return envelope


def encoded(envelope: TransactionEnvelope) -> bytes:
    return envelope.to_xdr_object().to_xdr_bytes()


def payment(sender: Sender, sequence: int | None = None) -> TransactionEnvelope:
    operation = Payment(sender.id, Asset.native(), "1", source=sender.id)
    return signed(sender, sender.build(operation, sequence=sequence))


@pytest.fixture(scope="module")
def setup() -> Setup:
    network = LocalNetwork(start_time=1_790_000_000)
    alice = Sender(network)
    alice.invoke(upload())
    contract = deploy(alice)
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 1))
    call = alice.prepare(contract.call("add", Kind.PERSISTENT, "n", 1))
    return Setup(network, alice, contract, encoded(payment(alice)), encoded(signed(alice, call)))


def ask(network: LocalNetwork, method: object, params: object = None, **more: object) -> Any:
    return network.dispatcher.answer(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": params, **more}
    )


def result(network: LocalNetwork, method: str, **params: object) -> Any:
    answer = ask(network, method, params)
    assert set(answer) == {"jsonrpc", "id", "result"}, answer
    return answer["result"]


def error(network: LocalNetwork, method: str, **params: object) -> tuple[int, str]:
    answer = ask(network, method, params)
    assert set(answer) == {"jsonrpc", "id", "error"}, answer
    return answer["error"]["code"], answer["error"]["message"]


def text(data: bytes) -> str:
    return b64encode(data).decode()


def key_text(key: xdr.LedgerKey) -> str:
    return text(key.to_xdr_bytes())


# -- the network -----------------------------------------------------------------------------


def test_get_health(setup: Setup) -> None:
    assert result(setup.network, "getHealth") == {
        "status": "healthy",
        "latestLedger": setup.network.latest_ledger,
        "latestLedgerCloseTime": str(setup.network.close_time),
        "oldestLedger": 1,
        "oldestLedgerCloseTime": "1790000000",
        "ledgerRetentionWindow": 120_960,
    }


def test_get_network(setup: Setup) -> None:
    assert result(setup.network, "getNetwork") == {
        "passphrase": STANDALONE,
        "protocolVersion": 29,
    }


def test_get_version_info(setup: Setup) -> None:
    assert result(setup.network, "getVersionInfo") == {
        "version": f"29.0.1-soroban-localnet.{version('soroban-localnet')}",
        "commitHash": "",
        "buildTimestamp": "",
        "captiveCoreVersion": "soroban-env-host 29.0.1",
        "protocolVersion": 29,
    }


def test_get_latest_ledger_comes_with_header_and_meta(setup: Setup) -> None:
    network = setup.network
    answer = result(network, "getLatestLedger")
    header = xdr.LedgerHeader.from_xdr(answer["headerXdr"])
    meta = xdr.LedgerCloseMeta.from_xdr(answer["metadataXdr"]).v2
    assert meta is not None
    assert answer["id"] == sha256(b64decode(answer["headerXdr"])).hexdigest()
    assert meta.ledger_header.header == header
    assert meta.ledger_header.hash.hash.hex() == answer["id"]
    assert header.ledger_seq.uint32 == answer["sequence"] == network.latest_ledger
    assert str(header.scp_value.close_time.time_point.uint64) == answer["closeTime"]
    assert header.ledger_version.uint32 == answer["protocolVersion"] == 29


def test_headers_form_a_chain(network: LocalNetwork) -> None:
    before = result(network, "getLatestLedger")
    network.close_ledgers()
    after = xdr.LedgerHeader.from_xdr(result(network, "getLatestLedger")["headerXdr"])
    assert after.previous_ledger_hash.hash.hex() == before["id"]


def test_the_meta_of_a_ledger_holds_its_transaction(alice: Sender) -> None:
    envelope = payment(alice)
    alice.submit(envelope)
    answer = result(alice.network, "getLatestLedger")
    meta = xdr.LedgerCloseMeta.from_xdr(answer["metadataXdr"]).v2
    assert meta is not None
    (processing,) = meta.tx_processing
    assert processing.result.transaction_hash.hash == envelope.hash()
    assert meta.tx_set.v1_tx_set is not None
    assert encoded(envelope) in meta.tx_set.v1_tx_set.to_xdr_bytes()


# -- entries ---------------------------------------------------------------------------------


def test_get_ledger_entries(setup: Setup) -> None:
    network = setup.network
    keys = [setup.contract.entry(Kind.PERSISTENT, "n"), account_key(setup.alice.id)]
    absent = account_key(Keypair.random().public_key)
    asked = [key_text(keys[0]), key_text(absent), key_text(keys[1])]
    answer = result(network, "getLedgerEntries", keys=asked)
    data, account = answer["entries"]
    assert answer["latestLedger"] == network.latest_ledger
    assert data["key"] == asked[0]
    assert xdr.LedgerEntryData.from_xdr(data["xdr"]).contract_data is not None
    assert xdr.LedgerEntryExt.from_xdr(data["extXdr"]).v == 0
    assert data["liveUntilLedgerSeq"] == data["lastModifiedLedgerSeq"] + 120_960 - 1
    assert account["key"] == asked[2]
    assert xdr.LedgerEntryData.from_xdr(account["xdr"]).account is not None
    assert "liveUntilLedgerSeq" not in account


def test_entries_of_settings_can_be_read(setup: Setup) -> None:
    keys = [text(key) for key, _ in setup.network.settings.entries]
    assert len(result(setup.network, "getLedgerEntries", keys=keys)["entries"]) == len(keys)


def test_no_keys_at_all_are_refused(setup: Setup) -> None:
    message = "could not query captive core: no keys specified in request"
    assert error(setup.network, "getLedgerEntries", keys=[]) == (-32603, message)


def test_the_same_key_twice_is_refused(setup: Setup) -> None:
    key = key_text(CODE_KEY)
    refused = ask(setup.network, "getLedgerEntries", {"keys": [key, key]})["error"]
    assert refused == {
        "code": -32603,
        "message": "could not query captive core: "
        "http request failed with non-200 status code (404)",
        "data": "keys: one of them is there twice",
    }


def test_too_many_keys_are_refused(setup: Setup) -> None:
    keys = [key_text(CODE_KEY), *(key_text(code_key(bytes([n]) * 32)) for n in range(200))]
    assert len(result(setup.network, "getLedgerEntries", keys=keys[:200])["entries"]) == 1
    code, message = error(setup.network, "getLedgerEntries", keys=keys)
    assert (code, message) == (-32602, "key count (201) exceeds maximum supported (200)")


def test_ttl_entries_cannot_be_asked_for(setup: Setup) -> None:
    asked = [key_text(CODE_KEY), key_text(ttl_key(CODE_KEY))]
    code, message = error(setup.network, "getLedgerEntries", keys=asked)
    assert (code, message) == (-32602, "ledger ttl entries cannot be queried directly")


def test_a_sponsored_entry_names_its_sponsor_beside_its_data(
    network: LocalNetwork, alice: Sender, bob: Sender
) -> None:
    key = account_key(alice.id)
    found = network.entry(key.to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    sponsor = xdr.SponsorshipDescriptor(bob.key.xdr_account_id())
    no_more = xdr.LedgerEntryExtensionV1Ext(0)
    entry.ext = xdr.LedgerEntryExt(1, v1=xdr.LedgerEntryExtensionV1(sponsor, no_more))
    network.set_entry(entry.to_xdr_bytes())
    (answer,) = result(network, "getLedgerEntries", keys=[key_text(key)])["entries"]
    assert xdr.LedgerEntryData.from_xdr(answer["xdr"]) == entry.data
    assert xdr.LedgerEntryExt.from_xdr(answer["extXdr"]) == entry.ext


# -- transactions ----------------------------------------------------------------------------


def test_a_sent_transaction_is_pending_and_then_found(alice: Sender) -> None:
    network = alice.network
    envelope = payment(alice)
    before = network.latest_ledger, str(network.close_time)
    sent = result(network, "sendTransaction", transaction=envelope.to_xdr())
    assert sent == {
        "status": "PENDING",
        "hash": envelope.hash_hex(),
        "latestLedger": before[0],
        "latestLedgerCloseTime": before[1],
    }
    got = result(network, "getTransaction", hash=sent["hash"])
    assert xdr.TransactionResult.from_xdr(got.pop("resultXdr")).result.code == 0
    assert xdr.TransactionMeta.from_xdr(got.pop("resultMetaXdr")).v == 4
    events = got.pop("events")
    assert [len(of_operation) for of_operation in events["contractEventsXdr"]] == [1]
    xdr.ContractEvent.from_xdr(events["contractEventsXdr"][0][0])
    (fee,) = events["transactionEventsXdr"]
    assert xdr.TransactionEvent.from_xdr(fee).stage == 0
    assert got == {
        "status": "SUCCESS",
        "txHash": sent["hash"],
        "applicationOrder": 1,
        "feeBump": False,
        "envelopeXdr": envelope.to_xdr(),
        "ledger": network.latest_ledger,
        "createdAt": str(network.close_time),
        "latestLedger": network.latest_ledger,
        "latestLedgerCloseTime": str(network.close_time),
        "oldestLedger": 1,
        "oldestLedgerCloseTime": str(network.history.oldest.close_time),
    }


def test_a_failed_transaction_is_found_with_its_diagnostic_events(
    alice: Sender, bob: Sender
) -> None:
    operation = Payment(bob.id, Asset.native(), "1000000")
    envelope = signed(alice, alice.build(operation))
    result(alice.network, "sendTransaction", transaction=envelope.to_xdr())
    got = result(alice.network, "getTransaction", hash=envelope.hash_hex())
    assert got["status"] == "FAILED"
    assert xdr.TransactionResult.from_xdr(got["resultXdr"]).result.code == -1
    assert list(got["events"]) == ["transactionEventsXdr"]


def test_a_transaction_that_is_sent_again_is_a_duplicate_and_changes_nothing(
    alice: Sender,
) -> None:
    envelope = payment(alice)
    alice.submit(envelope)
    alice.network.close_ledgers(3)
    latest = alice.network.latest_ledger
    again = result(alice.network, "sendTransaction", transaction=envelope.to_xdr())
    assert again["status"] == "DUPLICATE"
    assert again["hash"] == envelope.hash_hex()
    assert "errorResultXdr" not in again
    assert alice.network.latest_ledger == latest


def test_a_refused_transaction_comes_with_its_result(setup: Setup) -> None:
    envelope = payment(setup.alice, sequence=setup.alice.sequence + 2)
    before = setup.state
    sent = result(setup.network, "sendTransaction", transaction=envelope.to_xdr())
    assert sent["status"] == "ERROR"
    refused = xdr.TransactionResult.from_xdr(sent["errorResultXdr"])
    assert refused.result.code == xdr.TransactionResultCode.txBAD_SEQ
    assert "diagnosticEventsXdr" not in sent
    assert setup.state == before
    unknown = result(setup.network, "getTransaction", hash=sent["hash"])
    assert unknown["status"] == "NOT_FOUND"


def test_a_refused_call_comes_with_the_event_that_explains_it(setup: Setup) -> None:
    envelope = TransactionEnvelope.from_xdr(text(setup.call), STANDALONE)
    data = envelope.transaction.soroban_data
    assert data is not None
    data.resources.instructions = xdr.Uint32(2**32 - 1)
    envelope.signatures = []
    before = setup.state
    sent = result(
        setup.network, "sendTransaction", transaction=signed(setup.alice, envelope).to_xdr()
    )
    assert sent["status"] == "ERROR"
    (event,) = sent["diagnosticEventsXdr"]
    assert b"instructions resources exceed" in xdr.DiagnosticEvent.from_xdr(event).to_xdr_bytes()
    assert setup.state == before


def test_an_unknown_transaction_is_not_found_in_the_window(setup: Setup) -> None:
    network = setup.network
    assert result(network, "getTransaction", hash=NO_HASH) == {
        "status": "NOT_FOUND",
        "txHash": NO_HASH,
        "applicationOrder": 0,
        "feeBump": False,
        "events": {},
        "ledger": 0,
        "createdAt": "0",
        "latestLedger": network.latest_ledger,
        "latestLedgerCloseTime": str(network.close_time),
        "oldestLedger": 1,
        "oldestLedgerCloseTime": str(network.history.oldest.close_time),
    }


def test_a_hash_may_have_capital_letters(alice: Sender) -> None:
    envelope = payment(alice)
    alice.submit(envelope)
    upper = envelope.hash_hex().upper()
    assert result(alice.network, "getTransaction", hash=upper)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("", "unexpected hash length (0)"),
        ("00", "unexpected hash length (2)"),
        (NO_HASH + "00", "unexpected hash length (66)"),
        ("z" * 64, "incorrect hash"),
        (" " * 64, "incorrect hash"),
        ("é" * 64, "incorrect hash"),
        ("00 " * 21 + "0", "incorrect hash"),
    ],
)
def test_what_is_no_hash_is_refused(setup: Setup, asked: str, message: str) -> None:
    code, text = error(setup.network, "getTransaction", hash=asked)
    assert code == -32602
    assert text.startswith(message)


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
def test_whatever_the_parameters_the_answer_is_json_rpc(
    setup: Setup, method: str, params: object
) -> None:
    before = setup.state
    answer = ask(setup.network, method, params)
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
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
