"""The HTTP server: stellar-sdk's own server object over a socket, and what no client would send."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from localnet.tests.support.contract import Contract, Kind
from localnet.tests.support.http_requests import JSON, call, fetch
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import (
    Account,
    Asset,
    Keypair,
    Payment,
    SorobanServer,
    TransactionBuilder,
    scval,
    xdr,
)
from stellar_sdk.exceptions import AccountNotFoundException, SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import GetTransactionStatus, SendTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.rpc import Dispatcher
from soroban_localnet.serve.body import MAX_BODY_BYTES
from soroban_localnet.serve.http import Endpoint, serve_http


@pytest.fixture(scope="module")
def network() -> LocalNetwork:
    return LocalNetwork(start_time=1_790_000_000)


@pytest.fixture(scope="module")
def endpoint(network: LocalNetwork) -> Iterator[Endpoint]:
    with serve_http(network) as served:
        yield served


@pytest.fixture
def server(endpoint: Endpoint) -> Iterator[SorobanServer]:
    with SorobanServer(endpoint.url) as server:
        yield server


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + (
    b"Content-Length: 100\r\n\r\n"
)


def connect(endpoint: Endpoint) -> socket.socket:
    parts = urllib.parse.urlsplit(endpoint.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


# -- stellar-sdk ------------------------------------------------------------------------------


def test_a_contract_call_goes_all_the_way(
    network: LocalNetwork, contract: Contract, endpoint: Endpoint, server: SorobanServer
) -> None:
    bob = Keypair.random()
    assert fetch(f"{endpoint.friendbot_url}?addr={bob.public_key}").status == 200
    account = server.load_account(bob.public_key)
    builder = TransactionBuilder(account, network.passphrase)
    builder.append_operation(contract.call("add", Kind.PERSISTENT, "n", 7)).add_time_bounds(0, 0)
    envelope = server.prepare_transaction(builder.build())
    envelope.sign(bob)
    sent = server.send_transaction(envelope)
    assert sent.status == SendTransactionStatus.PENDING
    got = server.poll_transaction(sent.hash)
    assert got.status == GetTransactionStatus.SUCCESS
    assert got.result_meta_xdr is not None
    meta = xdr.TransactionMeta.from_xdr(got.result_meta_xdr).v4
    assert meta is not None
    assert meta.soroban_meta is not None
    assert meta.soroban_meta.return_value is not None
    assert scval.from_uint64(meta.soroban_meta.return_value) == 7
    assert got == network.server().get_transaction(sent.hash)


def test_all_methods_answer_as_they_do_without_a_socket(
    network: LocalNetwork, server: SorobanServer
) -> None:
    inside = network.server()
    assert server.get_health() == inside.get_health()
    assert server.get_network() == inside.get_network()
    assert server.get_version_info() == inside.get_version_info()
    assert server.get_latest_ledger() == inside.get_latest_ledger()


def test_an_error_reaches_the_client_with_code_and_message(server: SorobanServer) -> None:
    with pytest.raises(SorobanRpcErrorResponse) as error:
        server.get_transaction("00")
    assert (error.value.code, error.value.message) == (-32602, "unexpected hash length (2)")


def test_transactions_of_many_senders_at_once_all_get_their_place(
    network: LocalNetwork, endpoint: Endpoint
) -> None:
    keys = [Keypair.random() for _ in range(4)]

    def live(key: Keypair) -> list[tuple[int, int]]:
        fetch(f"{endpoint.friendbot_url}?addr={key.public_key}")
        places = []
        with SorobanServer(endpoint.url) as server:
            account = server.load_account(key.public_key)
            for _ in range(5):
                builder = TransactionBuilder(
                    Account(key.public_key, account.sequence), network.passphrase
                )
                payment = Payment(key.public_key, Asset.native(), "1")
                envelope = builder.append_operation(payment).add_time_bounds(0, 0).build()
                account.increment_sequence_number()
                envelope.sign(key)
                got = server.get_transaction(server.send_transaction(envelope).hash)
                assert got.status == GetTransactionStatus.SUCCESS
                assert got.ledger is not None
                assert got.application_order is not None
                places.append((got.ledger, got.application_order))
        assert len({ledger for ledger, _ in places}) == 5
        return places

    with ThreadPoolExecutor(len(keys)) as pool:
        used = [place for places in pool.map(live, keys) for place in places]
    assert len(set(used)) == len(keys) * 5


# -- friendbot -------------------------------------------------------------------------------


def test_friendbot_funds_an_account_once(
    network: LocalNetwork, endpoint: Endpoint, server: SorobanServer
) -> None:
    address = Keypair.random().public_key
    with pytest.raises(AccountNotFoundException):
        server.load_account(address)
    answer = fetch(f"{endpoint.friendbot_url}?addr={address}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/hal+json")
    assert answer.document["successful"] is True
    sent = server.get_transaction(answer.document["hash"])
    assert sent.status == GetTransactionStatus.SUCCESS
    assert sent.envelope_xdr == answer.document["envelope_xdr"]
    assert server.load_account(address).sequence == network.latest_ledger << 32
    latest = network.latest_ledger
    again = fetch(f"{endpoint.friendbot_url}?addr={address}")
    assert (again.status, again.headers["content-type"]) == (400, "application/problem+json")
    assert again.document == {
        "type": "https://stellar.org/friendbot-errors/bad_request",
        "title": "Bad Request",
        "status": 400,
        "detail": "account already funded to starting balance",
        "extras": {
            "result_codes": {"transaction": "tx_failed", "operations": ["op_already_exists"]}
        },
    }
    assert server.load_account(address).sequence == latest << 32


def test_friendbot_pays_an_account_that_has_less(
    network: LocalNetwork, endpoint: Endpoint, alice: Sender, bob: Sender
) -> None:
    alice.send(Payment(bob.id, Asset.native(), "9000"))
    before, latest = alice.balance, network.latest_ledger
    assert fetch(f"{endpoint.friendbot_url}?addr={alice.id}").status == 200
    assert alice.balance == before + 10_000 * 10**7
    assert network.latest_ledger == latest + 1
    assert fetch(f"{endpoint.friendbot_url}?addr={alice.id}").status == 400
    assert network.latest_ledger == latest + 1


def test_friendbot_takes_the_address_in_a_form_too(
    endpoint: Endpoint, server: SorobanServer
) -> None:
    first, second = Keypair.random().public_key, Keypair.random().public_key
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = fetch(endpoint.friendbot_url, f"addr={first}".encode(), headers=form)
    assert answer.status == 200
    assert fetch(f"{endpoint.friendbot_url}?addr={second}", b"").status == 200
    for address in (first, second):
        server.load_account(address)


@pytest.mark.parametrize("query", ["", "?addr=", "?addr=G", "?address=x", "?addr=S", "?addr=%ff"])
def test_friendbot_wants_an_address(network: LocalNetwork, endpoint: Endpoint, query: str) -> None:
    before = network.latest_ledger
    answer = fetch(endpoint.friendbot_url + query)
    assert answer.status == 400
    assert answer.document["extras"] == {
        "invalid_field": "addr",
        "reason": "invalid address: must be a valid G or C address",
    }
    assert network.latest_ledger == before


def test_friendbot_funds_no_contracts(network: LocalNetwork, endpoint: Endpoint) -> None:
    before = network.latest_ledger
    contract = Asset.native().contract_id(network.passphrase)
    answer = fetch(f"{endpoint.friendbot_url}?addr={contract}")
    assert answer.status == 400
    assert answer.document["extras"]["reason"] == "contract addresses are not supported or enabled"
    assert network.latest_ledger == before


def test_a_network_names_its_friendbot_while_it_is_served() -> None:
    network = LocalNetwork()
    with serve_http(network) as endpoint:
        assert network.server().get_network().friendbot_url == endpoint.friendbot_url
    assert network.server().get_network().friendbot_url is None


def test_two_servers_of_one_network_each_name_their_own_friendbot() -> None:
    network = LocalNetwork()
    with serve_http(network) as first:
        with serve_http(network) as second:
            assert first.friendbot_url != second.friendbot_url
            assert friendbot_that_is_named_by(first) == first.friendbot_url
            assert friendbot_that_is_named_by(second) == second.friendbot_url
        assert friendbot_that_is_named_by(first) == first.friendbot_url
        assert network.server().get_network().friendbot_url == first.friendbot_url
    assert network.server().get_network().friendbot_url is None


def friendbot_that_is_named_by(endpoint: Endpoint) -> str | None:
    with SorobanServer(endpoint.url) as server:
        return server.get_network().friendbot_url


# -- other ways in ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/rpc", "/soroban/rpc"])
def test_it_is_where_the_quickstart_image_has_it(
    endpoint: Endpoint, network: LocalNetwork, path: str
) -> None:
    latest = call(endpoint.url + path, "getLatestLedger")
    assert latest["sequence"] == network.latest_ledger


def test_whoever_looks_with_a_browser_reads_what_is_here(
    endpoint: Endpoint, network: LocalNetwork
) -> None:
    answer = fetch(endpoint.url)
    assert answer.status == 200
    assert answer.document["passphrase"] == network.passphrase
    assert "sendTransaction" in answer.document["methods"]
    assert answer.document["friendbot"] == f"{endpoint.friendbot_url}?addr=G..."
    head = fetch(endpoint.url, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "PUT", 405),
        ("/", "OPTIONS", 405),
        ("/friendbot", "DELETE", 405),
        ("/x", "POST", 404),
        ("/x", "GET", 404),
        ("//", "POST", 404),
        ("/friendbot/", "GET", 404),
    ],
)
def test_other_ways_in_are_closed_and_say_so(
    endpoint: Endpoint, path: str, method: str, status: int
) -> None:
    answer = fetch(endpoint.url + path, b"{}", method)
    assert answer.status == status
    assert path in answer.document["error"]["message"]
    assert ("allow" in answer.headers) == (status == 405)


# -- what no client would send ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "getHealth"} x',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=["empty", "cut", "no text", "no utf-8", "nan", "half", "more behind", "deep", "deeper"],
)
def test_what_is_no_json_is_a_parse_error(
    network: LocalNetwork, endpoint: Endpoint, body: bytes
) -> None:
    before = network.latest_ledger
    answer = fetch(endpoint.url, body)
    assert answer.status == 200
    assert answer.document["error"]["code"] == -32700
    assert answer.document["id"] is None
    assert network.latest_ledger == before


@pytest.mark.parametrize("document", [None, 1, "x", [], {}])
def test_json_that_is_no_request_is_an_invalid_request(
    endpoint: Endpoint, document: object
) -> None:
    answer = fetch(endpoint.url, json.dumps(document).encode())
    assert answer.status == 200
    assert answer.document["error"]["code"] == -32600


def test_a_batch_is_answered_in_one_body(endpoint: Endpoint) -> None:
    request = {"jsonrpc": "2.0", "method": "getHealth"}
    batch = [{**request, "id": 1}, {}, request, {**request, "id": "x"}]
    answer = fetch(endpoint.url, json.dumps(batch).encode())
    assert answer.status == 200
    assert [one["id"] for one in answer.document] == [1, None, "x"]
    assert ["result" in one for one in answer.document] == [True, False, True]


@pytest.mark.parametrize("count", [None, 1, 3])
def test_notifications_are_answered_without_a_body(endpoint: Endpoint, count: int | None) -> None:
    request = {"jsonrpc": "2.0", "method": "getHealth"}
    document = request if count is None else [request] * count
    answer = fetch(endpoint.url, json.dumps(document).encode())
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;a=b; charset="utf8"'],
)
def test_json_is_taken_by_its_media_type(endpoint: Endpoint, kind: str) -> None:
    assert call(endpoint.url, "getHealth", headers={"Content-Type": kind})["status"] == "healthy"


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
def test_other_media_types_are_refused(endpoint: Endpoint, kind: str) -> None:
    answer = fetch(endpoint.url, b"{}", headers={"Content-Type": kind} if kind else {})
    assert answer.status == 415
    assert "Content-Type: application/json" in answer.document["error"]["message"]


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 8 * MAX_BODY_BYTES])
def test_a_body_that_is_too_large_is_refused(endpoint: Endpoint, size: int) -> None:
    answer = fetch(endpoint.url, b" " * size)
    assert answer.status == 413
    assert str(MAX_BODY_BYTES) in answer.document["error"]["message"]
    assert fetch(endpoint.friendbot_url, b" " * size).status == 413


def test_the_largest_transaction_fits(endpoint: Endpoint) -> None:
    params = {"transaction": "A" * (MAX_BODY_BYTES - 1_000)}
    assert call(endpoint.url, "sendTransaction", params)["code"] == -32602


def test_a_fault_of_this_program_is_an_answer_too(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Dispatcher, "answer", fail)
    answer = fetch(endpoint.url, b"{}")
    assert (answer.status, answer.document["error"]["code"]) == (500, -32603)
    assert "ZeroDivisionError: planted" in answer.document["error"]["message"]
    assert "ZeroDivisionError: planted" in caplog.text


# -- the socket ------------------------------------------------------------------------------


def test_the_port_is_on_this_machine_alone_and_free_afterwards() -> None:
    network = LocalNetwork()
    with serve_http(network) as endpoint:
        parts = urllib.parse.urlsplit(endpoint.url)
        assert parts.hostname == "127.0.0.1"
        assert parts.port is not None
        with pytest.raises(OSError, match="in use"), serve_http(network, parts.port):
            pass
        assert fetch(endpoint.url, b"{}").status == 200
    with serve_http(network, parts.port) as again:
        assert again == endpoint
        assert fetch(again.url, b"{}").status == 200


def test_two_networks_are_served_side_by_side(
    alice: Sender, endpoint: Endpoint, server: SorobanServer
) -> None:
    other = LocalNetwork("another one", start_time=1_790_000_000)
    with serve_http(other) as second, SorobanServer(second.url) as elsewhere:
        assert server.load_account(alice.id).sequence == alice.sequence
        with pytest.raises(AccountNotFoundException):
            elsewhere.load_account(alice.id)


@pytest.mark.parametrize("beginning", [b"", b"POST / HT", HEAD + b"{"])
def test_a_connection_that_says_no_more_does_not_hinder_others(
    endpoint: Endpoint, beginning: bytes
) -> None:
    with connect(endpoint) as slow:
        slow.sendall(beginning)
        assert fetch(endpoint.url, b"{}").status == 200


def test_a_body_that_does_not_arrive_is_given_up(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soroban_localnet.serve.body.BODY_SECONDS", 0.05)
    with connect(endpoint) as slow, slow.makefile("rb") as answer:
        slow.sendall(HEAD + b"{")
        assert b" 408 " in answer.readline()
        assert b"the body did not arrive" in answer.read()  # to the end: the connection is closed


def test_a_body_without_an_end_is_cut_off(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soroban_localnet.serve.body.BODY_SECONDS", 0.05)
    with connect(endpoint) as endless:
        endless.sendall(HEAD.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked"))
        with pytest.raises(ConnectionError):
            for _ in range(3_000):
                endless.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")


def test_a_client_that_goes_away_in_the_middle_is_forgotten(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with connect(endpoint) as cut:
            cut.sendall(HEAD + b"{")
    assert fetch(endpoint.url, b"{}").status == 200
    assert not caplog.records


def test_a_connection_serves_one_request_after_another(endpoint: Endpoint) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(endpoint.url).netloc)
    connection.connect()
    used = connection.sock
    for body in (b"{}", b"{", b" " * (MAX_BODY_BYTES + 1), b"[]"):
        connection.request("POST", "/", body, JSON)
        assert connection.getresponse().read()
        assert connection.sock is used
    connection.close()


def test_serving_ends_at_once_whatever_clients_do() -> None:
    with serve_http(LocalNetwork()) as endpoint:
        silent, half = connect(endpoint), connect(endpoint)
        half.sendall(HEAD + b"{")
        assert fetch(endpoint.url, b"{}").status == 200
    for connection in (silent, half):
        with connection, connection.makefile("rb") as answer:
            # to the end: the server has let go, and did not wait for the rest of a body
            assert b" 408 " not in answer.read()


def test_a_person_can_be_on_the_other_side_of_a_socket(
    alice: Sender, bob: Sender, server: SorobanServer
) -> None:
    alice.server = server
    assert alice.send(Payment(bob.id, Asset.native(), "1")).code == Code.txSUCCESS
