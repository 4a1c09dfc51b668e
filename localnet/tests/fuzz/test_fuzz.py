"""A share of `make fuzz`, and proof that it sees a network that breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from localnet.tests.fuzz.__main__ import PARTS, campaign, drawn
from localnet.tests.fuzz.requests import METHODS, transactions
from localnet.tests.support.served_network import Broken, Hung, ServedNetwork, served_network, text
from stellar_sdk import xdr


@pytest.fixture(scope="module")
def served() -> Iterator[ServedNetwork]:
    with served_network() as served:
        yield served


def test_whatever_is_asked_the_network_answers_and_keeps_its_ledger(served: ServedNetwork) -> None:
    before = served.accepted
    campaign(served, 500, 1, PARTS)
    assert served.accepted > before + 25
    assert not served.crashes


def test_every_method_and_every_kind_of_operation_is_asked_for(served: ServedNetwork) -> None:
    assert set(served.network.dispatcher.methods) < set(METHODS)
    kinds = set()
    for envelope in served.envelopes.values():
        decoded = xdr.TransactionEnvelope.from_xdr_bytes(envelope)
        if decoded.v1 is not None:
            kinds |= {operation.body.type for operation in decoded.v1.tx.operations}
    assert kinds == set(xdr.OperationType)


def test_most_envelopes_are_accepted_as_they_are(served: ServedNetwork) -> None:
    accepted = {
        name
        for name, envelope in served.envelopes.items()
        if served.request("sendTransaction", transaction=text(envelope))["result"]["status"]
        == "PENDING"
    }
    assert {"payment", "fee bump", "relay", "restoring add", "transfer of an asset"} <= accepted
    assert len(accepted) > len(served.envelopes) // 2


# -- planted faults ----------------------------------------------------------------------------


def found(served: ServedNetwork) -> str:
    """Fuzz a network that has a fault, and return what is said of it."""
    with pytest.raises(Broken) as broken:
        drawn(transactions(served), served.call, 300, 1)
    return str(broken.value)


def test_an_exception_in_the_server_is_found(served: ServedNetwork, monkeypatch: Any) -> None:
    def send(transaction: Any) -> Any:
        raise KeyError(transaction.hash)

    monkeypatch.setattr(served.network.node, "send", send)
    assert "KeyError" in found(served)


def test_a_refusal_that_changes_the_ledger_is_found(
    served: ServedNetwork, monkeypatch: Any
) -> None:
    original = served.network.node.send

    def send(transaction: Any) -> Any:
        outcome = original(transaction)
        if served.network.latest_ledger == served.beginning[1]:
            served.network.close_ledgers()
        return outcome

    monkeypatch.setattr(served.network.node, "send", send)
    assert found(served) == "the ledger changed, and nobody was told"


def test_money_out_of_nothing_is_found(served: ServedNetwork, monkeypatch: Any) -> None:
    original = served.network.node.send

    def send(transaction: Any) -> Any:
        outcome = original(transaction)
        key = served.keys[0]
        held = served.network.entry(key)
        assert held is not None
        entry = xdr.LedgerEntry.from_xdr_bytes(held[0])
        assert entry.data.account is not None
        if served.network.latest_ledger > served.beginning[1]:
            entry.data.account.balance.int64 += 10**9
            served.network.set_entry(entry.to_xdr_bytes())
        return outcome

    monkeypatch.setattr(served.network.node, "send", send)
    assert found(served) == "money out of nothing"


def test_an_answer_that_is_no_json_rpc_is_found(served: ServedNetwork, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(served.network.dispatcher), "answer", lambda self, document: {"ok": 1})
    assert found(served).startswith("no JSON-RPC")


def test_a_network_that_does_not_answer_is_found(served: ServedNetwork, monkeypatch: Any) -> None:
    release = threading.Event()
    monkeypatch.setattr(served.network.node, "send", lambda transaction: release.wait())
    monkeypatch.setattr(served.connection, "timeout", 0.2)
    served.connection.close()
    with pytest.raises(Hung):
        drawn(transactions(served), served.call, 300, 1)
    release.set()
