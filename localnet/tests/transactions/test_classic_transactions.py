"""Create account, payment, set options; signatures, thresholds, sequence numbers and fees."""

from __future__ import annotations

from hashlib import sha256

import pytest
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import (
    Asset,
    BeginSponsoringFutureReserves,
    CreateAccount,
    EndSponsoringFutureReserves,
    Inflation,
    Keypair,
    LedgerBounds,
    Operation,
    Payment,
    Preconditions,
    SetOptions,
    Signer,
    SignerKey,
    TimeBounds,
    xdr,
)

from soroban_localnet import FundingFailed, LocalNetwork
from soroban_localnet.xdr import account_key

XLM = 10_000_000


def pay(to: Sender, stroops: int = XLM, source: str | None = None) -> Payment:
    amount = f"{stroops // XLM}.{stroops % XLM:07d}"
    return Payment(to.id, Asset.native(), amount, source=source)


def payment_code(sent: Sent) -> xdr.PaymentResultCode:
    assert sent.operation.tr is not None
    assert sent.operation.tr.payment_result is not None
    return sent.operation.tr.payment_result.code


def test_a_payment_moves_lumens_and_costs_the_base_fee(alice: Sender, bob: Sender) -> None:
    before = alice.balance, bob.balance
    sent = alice.send(pay(bob, 7 * XLM))
    assert sent.code == Code.txSUCCESS
    assert sent.fee_charged == 100
    assert (alice.balance, bob.balance) == (before[0] - 7 * XLM - 100, before[1] + 7 * XLM)


def test_a_payment_emits_a_transfer_event(alice: Sender, bob: Sender) -> None:
    sent = alice.send(pay(bob, 7))
    (event,) = sent.events
    assert event.body.v0 is not None
    topics = event.body.v0.topics
    assert topics[0].sym is not None
    assert topics[0].sym.sc_symbol == b"transfer"
    assert event.body.v0.data.i128 is not None
    assert event.body.v0.data.i128.lo.uint64 == 7


def test_the_meta_holds_the_accounts_before_and_after(alice: Sender, bob: Sender) -> None:
    before = bob.balance
    sent = alice.send(pay(bob, 7))
    assert sent.meta is not None
    states = [
        (change.type.name, entry.data.account.balance.int64)
        for change in sent.meta.operations[0].changes.ledger_entry_changes
        if (entry := change.state or change.updated) is not None
        and entry.data.account is not None
        and entry.data.account.account_id == bob.key.xdr_account_id()
    ]
    assert states == [("LEDGER_ENTRY_STATE", before), ("LEDGER_ENTRY_UPDATED", before + 7)]


def test_a_payment_of_more_than_the_reserve_leaves_fails_and_costs_the_fee(
    alice: Sender, bob: Sender
) -> None:
    before = alice.balance, bob.balance
    sent = alice.send(pay(bob, alice.balance - XLM))
    assert sent.code == Code.txFAILED
    assert payment_code(sent) == xdr.PaymentResultCode.PAYMENT_UNDERFUNDED
    assert (alice.balance, bob.balance) == (before[0] - 100, before[1])


def test_a_payment_to_nobody_fails(alice: Sender, bob: Sender) -> None:
    stranger = Payment(Keypair.random().public_key, Asset.native(), "1")
    assert payment_code(alice.send(stranger)) == xdr.PaymentResultCode.PAYMENT_NO_DESTINATION


def test_one_failed_operation_undoes_the_others(alice: Sender, bob: Sender) -> None:
    before = bob.balance
    sent = alice.send(pay(bob, 5), pay(bob, 10**17))
    assert sent.code == Code.txFAILED
    assert bob.balance == before
    assert sent.fee_charged == 200
    assert sent.meta is not None
    assert sent.meta.operations == []


def test_an_operation_of_another_account_needs_that_accounts_signature(
    alice: Sender, bob: Sender
) -> None:
    unsigned = alice.send(pay(alice, 5, source=bob.id))
    assert unsigned.refused
    assert unsigned.operation.code == xdr.OperationResultCode.opBAD_AUTH
    signed = alice.send(pay(alice, 5, source=bob.id), signers=(alice.key, bob.key))
    assert signed.code == Code.txSUCCESS


def test_a_new_account_starts_at_its_ledgers_sequence(alice: Sender) -> None:
    newcomer = Keypair.random()
    sent = alice.send(CreateAccount(newcomer.public_key, "5"))
    assert sent.code == Code.txSUCCESS
    account = alice.server.load_account(newcomer.public_key)
    assert account.sequence == alice.network.latest_ledger << 32


def test_a_new_account_gets_its_balance_from_the_one_that_makes_it(alice: Sender) -> None:
    before = alice.balance
    newcomer = Keypair.random()
    alice.send(CreateAccount(newcomer.public_key, "1"))
    assert alice.balance == before - XLM - 100
    (entry,) = alice.network.lookup(account_key(newcomer.raw_public_key()))
    assert entry is not None
    made = entry.account
    assert (made.balance, made.thresholds) == (XLM, b"\1\0\0\0")


@pytest.mark.parametrize(
    ("balance", "code"),
    [
        ("0.9999999", xdr.CreateAccountResultCode.CREATE_ACCOUNT_LOW_RESERVE),
        ("0.5", xdr.CreateAccountResultCode.CREATE_ACCOUNT_LOW_RESERVE),
        ("100000", xdr.CreateAccountResultCode.CREATE_ACCOUNT_UNDERFUNDED),
    ],
)
def test_an_account_needs_its_reserve(
    alice: Sender, balance: str, code: xdr.CreateAccountResultCode
) -> None:
    sent = alice.send(CreateAccount(Keypair.random().public_key, balance))
    assert sent.operation.tr is not None
    assert sent.operation.tr.create_account_result is not None
    assert sent.operation.tr.create_account_result.code == code


def test_friendbot_funds_an_account_once(network: LocalNetwork, alice: Sender) -> None:
    with pytest.raises(FundingFailed, match="ALREADY_EXIST"):
        network.fund(alice.id)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (Inflation(), "INFLATION"),
        (
            BeginSponsoringFutureReserves(Keypair.random().public_key),
            "BEGIN_SPONSORING_FUTURE_RESERVES",
        ),
        (EndSponsoringFutureReserves(), "END_SPONSORING_FUTURE_RESERVES"),
    ],
)
def test_an_unknown_operation_is_refused_by_name_and_changes_nothing(
    alice: Sender, operation: Operation, name: str
) -> None:
    before = alice.balance, alice.sequence
    sent = alice.send(operation)
    assert sent.refused
    assert sent.operation.code == xdr.OperationResultCode.opNOT_SUPPORTED
    assert sent.messages() == f"soroban-localnet does not support {name}"
    assert (alice.balance, alice.sequence) == before


# -- signatures ------------------------------------------------------------------------------


def refused(sender: Sender, sent: Sent, code: xdr.TransactionResultCode, before: object) -> None:
    assert sent.refused
    assert sent.code == code
    assert (sender.balance, sender.sequence) == before


def test_a_wrong_signature_is_refused(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    refused(alice, alice.send(pay(bob), signers=(bob.key,)), Code.txBAD_AUTH, before)


def test_no_signature_is_refused(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    refused(alice, alice.send(pay(bob), signers=()), Code.txBAD_AUTH, before)


def test_a_signature_over_another_transaction_is_refused(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    other = alice.build(pay(bob, 1))
    other.sign(alice.key)
    envelope = alice.build(pay(bob, 2))
    envelope.signatures = other.signatures
    refused(alice, alice.submit(envelope), Code.txBAD_AUTH, before)


def test_a_signature_that_nothing_needs_is_refused(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    sent = alice.send(pay(bob), signers=(alice.key, bob.key))
    refused(alice, sent, Code.txBAD_AUTH_EXTRA, before)


@pytest.mark.parametrize("step", [-1, 0, 2])
def test_a_sequence_number_out_of_turn_is_refused(alice: Sender, bob: Sender, step: int) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.build(pay(bob), sequence=alice.sequence + step)
    envelope.sign(alice.key)
    refused(alice, alice.submit(envelope), Code.txBAD_SEQ, before)


def test_a_fee_below_the_minimum_is_refused(alice: Sender, bob: Sender) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.build(pay(bob), fee=99)
    envelope.sign(alice.key)
    refused(alice, alice.submit(envelope), Code.txINSUFFICIENT_FEE, before)


def test_an_account_that_cannot_pay_the_fee_is_refused(network: LocalNetwork) -> None:
    poor = Keypair.random()
    network.fund(poor.public_key, 2 * 5_000_000 + 50)
    sender = object.__new__(Sender)
    sender.network, sender.key, sender.server = network, poor, network.server()
    before = sender.balance, sender.sequence
    sent = sender.send(SetOptions(home_domain="example.org"))
    refused(sender, sent, Code.txINSUFFICIENT_BALANCE, before)


def test_a_transaction_of_nobody_is_refused(alice: Sender) -> None:
    envelope = alice.build(SetOptions(home_domain="example.org"))
    stranger = Keypair.random()
    envelope.transaction.source = type(envelope.transaction.source)(stranger.public_key)
    envelope.sign(stranger)
    assert alice.submit(envelope).code == Code.txNO_ACCOUNT


def test_a_transaction_is_applied_once(alice: Sender, bob: Sender) -> None:
    envelope = alice.build(pay(bob))
    envelope.sign(alice.key)
    assert alice.submit(envelope).code == Code.txSUCCESS
    before = alice.balance
    assert alice.server.send_transaction(envelope).status.value == "DUPLICATE"
    assert alice.balance == before


# -- several signers -------------------------------------------------------------------------


@pytest.fixture
def shared(alice: Sender, bob: Sender) -> Sender:
    """Alice's account, which now needs two of alice, bob and a third for a payment."""
    third = Keypair.from_raw_ed25519_seed(bytes(32))
    for signer in (bob.key, third):
        assert (
            alice.send(SetOptions(signer=Signer.ed25519_public_key(signer.public_key, 1))).code
            == Code.txSUCCESS
        )
    sent = alice.send(SetOptions(low_threshold=1, med_threshold=2, high_threshold=3))
    assert sent.code == Code.txSUCCESS
    return alice


def test_two_signers_meet_a_threshold_of_two(shared: Sender, bob: Sender) -> None:
    alone = shared.send(pay(bob))
    assert alone.refused
    assert alone.operation.code == xdr.OperationResultCode.opBAD_AUTH
    assert shared.send(pay(bob), signers=(shared.key, bob.key)).code == Code.txSUCCESS


def test_the_same_signature_twice_counts_once(shared: Sender, bob: Sender) -> None:
    envelope = shared.build(pay(bob))
    envelope.sign(shared.key)
    envelope.signatures *= 2
    sent = shared.submit(envelope)
    assert sent.refused
    assert sent.code == Code.txFAILED


def test_changing_signers_needs_the_high_threshold(shared: Sender, bob: Sender) -> None:
    third = Keypair.from_raw_ed25519_seed(bytes(32))
    change = SetOptions(signer=Signer.ed25519_public_key(third.public_key, 0))
    assert shared.send(change, signers=(shared.key, bob.key)).refused
    sent = shared.send(change, signers=(shared.key, bob.key, third))
    assert sent.code == Code.txSUCCESS
    assert len(shared.entry().signers) == 1


def test_signers_raise_the_reserve(alice: Sender, bob: Sender) -> None:
    alice.send(SetOptions(signer=Signer.ed25519_public_key(bob.id, 1)))
    assert alice.entry().num_sub_entries.uint32 == 1
    assert payment_code(alice.send(pay(bob, alice.balance - 2 * 5_000_000 - 200))) == (
        xdr.PaymentResultCode.PAYMENT_UNDERFUNDED
    )


def test_a_master_key_of_weight_zero_signs_nothing(alice: Sender, bob: Sender) -> None:
    alice.send(SetOptions(signer=Signer.ed25519_public_key(bob.id, 1)))
    alice.send(SetOptions(master_weight=0))
    assert alice.send(pay(bob)).code == Code.txBAD_AUTH
    assert alice.send(pay(bob), signers=(bob.key,)).code == Code.txSUCCESS


def test_a_hash_signer_is_satisfied_by_the_preimage(alice: Sender, bob: Sender) -> None:
    secret = b"open sesame"
    alice.send(SetOptions(signer=Signer.sha256_hash(sha256(secret).digest(), 1)))
    envelope = alice.build(pay(bob))
    envelope.sign_hashx(secret)
    assert alice.submit(envelope).code == Code.txSUCCESS


def test_a_pre_authorised_transaction_needs_no_signature_and_works_once(
    alice: Sender, bob: Sender
) -> None:
    later = alice.build(pay(bob), sequence=alice.sequence + 2)
    alice.send(SetOptions(signer=Signer.pre_auth_tx(later.hash(), 1)))
    assert alice.submit(later).code == Code.txSUCCESS
    assert alice.entry().signers == []


def test_an_account_cannot_be_its_own_signer(alice: Sender) -> None:
    sent = alice.send(SetOptions(signer=Signer.ed25519_public_key(alice.id, 1)))
    assert sent.refused


# -- preconditions ---------------------------------------------------------------------------


def conditioned(alice: Sender, bob: Sender, conditions: Preconditions) -> Sent:
    envelope = alice.build(pay(bob))
    envelope.transaction.preconditions = conditions
    envelope.sign(alice.key)
    return alice.submit(envelope)


def test_time_bounds_hold(alice: Sender, bob: Sender) -> None:
    now = alice.network.close_time
    early = Preconditions(time_bounds=TimeBounds(now + 1000, 0))
    late = Preconditions(time_bounds=TimeBounds(0, now - 1))
    right = Preconditions(time_bounds=TimeBounds(now - 1, now + 1000))
    assert conditioned(alice, bob, early).code == Code.txTOO_EARLY
    assert conditioned(alice, bob, late).code == Code.txTOO_LATE
    assert conditioned(alice, bob, right).code == Code.txSUCCESS


def test_ledger_bounds_hold(alice: Sender, bob: Sender) -> None:
    nextly = alice.network.latest_ledger + 1
    early = Preconditions(ledger_bounds=LedgerBounds(nextly + 1, 0))
    late = Preconditions(ledger_bounds=LedgerBounds(0, nextly))
    right = Preconditions(ledger_bounds=LedgerBounds(nextly, nextly + 1))
    assert conditioned(alice, bob, early).code == Code.txTOO_EARLY
    assert conditioned(alice, bob, late).code == Code.txTOO_LATE
    assert conditioned(alice, bob, right).code == Code.txSUCCESS


def test_a_minimum_sequence_number_lets_numbers_be_skipped(alice: Sender, bob: Sender) -> None:
    envelope = alice.build(pay(bob), sequence=alice.sequence + 10)
    envelope.transaction.preconditions = Preconditions(min_sequence_number=1)
    envelope.sign(alice.key)
    assert alice.submit(envelope).code == Code.txSUCCESS


def test_a_sequence_gap_has_to_pass(alice: Sender, bob: Sender) -> None:
    alice.send(pay(bob))
    waits = Preconditions(min_sequence_ledger_gap=3)
    assert conditioned(alice, bob, waits).code == Code.txBAD_MIN_SEQ_AGE_OR_GAP
    alice.network.close_ledgers(3)
    assert conditioned(alice, bob, waits).code == Code.txSUCCESS


def test_a_sequence_age_has_to_pass(alice: Sender, bob: Sender) -> None:
    alice.send(pay(bob))
    waits = Preconditions(min_sequence_age=60)
    assert conditioned(alice, bob, waits).code == Code.txBAD_MIN_SEQ_AGE_OR_GAP
    alice.network.advance_time(60)
    assert conditioned(alice, bob, waits).code == Code.txSUCCESS


def test_an_extra_signer_has_to_sign_too(alice: Sender, bob: Sender) -> None:
    extra = Preconditions(extra_signers=[SignerKey.ed25519_public_key(bob.id)])
    assert conditioned(alice, bob, extra).code == Code.txBAD_AUTH
    envelope = alice.build(pay(bob))
    envelope.transaction.preconditions = extra
    envelope.sign(alice.key)
    envelope.sign(bob.key)
    assert alice.submit(envelope).code == Code.txSUCCESS
