"""The HTTP door: stellar-sdk's own server object over a socket, and what no client would send."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from localnet.tests.contract import Contract, Kind
from localnet.tests.person import Code, Person
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
from soroban_localnet.http import MAX_BODY_BYTES, Endpoint, serve_http


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


def fetch(url: str, body: bytes | None = None, method: str | None = None) -> tuple[int, Any]:
    """Send a request and return status and document."""
    request = urllib.request.Request(url, body, method=method)  # noqa: S310 - our own url
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310 - our own url
            content = response.read()
            return response.status, json.loads(content) if content else content
    except urllib.error.HTTPError as error:
        with error:
            content = error.read()
        return error.code, json.loads(content) if content[:1] == b"{" else content


# -- stellar-sdk ------------------------------------------------------------------------------


def test_a_contract_call_goes_all_the_way(
    network: LocalNetwork, contract: Contract, endpoint: Endpoint, server: SorobanServer
) -> None:
    bob = Keypair.random()
    status, _ = fetch(f"{endpoint.friendbot_url}?addr={bob.public_key}")
    assert status == 200
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
    status, answer = fetch(f"{endpoint.friendbot_url}?addr={address}")
    assert status == 200
    assert answer["successful"] is True
    assert server.get_transaction(answer["hash"]).status == GetTransactionStatus.SUCCESS
    assert server.load_account(address).sequence == network.latest_ledger << 32
    latest = network.latest_ledger
    status, answer = fetch(f"{endpoint.friendbot_url}?addr={address}")
    assert status == 400
    assert answer["status"] == 400
    assert answer["extras"]["result_codes"]["operations"] == ["op_already_exists"]
    assert server.load_account(address).sequence == latest << 32


@pytest.mark.parametrize("query", ["", "?addr=", "?addr=G", "?address=x", "?addr=S", "?addr=%ff"])
def test_friendbot_wants_an_address(network: LocalNetwork, endpoint: Endpoint, query: str) -> None:
    before = network.latest_ledger
    status, answer = fetch(endpoint.friendbot_url + query)
    assert status == 400
    assert "addr" in answer["detail"]
    assert network.latest_ledger == before


def test_a_network_names_its_friendbot_while_it_is_served() -> None:
    network = LocalNetwork()
    with serve_http(network) as endpoint:
        assert network.server().get_network().friendbot_url == endpoint.friendbot_url
    assert network.server().get_network().friendbot_url is None


# -- what no client would send ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": NaN}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "getHealth"} x',
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "no text", "no utf-8", "nan", "more behind", "deep"],
)
def test_what_is_no_json_is_a_parse_error(
    network: LocalNetwork, endpoint: Endpoint, body: bytes
) -> None:
    before = network.latest_ledger
    status, answer = fetch(endpoint.url, body)
    assert status == 200
    assert answer["error"]["code"] == -32700
    assert answer["id"] is None
    assert network.latest_ledger == before


@pytest.mark.parametrize("document", [None, 1, "x", [], {}])
def test_json_that_is_no_request_is_an_invalid_request(
    endpoint: Endpoint, document: object
) -> None:
    status, answer = fetch(endpoint.url, json.dumps(document).encode())
    assert status == 200
    assert answer["error"]["code"] == -32600


def test_a_batch_is_answered_in_one_body(endpoint: Endpoint) -> None:
    request = {"jsonrpc": "2.0", "method": "getHealth"}
    batch = [{**request, "id": 1}, {}, request, {**request, "id": "x"}]
    status, answers = fetch(endpoint.url, json.dumps(batch).encode())
    assert status == 200
    assert [answer["id"] for answer in answers] == [1, None, "x"]
    assert ["result" in answer for answer in answers] == [True, False, True]


@pytest.mark.parametrize("count", [None, 1, 3])
def test_notifications_are_answered_without_a_body(endpoint: Endpoint, count: int | None) -> None:
    request = {"jsonrpc": "2.0", "method": "getHealth"}
    document = request if count is None else [request] * count
    assert fetch(endpoint.url, json.dumps(document).encode()) == (204, b"")


def test_a_body_that_is_too_large_is_refused(endpoint: Endpoint) -> None:
    status, answer = fetch(endpoint.url, b" " * (MAX_BODY_BYTES + 1))
    assert status == 413
    assert str(MAX_BODY_BYTES) in answer["error"]["message"]


def test_the_largest_transaction_fits(endpoint: Endpoint) -> None:
    params = {"transaction": "A" * (MAX_BODY_BYTES - 1_000)}
    request = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
    status, answer = fetch(endpoint.url, json.dumps(request).encode())
    assert status == 200
    assert answer["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/", "GET", 405), ("/", "PUT", 405), ("/x", "POST", 404)]
)
def test_other_ways_in_are_closed(endpoint: Endpoint, path: str, method: str, status: int) -> None:
    assert fetch(endpoint.url + path, b"{}", method)[0] == status


# -- the socket ------------------------------------------------------------------------------


def test_the_port_is_on_this_machine_alone_and_free_afterwards() -> None:
    network = LocalNetwork()
    with serve_http(network) as endpoint:
        parts = urllib.parse.urlsplit(endpoint.url)
        assert parts.hostname == "127.0.0.1"
        assert parts.port is not None
        with pytest.raises(OSError, match="in use"), serve_http(network, parts.port):
            pass
        assert fetch(endpoint.url, b"{}")[0] == 200
    with serve_http(network, parts.port) as again:
        assert again == endpoint
        assert fetch(again.url, b"{}")[0] == 200


def test_two_networks_are_served_side_by_side(
    alice: Person, endpoint: Endpoint, server: SorobanServer
) -> None:
    other = LocalNetwork("another one", start_time=1_790_000_000)
    with serve_http(other) as second, SorobanServer(second.url) as elsewhere:
        assert server.load_account(alice.id).sequence == alice.sequence
        with pytest.raises(AccountNotFoundException):
            elsewhere.load_account(alice.id)


def test_a_connection_that_says_nothing_does_not_hinder_others(endpoint: Endpoint) -> None:
    parts = urllib.parse.urlsplit(endpoint.url)
    with socket.create_connection((parts.hostname, parts.port)):
        assert fetch(endpoint.url, b"{}")[0] == 200


def test_a_person_can_be_on_the_other_side_of_a_socket(
    alice: Person, bob: Person, server: SorobanServer
) -> None:
    alice.server = server
    assert alice.send(Payment(bob.id, Asset.native(), "1")).code == Code.txSUCCESS
