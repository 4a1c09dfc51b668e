"""What expired long ago is removed: temporary entries alone, once each, after reverts too."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from localnet.tests.support.contract import Contract, Kind, live_until, resources, ttl_key
from localnet.tests.support.sender import Sender
from stellar_sdk import ExtendFootprintTTL
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.store import Entry, Ledger
from soroban_localnet.node.node import EVICTION_LEDGERS


def gone(sender: Sender) -> list[stellar_xdr.LedgerKey]:
    """Read which entries the latest ledger says that it removed."""
    closed = sender.server.get_ledgers(sender.network.latest_ledger).ledgers[-1]
    meta = stellar_xdr.LedgerCloseMeta.from_xdr(closed.metadata_xdr).v2
    assert meta is not None
    return meta.evicted_keys


def test_a_temporary_entry_is_evicted_a_while_after_its_end(
    alice: Sender, contract: Contract
) -> None:
    network, key = alice.network, contract.entry(Kind.TEMPORARY, "n")
    alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 5))
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    alice.declare(resources(contract.code, fee=100_000_000), ExtendFootprintTTL(100_000))
    last = live_until(alice, key)
    network.advance_ledgers(last + EVICTION_LEDGERS - network.latest_ledger)
    assert network.entry(key.to_xdr_bytes()) is not None
    assert gone(alice) == []
    network.close_ledgers()
    assert network.entry(key.to_xdr_bytes()) is None
    assert gone(alice) == [key, ttl_key(key)]
    network.close_ledgers()
    assert gone(alice) == []
    sent = alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 1))
    assert [name for name, _ in sent.changes] == ["created", "created"]


def test_persistent_entries_are_never_evicted(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    alice.network.advance_ledgers(1_000_000)
    assert gone(alice) == []
    key = contract.entry(Kind.PERSISTENT, "n")
    assert alice.network.entry(key.to_xdr_bytes()) is not None


def test_what_is_written_anew_in_the_very_ledger_of_its_eviction_stays(
    alice: Sender, contract: Contract
) -> None:
    network, key = alice.network, contract.entry(Kind.TEMPORARY, "n")
    alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 5))
    alice.declare(resources(contract.code, fee=100_000_000), ExtendFootprintTTL(100_000))
    network.advance_ledgers(live_until(alice, key) + EVICTION_LEDGERS - network.latest_ledger)
    alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 1))
    assert gone(alice) == []
    assert live_until(alice, key) > network.latest_ledger
    network.advance_ledgers(live_until(alice, key) + EVICTION_LEDGERS + 1 - network.latest_ledger)
    assert gone(alice) == [key, ttl_key(key)]


def test_what_a_revert_brings_back_is_evicted_again(alice: Sender, contract: Contract) -> None:
    network, key = alice.network, contract.entry(Kind.TEMPORARY, "n")
    alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 5))
    mark = network.snapshot()
    for _ in range(2):
        network.advance_ledgers(live_until(alice, key) + EVICTION_LEDGERS)
        assert gone(alice) == [key, ttl_key(key)]
        network.revert(mark)
        assert network.entry(key.to_xdr_bytes()) is not None


KEYS = [
    xdr.u32(xdr.CONTRACT_DATA) + bytes([n]) * 40 + xdr.u32(durability)
    for n in range(3)
    for durability in (0, 1)
]


class Ends(RuleBasedStateMachine):
    """A ledger beside the entries that it should have; time goes back with each revert."""

    @initialize()
    def begin(self) -> None:
        self.ledger = Ledger()
        self.now = 0
        self.marks: list[int] = []

    @rule(key=st.sampled_from(KEYS), life=st.integers(0, 9))
    def write(self, key: bytes, life: int) -> None:
        self.ledger.put(key, Entry(b"", self.now + life))

    @rule(key=st.sampled_from(KEYS))
    def remove(self, key: bytes) -> None:
        self.ledger.put(key, None)

    @rule(ledgers=st.integers(1, 5))
    def close(self, ledgers: int) -> None:
        self.now += ledgers
        expired = [
            key
            for key, entry in self.ledger
            if xdr.is_temporary(key) and not entry.is_live(self.now)
        ]
        taken = self.ledger.expired(self.now)
        assert sorted(taken) == sorted(expired)
        for key in taken:
            self.ledger.put(key, None)

    @rule()
    def mark(self) -> None:
        self.ledger.snapshot()
        self.marks.append(self.now)

    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        if self.marks:
            mark = data.draw(st.integers(0, len(self.marks) - 1))
            self.ledger.revert(mark)
            self.now = self.marks[mark]
            del self.marks[mark + 1 :]

    @invariant()
    def nothing_is_watched_that_is_not_there(self) -> None:
        if hasattr(self, "ledger"):
            assert self.ledger.watched <= {key for key, _ in self.ledger}


TestEnds = Ends.TestCase
TestEnds.settings = settings(max_examples=30)
