"""Ledgers and time that move, entries set by hand, and going back to a snapshot."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.clock import START
from localnet.tests.support.contract import (
    CODE_KEY,
    Contract,
    Kind,
    counter,
    deploy,
    live_until,
    upload,
)
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import scval, xdr
from stellar_sdk.soroban_rpc import GetTransactionStatus

from soroban_localnet import LocalNetwork, UnknownSnapshot


def clock(sender: Sender, contract: Contract) -> tuple[int, int]:
    """Ledger sequence and time as a contract sees them."""
    sequence, timestamp = scval.from_vec(sender.invoke(contract.call("clock")).value)
    return scval.from_uint32(sequence), scval.from_uint64(timestamp)


# -- ledgers and time ------------------------------------------------------------------------


def test_a_contract_sees_the_ledger_that_its_transaction_is_in(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    before = network.latest_ledger
    sequence, timestamp = clock(alice, contract)
    assert sequence == network.latest_ledger == before + 1
    assert timestamp == network.close_time >= START


def test_simulation_sees_the_latest_ledger(alice: Sender, contract: Contract) -> None:
    alice.network.close_ledgers(3)
    simulated = alice.server.simulate_transaction(alice.build(contract.call("clock")))
    assert simulated.results
    assert simulated.results[0].xdr is not None
    sequence, _ = scval.from_vec(simulated.results[0].xdr)
    assert scval.from_uint32(sequence) == alice.network.latest_ledger


@pytest.mark.parametrize("count", [1, 2, 100_000])
def test_advanced_ledgers_take_five_seconds_each(
    alice: Sender, contract: Contract, count: int
) -> None:
    sequence, _ = clock(alice, contract)
    closed = alice.network.close_time
    alice.network.advance_ledgers(count)
    assert alice.network.latest_ledger == sequence + count
    assert alice.network.close_time >= closed + 5 * count
    assert clock(alice, contract)[0] == sequence + count + 1
    assert clock(alice, contract)[1] >= closed + 5 * count


def test_advanced_time_is_in_one_ledger(alice: Sender, contract: Contract) -> None:
    sequence, before = clock(alice, contract)
    alice.network.advance_time(3_600)
    assert alice.network.latest_ledger == sequence + 1
    assert alice.network.close_time >= before + 3_600
    assert clock(alice, contract)[1] >= before + 3_600


def test_closed_ledgers_are_empty_and_change_nothing(alice: Sender, contract: Contract) -> None:
    before = alice.network.latest_ledger
    balance = alice.balance
    alice.network.close_ledgers(3)
    assert alice.network.latest_ledger == before + 3
    assert alice.balance == balance


def test_time_and_ledgers_do_not_go_back(network: LocalNetwork) -> None:
    with pytest.raises(ValueError, match="seconds"):
        network.advance_time(-1)
    with pytest.raises(ValueError, match="count"):
        network.advance_ledgers(0)


def test_a_transaction_is_forgotten_after_the_retention() -> None:
    network = LocalNetwork(start_time=START, retention=10)
    alice = Sender(network)
    envelope = alice.prepare(upload())
    envelope.sign(alice.key)
    transaction_hash = envelope.hash_hex()
    alice.submit(envelope)
    network.close_ledgers(9)
    assert alice.server.get_transaction(transaction_hash).status == GetTransactionStatus.SUCCESS
    network.close_ledgers(1)
    gone = alice.server.get_transaction(transaction_hash)
    assert gone.status == GetTransactionStatus.NOT_FOUND
    assert gone.oldest_ledger == network.latest_ledger - 9


# -- snapshots -------------------------------------------------------------------------------


def test_a_revert_brings_entries_ledger_and_time_back(alice: Sender, contract: Contract) -> None:
    network = alice.network
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    before = network.latest_ledger, network.close_time, alice.sequence, alice.balance
    lives = live_until(alice, contract.entry(Kind.PERSISTENT, "n"))
    mark = network.snapshot()
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 2))
    alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 1))
    alice.invoke(contract.call("remove", Kind.PERSISTENT, "n"))
    network.advance_ledgers(200_000)
    network.advance_time(1_000_000)
    network.revert(mark)
    assert (network.latest_ledger, network.close_time, alice.sequence, alice.balance) == before
    assert counter(alice, contract, Kind.PERSISTENT) == 5
    assert counter(alice, contract, Kind.TEMPORARY) is None
    assert live_until(alice, contract.entry(Kind.PERSISTENT, "n")) == lives
    sequence, timestamp = clock(alice, contract)
    assert sequence == before[0] + 1
    assert timestamp < before[1] + 1_000_000


def test_a_reverted_transaction_is_forgotten_and_can_be_sent_again(
    alice: Sender, contract: Contract
) -> None:
    mark = alice.network.snapshot()
    envelope = alice.prepare(contract.call("add", Kind.INSTANCE, "n", 5))
    envelope.sign(alice.key)
    assert alice.submit(envelope).code == Code.txSUCCESS
    alice.network.revert(mark)
    found = alice.server.get_transaction(envelope.hash_hex())
    assert found.status == GetTransactionStatus.NOT_FOUND
    assert alice.submit(envelope).code == Code.txSUCCESS
    assert counter(alice, contract, Kind.INSTANCE) == 5


def test_code_that_was_reverted_away_is_gone(alice: Sender) -> None:
    mark = alice.network.snapshot()
    alice.invoke(upload())
    deploy(alice)
    alice.network.revert(mark)
    assert alice.network.entry(CODE_KEY.to_xdr_bytes()) is None
    alice.invoke(upload())
    again = deploy(alice)
    assert clock(alice, again)[0] == alice.network.latest_ledger


def test_snapshots_nest_and_stay_usable(alice: Sender, contract: Contract) -> None:
    network = alice.network
    alice.invoke(contract.call("add", Kind.INSTANCE, "n", 1))
    outer = network.snapshot()
    alice.invoke(contract.call("add", Kind.INSTANCE, "n", 1))
    inner = network.snapshot()
    alice.invoke(contract.call("add", Kind.INSTANCE, "n", 1))
    network.revert(inner)
    assert counter(alice, contract, Kind.INSTANCE) == 2
    for _ in range(2):
        network.revert(outer)
        assert counter(alice, contract, Kind.INSTANCE) == 1
        alice.invoke(contract.call("add", Kind.INSTANCE, "n", 5))
    with pytest.raises(UnknownSnapshot):
        network.revert(inner)


@settings(max_examples=15)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from(Kind)),
            st.tuples(st.just("remove"), st.sampled_from(Kind)),
            st.tuples(st.just("mark"), st.none()),
            st.tuples(st.just("back"), st.integers(0, 3)),
        ),
        max_size=10,
    )
)
def test_going_back_gives_what_was_there(steps: list[tuple[str, Kind | int | None]]) -> None:
    sender = Sender(LocalNetwork(start_time=START))
    network = sender.network
    sender.invoke(upload())
    contract = deploy(sender)

    def state() -> tuple[object, ...]:
        held = [counter(sender, contract, kind) for kind in Kind]
        return network.latest_ledger, sender.sequence, sender.balance, held

    marks: list[tuple[int, tuple[object, ...]]] = []
    for name, argument in steps:
        if name == "mark":
            marks.append((network.snapshot(), state()))
        elif name != "back":
            assert isinstance(argument, Kind)
            amount = (1,) if name == "add" else ()
            sender.invoke(contract.call(name, argument, "n", *amount))
        elif marks:
            assert isinstance(argument, int)
            index = argument % len(marks)
            network.revert(marks[index][0])
            del marks[index + 1 :]
            assert state() == marks[index][1]


# -- entries set by hand ---------------------------------------------------------------------


def test_an_entry_can_be_set_and_removed_past_all_rules(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    key = contract.entry(Kind.PERSISTENT, "n").to_xdr_bytes()
    found = alice.network.entry(key)
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.contract_data is not None
    entry.data.contract_data.val = scval.to_uint64(40)
    alice.network.set_entry(entry.to_xdr_bytes(), found[1])
    sent = alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 2))
    assert scval.from_uint64(sent.value) == 42
    alice.network.remove_entry(key)
    assert counter(alice, contract, Kind.PERSISTENT) is None


def test_a_set_entry_is_undone_by_a_revert(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    key = contract.entry(Kind.PERSISTENT, "n").to_xdr_bytes()
    mark = alice.network.snapshot()
    alice.network.remove_entry(key)
    alice.network.revert(mark)
    assert counter(alice, contract, Kind.PERSISTENT) == 5
