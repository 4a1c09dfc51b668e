"""Faults on purpose, each against a real network: what happens, and what a client sees of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.clock import START
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Keypair, Payment, SorobanServer, TransactionEnvelope
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import (
    BadRequestError,
    BadResponseError,
    BaseHorizonError,
    BaseRequestError,
    ConnectionError,
)
from stellar_sdk.soroban_rpc import GetTransactionStatus, SendTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.faults import (
    ArriveLate,
    Delay,
    DropAfter,
    DropBefore,
    Duplicate,
    Fault,
    Faults,
    FaultyClient,
    GatewayTimeout,
    Lag,
    NotFound,
    OldSequence,
    Plan,
    TooManyRequests,
    Truncated,
    TryAgainLater,
    Unavailable,
)
from soroban_localnet.serve.http import serve_http

URL = "http://localnet.invalid"
PENDING, DUPLICATE = SendTransactionStatus.PENDING, SendTransactionStatus.DUPLICATE
SUCCESS, NOT_FOUND = GetTransactionStatus.SUCCESS, GetTransactionStatus.NOT_FOUND


def faulty(
    network: LocalNetwork, plan: Plan | Mapping[int, Fault]
) -> tuple[FaultyClient, SorobanServer]:
    client = FaultyClient(network.client(), plan)
    return client, SorobanServer(URL, client)


def payment(sender: Sender, sequence: int | None = None) -> TransactionEnvelope:
    receiver = Keypair.from_raw_ed25519_seed(sender.network.network_id).public_key
    envelope = sender.build(Payment(receiver, Asset.native(), "1"), sequence=sequence)
    envelope.sign(sender.key)
    return envelope


# -- the connection ----------------------------------------------------------------------------


def test_what_is_dropped_before_it_was_sent_never_happens(
    network: LocalNetwork, alice: Sender
) -> None:
    client, server = faulty(network, {1: DropBefore()})
    before = network.latest_ledger
    with pytest.raises(ConnectionError):
        server.send_transaction(payment(alice))
    assert network.latest_ledger == before
    assert client.injected == {1: DropBefore()}


@pytest.mark.parametrize(
    ("fault", "seen"), [(DropAfter(), ConnectionError), (GatewayTimeout(), BadResponseError)]
)
def test_what_is_dropped_after_it_was_sent_has_happened(
    network: LocalNetwork, alice: Sender, fault: Fault, seen: type[Exception]
) -> None:
    _, server = faulty(network, {1: fault})
    envelope = payment(alice)
    with pytest.raises(seen):
        server.send_transaction(envelope)
    assert server.get_transaction(envelope.hash_hex()).status == SUCCESS


def test_a_late_request_arrives_before_a_later_one(network: LocalNetwork, alice: Sender) -> None:
    _, server = faulty(network, {1: ArriveLate(requests=2)})
    envelope = payment(alice)
    with pytest.raises(ConnectionError):
        server.send_transaction(envelope)
    assert server.get_transaction(envelope.hash_hex()).status == NOT_FOUND
    assert server.get_transaction(envelope.hash_hex()).status == SUCCESS


def test_a_duplicate_is_answered_as_what_came_second(network: LocalNetwork, alice: Sender) -> None:
    _, server = faulty(network, {1: Duplicate()})
    before, balance = network.latest_ledger, alice.balance
    assert server.send_transaction(payment(alice)).status == DUPLICATE
    assert network.latest_ledger == before + 1
    assert balance - alice.balance == 10_000_100


def test_a_delay_is_slept_before_the_node_is_asked(network: LocalNetwork, alice: Sender) -> None:
    slept = []

    def sleep(seconds: float) -> None:
        network.close_ledgers()
        slept.append(seconds)

    client = FaultyClient(network.client(), {2: Delay(0.25)}, sleep=sleep)
    server = SorobanServer(URL, client)
    first = server.get_latest_ledger().sequence
    assert server.get_latest_ledger().sequence == first + 1
    assert server.get_latest_ledger().sequence == first + 1
    assert slept == [0.25]
    assert client.injected == {2: Delay(0.25)}


@given(part=st.floats(0, 1))
def test_a_truncated_answer_is_never_whole(part: float) -> None:
    _, server = faulty(NETWORK, {1: Truncated(part)})
    with pytest.raises(JSONDecodeError):
        server.get_health()
    assert server.get_health().status == "healthy"


NETWORK = LocalNetwork(start_time=START)


# -- the same as with stellar-sdk's own transport ----------------------------------------------


@contextmanager
def node(answer: bytes) -> Iterator[str]:
    """Serve the same bytes to every request, and close the connection behind them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if not connection.recv(65_536):
                        return
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        address = listener.getsockname()
        yield f"http://127.0.0.1:{address[1]}"
        socket.create_connection(address).close()
        thread.join()


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (DropAfter(), b""),
        (Unavailable(), b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        (GatewayTimeout(), b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"),
        (
            TooManyRequests(),
            b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nRetry-After: 1\r\n"
            b"Content-Length: 18\r\n\r\nToo Many Requests\n",
        ),
        (Truncated(0.5), b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"jsonrpc": '),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_client_sees_what_it_would_see_of_a_real_node(fault: Fault, answer: bytes) -> None:
    own = RequestsClient(num_retries=0)
    with node(answer) as url, own, pytest.raises(Exception) as real:
        SorobanServer(url, own).get_health()
    _, server = faulty(NETWORK, {1: fault})
    with pytest.raises(type(real.value)) as injected:
        server.get_health()
    assert type(injected.value) is type(real.value)
    assert type(injected.value.__cause__) is type(real.value.__cause__)
    if isinstance(real.value, BaseHorizonError):
        assert isinstance(injected.value, BaseHorizonError)
        assert (injected.value.status, injected.value.message) == (
            real.value.status,
            real.value.message,
        )


@pytest.mark.parametrize(
    ("fault", "seen"), [(TooManyRequests(), BadRequestError), (Unavailable(), BadResponseError)]
)
def test_a_node_that_turns_a_request_away_does_nothing(
    network: LocalNetwork, alice: Sender, fault: Fault, seen: type[Exception]
) -> None:
    _, server = faulty(network, {1: fault})
    before = network.latest_ledger
    envelope = payment(alice)
    with pytest.raises(seen):
        server.send_transaction(envelope)
    assert network.latest_ledger == before
    assert server.send_transaction(envelope).status == PENDING


# -- what a node says --------------------------------------------------------------------------


def test_try_again_later_sends_nothing(network: LocalNetwork, alice: Sender) -> None:
    client, server = faulty(network, {1: TryAgainLater()})
    envelope = payment(alice)
    before = network.latest_ledger
    answer = server.send_transaction(envelope)
    assert answer.status == SendTransactionStatus.TRY_AGAIN_LATER
    assert answer.hash == envelope.hash_hex()
    assert answer.latest_ledger == network.latest_ledger == before
    assert answer.latest_ledger_close_time == network.close_time
    assert server.send_transaction(envelope).status == PENDING
    assert client.injected == {1: TryAgainLater()}


def test_what_is_no_transaction_is_refused_as_ever(network: LocalNetwork) -> None:
    client, server = faulty(network, {1: TryAgainLater()})
    with pytest.raises(BaseRequestError):
        server.send_transaction("AAAA")
    assert client.injected == {}


def test_a_transaction_is_not_found_for_some_polls(network: LocalNetwork, alice: Sender) -> None:
    client, server = faulty(network, {2: NotFound(times=2), 3: NotFound(times=2)})
    sent = server.send_transaction(payment(alice)).hash
    other = alice.submit(payment(alice))
    assert not other.refused
    assert server.get_transaction("00" * 32).status == NOT_FOUND
    for _ in range(2):
        answer = server.get_transaction(sent)
        assert answer.status == NOT_FOUND
        assert answer.latest_ledger is not None
        assert answer.latest_ledger < network.latest_ledger - 1
    assert server.get_transaction(sent).status == SUCCESS
    assert client.injected == {3: NotFound(times=2)}


def test_a_transaction_is_not_found_until_later_ledgers(
    network: LocalNetwork, alice: Sender
) -> None:
    _, server = faulty(network, {2: NotFound(ledgers=2)})
    sent = server.send_transaction(payment(alice)).hash
    for _ in range(2):
        assert server.get_transaction(sent).status == NOT_FOUND
        network.close_ledgers()
    assert server.get_transaction(sent).status == SUCCESS


def test_what_hides_a_transaction_never_shows_a_later_time_than_its_own(
    network: LocalNetwork, alice: Sender
) -> None:
    _, server = faulty(network, {2: NotFound()})
    sent = server.send_transaction(payment(alice)).hash
    closed = network.close_time
    network.advance_time(1_000)
    answer = server.get_transaction(sent)
    assert answer.status == NOT_FOUND
    assert answer.latest_ledger_close_time == closed


def test_an_old_sequence_number_is_shown_after_a_transaction(
    network: LocalNetwork, alice: Sender
) -> None:
    client, server = faulty(network, {1: OldSequence(), 3: OldSequence(times=2)})
    before = server.load_account(alice.id).sequence
    server.send_transaction(payment(alice))
    assert server.load_account(alice.id).sequence == before
    assert server.load_account(alice.id).sequence == before
    assert server.load_account(alice.id).sequence == before + 1
    assert client.injected == {3: OldSequence(times=2)}


def test_a_lagging_node_answers_as_it_did_before(network: LocalNetwork, alice: Sender) -> None:
    client, server = faulty(network, {1: Lag(), 4: Lag(1), 5: Lag(3), 6: Lag(6)})
    first = server.get_latest_ledger()
    network.close_ledgers()
    second = server.get_latest_ledger()
    network.close_ledgers()
    server.load_account(alice.id)
    assert server.get_latest_ledger() == second
    assert server.get_latest_ledger() == second
    assert server.get_latest_ledger().sequence == first.sequence + 2
    assert client.injected == {4: Lag(1), 5: Lag(3)}


def test_a_lagging_node_swallows_no_transaction(network: LocalNetwork, alice: Sender) -> None:
    client, server = faulty(network, {2: Lag()})
    envelope = payment(alice)
    assert server.send_transaction(envelope).status == PENDING
    assert server.send_transaction(envelope).status == DUPLICATE
    assert client.injected == {}


def test_a_made_up_answer_has_the_id_of_its_request(network: LocalNetwork) -> None:
    client, _ = faulty(network, {2: Lag()})
    for identity in (1, 2):
        body = {"jsonrpc": "2.0", "id": identity, "method": "getHealth"}
        assert client.post(URL, json_data=body).json()["id"] == identity
    assert client.injected == {2: Lag()}


# -- plans -------------------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a client, at a point of the test's choice."""


def test_a_client_can_be_ended_after_each_answer(network: LocalNetwork, alice: Sender) -> None:
    def work(after_answer: Callable[[int, str], None]) -> FaultyClient:
        client = FaultyClient(network.client(), {}, after_answer=after_answer)
        server = SorobanServer(URL, client)
        server.load_account(alice.id)
        envelope = payment(alice)
        server.send_transaction(envelope)
        server.get_transaction(envelope.hash_hex())
        return client

    whole = work(lambda number, method: None)
    assert whole.methods == ["getLedgerEntries", "sendTransaction", "getTransaction"]
    for last, expected in enumerate(whole.methods, 1):

        def kill(number: int, method: str, last: int = last, expected: str = expected) -> None:
            if number == last:
                assert method == expected
                raise Killed

        before = alice.sequence
        with pytest.raises(Killed):
            work(kill)
        assert alice.sequence == before + (last > 1)


def test_a_plan_may_be_a_function(network: LocalNetwork, alice: Sender) -> None:
    def plan(number: int, method: str) -> Fault | None:
        return DropAfter() if method == "sendTransaction" and number < 3 else None

    client, server = faulty(network, plan)
    server.load_account(alice.id)
    with pytest.raises(ConnectionError):
        server.send_transaction(payment(alice))
    assert client.injected == {2: DropAfter()}


def persistent(server: SorobanServer, envelope: TransactionEnvelope) -> list[str]:
    """Send a transaction until it is found, and return what was seen of it."""
    seen = []
    for _ in range(200):
        try:
            sent = server.send_transaction(envelope)
            found = server.get_transaction(envelope.hash_hex())
        except (BaseRequestError, JSONDecodeError) as error:
            seen.append(type(error).__name__)
            continue
        seen.append(f"{sent.status.name} {found.status.name} {found.latest_ledger}")
        if found.status == SUCCESS:
            return seen
    raise AssertionError(f"not found in {len(seen)} rounds")


def pay_three_times(plan: Plan | Mapping[int, Fault]) -> tuple[FaultyClient, list[str], int]:
    """Pay on a network that is the same each time; return what was seen and what it cost."""
    network = LocalNetwork(start_time=START, clock=lambda: START)
    alice = Sender(network, Keypair.from_raw_ed25519_seed(bytes(32)))
    client = FaultyClient(network.client(), plan, sleep=lambda seconds: None)
    server = SorobanServer(URL, client)
    before, first, seen = alice.balance, alice.sequence, []
    for number in range(3):
        seen += persistent(server, payment(alice, first + 1 + number))
    assert alice.sequence == first + 3
    return client, seen, before - alice.balance


@settings(max_examples=15)
@given(seed=st.integers())
def test_the_same_seed_and_requests_meet_the_same_faults(seed: int) -> None:
    plan = Faults.of_every_kind(seed, 0.05)
    client, seen, paid = pay_three_times(plan)
    assert paid == 3 * 10_000_100  # whatever happens on the way, each is applied once
    again = pay_three_times(plan)
    assert (again[0].injected, again[0].methods, again[1]) == (
        client.injected,
        client.methods,
        seen,
    )
    # and what was injected is a plan for the same again
    scripted = pay_three_times(client.injected)
    assert (scripted[0].injected, scripted[1]) == (client.injected, seen)


def test_the_log_of_a_client_is_python_that_makes_it_again() -> None:
    client, _, _ = pay_three_times(Faults.of_every_kind(7, 0.1))
    assert client.injected
    names = {kind.__name__: kind for kind in Fault.__args__}
    assert eval(repr(client.injected), names) == client.injected  # noqa: S307 - our own text
    assert repr(client.injected) in repr(client)
    assert "seed=7" in repr(client)


@given(seed=st.integers(), number=st.integers(1, 10**6))
def test_what_a_request_meets_does_not_depend_on_what_was_before(seed: int, number: int) -> None:
    plan = Faults.of_every_kind(seed, 0.5)
    alone = Faults.of_every_kind(seed, 0.5)(number, "getTransaction")
    for before in range(max(1, number - 3), number):
        plan(before, "sendTransaction")
    assert plan(number, "getTransaction") == alone


def test_another_seed_is_another_plan() -> None:
    plans = [
        tuple(Faults.of_every_kind(seed, 0.1)(n, "getHealth") for n in range(1, 50))
        for seed in range(20)
    ]
    assert len(set(plans)) == 20


def test_each_kind_of_fault_comes_up_and_only_where_it_can_strike() -> None:
    methods = ["sendTransaction", "getTransaction", "getLedgerEntries", "getHealth"]
    plan = Faults.of_every_kind(0, 0.1)
    drawn = [(method, plan(n, method)) for n in range(1, 500) for method in methods]
    kinds = {method: {type(f) for m, f in drawn if m == method and f} for method in methods}
    anywhere = set(Fault.__args__) - {TryAgainLater, NotFound, OldSequence}
    assert kinds["getHealth"] == anywhere
    assert kinds["sendTransaction"] == anywhere | {TryAgainLater}
    assert kinds["getTransaction"] == anywhere | {NotFound}
    assert kinds["getLedgerEntries"] == anywhere | {OldSequence}


def test_a_plan_without_faults_changes_nothing() -> None:
    client, seen, paid = pay_three_times(Faults(seed=1))
    assert client.injected == {}
    assert len(seen) == 3
    assert paid == 3 * 10_000_100


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_probability_is_between_0_and_1(probability: float) -> None:
    with pytest.raises(ValueError, match="'lag'"):
        Faults(seed=1, lag=probability)


# -- over HTTP ---------------------------------------------------------------------------------


def test_faults_strike_over_http_as_without_a_socket() -> None:
    plan: dict[int, Fault] = {
        1: DropBefore(),
        2: TryAgainLater(),
        4: Truncated(0.3),
        5: TooManyRequests(),
        7: NotFound(times=2),
        8: DropAfter(),
        9: Duplicate(),
        13: OldSequence(),
        15: Lag(1),
    }
    outcomes = []
    for over_http in (False, True):
        network = LocalNetwork(start_time=START, clock=lambda: START)
        alice = Sender(network, Keypair.from_raw_ed25519_seed(bytes(32)))
        with serve_http(network) as endpoint, RequestsClient() as real:
            client = FaultyClient(real if over_http else network.client(), plan)
            server = SorobanServer(endpoint.url, client)
            seen = persistent(server, payment(alice))
            seen += [str(server.load_account(alice.id).sequence) for _ in range(3)]
            seen.append(str(server.get_latest_ledger()))
        outcomes.append((client.injected, client.methods, seen))
    assert outcomes[0] == outcomes[1]
    assert set(plan) - set(outcomes[0][0]) == set()
