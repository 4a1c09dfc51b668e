"""Change trust, set trustline flags, and payments of issued assets."""

from __future__ import annotations

from typing import Any

import pytest
from localnet.tests.support.contract import account_key, stored
from localnet.tests.support.failures import failure, refusal
from localnet.tests.support.issued_assets import (
    CLAWBACK,
    REQUIRED,
    REVOCABLE,
    UNIT,
    Altered,
    event,
    held,
    line,
    line_key,
    named,
    pay,
    set_flags,
    trust,
)
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import (
    AccountMerge,
    Asset,
    ChangeTrust,
    Keypair,
    LiquidityPoolAsset,
    Operation,
    SetOptions,
    SetTrustLineFlags,
    StrKey,
    TrustLineFlags,
    xdr,
)

MAX = 2**63 - 1
AUTHORIZED = TrustLineFlags.AUTHORIZED_FLAG
MAINTAIN = TrustLineFlags.AUTHORIZED_TO_MAINTAIN_LIABILITIES_FLAG
CLAWBACK_ENABLED = TrustLineFlags.TRUSTLINE_CLAWBACK_ENABLED_FLAG


@pytest.fixture
def issuer(alice: Sender) -> Sender:
    return Sender(alice.network)


@pytest.fixture
def usd(issuer: Sender) -> Asset:
    return Asset("USD", issuer.id)


@pytest.fixture
def held_by_alice(alice: Sender, issuer: Sender, usd: Asset) -> Asset:
    """USD, of which alice has 100 units."""
    trust(alice, usd)
    assert issuer.send(pay(usd, alice, 100 * UNIT)).code == Code.txSUCCESS
    return usd


def flags(holder: Sender, asset: Asset) -> int:
    found = line(holder, asset)
    assert found is not None
    return found.flags.uint32


def code_of(asset: Asset, code: bytes) -> Any:
    """Put a code into the asset of an operation's body that stellar-sdk would not take."""

    def alter(body: Any) -> None:
        arms = (body.payment_op, body.change_trust_op, body.set_trust_line_flags_op)
        (arm,) = (a for a in arms if a is not None)
        inside = arm.line if hasattr(arm, "line") else arm.asset
        form = inside.alpha_num12 or inside.alpha_num4
        held_in = "asset_code12" if inside.alpha_num12 else "asset_code4"
        setattr(form.asset_code, held_in, code)

    return alter


# -- change trust ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["U", "USD4", "USDC5", "TWELVELETTER"])
def test_a_trustline_starts_empty_authorised_and_with_its_limit(
    alice: Sender, issuer: Sender, code: str
) -> None:
    asset = Asset(code, issuer.id)
    sent = alice.send(ChangeTrust(asset, "7.5"))
    assert sent.outcomes == ["CHANGE_TRUST_SUCCESS"]
    found = line(alice, asset)
    assert found == xdr.TrustLineEntry(
        account_id=alice.key.xdr_account_id(),
        asset=asset.to_trust_line_asset_xdr_object(),
        balance=xdr.Int64(0),
        limit=xdr.Int64(75_000_000),
        flags=xdr.Uint32(AUTHORIZED),
        ext=xdr.TrustLineEntryExt(0),
    )
    assert sent.events == []
    assert [(name, data) for name, data in sent.changes if data.trust_line] == [
        ("created", stored(alice, line_key(alice, asset)))
    ]


def test_a_trustline_takes_a_reserve_and_gives_it_back(alice: Sender, usd: Asset) -> None:
    trust(alice, usd)
    assert alice.entry().num_sub_entries.uint32 == 1
    before = stored(alice, line_key(alice, usd))
    sent = alice.send(ChangeTrust(usd, "0"))
    assert sent.outcomes == ["CHANGE_TRUST_SUCCESS"]
    assert alice.entry().num_sub_entries.uint32 == 0
    assert stored(alice, line_key(alice, usd)) is None
    assert sent.changes[2:] == [("state", before), ("removed", line_key(alice, usd))]


def test_a_limit_is_changed_without_another_reserve(alice: Sender, usd: Asset) -> None:
    trust(alice, usd, 5 * UNIT)
    trust(alice, usd, 9 * UNIT)
    found = line(alice, usd)
    assert found is not None
    assert found.limit.int64 == 9 * UNIT
    assert alice.entry().num_sub_entries.uint32 == 1


@pytest.mark.parametrize(
    ("of_issuer", "of_line"),
    [
        ([], AUTHORIZED),
        ([REQUIRED], TrustLineFlags(0)),
        ([REVOCABLE], AUTHORIZED),
        ([REVOCABLE, CLAWBACK], AUTHORIZED | CLAWBACK_ENABLED),
        ([REQUIRED, REVOCABLE, CLAWBACK], CLAWBACK_ENABLED),
    ],
)
def test_a_new_trustline_has_the_flags_that_the_issuer_asks_for(
    alice: Sender, issuer: Sender, usd: Asset, of_issuer: list[Any], of_line: TrustLineFlags
) -> None:
    for flag in of_issuer:
        set_flags(issuer, flag)
    trust(alice, usd)
    assert flags(alice, usd) == of_line


def test_a_trustline_keeps_its_flags_when_the_limit_or_the_issuer_changes(
    alice: Sender, issuer: Sender, usd: Asset
) -> None:
    trust(alice, usd)
    set_flags(issuer, REQUIRED)
    trust(alice, usd, 2 * UNIT)
    assert flags(alice, usd) == AUTHORIZED


def test_a_limit_below_the_balance_is_no_limit(alice: Sender, held_by_alice: Asset) -> None:
    for limit in ("0", "99.9999999"):
        change = ChangeTrust(held_by_alice, limit)
        assert failure(alice, change) == "CHANGE_TRUST_INVALID_LIMIT"
    assert alice.send(ChangeTrust(held_by_alice, "100")).code == Code.txSUCCESS


def test_nothing_is_removed_where_there_is_no_trustline(alice: Sender, usd: Asset) -> None:
    assert failure(alice, ChangeTrust(usd, "0")) == "CHANGE_TRUST_INVALID_LIMIT"


def test_an_asset_without_issuer_cannot_be_trusted_but_given_up(
    alice: Sender, issuer: Sender, usd: Asset
) -> None:
    nobody = Asset("USD", Keypair.random().public_key)
    assert failure(alice, ChangeTrust(nobody, "1")) == "CHANGE_TRUST_NO_ISSUER"
    trust(alice, usd)
    issuer.network.advance_ledgers(1)
    assert issuer.send(AccountMerge(alice.id)).code == Code.txSUCCESS
    assert failure(alice, ChangeTrust(usd, "1")) == "CHANGE_TRUST_NO_ISSUER"
    assert alice.send(ChangeTrust(usd, "0")).code == Code.txSUCCESS


def test_a_trustline_needs_a_reserve(alice: Sender, bob: Sender, usd: Asset) -> None:
    needed, fee = 3 * 5_000_000, 100
    alice.send(pay(Asset.native(), bob, alice.balance - fee - (needed + fee - 1)))
    assert failure(alice, ChangeTrust(usd, "1")) == "CHANGE_TRUST_LOW_RESERVE"
    bob.send(pay(Asset.native(), alice, 1 + fee))
    assert alice.send(ChangeTrust(usd, "1")).code == Code.txSUCCESS
    assert alice.balance == needed


def test_an_account_has_a_thousand_entries_at_most(alice: Sender, usd: Asset) -> None:
    crowd(alice, 999)
    trust(alice, usd)
    more = ChangeTrust(Asset("EUR", usd.issuer), "1")
    assert failure(alice, more) == "opTOO_MANY_SUBENTRIES"


def crowd(sender: Sender, subentries: int) -> None:
    """Say of an account that it has so many entries."""
    key = account_key(sender.id).to_xdr_bytes()
    found = sender.network.entry(key)
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.account is not None
    entry.data.account.num_sub_entries = xdr.Uint32(subentries)
    sender.network.set_entry(entry.to_xdr_bytes())


POOL = LiquidityPoolAsset(Asset.native(), Asset("USD", Keypair.random().public_key))


def _pool_fee(body: Any) -> None:
    body.change_trust_op.line.liquidity_pool.constant_product.fee = xdr.Int32(31)


def _pool_order(body: Any) -> None:
    pool = body.change_trust_op.line.liquidity_pool.constant_product
    pool.asset_a, pool.asset_b = pool.asset_b, pool.asset_a


def _pool_of_one(body: Any) -> None:
    pool = body.change_trust_op.line.liquidity_pool.constant_product
    pool.asset_a = pool.asset_b


def _negative_limit(body: Any) -> None:
    body.change_trust_op.limit = xdr.Int64(-1)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (ChangeTrust(POOL), "opNOT_SUPPORTED"),
        (Altered(ChangeTrust(POOL), _negative_limit), "CHANGE_TRUST_MALFORMED"),
        (Altered(ChangeTrust(POOL), _pool_fee), "CHANGE_TRUST_MALFORMED"),
        (Altered(ChangeTrust(POOL), _pool_order), "CHANGE_TRUST_MALFORMED"),
        (Altered(ChangeTrust(POOL), _pool_of_one), "CHANGE_TRUST_MALFORMED"),
        (ChangeTrust(Asset.native()), "CHANGE_TRUST_MALFORMED"),
    ],
)
def test_what_cannot_be_trusted_is_refused(alice: Sender, operation: Operation, code: str) -> None:
    assert refusal(alice, operation) == code


@pytest.mark.parametrize(
    "code", [b"US$\0", b"\0\0\0\0", b"U\0D\0", b"USDC\0\0\0\0\0\0\0\0", b"US\x80\0"]
)
def test_a_code_that_no_asset_has_is_refused(alice: Sender, issuer: Sender, code: bytes) -> None:
    asset = Asset("USDOLLAR" if len(code) == 12 else "USD", issuer.id)
    alter = code_of(asset, code)
    assert refusal(alice, Altered(ChangeTrust(asset), alter)) == "CHANGE_TRUST_MALFORMED"
    assert refusal(alice, Altered(pay(asset, issuer, 1), alter)) == "PAYMENT_MALFORMED"
    set_none = Altered(SetTrustLineFlags(alice.id, asset, set_flags=AUTHORIZED), alter)
    assert refusal(issuer, set_none) == "SET_TRUST_LINE_FLAGS_MALFORMED"


def test_a_negative_limit_and_an_own_asset_are_refused(
    alice: Sender, issuer: Sender, usd: Asset
) -> None:
    malformed = "CHANGE_TRUST_MALFORMED"
    assert refusal(alice, Altered(ChangeTrust(usd), _negative_limit)) == malformed
    assert refusal(issuer, ChangeTrust(usd, "1")) == malformed


# -- payments of issued assets ---------------------------------------------------------------


def test_an_issuer_mints_by_paying(alice: Sender, issuer: Sender, usd: Asset) -> None:
    trust(alice, usd)
    sent = issuer.send(pay(usd, alice, 7))
    assert sent.outcomes == ["PAYMENT_SUCCESS"]
    assert held(alice, usd) == 7
    assert event(sent) == (["mint", alice.id, named(usd)], 7)


def test_paying_the_issuer_burns(alice: Sender, issuer: Sender, held_by_alice: Asset) -> None:
    sent = alice.send(pay(held_by_alice, issuer, 30 * UNIT))
    assert held(alice, held_by_alice) == 70 * UNIT
    assert event(sent) == (["burn", alice.id, named(held_by_alice)], 30 * UNIT)


def test_holders_pay_each_other(alice: Sender, bob: Sender, held_by_alice: Asset) -> None:
    usd = held_by_alice
    trust(bob, usd)
    sent = alice.send(pay(usd, bob, 30 * UNIT))
    assert (held(alice, usd), held(bob, usd)) == (70 * UNIT, 30 * UNIT)
    assert event(sent) == (["transfer", alice.id, bob.id, named(usd)], 30 * UNIT)


def test_the_event_of_an_asset_names_the_contract_that_the_asset_has(
    alice: Sender, issuer: Sender, held_by_alice: Asset
) -> None:
    sent = alice.send(pay(held_by_alice, issuer, 1))
    contract_id = sent.events[0].contract_id
    assert contract_id is not None
    name = StrKey.encode_contract(contract_id.contract_id.hash)
    assert name == held_by_alice.contract_id(alice.network.passphrase)


def test_the_issuer_can_pay_itself_what_does_not_exist(issuer: Sender, usd: Asset) -> None:
    sent = issuer.send(pay(usd, issuer, MAX))
    assert event(sent) == (["transfer", issuer.id, issuer.id, named(usd)], MAX)
    assert sent.changes == []


def test_a_holder_pays_itself_up_to_the_limit(alice: Sender, held_by_alice: Asset) -> None:
    usd = held_by_alice
    sent = alice.send(pay(usd, alice, 900 * UNIT))  # it arrives before it is taken away
    assert event(sent)[0] == ["transfer", alice.id, alice.id, named(usd)]
    assert held(alice, usd) == 100 * UNIT
    assert failure(alice, pay(usd, alice, 900 * UNIT + 1)) == "PAYMENT_LINE_FULL"


def test_who_has_no_trustline_can_neither_pay_nor_be_paid(
    alice: Sender, bob: Sender, issuer: Sender, held_by_alice: Asset
) -> None:
    usd = held_by_alice
    assert failure(alice, pay(usd, bob, 1)) == "PAYMENT_NO_TRUST"
    assert failure(bob, pay(usd, alice, 1)) == "PAYMENT_SRC_NO_TRUST"
    assert failure(bob, pay(usd, issuer, 1)) == "PAYMENT_SRC_NO_TRUST"


def test_a_payment_beyond_balance_or_limit_fails(
    alice: Sender, bob: Sender, issuer: Sender, held_by_alice: Asset
) -> None:
    usd = held_by_alice
    trust(bob, usd, 10)
    assert failure(alice, pay(usd, bob, 11)) == "PAYMENT_LINE_FULL"
    assert failure(alice, pay(usd, issuer, 100 * UNIT + 1)) == "PAYMENT_UNDERFUNDED"
    assert failure(issuer, pay(usd, bob, 11)) == "PAYMENT_LINE_FULL"
    assert alice.send(pay(usd, bob, 10)).code == Code.txSUCCESS


def test_whether_it_arrives_is_looked_at_before_whether_it_is_there(
    alice: Sender, bob: Sender, issuer: Sender, usd: Asset
) -> None:
    trust(alice, usd)
    trust(bob, usd, 10)
    assert failure(alice, pay(usd, bob, 11)) == "PAYMENT_LINE_FULL"
    assert failure(alice, pay(usd, bob, 10)) == "PAYMENT_UNDERFUNDED"
    nobody = Keypair.random().public_key
    assert failure(alice, pay(usd, nobody, 1)) == "PAYMENT_NO_DESTINATION"


def test_an_asset_goes_back_to_an_issuer_that_is_gone(
    alice: Sender, bob: Sender, issuer: Sender, held_by_alice: Asset
) -> None:
    usd = held_by_alice
    trust(bob, usd)
    issuer.network.advance_ledgers(1)
    assert issuer.send(AccountMerge(bob.id)).code == Code.txSUCCESS
    assert alice.send(pay(usd, bob, 1)).code == Code.txSUCCESS
    assert alice.send(pay(usd, issuer.id, 1)).code == Code.txSUCCESS
    assert failure(alice, pay(Asset.native(), issuer.id, 1)) == "PAYMENT_NO_DESTINATION"


@pytest.mark.parametrize("units", [0, -1])
def test_an_amount_that_is_not_positive_is_refused(
    alice: Sender, bob: Sender, usd: Asset, units: int
) -> None:
    def alter(body: Any) -> None:
        body.payment_op.amount = xdr.Int64(units)

    for asset in (usd, Asset.native()):
        assert refusal(alice, Altered(pay(asset, bob, 1), alter)) == "PAYMENT_MALFORMED"


# -- set trustline flags ---------------------------------------------------------------------


def authorise(
    holder: Sender,
    asset: Asset,
    *,
    set_flags: TrustLineFlags | None = None,
    clear_flags: TrustLineFlags | None = None,
) -> SetTrustLineFlags:
    return SetTrustLineFlags(holder.id, asset, clear_flags, set_flags)


def test_who_is_not_authorised_can_neither_pay_nor_be_paid(
    alice: Sender, bob: Sender, issuer: Sender, usd: Asset
) -> None:
    set_flags(issuer, REQUIRED)
    set_flags(issuer, REVOCABLE)
    for holder in (alice, bob):
        trust(holder, usd)
    assert failure(issuer, pay(usd, alice, 1)) == "PAYMENT_NOT_AUTHORIZED"
    sent = issuer.send(authorise(alice, usd, set_flags=AUTHORIZED))
    assert event(sent) == (["set_authorized", alice.id, named(usd)], True)
    assert issuer.send(pay(usd, alice, 1)).code == Code.txSUCCESS
    assert failure(alice, pay(usd, bob, 1)) == "PAYMENT_NOT_AUTHORIZED"
    sent = issuer.send(authorise(alice, usd, clear_flags=AUTHORIZED, set_flags=MAINTAIN))
    assert event(sent) == (["set_authorized", alice.id, named(usd)], False)
    assert failure(alice, pay(usd, issuer, 1)) == "PAYMENT_SRC_NOT_AUTHORIZED"
    assert held(alice, usd) == 1


def test_an_authorisation_is_taken_away_by_a_revocable_issuer_alone(
    alice: Sender, issuer: Sender, usd: Asset
) -> None:
    trust(alice, usd)
    for revoke in (
        authorise(alice, usd, clear_flags=AUTHORIZED),
        authorise(alice, usd, clear_flags=AUTHORIZED, set_flags=MAINTAIN),
        authorise(alice, usd, clear_flags=MAINTAIN),
    ):
        assert failure(issuer, revoke) == "SET_TRUST_LINE_FLAGS_CANT_REVOKE"
    set_flags(issuer, REVOCABLE)
    sent = issuer.send(authorise(alice, usd, clear_flags=AUTHORIZED))
    assert event(sent) == (["set_authorized", alice.id, named(usd)], False)
    assert flags(alice, usd) == 0


def test_a_trustline_gives_up_clawback_for_good(alice: Sender, issuer: Sender, usd: Asset) -> None:
    set_flags(issuer, REVOCABLE)
    set_flags(issuer, CLAWBACK)
    trust(alice, usd)
    sent = issuer.send(authorise(alice, usd, clear_flags=CLAWBACK_ENABLED))
    assert event(sent) == (["set_authorized", alice.id, named(usd)], True)
    assert flags(alice, usd) == AUTHORIZED
    again = authorise(alice, usd, set_flags=CLAWBACK_ENABLED)
    assert refusal(issuer, again) == "SET_TRUST_LINE_FLAGS_MALFORMED"


def test_flags_that_exclude_each_other_do_not_come_together(
    alice: Sender, issuer: Sender, usd: Asset
) -> None:
    trust(alice, usd)
    both = authorise(alice, usd, set_flags=MAINTAIN)
    assert failure(issuer, both) == "SET_TRUST_LINE_FLAGS_INVALID_STATE"


def test_flags_of_a_trustline_that_is_not_there_cannot_be_set(
    alice: Sender, issuer: Sender, usd: Asset
) -> None:
    allow = authorise(alice, usd, set_flags=AUTHORIZED)
    assert failure(issuer, allow) == "SET_TRUST_LINE_FLAGS_NO_TRUST_LINE"


def test_flags_need_the_low_threshold_alone(alice: Sender, issuer: Sender, usd: Asset) -> None:
    trust(alice, usd)
    issuer.send(SetOptions(med_threshold=2, high_threshold=2))
    allow = authorise(alice, usd, set_flags=AUTHORIZED)
    assert issuer.send(allow).outcomes == ["SET_TRUST_LINE_FLAGS_SUCCESS"]
    assert refusal(issuer, pay(usd, alice, 1)) == "opBAD_AUTH"


def test_misused_flags_are_refused(alice: Sender, bob: Sender, issuer: Sender, usd: Asset) -> None:
    trust(alice, usd)
    for misused in (
        authorise(alice, usd, set_flags=AUTHORIZED, clear_flags=AUTHORIZED),
        authorise(alice, usd, set_flags=AUTHORIZED | MAINTAIN),
        authorise(alice, usd, clear_flags=TrustLineFlags(8)),
        authorise(alice, usd, set_flags=TrustLineFlags(8)),
        authorise(issuer, usd, set_flags=AUTHORIZED),
        authorise(alice, Asset("USD", bob.id), set_flags=AUTHORIZED),
        authorise(alice, Asset.native(), set_flags=AUTHORIZED),
    ):
        assert refusal(issuer, misused) == "SET_TRUST_LINE_FLAGS_MALFORMED"


# -- what other networks keep beside a trustline ---------------------------------------------


def traded(
    holder: Sender, asset: Asset, *, buying: int = 0, selling: int = 0, pools: int = 0
) -> None:
    """Say of a trustline that offers and pool shares hang on it."""
    found = holder.network.entry(line_key(holder, asset).to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.trust_line is not None
    v2 = xdr.TrustLineEntryExtensionV2(xdr.Int32(pools), xdr.TrustLineEntryExtensionV2Ext(0))
    liabilities = xdr.Liabilities(xdr.Int64(buying), xdr.Int64(selling))
    v1 = xdr.TrustLineEntryV1(liabilities, xdr.TrustLineEntryV1Ext(2, v2=v2))
    entry.data.trust_line.ext = xdr.TrustLineEntryExt(1, v1=v1)
    holder.network.set_entry(entry.to_xdr_bytes())


@pytest.mark.parametrize("kind", ["buying", "selling", "pools"])
def test_a_trustline_that_is_traded_with_is_not_shut(
    alice: Sender, issuer: Sender, held_by_alice: Asset, kind: str
) -> None:
    set_flags(issuer, REVOCABLE)
    traded(alice, held_by_alice, **{kind: 1})
    revoke = authorise(alice, held_by_alice, clear_flags=AUTHORIZED)
    assert failure(issuer, revoke) == "opNOT_SUPPORTED"


def test_what_is_to_be_bought_takes_room(alice: Sender, issuer: Sender, usd: Asset) -> None:
    trust(alice, usd)
    traded(alice, usd, buying=5)
    assert failure(alice, ChangeTrust(usd, "0")) == "CHANGE_TRUST_INVALID_LIMIT"
    assert failure(issuer, pay(usd, alice, 1_000 * UNIT - 4)) == "PAYMENT_LINE_FULL"
    assert issuer.send(pay(usd, alice, 1_000 * UNIT - 5)).code == Code.txSUCCESS


def test_what_is_to_be_sold_is_not_paid(
    alice: Sender, issuer: Sender, held_by_alice: Asset
) -> None:
    traded(alice, held_by_alice, selling=5)
    assert failure(alice, pay(held_by_alice, issuer, 100 * UNIT - 4)) == "PAYMENT_UNDERFUNDED"
    assert alice.send(pay(held_by_alice, issuer, 100 * UNIT - 5)).code == Code.txSUCCESS


def test_a_trustline_that_a_pool_needs_is_not_removed(alice: Sender, usd: Asset) -> None:
    trust(alice, usd)
    traded(alice, usd, pools=1)
    assert failure(alice, ChangeTrust(usd, "0")) == "CHANGE_TRUST_CANNOT_DELETE"
