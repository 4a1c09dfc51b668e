"""LocalNetwork, the face: what it lets a test see and decide."""

from __future__ import annotations

from localnet.tests.support.clock import START
from stellar_sdk import Keypair

from soroban_localnet import LEDGER_SECONDS, LocalNetwork
from soroban_localnet.xdr import account_key


def test_the_clock_is_the_one_that_was_given() -> None:
    time = float(START)
    network = LocalNetwork(clock=lambda: time)
    assert network.close_time == network.now == START
    time += 7.9
    assert network.now == START + 7
    network.advance_ledgers(2)
    assert network.close_time == START + 7 + 2 * LEDGER_SECONDS


def test_a_clock_that_stands_still_is_moved_by_the_network_alone() -> None:
    network = LocalNetwork(start_time=START, clock=lambda: 0)
    network.close_ledgers(3)
    assert network.close_time == START
    network.advance_time(60)
    assert network.close_time == network.now == START + 60


def test_all_entries_are_there_by_their_keys_and_are_a_copy() -> None:
    network = LocalNetwork()
    key = Keypair.random()
    before = network.entries()
    network.fund(key.public_key)
    after = network.entries()
    assert set(after) - set(before) == {account_key(key.raw_public_key())}
    assert network.lookup(*after) == list(after.values())
    after.clear()
    assert network.entries()
