"""Multiplexed accounts and memos: who shares an account, as events tell it (CAP-67)."""

from __future__ import annotations

from typing import Any

import pytest
from localnet.tests.support.issued_assets import event, named, pay, trust
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import (
    AccountMerge,
    Asset,
    CreateAccount,
    HashMemo,
    IdMemo,
    Keypair,
    Memo,
    MuxedAccount,
    NoneMemo,
    Operation,
    ReturnHashMemo,
    TextMemo,
    TransactionBuilder,
)

XLM = Asset.native()
ID = 2**64 - 1


def send(sender: Sender, operation: Operation, memo: Memo | None = None) -> Sent:
    envelope = sender.build(operation)
    envelope.transaction.memo = NoneMemo() if memo is None else memo
    envelope.sign(sender.key)
    sent = sender.submit(envelope)
    assert sent.code == Code.txSUCCESS
    return sent


def test_a_payment_to_a_multiplexed_account_names_its_id(alice: Sender, bob: Sender) -> None:
    before = bob.balance
    sent = send(alice, pay(XLM, MuxedAccount(bob.id, ID), 7))
    topics, data = event(sent)
    assert topics == ["transfer", alice.id, bob.id, "native"]
    assert data == {"amount": 7, "to_muxed_id": ID}
    assert bob.balance == before + 7


@pytest.mark.parametrize(
    ("memo", "told"),
    [
        (IdMemo(ID), ID),
        (TextMemo("invoice 7"), "invoice 7"),
        (TextMemo(b"not \xff text"), b"not \xff text"),
        (TextMemo(""), ""),
        (HashMemo(b"h" * 32), b"h" * 32),
        (ReturnHashMemo(b"r" * 32), b"r" * 32),
        (NoneMemo(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_memo_tells_apart_those_who_share_an_account(
    alice: Sender, bob: Sender, memo: Memo, told: Any
) -> None:
    _, data = event(send(alice, pay(XLM, bob, 7), memo))
    assert data == (7 if told is None else {"amount": 7, "to_muxed_id": told})


def test_the_id_of_the_destination_comes_before_the_memo(alice: Sender, bob: Sender) -> None:
    _, data = event(send(alice, pay(XLM, MuxedAccount(bob.id, 1), 7), IdMemo(2)))
    assert data == {"amount": 7, "to_muxed_id": 1}


def test_a_mint_names_the_id_and_a_burn_does_not(alice: Sender, bob: Sender) -> None:
    usd = Asset("USD", bob.id)
    trust(alice, usd)
    minted = event(send(bob, pay(usd, MuxedAccount(alice.id, ID), 7)))
    assert minted == (["mint", alice.id, named(usd)], {"amount": 7, "to_muxed_id": ID})
    burned = event(send(alice, pay(usd, MuxedAccount(bob.id, ID), 7), IdMemo(2)))
    assert burned == (["burn", alice.id, named(usd)], 7)


def test_a_payment_to_oneself_names_the_id(alice: Sender) -> None:
    topics, data = event(send(alice, pay(XLM, MuxedAccount(alice.id, ID), 7)))
    assert topics[1:3] == [alice.id, alice.id]
    assert data == {"amount": 7, "to_muxed_id": ID}


def test_a_new_account_and_a_merge_name_memo_and_id(alice: Sender, bob: Sender) -> None:
    new = Keypair.random().public_key
    _, data = event(send(alice, CreateAccount(new, "5"), IdMemo(ID)))
    assert data == {"amount": 50_000_000, "to_muxed_id": ID}
    alice.network.advance_ledgers(1)
    left = alice.balance - 100
    _, data = event(send(alice, AccountMerge(MuxedAccount(bob.id, ID))))
    assert data == {"amount": left, "to_muxed_id": ID}


def test_multiplexed_sources_are_their_account(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.build(
        pay(XLM, bob, 7, source=MuxedAccount(alice.id, 1).account_muxed),
        pay(XLM, bob, 8),
    )
    envelope.transaction.source = MuxedAccount(alice.id, ID)
    envelope.sign(alice.key)
    sent = alice.submit(envelope)
    assert sent.outcomes == ["PAYMENT_SUCCESS"] * 2
    assert (alice.balance, alice.sequence) == (before[0] - 15 - 200, before[1] + 1)
    assert sent.meta is not None
    for operation in sent.meta.operations:
        (emitted,) = operation.events
        assert emitted.body.v0 is not None
        assert emitted.body.v0.data.i128 is not None


def test_a_multiplexed_account_pays_for_a_fee_bump(alice: Sender, bob: Sender) -> None:
    inner = alice.build(pay(XLM, bob, 7))
    inner.transaction.memo = IdMemo(ID)
    inner.sign(alice.key)
    outer = TransactionBuilder.build_fee_bump_transaction(
        MuxedAccount(bob.id, ID), 100, inner, alice.network.passphrase
    )
    outer.sign(bob.key)
    before = bob.balance
    sent = alice.submit(outer)
    assert bob.balance == before + 7 - 200
    assert event(sent)[1] == {"amount": 7, "to_muxed_id": ID}
