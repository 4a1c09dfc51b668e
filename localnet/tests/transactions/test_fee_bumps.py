"""Fee bumps: another account pays for a transaction that was signed before (CAP-15)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from localnet.tests.support.contract import Contract, Kind, counter, resources
from localnet.tests.support.fee_bumps import around, inside
from localnet.tests.support.issued_assets import pay
from localnet.tests.support.sender import Code, Sender, Sent, described
from stellar_sdk import (
    AccountMerge,
    Asset,
    FeeBumpTransactionEnvelope,
    Inflation,
    Keypair,
    Preconditions,
    SetOptions,
    Signer,
    TransactionEnvelope,
    scval,
    xdr,
)

from soroban_localnet import MalformedEnvelope
from soroban_localnet.transactions.envelope import parse

XLM = Asset.native()


def refused(sender: Sender, outer: FeeBumpTransactionEnvelope) -> Sent:
    """Send what may not enter a ledger: it changes nothing."""
    before = {key: entry.xdr for key, entry in sender.network.entries().items()}
    sent = sender.submit(outer)
    assert sent.refused
    assert {key: entry.xdr for key, entry in sender.network.entries().items()} == before
    return sent


# -- classic transactions --------------------------------------------------------------------


def test_the_payer_pays_and_the_source_uses_its_sequence_number(alice: Sender, bob: Sender) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    before = alice.balance, alice.sequence, bob.balance, bob.sequence
    sent = alice.submit(around(bob, inner))
    assert sent.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert sent.fee_charged == 200
    assert (alice.balance, alice.sequence) == (before[0] - 7, before[1] + 1)
    assert (bob.balance, bob.sequence) == (before[2] + 7 - 200, before[3])


def test_the_result_holds_that_of_the_transaction_inside(alice: Sender, bob: Sender) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    sent = alice.submit(around(bob, inner))
    pair = sent.result.result.inner_result_pair
    assert pair is not None
    assert pair.transaction_hash.hash == inner.hash()
    assert pair.result.fee_charged.int64 == 0
    assert pair.result.result.code == Code.txSUCCESS
    assert sent.outcomes == ["PAYMENT_SUCCESS"]


def test_the_fee_event_names_the_payer(alice: Sender, bob: Sender) -> None:
    sent = alice.submit(around(bob, inside(alice, pay(XLM, bob, 7))))
    assert fee_events(sent) == [(bob.id, 200)]


def fee_events(sent: Sent) -> list[tuple[str, int]]:
    assert sent.meta is not None
    found = []
    for emitted in sent.meta.events:
        body = emitted.event.body.v0
        assert body is not None
        assert scval.from_symbol(body.topics[0]) == "fee"
        found.append((scval.from_address(body.topics[1]).address, scval.from_int128(body.data)))
    return found


def test_a_source_without_lumens_to_spend_can_be_paid_for(alice: Sender, bob: Sender) -> None:
    alice.send(pay(XLM, bob, alice.balance - 2 * 5_000_000 - 100))
    sent = alice.submit(around(bob, inside(alice, SetOptions(home_domain="example.org"))))
    assert sent.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert alice.balance == 2 * 5_000_000


def test_an_account_can_bump_its_own_fee(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    sent = alice.submit(around(alice, inside(alice, pay(XLM, bob, 7)), 350))
    assert sent.fee_charged == 200
    assert (alice.balance, alice.sequence) == (before[0] - 207, before[1] + 1)


def test_a_transaction_that_fails_inside_costs_the_payer(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence, bob.balance
    sent = alice.submit(around(bob, inside(alice, pay(XLM, bob, 10**17))))
    assert sent.code == Code.txFEE_BUMP_INNER_FAILED
    assert sent.inner.result.code == Code.txFAILED
    assert sent.outcomes == ["PAYMENT_UNDERFUNDED"]
    assert (alice.balance, alice.sequence, bob.balance) == (
        before[0],
        before[1] + 1,
        before[2] - 200,
    )
    assert sent.meta is not None
    assert sent.meta.operations == []


def test_a_fee_bump_works_once_and_so_does_its_inside(alice: Sender, bob: Sender) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    outer = around(bob, inner)
    alice.submit(outer)
    assert alice.server.send_transaction(outer).status.value == "DUPLICATE"
    again = refused(alice, around(bob, inner, 300))
    assert again.code == Code.txFEE_BUMP_INNER_FAILED
    assert again.inner.result.code == Code.txBAD_SEQ


def test_a_fee_bump_is_found_by_its_hash_and_by_that_of_its_inside(
    alice: Sender, bob: Sender
) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    outer = around(bob, inner)
    alice.submit(outer)
    found = [alice.server.get_transaction(e.hash().hex()) for e in (outer, inner)]
    for answer in found:
        assert answer.fee_bump
        assert answer.envelope_xdr == outer.to_xdr()
    assert found[0].result_xdr == found[1].result_xdr


def test_the_ledger_holds_the_fee_bump(alice: Sender, bob: Sender) -> None:
    outer = around(bob, inside(alice, pay(XLM, bob, 7)))
    alice.submit(outer)
    text = alice.network.dispatcher.call("getLatestLedger", {})["metadataXdr"]
    meta = xdr.LedgerCloseMeta.from_xdr(text).v2
    assert meta is not None
    (processed,) = meta.tx_processing
    assert processed.result.transaction_hash.hash == outer.hash()
    (_, before), (_, after) = described(processed.fee_processing)
    assert before.account.account_id == bob.key.xdr_account_id()
    assert before.account.balance.int64 - after.account.balance.int64 == 200
    assert outer.to_xdr_object().to_xdr_bytes() in meta.tx_set.to_xdr_bytes()


def test_a_revert_forgets_both_hashes(alice: Sender, bob: Sender) -> None:
    mark = alice.network.snapshot()
    inner = inside(alice, pay(XLM, bob, 7))
    outer = around(bob, inner)
    alice.submit(outer)
    alice.network.revert(mark)
    for envelope in (outer, inner):
        assert alice.server.get_transaction(envelope.hash().hex()).status.value == "NOT_FOUND"
    assert alice.submit(outer).code == Code.txFEE_BUMP_INNER_SUCCESS


def test_a_payer_that_merges_its_account_inside_is_gone(alice: Sender, bob: Sender) -> None:
    alice.network.advance_ledgers(1)
    before = alice.balance + bob.balance
    inner = alice.build(AccountMerge(alice.id, source=bob.id))
    inner.sign(alice.key)
    inner.sign(bob.key)
    sent = alice.submit(around(bob, inner))
    assert sent.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert alice.balance == before - 200


# -- what may not enter a ledger, in the network's order -------------------------------------


def test_a_bid_below_the_base_fee_for_one_operation_more_is_refused(
    alice: Sender, bob: Sender
) -> None:
    sent = refused(alice, around(bob, inside(alice, pay(XLM, bob, 7), pay(XLM, bob, 8)), 299))
    assert sent.code == Code.txINSUFFICIENT_FEE
    assert sent.fee_charged == 300


@pytest.mark.parametrize(("fee", "enters"), [(2_000, True), (1_999, False)])
def test_the_bid_may_not_be_below_that_of_the_inside(
    alice: Sender, bob: Sender, fee: int, enters: bool
) -> None:
    outer = around(bob, inside(alice, pay(XLM, bob, 7), fee=1_000), fee)
    if enters:
        assert alice.submit(outer).fee_charged == 200
    else:
        sent = refused(alice, outer)
        assert (sent.code, sent.fee_charged) == (Code.txINSUFFICIENT_FEE, 2_000)


def test_what_a_fee_bump_would_have_to_bid_is_rounded_up(alice: Sender, bob: Sender) -> None:
    inner = alice.build(pay(XLM, bob, 7), pay(XLM, bob, 8))
    inner.transaction.fee = 1_001  # 500.5 for each of two operations, so 1,501.5 for three
    inner.sign(alice.key)
    assert refused(alice, around(bob, inner, 1_501)).fee_charged == 1_502
    assert alice.submit(around(bob, inner, 1_502)).code == Code.txFEE_BUMP_INNER_SUCCESS


def test_the_inside_may_bid_nothing(alice: Sender, bob: Sender) -> None:
    inner = alice.build(pay(XLM, bob, 7), fee=0)
    inner.sign(alice.key)
    assert alice.submit(around(bob, inner)).fee_charged == 200


def test_a_payer_that_does_not_exist_is_refused(alice: Sender, bob: Sender) -> None:
    outer = around(bob, inside(alice, pay(XLM, bob, 7)))
    nobody = Keypair.random()
    outer.transaction.fee_source = type(outer.transaction.fee_source)(nobody.public_key)
    outer.signatures = []
    outer.sign(nobody)
    assert refused(alice, outer).code == Code.txNO_ACCOUNT


def test_the_payer_has_to_sign_and_nobody_else(alice: Sender, bob: Sender) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    unsigned = around(bob, inner)
    unsigned.signatures = []
    assert refused(alice, unsigned).code == Code.txBAD_AUTH
    assert refused(alice, around(bob, inner, None, alice.key)).code == Code.txBAD_AUTH
    both = around(bob, inner, None, bob.key, alice.key)
    assert refused(alice, both).code == Code.txBAD_AUTH_EXTRA


def test_the_signature_of_the_payer_does_not_sign_the_inside(alice: Sender, bob: Sender) -> None:
    inner = alice.build(pay(XLM, bob, 7))
    outer = around(bob, inner)
    sent = refused(alice, outer)
    assert sent.code == Code.txFEE_BUMP_INNER_FAILED
    assert sent.inner.result.code == Code.txBAD_AUTH


def test_the_payer_has_to_keep_its_reserve(alice: Sender, bob: Sender) -> None:
    bob.send(pay(XLM, alice, bob.balance - 2 * 5_000_000 - 100 - 250))
    inner = inside(alice, pay(XLM, bob, 7))
    assert refused(alice, around(bob, inner, 251)).code == Code.txINSUFFICIENT_BALANCE
    assert alice.submit(around(bob, inner, 250)).fee_charged == 200


def test_the_payer_meets_its_low_threshold(alice: Sender, bob: Sender) -> None:
    carol = Keypair.random()
    bob.send(SetOptions(signer=Signer.ed25519_public_key(carol.public_key, 1)))
    bob.send(SetOptions(low_threshold=2, med_threshold=2, high_threshold=2))
    inner = inside(alice, pay(XLM, bob, 7))
    assert refused(alice, around(bob, inner)).code == Code.txBAD_AUTH
    outer = around(bob, inner, None, bob.key, carol)
    assert alice.submit(outer).code == Code.txFEE_BUMP_INNER_SUCCESS


@pytest.mark.parametrize("kind", ["hash", "transaction"])
def test_a_fee_bump_can_be_authorised_beforehand(alice: Sender, bob: Sender, kind: str) -> None:
    inner = alice.build(pay(XLM, bob, 7), sequence=alice.sequence + 1)
    inner.sign(alice.key)
    outer = around(bob, inner)
    outer.signatures = []
    if kind == "hash":
        bob.send(SetOptions(signer=Signer.sha256_hash(sha256(b"secret").digest(), 1)))
        outer.sign_hashx(b"secret")
    else:
        bob.send(SetOptions(signer=Signer.pre_auth_tx(outer.hash(), 1)))
    sent = alice.submit(outer)
    assert sent.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert len(bob.entry().signers) == (kind == "hash")
    assert sent.meta is not None
    if kind == "transaction":
        first = described(sent.meta.tx_changes_before)[:2]
        assert [(name, len(data.account.signers)) for name, data in first] == [
            ("state", 1),
            ("updated", 0),
        ]


def test_an_inside_that_was_authorised_beforehand_is_used_up(alice: Sender, bob: Sender) -> None:
    inner = alice.build(pay(XLM, bob, 7), sequence=alice.sequence + 2)
    alice.send(SetOptions(signer=Signer.pre_auth_tx(inner.hash(), 1)))
    assert alice.submit(around(bob, inner)).code == Code.txFEE_BUMP_INNER_SUCCESS
    assert alice.entry().signers == []


def test_an_inside_that_is_refused_says_why(alice: Sender, bob: Sender) -> None:
    sent = refused(alice, around(bob, inside(alice, pay(XLM, bob, 1), Inflation())))
    assert sent.code == Code.txFEE_BUMP_INNER_FAILED
    assert sent.fee_charged == 300
    assert sent.inner.result.code == Code.txFAILED
    assert sent.outcomes == ["PAYMENT_SUCCESS", "opNOT_SUPPORTED"]


def test_a_negative_fee_is_malformed(alice: Sender, bob: Sender) -> None:
    sent = refused(alice, around(bob, inside(alice, pay(XLM, bob, 1)), -1))
    assert (sent.code, sent.fee_charged) == (Code.txMALFORMED, 0)


# -- Soroban transactions --------------------------------------------------------------------


def call(sender: Sender, contract: Contract, declared: int = 5_000_000) -> TransactionEnvelope:
    """Prepare a call that stores a counter, without a fee of its own."""
    entry = contract.entry(Kind.PERSISTENT, "n")
    data = resources(contract.code, [entry], fee=declared)
    envelope = sender.declared(data, contract.call("add", Kind.PERSISTENT, "n", 5))
    envelope.transaction.fee = 0
    envelope.sign(sender.key)
    return envelope


def test_the_inside_of_a_soroban_transaction_needs_no_fee(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    before = alice.balance, bob.balance
    sent = alice.submit(around(bob, call(alice, contract), 5_000_200))
    assert sent.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert counter(alice, contract, Kind.PERSISTENT) == 5
    assert alice.balance == before[0]
    assert bob.balance == before[1] - sent.fee_charged


def test_the_refund_goes_to_the_payer(alice: Sender, bob: Sender, contract: Contract) -> None:
    sent = alice.submit(around(bob, call(alice, contract), 5_000_200))
    (who, charged), (to, refund) = fee_events(sent)
    assert (who, to) == (bob.id, bob.id)
    assert charged == 5_000_200
    assert sent.fee_charged == charged + refund < charged


def test_a_fee_bump_can_declare_more_than_a_transaction_can(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    declared = 2**32
    sent = alice.submit(around(bob, call(alice, contract, declared), declared + 200))
    assert sent.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert fee_events(sent)[0] == (bob.id, declared + 200)


def test_a_soroban_transaction_costs_the_same_resources_inside_a_fee_bump(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    mark = alice.network.snapshot()
    bumped = alice.submit(around(bob, call(alice, contract), 5_000_200))
    alice.network.revert(mark)
    envelope = call(alice, contract)
    envelope.transaction.fee = 5_000_100
    envelope.signatures = []
    envelope.sign(alice.key)
    assert bumped.fee_charged == alice.submit(envelope).fee_charged + 100


@pytest.mark.parametrize("short", [1, 200])
def test_the_payer_covers_resources_and_two_base_fees(
    alice: Sender, bob: Sender, contract: Contract, short: int
) -> None:
    sent = refused(alice, around(bob, call(alice, contract), 5_000_200 - short))
    assert sent.code == Code.txINSUFFICIENT_FEE


def test_a_payer_that_does_not_cover_the_resources_sends_something_malformed(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    assert refused(alice, around(bob, call(alice, contract), 4_999_999)).code == Code.txMALFORMED


def test_too_low_a_resource_fee_is_to_blame_on_the_inside(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    sent = refused(alice, around(bob, call(alice, contract, 1_000), 5_000_200))
    assert sent.code == Code.txFEE_BUMP_INNER_FAILED
    assert sent.inner.result.code == Code.txSOROBAN_INVALID
    assert "is lower than the actual" in sent.messages()


def test_more_than_any_resource_fee_is_malformed(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    most = 2**50
    sent = refused(alice, around(bob, call(alice, contract, most + 1), most + 201))
    assert sent.code == Code.txMALFORMED
    sent = refused(alice, around(bob, call(alice, contract, most), most + 200))
    assert sent.code == Code.txINSUFFICIENT_BALANCE


def test_a_contract_that_traps_inside_gives_the_refundable_fee_back(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    data = resources(contract.code, fee=5_000_000)
    envelope = alice.declared(data, contract.call("nothing"))
    envelope.transaction.fee = 0
    envelope.sign(alice.key)
    before = bob.balance
    sent = alice.submit(around(bob, envelope, 5_000_200))
    assert sent.code == Code.txFEE_BUMP_INNER_FAILED
    assert sent.outcomes == ["INVOKE_HOST_FUNCTION_TRAPPED"]
    assert bob.balance == before - sent.fee_charged
    assert sent.fee_charged < 5_000_200


def test_a_fee_bump_is_simulated_as_its_inside(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    inner = alice.build(contract.call("add", Kind.PERSISTENT, "n", 5))
    outer = around(bob, inner, 400)
    answers = [
        alice.network.dispatcher.call("simulateTransaction", {"transaction": e.to_xdr()})
        for e in (inner, outer)
    ]
    assert answers[0]["results"] == answers[1]["results"]
    assert answers[0]["minResourceFee"] == answers[1]["minResourceFee"]


# -- other forms of envelopes ----------------------------------------------------------------


def old_form(envelope: TransactionEnvelope) -> bytes:
    """Write an envelope in the form that it had before protocol 13."""
    new = envelope.to_xdr_object()
    assert new.v1 is not None
    transaction = new.v1.tx
    assert transaction.source_account.ed25519 is not None
    old = xdr.TransactionV0Envelope(
        tx=xdr.TransactionV0(
            source_account_ed25519=transaction.source_account.ed25519,
            fee=transaction.fee,
            seq_num=transaction.seq_num,
            time_bounds=transaction.cond.time_bounds,
            memo=transaction.memo,
            operations=transaction.operations,
            ext=xdr.TransactionV0Ext(0),
        ),
        signatures=new.v1.signatures,
    )
    return xdr.TransactionEnvelope(xdr.EnvelopeType.ENVELOPE_TYPE_TX_V0, v0=old).to_xdr_bytes()


def post(sender: Sender, envelope: bytes) -> dict[str, Any]:
    text = xdr.TransactionEnvelope.from_xdr_bytes(envelope).to_xdr()
    return sender.network.dispatcher.call("sendTransaction", {"transaction": text})


@pytest.mark.parametrize("bounds", [True, False])
def test_an_envelope_of_the_old_form_is_taken_as_the_new_one(
    alice: Sender, bob: Sender, bounds: bool
) -> None:
    envelope = alice.build(pay(XLM, bob, 7))
    if not bounds:
        envelope.transaction.preconditions = None
    envelope.sign(alice.key)
    before = bob.balance
    answer = post(alice, old_form(envelope))
    assert (answer["status"], answer["hash"]) == ("PENDING", envelope.hash().hex())
    assert bob.balance == before + 7
    found = alice.server.get_transaction(answer["hash"])
    assert found.envelope_xdr == envelope.to_xdr()


def test_the_old_form_needs_its_signature_too(alice: Sender, bob: Sender) -> None:
    envelope = alice.build(pay(XLM, bob, 7))
    envelope.sign(bob.key)
    assert post(alice, old_form(envelope))["status"] == "ERROR"


def test_the_old_form_holds_time_bounds_at_most(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    conditioned = alice.build(pay(XLM, bob, 7))
    conditioned.transaction.preconditions = Preconditions(min_sequence_number=1)
    prepared = alice.prepare(contract.call("clock"))
    for envelope in (conditioned, prepared):
        new = envelope.to_xdr_object().to_xdr_bytes()
        with pytest.raises(MalformedEnvelope, match="old form"):
            parse(bytes(4) + new[8:], alice.network.network_id)


def test_a_transaction_has_its_own_size_inside_a_fee_bump(alice: Sender, bob: Sender) -> None:
    inner = inside(alice, pay(XLM, bob, 7))
    alone = inner.to_xdr_object().to_xdr_bytes()
    outer = around(bob, inner).to_xdr_object().to_xdr_bytes()
    sizes = [parse(envelope, alice.network.network_id).size for envelope in (alone, outer)]
    assert sizes == [len(alone)] * 2


def test_a_fee_bump_is_for_a_transaction_of_the_present_form(alice: Sender, bob: Sender) -> None:
    outer = around(bob, inside(alice, pay(XLM, bob, 7))).to_xdr_object().to_xdr_bytes()
    inner_type = 4 + 36 + 8
    again = outer[:inner_type] + outer[:4] + outer[inner_type + 4 :]
    with pytest.raises(MalformedEnvelope, match="present form"):
        parse(again, alice.network.network_id)
