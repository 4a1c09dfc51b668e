"""Many threads that send at once: each transaction gets one place, and its sender the answer."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from localnet.tests.support.contract import Contract, Kind, counter
from localnet.tests.support.fee_bumps import around, inside
from localnet.tests.support.issued_assets import pay
from localnet.tests.support.paced import XLM, lumens, no_memory, payment, signed
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import SendTransactionResponse, SendTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.ledger.parameters import TOTAL_COINS
from soroban_localnet.node.queue import Waiting

RESERVE = 5_000_000
SOON = 10.0
"""Seconds after which a test that waits for another thread fails."""

Answer = Future[SendTransactionResponse]


class Arrivals(deque[Waiting]):
    """What waits for the network's lock, and a signal for each that comes."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Semaphore(0)

    def append(self, waiting: Waiting) -> None:
        super().append(waiting)
        self.came.release()


@contextmanager
def held_up(network: LocalNetwork) -> Iterator[Callable[[Sender, Any], Answer]]:
    """Let what is sent meanwhile wait, in the order in which it was sent; it comes in at the end.

    Yields a function that sends a transaction from a thread of its own.
    """
    arrivals = network.node.arrivals = Arrivals()
    pool = ThreadPoolExecutor(16)

    def send(who: Sender, envelope: Any) -> Answer:
        answer = pool.submit(who.server.send_transaction, envelope)
        assert arrivals.came.acquire(timeout=SOON)
        return answer

    with network.node.lock:
        yield send
    pool.shutdown()


def status(answer: Answer) -> SendTransactionStatus:
    return answer.result(SOON).status


PENDING, DUPLICATE = SendTransactionStatus.PENDING, SendTransactionStatus.DUPLICATE


def place(who: Sender, envelope: Any) -> tuple[int | None, int | None]:
    got = who.server.get_transaction(envelope.hash_hex())
    return got.ledger, got.application_order


# -- those who come while a ledger is made ---------------------------------------------------


def test_all_that_come_while_the_network_is_busy_share_the_next_ledger(
    network: LocalNetwork,
) -> None:
    people = [Sender(network) for _ in range(6)]
    envelopes = [payment(who) for who in people]
    before = network.latest_ledger
    with held_up(network) as send:
        answers = [send(*each) for each in zip(people, envelopes, strict=True)]
    assert {status(answer) for answer in answers} == {PENDING}
    places = [place(*each) for each in zip(people, envelopes, strict=True)]
    assert sorted(places) == [(before + 1, order) for order in range(1, 7)]
    assert network.latest_ledger == before + 1


def test_the_later_one_of_an_account_gets_the_ledger_right_after(
    network: LocalNetwork, alice: Sender, bob: Sender
) -> None:
    first, second, third = (
        payment(alice, sequence=alice.sequence + number) for number in (1, 2, 3)
    )
    other = payment(bob)
    before = network.latest_ledger
    with held_up(network) as send:
        answers = [send(alice, second), send(alice, third), send(bob, other), send(alice, first)]
    assert {status(answer) for answer in answers} == {PENDING}
    assert [place(alice, each)[0] for each in (first, second, third)] == [
        before + 1,
        before + 2,
        before + 3,
    ]
    assert place(bob, other)[0] == before + 1
    assert network.latest_ledger == before + 3


def test_the_same_transaction_from_two_threads_is_applied_once(
    network: LocalNetwork, alice: Sender
) -> None:
    envelope, before = payment(alice), alice.sequence
    with held_up(network) as send:
        answers = [send(alice, envelope) for _ in range(3)]
    assert Counter(map(status, answers)) == {PENDING: 1, DUPLICATE: 2}
    assert alice.sequence == before + 1


def test_one_that_may_not_enter_is_told_why_and_the_others_enter(
    network: LocalNetwork, alice: Sender, bob: Sender
) -> None:
    with held_up(network) as send:
        wrong = send(alice, payment(alice, sequence=5))
        right = send(bob, payment(bob))
    answer = wrong.result(SOON)
    assert answer.status == SendTransactionStatus.ERROR
    assert answer.error_result_xdr is not None
    result = xdr.TransactionResult.from_xdr(answer.error_result_xdr)
    assert result.result.code == Code.txBAD_SEQ
    assert status(right) == PENDING


def test_no_ledger_is_closed_for_those_that_may_not_enter(
    network: LocalNetwork, alice: Sender, bob: Sender
) -> None:
    before = network.latest_ledger
    with held_up(network) as send:
        answers = [send(who, payment(who, sequence=5)) for who in (alice, bob)]
    assert {status(answer) for answer in answers} == {SendTransactionStatus.ERROR}
    assert network.latest_ledger == before


def test_a_payer_of_many_pays_for_no_more_in_a_ledger_than_it_has(
    network: LocalNetwork, alice: Sender, bob: Sender
) -> None:
    payer = Sender(network)
    payer.send(pay(XLM, alice, payer.balance - 2 * RESERVE - 100 - 500))
    bumps = [around(payer, inside(who, pay(XLM, who, 7)), 300) for who in (alice, bob)]
    before = network.latest_ledger
    with held_up(network) as send:
        answers = [send(*each) for each in zip((alice, bob), bumps, strict=True)]
    assert {status(answer) for answer in answers} == {PENDING}
    assert [place(alice, bump)[0] for bump in bumps] == [before + 1, before + 2]
    assert payer.balance == 2 * RESERVE + 500 - 400


def test_ledgers_that_are_closed_by_hand_take_along_who_waits(
    network: LocalNetwork, alice: Sender
) -> None:
    envelope = payment(alice)
    before = network.latest_ledger
    with held_up(network) as send:
        answer = send(alice, envelope)
        network.close_ledgers(2)
    assert status(answer) == PENDING
    assert place(alice, envelope) == (before + 1, 1)
    assert network.latest_ledger == before + 2


# -- faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize("guilty_first", [True, False])
def test_a_fault_of_one_reaches_its_sender_alone_and_leaves_nothing(
    network: LocalNetwork,
    alice: Sender,
    bob: Sender,
    contract: Contract,
    monkeypatch: pytest.MonkeyPatch,
    guilty_first: bool,
) -> None:
    call = signed(bob, bob.prepare(contract.call("add", Kind.TEMPORARY, "n", 1)))
    envelope = payment(alice)
    before = alice.sequence, bob.sequence, bob.balance
    senders = [(bob, call), (alice, envelope)]
    with no_memory(monkeypatch), held_up(network) as send:
        answers = [send(*each) for each in (senders if guilty_first else reversed(senders))]
    guilty, innocent = answers if guilty_first else reversed(answers)
    with pytest.raises(OSError, match="no memory left"):
        guilty.result(SOON)
    assert status(innocent) == PENDING
    assert (alice.sequence, bob.sequence, bob.balance) == (before[0] + 1, before[1], before[2])
    assert lumens(network) == TOTAL_COINS
    assert bob.submit(call).code == Code.txSUCCESS
    assert counter(bob, contract, Kind.TEMPORARY) == 1


# -- a crowd ---------------------------------------------------------------------------------


def test_none_is_lost_none_is_twice_and_all_sequence_numbers_are_used(
    network: LocalNetwork, contract: Contract
) -> None:
    people = [Sender(network) for _ in range(6)]
    starts = [who.sequence for who in people]
    before = network.latest_ledger
    together = threading.Barrier(len(people))

    def live(who: Sender) -> list[str]:
        sent = []
        together.wait(SOON)
        for number in range(8):
            if number % 2:
                envelope = payment(who)
                assert who.submit(envelope).code == Code.txSUCCESS
            else:
                call = contract.call("add", Kind.INSTANCE, "n", 1)
                envelope = signed(who, who.prepare(call))
                assert who.submit(envelope).code == Code.txSUCCESS
            sent.append(envelope.hash_hex())
        return sent

    with ThreadPoolExecutor(len(people)) as pool:
        sent = [each for hashes in pool.map(live, people) for each in hashes]
    applied = Counter(record.hash.hex() for record in network.history.transactions(before + 1))
    assert applied == Counter(sent)
    assert [who.sequence for who in people] == [start + 8 for start in starts]
    assert counter(people[0], contract, Kind.INSTANCE) == 6 * 4
    assert lumens(network) == TOTAL_COINS
