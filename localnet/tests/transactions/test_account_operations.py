"""Account merge, manage data, bump sequence, set options: each result code, and what is left."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.account_entries import data_key, sponsored_by
from localnet.tests.support.contract import account_key, stored
from localnet.tests.support.failures import failure, refusal
from localnet.tests.support.issued_assets import (
    CLAWBACK,
    IMMUTABLE,
    REQUIRED,
    REVOCABLE,
    Altered,
    event,
    pay,
    set_flags,
    trust,
)
from localnet.tests.support.sender import Code, Sender, described
from stellar_sdk import (
    AccountMerge,
    Asset,
    BeginSponsoringFutureReserves,
    BumpSequence,
    ChangeTrust,
    Claimant,
    Clawback,
    CreateAccount,
    CreateClaimableBalance,
    EndSponsoringFutureReserves,
    Inflation,
    Keypair,
    ManageBuyOffer,
    ManageData,
    ManageSellOffer,
    Operation,
    PathPaymentStrictSend,
    RevokeSponsorship,
    SetOptions,
    Signer,
    xdr,
)
from stellar_sdk.operation.set_options import AuthorizationFlag

from soroban_localnet import LocalNetwork

XLM = Asset.native()
RESERVE = 5_000_000


# -- create account --------------------------------------------------------------------------


def test_an_account_does_not_create_itself_and_no_debts(alice: Sender) -> None:
    def debt(body: Any) -> None:
        body.create_account_op.starting_balance = xdr.Int64(-1)

    new = CreateAccount(Keypair.random().public_key, "5")
    for malformed in (CreateAccount(alice.id, "5"), Altered(new, debt)):
        assert refusal(alice, malformed) == "CREATE_ACCOUNT_MALFORMED"


def test_an_account_is_created_once(alice: Sender, bob: Sender) -> None:
    assert failure(alice, CreateAccount(bob.id, "5")) == "CREATE_ACCOUNT_ALREADY_EXIST"


# -- account merge ---------------------------------------------------------------------------


@pytest.fixture
def leaver(alice: Sender) -> Sender:
    """Somebody whose account is old enough to be merged."""
    sender = Sender(alice.network)
    alice.network.advance_ledgers(1)
    return sender


def gone(sender: Sender) -> bool:
    return stored(sender, account_key(sender.id)) is None


def test_a_merge_gives_everything_to_the_other_account(leaver: Sender, bob: Sender) -> None:
    left, before = leaver.balance - 100, bob.balance
    sent = leaver.send(AccountMerge(bob.id))
    assert sent.outcomes == ["ACCOUNT_MERGE_SUCCESS"]
    assert sent.operation.tr is not None
    assert sent.operation.tr.account_merge_result is not None
    moved = sent.operation.tr.account_merge_result.source_account_balance
    assert moved is not None
    assert moved.int64 == left
    assert gone(leaver)
    assert bob.balance == before + left
    assert event(sent) == (["transfer", leaver.id, bob.id, "native"], left)


def test_a_merge_shows_the_account_as_removed(leaver: Sender, bob: Sender) -> None:
    sent = leaver.send(AccountMerge(bob.id))
    assert sent.meta is not None
    (_, before) = described(sent.meta.tx_changes_before)[-1]
    assert sent.changes[2:] == [("state", before), ("removed", account_key(leaver.id))]


def test_a_merged_account_comes_back_with_a_revert(leaver: Sender, bob: Sender) -> None:
    before = leaver.entry(), bob.entry()
    mark = leaver.network.snapshot()
    leaver.send(AccountMerge(bob.id))
    leaver.network.revert(mark)
    assert (leaver.entry(), bob.entry()) == before
    assert leaver.send(AccountMerge(bob.id)).code == Code.txSUCCESS


def test_a_merged_account_can_be_created_again_with_a_later_sequence_number(
    leaver: Sender, bob: Sender
) -> None:
    used = leaver.sequence + 1
    leaver.send(AccountMerge(bob.id))
    assert bob.send(CreateAccount(leaver.id, "5")).code == Code.txSUCCESS
    assert leaver.sequence == leaver.network.latest_ledger << 32 > used


def test_operations_after_the_merge_have_no_account(leaver: Sender, bob: Sender) -> None:
    outcomes = leaver.send(AccountMerge(bob.id), BumpSequence(1)).outcomes
    assert outcomes == ["ACCOUNT_MERGE_SUCCESS", "opNO_ACCOUNT"]
    assert not gone(leaver)


def test_a_merge_of_another_account_leaves_the_payer_of_the_fee(
    leaver: Sender, bob: Sender
) -> None:
    sent = bob.send(AccountMerge(bob.id, source=leaver.id), signers=(bob.key, leaver.key))
    assert sent.outcomes == ["ACCOUNT_MERGE_SUCCESS"]
    assert gone(leaver)


def test_a_merge_removes_the_signers_too(leaver: Sender, bob: Sender) -> None:
    leaver.send(SetOptions(signer=Signer.ed25519_public_key(bob.id, 1)))
    assert leaver.send(AccountMerge(bob.id)).code == Code.txSUCCESS
    assert gone(leaver)


def test_a_merge_needs_the_high_threshold(leaver: Sender, bob: Sender) -> None:
    leaver.send(SetOptions(high_threshold=2))
    assert refusal(leaver, AccountMerge(bob.id)) == "opBAD_AUTH"


def test_a_merge_into_itself_is_refused(leaver: Sender) -> None:
    assert refusal(leaver, AccountMerge(leaver.id)) == "ACCOUNT_MERGE_MALFORMED"


def test_a_merge_into_nobody_fails(leaver: Sender) -> None:
    nobody = AccountMerge(Keypair.random().public_key)
    assert failure(leaver, nobody) == "ACCOUNT_MERGE_NO_ACCOUNT"


def test_an_immutable_account_is_not_merged(leaver: Sender, bob: Sender) -> None:
    set_flags(leaver, IMMUTABLE)
    assert failure(leaver, AccountMerge(bob.id)) == "ACCOUNT_MERGE_IMMUTABLE_SET"


def test_an_account_with_entries_is_not_merged(leaver: Sender, bob: Sender) -> None:
    for entry, none in (
        (ManageData("name", "value"), ManageData("name", None)),
        (ChangeTrust(Asset("USD", bob.id), "1"), ChangeTrust(Asset("USD", bob.id), "0")),
    ):
        leaver.send(entry)
        assert failure(leaver, AccountMerge(bob.id)) == "ACCOUNT_MERGE_HAS_SUB_ENTRIES"
        leaver.send(none)
    assert leaver.send(AccountMerge(bob.id)).code == Code.txSUCCESS


def test_an_account_that_is_new_or_jumped_ahead_is_not_merged(leaver: Sender, bob: Sender) -> None:
    ahead = leaver.network.latest_ledger + 2
    leaver.send(BumpSequence(ahead << 32))
    assert failure(leaver, AccountMerge(bob.id)) == "ACCOUNT_MERGE_SEQNUM_TOO_FAR"
    leaver.network.advance_ledgers(1)
    assert leaver.send(AccountMerge(bob.id)).code == Code.txSUCCESS


def test_an_account_is_not_merged_in_the_ledger_that_made_it(bob: Sender) -> None:
    new = Keypair.random()
    sent = bob.send(
        CreateAccount(new.public_key, "5"),
        AccountMerge(bob.id, source=new.public_key),
        signers=(bob.key, new),
    )
    assert sent.outcomes == ["CREATE_ACCOUNT_SUCCESS", "ACCOUNT_MERGE_SEQNUM_TOO_FAR"]


def test_a_merge_into_a_full_account_fails(leaver: Sender, bob: Sender) -> None:
    def fill(account: xdr.AccountEntry) -> None:
        account.balance = xdr.Int64(2**63 - leaver.balance + 100)

    change(bob, fill)
    assert failure(leaver, AccountMerge(bob.id)) == "ACCOUNT_MERGE_DEST_FULL"
    assert leaver.send(AccountMerge(bob.id)).code == Code.txSUCCESS
    assert bob.balance == 2**63 - 100


def change(sender: Sender, alter: Any, sponsor: Sender | None = None) -> None:
    """Write an account past all rules."""
    found = sender.network.entry(account_key(sender.id).to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    alter(entry.data.account)
    if sponsor is not None:
        entry.ext = sponsored_by(sponsor)
    sender.network.set_entry(entry.to_xdr_bytes())


# -- sponsors, as entries of another network have them ---------------------------------------


def reserves(
    sponsored: int, sponsoring: int, signers: list[xdr.SponsorshipDescriptor] | None = None
) -> Any:
    """Alter an account: how many reserves others keep for it, and it for others."""

    def alter(account: xdr.AccountEntry) -> None:
        v2 = xdr.AccountEntryExtensionV2(
            xdr.Uint32(sponsored),
            xdr.Uint32(sponsoring),
            signers or [xdr.SponsorshipDescriptor(None)] * len(account.signers),
            xdr.AccountEntryExtensionV2Ext(0),
        )
        v1 = xdr.AccountEntryExtensionV1(
            xdr.Liabilities(xdr.Int64(0), xdr.Int64(0)), xdr.AccountEntryExtensionV1Ext(2, v2=v2)
        )
        account.ext = xdr.AccountEntryExt(1, v1=v1)

    return alter


def sponsoring(sender: Sender) -> tuple[int, int]:
    """How many reserves others keep for the account, and it for others."""
    v1 = sender.entry().ext.v1
    assert v1 is not None
    v2 = v1.ext.v2
    assert v2 is not None
    return v2.num_sponsored.uint32, v2.num_sponsoring.uint32


def test_a_sponsor_is_not_merged(leaver: Sender, bob: Sender) -> None:
    change(leaver, reserves(0, 1))
    assert failure(leaver, AccountMerge(bob.id)) == "ACCOUNT_MERGE_IS_SPONSOR"


def test_a_merge_of_a_sponsored_account_frees_the_sponsor(leaver: Sender, bob: Sender) -> None:
    change(bob, reserves(0, 2))
    change(leaver, reserves(2, 0), sponsor=bob)
    before = leaver.balance + bob.balance
    assert leaver.send(AccountMerge(bob.id)).code == Code.txSUCCESS
    assert sponsoring(bob) == (0, 0)
    assert bob.balance == before - 100


def test_a_sponsored_account_may_spend_its_reserve(leaver: Sender, bob: Sender) -> None:
    change(leaver, reserves(2, 0), sponsor=bob)
    assert leaver.send(pay(XLM, bob, leaver.balance - 100)).code == Code.txSUCCESS
    assert leaver.balance == 0


def test_what_an_account_is_to_buy_takes_room(alice: Sender, bob: Sender) -> None:
    def buys(account: xdr.AccountEntry) -> None:
        account.balance = xdr.Int64(2**63 - 1 - 10)
        liabilities = xdr.Liabilities(buying=xdr.Int64(5), selling=xdr.Int64(0))
        v1 = xdr.AccountEntryExtensionV1(liabilities, xdr.AccountEntryExtensionV1Ext(0))
        account.ext = xdr.AccountEntryExt(1, v1=v1)

    change(bob, buys)
    assert failure(alice, pay(XLM, bob, 6)) == "PAYMENT_LINE_FULL"
    assert alice.send(pay(XLM, bob, 5)).code == Code.txSUCCESS


def test_a_sponsored_data_entry_frees_its_sponsor(alice: Sender, bob: Sender) -> None:
    alice.send(ManageData("name", "value"))
    entry = data_entry(alice, "name")
    entry.ext = sponsored_by(bob)
    alice.network.set_entry(entry.to_xdr_bytes())
    change(alice, reserves(1, 0))
    change(bob, reserves(0, 1))
    alice.send(ManageData("name", "another"))
    assert data_entry(alice, "name").ext == entry.ext
    alice.send(ManageData("name", None))
    assert (sponsoring(alice), sponsoring(bob)) == ((0, 0), (0, 0))
    assert alice.entry().num_sub_entries.uint32 == 0


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_sponsored_signer_frees_its_sponsor(alice: Sender, bob: Sender, which: int) -> None:
    for byte in range(3):
        alice.send(SetOptions(signer=Signer.sha256_hash(bytes([byte]) * 32, 1)))
    sponsors = [xdr.SponsorshipDescriptor(None)] * 3
    sponsors[which] = xdr.SponsorshipDescriptor(bob.key.xdr_account_id())
    change(alice, reserves(1, 0, sponsors))
    change(bob, reserves(0, 1))
    for byte in range(3):
        alice.send(SetOptions(signer=Signer.sha256_hash(bytes([byte]) * 32, 0)))
        freed = byte >= which
        assert sponsoring(alice) == (0 if freed else 1, 0)
        assert sponsoring(bob) == (0, 0 if freed else 1)
        assert alice.entry().num_sub_entries.uint32 == 2 - byte


def test_a_new_signer_leaves_the_sponsors_of_others(alice: Sender, bob: Sender) -> None:
    alice.send(SetOptions(signer=Signer.sha256_hash(b"m" * 32, 1)))
    change(alice, reserves(1, 0, [xdr.SponsorshipDescriptor(bob.key.xdr_account_id())]))
    change(bob, reserves(0, 1))
    for byte in (b"a", b"z"):
        alice.send(SetOptions(signer=Signer.sha256_hash(byte * 32, 1)))
    for byte in (b"a", b"z"):
        alice.send(SetOptions(signer=Signer.sha256_hash(byte * 32, 0)))
    assert (sponsoring(alice), sponsoring(bob)) == ((1, 0), (0, 1))


# -- manage data -----------------------------------------------------------------------------


def data_entry(sender: Sender, name: str) -> xdr.LedgerEntry:
    found = sender.network.entry(data_key(sender, name).to_xdr_bytes())
    assert found is not None
    return xdr.LedgerEntry.from_xdr_bytes(found[0])


def value(sender: Sender, name: str) -> bytes | None:
    data = stored(sender, data_key(sender, name))
    if data is None:
        return None
    assert data.data is not None
    return data.data.data_value.data_value


@settings(max_examples=25)
@given(
    name=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64),
    values=st.lists(st.binary(max_size=64), min_size=1, max_size=3),
)
def test_data_is_what_was_written_last(name: str, values: list[bytes]) -> None:
    sender = Sender(LocalNetwork())
    for written in values:
        assert sender.send(ManageData(name, written)).outcomes == ["MANAGE_DATA_SUCCESS"]
        assert value(sender, name) == written
    assert sender.entry().num_sub_entries.uint32 == 1
    assert sender.send(ManageData(name, None)).code == Code.txSUCCESS
    assert value(sender, name) is None
    assert sender.entry().num_sub_entries.uint32 == 0


def test_meta_shows_data_created_updated_and_removed(alice: Sender) -> None:
    key = data_key(alice, "name")
    created = alice.send(ManageData("name", "first"))
    first = stored(alice, key)
    updated = alice.send(ManageData("name", "second"))
    second = stored(alice, key)
    removed = alice.send(ManageData("name", None))
    assert created.changes[2:] == [("created", first)]
    assert updated.changes == [("state", first), ("updated", second)]
    assert removed.changes[2:] == [("state", second), ("removed", key)]


def test_data_that_is_not_there_cannot_be_removed(alice: Sender) -> None:
    assert failure(alice, ManageData("name", None)) == "MANAGE_DATA_NAME_NOT_FOUND"


def test_data_needs_a_reserve(alice: Sender, bob: Sender) -> None:
    alice.send(pay(XLM, bob, alice.balance - 3 * RESERVE - 100))
    assert failure(alice, ManageData("name", "value")) == "MANAGE_DATA_LOW_RESERVE"


def test_the_thousandth_entry_is_the_last(alice: Sender) -> None:
    def crowd(account: xdr.AccountEntry) -> None:
        account.num_sub_entries = xdr.Uint32(999)

    change(alice, crowd)
    assert alice.send(ManageData("1000", "value")).code == Code.txSUCCESS
    assert failure(alice, ManageData("1001", "value")) == "opTOO_MANY_SUBENTRIES"
    signer = SetOptions(signer=Signer.sha256_hash(bytes(32), 1))
    assert failure(alice, signer) == "opTOO_MANY_SUBENTRIES"
    assert alice.send(ManageData("1000", "other")).code == Code.txSUCCESS


@pytest.mark.parametrize("name", ["", "new\nline", "tilde\x7f", "é"])
def test_a_name_that_cannot_be_printed_is_refused(alice: Sender, name: str) -> None:
    def alter(body: Any) -> None:
        body.manage_data_op.data_name = xdr.String64(name.encode())

    data = Altered(ManageData("name", "value"), alter)
    assert refusal(alice, data) == "MANAGE_DATA_INVALID_NAME"


# -- bump sequence ---------------------------------------------------------------------------


def test_a_sequence_number_jumps_ahead(alice: Sender, bob: Sender) -> None:
    target = alice.sequence + 1_000
    assert alice.send(BumpSequence(target)).outcomes == ["BUMP_SEQUENCE_SUCCESS"]
    assert alice.sequence == target
    assert alice.send(pay(XLM, bob, 1)).code == Code.txSUCCESS
    assert alice.sequence == target + 1


def test_a_bump_backwards_changes_nothing(alice: Sender) -> None:
    before = alice.sequence
    assert alice.send(BumpSequence(before)).outcomes == ["BUMP_SEQUENCE_SUCCESS"]
    assert alice.sequence == before + 1


def test_a_bump_starts_the_age_of_the_sequence_number(alice: Sender, bob: Sender) -> None:
    bob.send(BumpSequence(0, source=alice.id), signers=(bob.key, alice.key))
    v1 = alice.entry().ext.v1
    assert v1 is not None
    assert v1.ext.v2 is not None
    assert v1.ext.v2.ext.v3 is not None
    assert v1.ext.v2.ext.v3.seq_ledger.uint32 == alice.network.latest_ledger


def test_the_last_sequence_number_can_be_reached_and_ends_the_account(
    alice: Sender, bob: Sender
) -> None:
    last = 2**63 - 1
    assert alice.send(BumpSequence(last)).code == Code.txSUCCESS
    envelope = alice.build(pay(XLM, bob, 1), sequence=last)
    envelope.sign(alice.key)
    assert alice.submit(envelope).code == Code.txBAD_SEQ


def test_a_negative_sequence_number_is_refused(alice: Sender) -> None:
    def alter(body: Any) -> None:
        body.bump_sequence_op.bump_to = xdr.SequenceNumber(xdr.Int64(-1))

    assert refusal(alice, Altered(BumpSequence(0), alter)) == "BUMP_SEQUENCE_BAD_SEQ"


def test_a_bump_needs_the_low_threshold_alone(alice: Sender) -> None:
    alice.send(SetOptions(med_threshold=2, high_threshold=2))
    assert alice.send(BumpSequence(0)).code == Code.txSUCCESS
    assert refusal(alice, ManageData("name", "value")) == "opBAD_AUTH"


# -- set options -----------------------------------------------------------------------------


def test_flags_are_set_and_cleared(alice: Sender) -> None:
    alice.send(SetOptions(set_flags=REQUIRED | REVOCABLE))
    alice.send(SetOptions(clear_flags=REQUIRED, set_flags=CLAWBACK))
    assert alice.entry().flags.uint32 == REVOCABLE | CLAWBACK


def test_an_immutable_account_keeps_its_flags(alice: Sender) -> None:
    set_flags(alice, IMMUTABLE)
    for change_flags in (SetOptions(set_flags=REQUIRED), SetOptions(clear_flags=IMMUTABLE)):
        assert failure(alice, change_flags) == "SET_OPTIONS_CANT_CHANGE"
    assert alice.send(SetOptions(home_domain="example.org")).code == Code.txSUCCESS


def test_clawback_needs_revocable(alice: Sender) -> None:
    code = "SET_OPTIONS_AUTH_REVOCABLE_REQUIRED"
    assert failure(alice, SetOptions(set_flags=CLAWBACK)) == code
    alice.send(SetOptions(set_flags=CLAWBACK | REVOCABLE))
    assert failure(alice, SetOptions(clear_flags=REVOCABLE)) == code


def test_an_inflation_destination_has_to_exist(alice: Sender, bob: Sender) -> None:
    nobody = SetOptions(inflation_dest=Keypair.random().public_key)
    assert failure(alice, nobody) == "SET_OPTIONS_INVALID_INFLATION"
    assert alice.send(SetOptions(inflation_dest=bob.id)).code == Code.txSUCCESS
    assert alice.entry().inflation_dest == bob.key.xdr_account_id()


def test_an_account_has_twenty_signers_at_most(alice: Sender) -> None:
    for number in range(20):
        signer = Signer.sha256_hash(bytes([number]) * 32, 1)
        assert alice.send(SetOptions(signer=signer)).code == Code.txSUCCESS
    more = SetOptions(signer=Signer.sha256_hash(b"z" * 32, 1))
    assert failure(alice, more) == "SET_OPTIONS_TOO_MANY_SIGNERS"
    other = SetOptions(signer=Signer.sha256_hash(bytes(32), 2))
    assert alice.send(other).code == Code.txSUCCESS


def test_a_signer_needs_a_reserve(alice: Sender, bob: Sender) -> None:
    alice.send(pay(XLM, bob, alice.balance - 3 * RESERVE - 100))
    signer = SetOptions(signer=Signer.ed25519_public_key(bob.id, 1))
    assert failure(alice, signer) == "SET_OPTIONS_LOW_RESERVE"


def test_removing_a_signer_that_is_not_there_changes_nothing(alice: Sender, bob: Sender) -> None:
    signer = Signer.ed25519_public_key(bob.id, 0)
    assert alice.send(SetOptions(signer=signer)).code == Code.txSUCCESS
    assert alice.entry().num_sub_entries.uint32 == 0


def _payload_of_nothing(body: Any) -> None:
    payload = xdr.SignerKeyEd25519SignedPayload(xdr.Uint256(bytes(32)), b"")
    key = xdr.SignerKey(
        xdr.SignerKeyType.SIGNER_KEY_TYPE_ED25519_SIGNED_PAYLOAD, ed25519_signed_payload=payload
    )
    body.set_options_op.signer = xdr.Signer(key, xdr.Uint32(1))


def _weight_of_256(body: Any) -> None:
    body.set_options_op.signer.weight = xdr.Uint32(256)


def _domain(body: Any) -> None:
    body.set_options_op.home_domain = xdr.String32(b"a\0b")


def _threshold(body: Any) -> None:
    body.set_options_op.med_threshold = xdr.Uint32(256)


HASH_SIGNER = Signer.sha256_hash(bytes(32), 1)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (SetOptions(set_flags=AuthorizationFlag(16)), "UNKNOWN_FLAG"),
        (SetOptions(clear_flags=AuthorizationFlag(16)), "UNKNOWN_FLAG"),
        (SetOptions(set_flags=REQUIRED, clear_flags=REQUIRED), "BAD_FLAGS"),
        (Altered(SetOptions(), _threshold), "THRESHOLD_OUT_OF_RANGE"),
        (Altered(SetOptions(signer=HASH_SIGNER), _weight_of_256), "BAD_SIGNER"),
        (Altered(SetOptions(), _payload_of_nothing), "BAD_SIGNER"),
        (Altered(SetOptions(), _domain), "INVALID_HOME_DOMAIN"),
    ],
)
def test_misused_options_are_refused(alice: Sender, operation: Operation, code: str) -> None:
    assert refusal(alice, operation) == f"SET_OPTIONS_{code}"


# -- what is not served ----------------------------------------------------------------------

EUR = Asset("EUR", Keypair.random().public_key)
NOBODY = Keypair.random().public_key


@pytest.mark.parametrize(
    "operation",
    [
        BeginSponsoringFutureReserves(NOBODY),
        EndSponsoringFutureReserves(),
        RevokeSponsorship.revoke_account_sponsorship(NOBODY),
        ManageSellOffer(XLM, EUR, "1", "1"),
        ManageBuyOffer(XLM, EUR, "1", "1"),
        PathPaymentStrictSend(NOBODY, XLM, "1", EUR, "1", []),
        CreateClaimableBalance(XLM, "1", [Claimant(NOBODY)]),
        Clawback(EUR, NOBODY, "1"),
        Inflation(),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_an_operation_that_is_not_served_is_refused_by_name(
    alice: Sender, bob: Sender, operation: Operation
) -> None:
    assert refusal(alice, pay(XLM, bob, 1), operation) == "opNOT_SUPPORTED"


def test_a_refusal_names_a_merge_that_was_not_tried(leaver: Sender, bob: Sender) -> None:
    sent = leaver.send(AccountMerge(bob.id), Inflation())
    assert sent.outcomes == ["ACCOUNT_MERGE_SUCCESS", "opNOT_SUPPORTED"]


def test_trust_keeps_a_merge_away_until_it_ends(leaver: Sender, bob: Sender) -> None:
    usd = Asset("USD", bob.id)
    trust(leaver, usd)
    assert failure(leaver, AccountMerge(bob.id)) == "ACCOUNT_MERGE_HAS_SUB_ENTRIES"
