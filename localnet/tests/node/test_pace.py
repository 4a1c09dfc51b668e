"""Ledgers at a pace, and what waits for them: who may wait, how long, and who goes first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from localnet.tests.support.contract import Contract, Kind, counter, deploy, upload
from localnet.tests.support.fee_bumps import around, inside
from localnet.tests.support.issued_assets import pay
from localnet.tests.support.paced import (
    NEVER,
    XLM,
    PacedSender,
    is_missing,
    latest_meta,
    lumens,
    no_memory,
    paced_network,
    payment,
    queue,
    signed,
)
from localnet.tests.support.sender import Code, described
from stellar_sdk import Keypair, Preconditions, TimeBounds, TransactionEnvelope, xdr
from stellar_sdk.soroban_rpc import SendTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.history.closed_ledger import ClosedLedger
from soroban_localnet.ledger.parameters import TOTAL_COINS
from soroban_localnet.ledger.settings import NetworkSettings, load
from soroban_localnet.node.pace import Pace

RESERVE = 5_000_000
PENDING, DUPLICATE = SendTransactionStatus.PENDING, SendTransactionStatus.DUPLICATE
LATER, ERROR = SendTransactionStatus.TRY_AGAIN_LATER, SendTransactionStatus.ERROR
SOON = 10.0
"""Seconds after which a test that waits for another thread fails."""


@pytest.fixture
def network() -> Iterator[LocalNetwork]:
    with paced_network() as network:
        yield network


@pytest.fixture
def alice(network: LocalNetwork) -> PacedSender:
    return PacedSender(network)


@pytest.fixture
def bob(network: LocalNetwork) -> PacedSender:
    return PacedSender(network)


def send(who: PacedSender, envelope: Any) -> SendTransactionStatus:
    return who.server.send_transaction(envelope).status


def refusal(who: PacedSender, envelope: Any) -> tuple[Code, int]:
    """Send what may not wait; return the code and the fee that the result names."""
    answer = who.server.send_transaction(envelope)
    assert answer.status == ERROR
    assert answer.error_result_xdr is not None
    result = xdr.TransactionResult.from_xdr(answer.error_result_xdr)
    return result.result.code, result.fee_charged.int64


# -- the pace --------------------------------------------------------------------------------


class Watched(LocalNetwork):
    """A network that tells of each ledger that it closes."""

    def __init__(self, **options: Any) -> None:
        self.closed = threading.Semaphore(0)
        super().__init__(**options)
        add = self.history.add

        def told(ledger: ClosedLedger) -> None:
            add(ledger)
            self.closed.release()

        self.history.add = told  # type: ignore[method-assign]


def test_ledgers_are_closed_by_themselves_with_what_waits() -> None:
    with Watched(ledger_interval=0.01) as network:
        alice = PacedSender(network)
        envelope = payment(alice)
        assert send(alice, envelope) == PENDING
        latest = network.latest_ledger
        while network.latest_ledger < latest + 3:
            assert network.closed.acquire(timeout=SOON)
        assert alice.found(envelope.hash_hex()).code == Code.txSUCCESS


def test_a_network_that_was_left_closes_no_more_ledgers() -> None:
    with Watched(ledger_interval=0.01) as network:
        assert network.closed.acquire(timeout=SOON)
    assert not [t for t in threading.enumerate() if t.name == "soroban-localnet-pace"]
    latest = network.latest_ledger
    network.close()
    network.close_ledgers()
    assert network.latest_ledger == latest + 1


def test_without_a_pace_no_thread_runs(network: LocalNetwork) -> None:
    network.close()
    LocalNetwork().close()
    assert not [t for t in threading.enumerate() if t.name == "soroban-localnet-pace"]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_pace_takes_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="ledger_interval: must be more than 0 seconds"):
        LocalNetwork(ledger_interval=seconds)


def test_a_tick_that_fails_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticks = threading.Semaphore(0)

    def tick() -> None:
        ticks.release()
        raise RuntimeError("no room on the disk")

    with caplog.at_level(logging.ERROR):
        pace = Pace(0.01, tick)
        assert ticks.acquire(timeout=SOON)
        assert ticks.acquire(timeout=SOON)
        pace.stop()
    assert "no ledger was closed" in caplog.text
    assert "no room on the disk" in caplog.text


# -- what moves ledgers ----------------------------------------------------------------------


def test_a_transaction_is_in_no_ledger_until_one_is_closed(alice: PacedSender) -> None:
    envelope = payment(alice)
    before = alice.network.latest_ledger, alice.sequence
    queue(alice, envelope)
    assert (alice.network.latest_ledger, alice.sequence) == before
    alice.network.close_ledgers(2)
    got = alice.server.get_transaction(envelope.hash_hex())
    assert got.ledger == before[0] + 1
    assert alice.network.latest_ledger == before[0] + 2


def test_funding_does_not_wait_and_takes_what_waits_along(alice: PacedSender) -> None:
    envelope = payment(alice)
    queue(alice, envelope)
    new = Keypair.random().public_key
    alice.network.fund(new)
    assert alice.server.load_account(new).sequence == alice.network.latest_ledger << 32
    got = alice.server.get_transaction(envelope.hash_hex())
    assert got.ledger == alice.network.latest_ledger


@pytest.mark.parametrize("count", [1, 2, 1_000])
def test_a_jump_ahead_takes_what_waits_into_its_first_ledger(
    alice: PacedSender, count: int
) -> None:
    network = alice.network
    envelope = payment(alice)
    before = network.latest_ledger, network.close_time
    queue(alice, envelope)
    network.advance_ledgers(count)
    assert alice.server.get_transaction(envelope.hash_hex()).ledger == before[0] + 1
    assert network.latest_ledger == before[0] + count
    assert network.close_time >= before[1] + 5 * count


def test_a_revert_forgets_what_waits(alice: PacedSender) -> None:
    mark = alice.network.snapshot()
    envelope = payment(alice)
    queue(alice, envelope)
    alice.network.revert(mark)
    alice.network.close_ledgers()
    assert is_missing(alice, envelope)
    assert send(alice, envelope) == PENDING


# -- who may wait ----------------------------------------------------------------------------


def test_a_transaction_that_waits_or_was_applied_is_a_duplicate(alice: PacedSender) -> None:
    envelope = payment(alice)
    before = alice.sequence
    queue(alice, envelope)
    assert send(alice, envelope) == DUPLICATE
    alice.network.close_ledgers()
    assert send(alice, envelope) == DUPLICATE
    alice.network.close_ledgers()
    assert alice.sequence == before + 1


def test_an_account_has_one_transaction_that_waits(alice: PacedSender, contract: Contract) -> None:
    call = signed(alice, alice.prepare(contract.call("add", Kind.TEMPORARY, "n", 1)))
    first, sequence = payment(alice), alice.sequence
    queue(alice, first)
    assert send(alice, payment(alice, sequence=sequence + 2)) == LATER
    assert send(alice, payment(alice, fee=200)) == LATER
    assert send(alice, call) == LATER
    assert refusal(alice, payment(alice, sequence=sequence)) == (Code.txBAD_SEQ, 0)
    call.transaction.sequence = sequence
    assert send(alice, call) == LATER
    alice.network.close_ledgers()
    assert alice.found(first.hash_hex()).code == Code.txSUCCESS
    assert send(alice, payment(alice, sequence=sequence + 2)) == PENDING


def test_what_is_invalid_is_refused_with_the_least_fee(
    alice: PacedSender, bob: PacedSender
) -> None:
    wrong = alice.build(pay(XLM, bob, 7), pay(XLM, bob, 7))
    assert refusal(alice, signed(bob, wrong)) == (Code.txBAD_AUTH, 200)
    assert refusal(alice, payment(alice, sequence=1)) == (Code.txBAD_SEQ, 100)


def test_time_bounds_have_to_last_for_two_more_ledgers(alice: PacedSender) -> None:
    network = alice.network
    for left, allowed in ((2 * NEVER - 1, False), (2 * NEVER + 60, True)):
        envelope = alice.build(pay(XLM, alice, 7))
        envelope.transaction.preconditions = Preconditions(
            time_bounds=TimeBounds(0, network.close_time + int(left))
        )
        if allowed:
            queue(alice, signed(alice, envelope))
        else:
            assert refusal(alice, signed(alice, envelope)) == (Code.txTOO_LATE, 100)


# -- what becomes of those that wait ---------------------------------------------------------


def test_what_became_invalid_is_dropped_and_costs_nothing(
    alice: PacedSender, bob: PacedSender
) -> None:
    network = alice.network
    envelope = payment(bob)
    before = bob.balance
    queue(bob, envelope)
    entry = network.entry(b"\0" * 8 + bob.key.raw_public_key())
    assert entry is not None
    account = xdr.LedgerEntry.from_xdr_bytes(entry[0])
    assert account.data.account is not None
    account.data.account.seq_num = xdr.SequenceNumber(xdr.Int64(bob.sequence + 9))
    network.set_entry(account.to_xdr_bytes())
    network.close_ledgers()
    assert is_missing(bob, envelope)
    assert bob.balance == before
    assert network.history.latest.records == ()
    assert send(bob, payment(bob)) == PENDING


def test_what_raises_is_dropped_and_the_others_enter(
    alice: PacedSender, bob: PacedSender, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = signed(bob, bob.prepare(contract.call("add", Kind.TEMPORARY, "n", 1)))
    envelope, before = payment(alice), bob.balance
    queue(bob, call)
    queue(alice, envelope)
    with no_memory(monkeypatch):
        alice.network.close_ledgers()
    assert alice.found(envelope.hash_hex()).code == Code.txSUCCESS
    assert is_missing(bob, call)
    assert bob.balance == before
    assert bob.submit(call).code == Code.txSUCCESS


def limited(**limits: int) -> NetworkSettings:
    """The shipped settings with tighter limits for what a ledger takes."""
    shipped = load()
    ledger = shipped.limits.ledger._replace(**limits)
    return attrs.evolve(shipped, limits=attrs.evolve(shipped.limits, ledger=ledger))


@pytest.fixture
def crowd() -> Iterator[tuple[list[PacedSender], Contract]]:
    """Seven people, of whom two a ledger may call a contract."""
    with paced_network(limited(transactions=2)) as network:
        people = [PacedSender(network) for _ in range(7)]
        people[0].invoke(upload())
        yield people, deploy(people[0])


def bidding(who: PacedSender, contract: Contract, bid: int) -> TransactionEnvelope:
    """A call that bids some stroops for its place."""
    envelope = who.prepare(contract.call("add", Kind.TEMPORARY, "n", 1))
    envelope.transaction.fee += bid - 100
    return signed(who, envelope)


def ledgers(people: list[PacedSender], envelopes: list[TransactionEnvelope]) -> list[int | None]:
    """Where each transaction is: in how many ledgers from the first of them."""
    server = people[0].server
    found = [server.get_transaction(each.hash_hex()).ledger for each in envelopes]
    first = min(ledger for ledger in found if ledger)
    return [ledger and ledger - first for ledger in found]


def test_what_does_not_fit_waits_and_the_higher_bid_goes_first(
    crowd: tuple[list[PacedSender], Contract],
) -> None:
    people, contract = crowd
    network = people[0].network
    bids = [100, 300, 200, 150]
    envelopes = [bidding(*each) for each in zip(people, [contract] * 4, bids, strict=False)]
    resources = envelopes[0].transaction.fee - 100
    for who, envelope in zip(people, envelopes, strict=False):
        queue(who, envelope)
    network.close_ledgers()
    meta = latest_meta(network)
    assert meta.tx_set.v1_tx_set is not None
    component = meta.tx_set.v1_tx_set.phases[1].parallel_txs_component
    assert component is not None
    assert component.base_fee is not None
    assert component.base_fee.int64 == 200  # what the lowest of those inside bids
    for each in meta.tx_processing:
        (_, before), (_, after) = described(each.fee_processing)
        paid = before.account.balance.int64 - after.account.balance.int64
        assert paid == resources + 200
    network.close_ledgers()
    assert ledgers(people, envelopes) == [1, 0, 0, 1]
    assert counter(people[0], contract, Kind.TEMPORARY) == 4
    assert lumens(network) == TOTAL_COINS


def test_classic_transactions_do_not_wait_for_calls(
    crowd: tuple[list[PacedSender], Contract],
) -> None:
    people, contract = crowd
    calls = [bidding(who, contract, 100) for who in people[:3]]
    payments = [payment(who) for who in people[3:]]
    for who, envelope in zip(people, [*calls, *payments], strict=True):
        queue(who, envelope)
    people[0].network.close_ledgers(2)
    assert ledgers(people, [*calls, *payments]) == [0, 0, 1, 0, 0, 0, 0]


def test_a_full_queue_refuses_a_bid_that_is_no_higher_and_names_the_fee(
    crowd: tuple[list[PacedSender], Contract],
) -> None:
    people, contract = crowd
    bids = [150, 120, 200, 130]
    envelopes = [bidding(*each) for each in zip(people, [contract] * 4, bids, strict=False)]
    for who, envelope in zip(people, envelopes, strict=False):
        queue(who, envelope)
    late = bidding(people[4], contract, 120)
    assert refusal(people[4], late) == (Code.txINSUFFICIENT_FEE, late.transaction.fee + 1)
    queue(people[5], payment(people[5]))
    better = bidding(people[4], contract, 121)
    queue(people[4], better)
    people[0].network.close_ledgers(3)
    assert is_missing(people[1], envelopes[1])
    kept = [envelopes[0], envelopes[2], envelopes[3], better]
    assert ledgers(people, kept) == [0, 0, 1, 1]


@pytest.mark.parametrize("full", [3, 4])
def test_who_waits_for_four_ledgers_in_vain_is_dropped(
    crowd: tuple[list[PacedSender], Contract], full: int
) -> None:
    people, contract = crowd
    network = people[0].network
    low = bidding(people[0], contract, 100)
    queue(people[0], low)
    for _ in range(full):
        for who in people[1:3]:
            queue(who, bidding(who, contract, 200))
        network.close_ledgers()
    network.close_ledgers()
    if full == 3:
        assert people[0].found(low.hash_hex()).code == Code.txSUCCESS
    else:
        assert network.history.latest.records == ()
        assert is_missing(people[0], low)
        assert send(people[0], low) == PENDING


def test_what_fits_into_no_ledger_is_to_come_again_later() -> None:
    with paced_network(limited(instructions=1)) as network:
        alice = PacedSender(network)
        envelope = signed(alice, alice.prepare(upload()))
        assert send(alice, envelope) == LATER
    at_once = LocalNetwork(settings=limited(instructions=1))
    alice = PacedSender(at_once)
    envelope = signed(alice, alice.prepare(upload()))
    before = at_once.latest_ledger
    assert send(alice, envelope) == LATER
    assert at_once.latest_ledger == before


# -- fee bumps -------------------------------------------------------------------------------


def test_a_fee_bump_takes_the_place_of_what_waits_for_ten_times_its_bid(
    alice: PacedSender, bob: PacedSender
) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    queue(alice, inner)
    assert refusal(alice, around(bob, inner, 1_999)) == (Code.txINSUFFICIENT_FEE, 2_000)
    bump = around(bob, inner, 2_000)
    assert send(alice, bump) == PENDING
    assert send(alice, bump) == DUPLICATE
    assert send(alice, inner) == DUPLICATE
    before = bob.balance
    alice.network.close_ledgers()
    assert alice.found(bump.hash_hex()).code == Code.txFEE_BUMP_INNER_SUCCESS
    (record,) = alice.network.history.latest.records
    assert bob.balance == before + 7 - record.applied.fee_charged
    assert send(alice, inner) == DUPLICATE


def test_a_fee_bump_of_another_sequence_number_has_to_wait(
    alice: PacedSender, bob: PacedSender
) -> None:
    queue(alice, payment(alice))
    later = signed(alice, alice.build(pay(XLM, bob, 7), sequence=alice.sequence + 2))
    assert send(alice, around(bob, later, 5_000)) == LATER


def test_a_payer_has_to_cover_the_fees_of_all_that_wait(
    alice: PacedSender, bob: PacedSender
) -> None:
    network = alice.network
    carol, payer = PacedSender(network), PacedSender(network)
    payer.send(pay(XLM, alice, payer.balance - 2 * RESERVE - 100 - 500))
    first, second, third = (
        around(payer, inside(who, pay(XLM, who, 7)), 240) for who in (alice, bob, carol)
    )
    queue(alice, first)
    queue(bob, second)
    assert refusal(carol, third) == (Code.txINSUFFICIENT_BALANCE, 0)
    network.close_ledgers()
    assert len(network.history.latest.records) == 2
    assert payer.balance == 2 * RESERVE + 500 - 400


def test_a_replaced_transaction_no_longer_weighs_on_its_payer(
    alice: PacedSender, bob: PacedSender
) -> None:
    payer = PacedSender(alice.network)
    payer.send(pay(XLM, alice, payer.balance - 2 * RESERVE - 100 - 5_000))
    inner = inside(alice, pay(XLM, bob, 7))
    queue(alice, around(payer, inner, 400))
    assert send(alice, around(payer, inner, 4_800)) == PENDING
    assert refusal(bob, around(payer, inside(bob, pay(XLM, bob, 7)), 300))[0] == (
        Code.txINSUFFICIENT_BALANCE
    )
    queue(bob, around(payer, inside(bob, pay(XLM, bob, 7)), 200))
