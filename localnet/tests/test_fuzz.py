"""A share of `make fuzz`, and proof that it sees a network that breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from localnet.tests.fuzz import world as fuzzed
from localnet.tests.fuzz.__main__ import PARTS, campaign, drawn
from localnet.tests.fuzz.requests import METHODS, transactions
from localnet.tests.fuzz.world import Broken, Hung, World, text
from stellar_sdk import xdr


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with fuzzed.world() as made:
        yield made


def test_whatever_is_asked_the_network_answers_and_keeps_its_ledger(made: World) -> None:
    before = made.accepted
    campaign(made, 500, 1, PARTS)
    assert made.accepted > before + 25
    assert not made.crashes


def test_every_method_and_every_kind_of_operation_is_asked_for(made: World) -> None:
    assert set(made.network.dispatcher.methods) < set(METHODS)
    kinds = set()
    for envelope in made.envelopes.values():
        decoded = xdr.TransactionEnvelope.from_xdr_bytes(envelope)
        if decoded.v1 is not None:
            kinds |= {operation.body.type for operation in decoded.v1.tx.operations}
    assert kinds == set(xdr.OperationType)


def test_most_envelopes_are_accepted_as_they_are(made: World) -> None:
    accepted = {
        name
        for name, envelope in made.envelopes.items()
        if made.request("sendTransaction", transaction=text(envelope))["result"]["status"]
        == "PENDING"
    }
    assert {"payment", "fee bump", "relay", "restoring add", "transfer of an asset"} <= accepted
    assert len(accepted) > len(made.envelopes) // 2


# -- planted faults ----------------------------------------------------------------------------


def found(made: World) -> str:
    """Fuzz a network that has a fault, and return what is said of it."""
    with pytest.raises(Broken) as broken:
        drawn(transactions(made), made.call, 300, 1)
    return str(broken.value)


def test_an_exception_in_the_server_is_found(made: World, monkeypatch: Any) -> None:
    def send(transaction: Any) -> Any:
        raise KeyError(transaction.hash)

    monkeypatch.setattr(made.network.node, "send", send)
    assert "KeyError" in found(made)


def test_a_refusal_that_changes_the_ledger_is_found(made: World, monkeypatch: Any) -> None:
    original = made.network.node.send

    def send(transaction: Any) -> Any:
        outcome = original(transaction)
        if made.network.latest_ledger == made.beginning[1]:
            made.network.close_ledgers()
        return outcome

    monkeypatch.setattr(made.network.node, "send", send)
    assert found(made) == "the ledger changed, and nobody was told"


def test_money_out_of_nothing_is_found(made: World, monkeypatch: Any) -> None:
    original = made.network.node.send

    def send(transaction: Any) -> Any:
        outcome = original(transaction)
        key = made.keys[0]
        held = made.network.entry(key)
        assert held is not None
        entry = xdr.LedgerEntry.from_xdr_bytes(held[0])
        assert entry.data.account is not None
        if made.network.latest_ledger > made.beginning[1]:
            entry.data.account.balance.int64 += 10**9
            made.network.set_entry(entry.to_xdr_bytes())
        return outcome

    monkeypatch.setattr(made.network.node, "send", send)
    assert found(made) == "money out of nothing"


def test_an_answer_that_is_no_json_rpc_is_found(made: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(made.network.dispatcher), "answer", lambda self, document: {"ok": 1})
    assert found(made).startswith("no JSON-RPC")


def test_a_network_that_does_not_answer_is_found(made: World, monkeypatch: Any) -> None:
    release = threading.Event()
    monkeypatch.setattr(made.network.node, "send", lambda transaction: release.wait())
    monkeypatch.setattr(made.connection, "timeout", 0.2)
    made.connection.close()
    with pytest.raises(Hung):
        drawn(transactions(made), made.call, 300, 1)
    release.set()
