"""The contract of an asset: the host moves lumens and issued assets for accounts and contracts."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from localnet.tests.support.asset_token import Token, create, token
from localnet.tests.support.contract import (
    Contract,
    Kind,
    account_key,
    data_key,
    deploy,
    resources,
    stored,
    upload,
)
from localnet.tests.support.failures import failure
from localnet.tests.support.issued_assets import (
    CLAWBACK,
    REQUIRED,
    REVOCABLE,
    UNIT,
    event,
    held,
    line,
    line_key,
    named,
    pay,
    set_flags,
    trust,
)
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import (
    Asset,
    ChangeTrust,
    InvokeHostFunction,
    Keypair,
    MuxedAccount,
    TransactionEnvelope,
    TrustLineFlags,
    scval,
    xdr,
)
from stellar_sdk.exceptions import PrepareTransactionException
from wasmtime import wat2wasm

XLM = Asset.native()
NOT_SUPPORTED, ACCOUNT_MISSING, NEGATIVE, BALANCE, DEAUTHORISED, TRUSTLINE_MISSING = (
    f"CONTRACT/{code}" for code in (2, 6, 8, 10, 11, 13)
)


def done(sent: Sent) -> Sent:
    assert sent.code == Code.txSUCCESS, sent.messages()
    return sent


def trapped(sent: Sent, error: str) -> None:
    assert sent.outcomes == ["INVOKE_HOST_FUNCTION_TRAPPED"]
    assert sent.error == error


def rejected(sender: Sender, operation: InvokeHostFunction, error: str) -> None:
    """See that the simulation of a call fails with an error."""
    with pytest.raises(PrepareTransactionException) as caught:
        sender.prepare(operation)
    text = caught.value.simulate_transaction_response.error
    assert text is not None
    kind, number = error.split("/")
    assert f"Error({kind.title()}, #{number})" in text


@pytest.fixture
def lumens(alice: Sender) -> Token:
    return token(alice, XLM)


@pytest.fixture
def issuer(alice: Sender) -> Sender:
    return Sender(alice.network)


@pytest.fixture
def usd(alice: Sender, issuer: Sender) -> Token:
    """USD, of which alice has 100 units."""
    made = token(alice, Asset("USD", issuer.id))
    trust(alice, made.asset)
    done(issuer.send(pay(made.asset, alice, 100 * UNIT)))
    return made


# -- deployment ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["native", "USD", "USDOLLAR"])
def test_an_asset_has_a_contract_at_the_address_that_the_asset_gives(
    alice: Sender, bob: Sender, code: str
) -> None:
    asset = XLM if code == "native" else Asset(code, bob.id)
    made = token(alice, asset)
    assert made.contract.id == asset.contract_id(alice.network.passphrase)
    assert made.ask(alice, "symbol") == code
    assert made.ask(alice, "name") == ("native" if asset.is_native() else f"{code}:{bob.id}")
    assert made.ask(alice, "decimals") == 7


def test_a_contract_of_an_asset_is_made_once(alice: Sender, lumens: Token) -> None:
    sent = alice.declare(resources([], [lumens.contract.instance]), create(XLM))
    trapped(sent, "STORAGE/EXISTING_VALUE")


def test_the_contract_of_lumens_has_no_admin(alice: Sender, lumens: Token) -> None:
    with pytest.raises(PrepareTransactionException):
        alice.prepare(lumens.call("admin"))


def test_the_issuer_is_the_admin(alice: Sender, issuer: Sender, usd: Token) -> None:
    assert usd.ask(alice, "admin").address == issuer.id


# -- lumens ----------------------------------------------------------------------------------


def test_lumens_move_between_accounts(alice: Sender, bob: Sender, lumens: Token) -> None:
    before = alice.balance, bob.balance
    sent = done(alice.invoke(lumens.call("transfer", alice.id, bob.id, 7)))
    assert (alice.balance, bob.balance) == (before[0] - 7 - sent.fee_charged, before[1] + 7)
    assert event(sent) == (["transfer", alice.id, bob.id, "native"], 7)
    assert lumens.balance(alice, bob.id) == bob.balance


def test_a_payment_and_a_transfer_emit_the_same_event(
    alice: Sender, bob: Sender, lumens: Token
) -> None:
    transfer = alice.invoke(lumens.call("transfer", alice.id, bob.id, 7))
    assert transfer.events == alice.send(pay(XLM, bob, 7)).events


def test_a_transfer_to_a_multiplexed_account_names_its_id(
    alice: Sender, bob: Sender, lumens: Token
) -> None:
    muxed = MuxedAccount(bob.id, 2**64 - 1)
    sent = done(alice.invoke(lumens.call("transfer", alice.id, muxed.account_muxed, 7)))
    assert event(sent)[1] == {"amount": 7, "to_muxed_id": 2**64 - 1}
    assert sent.events == alice.send(pay(XLM, muxed, 7)).events


def test_lumens_go_to_a_contract(alice: Sender, contract: Contract, lumens: Token) -> None:
    sent = done(alice.invoke(lumens.call("transfer", alice.id, contract.id, 7)))
    assert event(sent) == (["transfer", alice.id, contract.id, "native"], 7)
    assert lumens.balance(alice, contract.id) == 7
    assert contract_balance(alice, lumens, contract.id) == {
        "amount": 7,
        "authorized": True,
        "clawback": False,
    }


def contract_balance(sender: Sender, made: Token, holder: str) -> Any:
    """Read the stored balance of a contract."""
    key = scval.to_vec([scval.to_symbol("Balance"), scval.to_address(holder)])
    data = stored(sender, data_key(made.contract.address, key, Kind.PERSISTENT))
    if data is None:
        return None
    assert data.contract_data is not None
    return scval.to_native(data.contract_data.val)


def test_a_transfer_makes_the_account_that_it_is_for(alice: Sender, lumens: Token) -> None:
    new = Keypair.random()
    done(alice.invoke(lumens.call("transfer", alice.id, new.public_key, 2 * 5_000_000)))
    account = alice.server.load_account(new.public_key)
    assert account.sequence == alice.network.latest_ledger << 32
    assert lumens.balance(alice, new.public_key) == 2 * 5_000_000


def test_a_transfer_leaves_the_reserve(alice: Sender, bob: Sender, lumens: Token) -> None:
    rejected(alice, lumens.call("transfer", alice.id, bob.id, alice.balance - 1), BALANCE)


# -- issued assets ---------------------------------------------------------------------------


def test_the_contract_sees_trustlines(
    alice: Sender, bob: Sender, issuer: Sender, usd: Token
) -> None:
    assert usd.balance(alice, alice.id) == 100 * UNIT
    assert usd.balance(alice, issuer.id) == 2**63 - 1
    rejected(alice, usd.call("balance", bob.id), TRUSTLINE_MISSING)


def test_an_issued_asset_moves_between_trustlines(alice: Sender, bob: Sender, usd: Token) -> None:
    trust(bob, usd.asset)
    sent = done(alice.invoke(usd.call("transfer", alice.id, bob.id, 30 * UNIT)))
    assert (held(alice, usd.asset), held(bob, usd.asset)) == (70 * UNIT, 30 * UNIT)
    assert event(sent) == (["transfer", alice.id, bob.id, named(usd.asset)], 30 * UNIT)


def test_meta_shows_trustlines_that_the_contract_wrote(
    alice: Sender, bob: Sender, usd: Token
) -> None:
    trust(bob, usd.asset)
    before = {p.id: stored(p, line_key(p, usd.asset)) for p in (alice, bob)}
    sent = done(alice.invoke(usd.call("transfer", alice.id, bob.id, 1)))
    after = {p.id: stored(p, line_key(p, usd.asset)) for p in (alice, bob)}
    for sender in (alice, bob):
        position = sent.changes.index(("state", before[sender.id]))
        assert sent.changes[position + 1] == ("updated", after[sender.id])
        found = sender.network.entry(line_key(sender, usd.asset).to_xdr_bytes())
        assert found is not None
        modified = xdr.LedgerEntry.from_xdr_bytes(found[0]).last_modified_ledger_seq
        assert modified.uint32 == alice.network.latest_ledger


def test_a_payment_after_a_transfer_sees_what_it_did(
    alice: Sender, bob: Sender, usd: Token
) -> None:
    trust(bob, usd.asset)
    done(alice.invoke(usd.call("transfer", alice.id, bob.id, 30)))
    done(bob.send(pay(usd.asset, alice, 30)))
    assert failure(bob, pay(usd.asset, alice, 1)) == "PAYMENT_UNDERFUNDED"
    assert held(alice, usd.asset) == 100 * UNIT


def small_symbol(name: str) -> int:
    """The host's value of a symbol of at most nine letters."""
    body = 0
    for letter in name:
        body = body << 6 | ord(letter) - ord("a") + 38
    return body << 8 | 14


SPENDER = wat2wasm(f"""
(module
  (@custom "contractenvmetav0" "\\00\\00\\00\\00\\00\\00\\00\\1b\\00\\00\\00\\00")
  (import "x" "7" (func $this (result i64)))
  (import "v" "_" (func $new (result i64)))
  (import "v" "6" (func $with (param i64 i64) (result i64)))
  (import "d" "_" (func $call (param i64 i64 i64) (result i64)))
  (func (export "spend") (param $token i64) (param $to i64) (param $amount i64) (result i64)
    (call $call (local.get $token) (i64.const {small_symbol("transfer")})
      (call $with (call $with (call $with (call $new) (call $this)) (local.get $to))
        (local.get $amount)))))
""")
"""A contract that transfers what it has itself, to whoever is named by whoever calls."""


def test_a_contract_spends_what_it_has(
    alice: Sender, bob: Sender, lumens: Token, usd: Token
) -> None:
    trust(bob, usd.asset)
    alice.invoke(upload(bytes(SPENDER)))
    spender = deploy(alice, code_hash=sha256(SPENDER).digest())
    for made in (lumens, usd):
        token = made.contract.id
        done(alice.invoke(made.call("transfer", alice.id, spender.id, 7)))
        sent = done(bob.invoke(spender.call("spend", token, bob.id, scval.to_int128(3))))
        assert event(sent) == (["transfer", spender.id, bob.id, named(made.asset)], 3)
        assert made.balance(alice, spender.id) == 4
        rejected(bob, spender.call("spend", token, bob.id, scval.to_int128(5)), BALANCE)
    assert held(bob, usd.asset) == 3


def test_nobody_spends_what_a_contract_has(
    alice: Sender, bob: Sender, contract: Contract, lumens: Token
) -> None:
    done(alice.invoke(lumens.call("transfer", alice.id, contract.id, 7)))
    trapped(bob.invoke(lumens.call("transfer", contract.id, bob.id, 7)), "AUTH/INVALID_ACTION")
    assert lumens.balance(alice, contract.id) == 7


def test_an_issued_asset_goes_to_a_contract(alice: Sender, contract: Contract, usd: Token) -> None:
    sent = done(alice.invoke(usd.call("transfer", alice.id, contract.id, 30 * UNIT)))
    assert event(sent)[0] == ["transfer", alice.id, contract.id, named(usd.asset)]
    assert held(alice, usd.asset) == 70 * UNIT
    assert usd.balance(alice, contract.id) == 30 * UNIT


def test_the_issuer_mints_and_a_holder_burns(alice: Sender, issuer: Sender, usd: Token) -> None:
    minted = done(issuer.invoke(usd.call("mint", alice.id, 5)))
    assert event(minted) == (["mint", alice.id, named(usd.asset)], 5)
    burned = done(alice.invoke(usd.call("burn", alice.id, 7)))
    assert event(burned) == (["burn", alice.id, named(usd.asset)], 7)
    assert held(alice, usd.asset) == 100 * UNIT - 2


def test_transfers_from_and_to_the_issuer_mint_and_burn(
    alice: Sender, issuer: Sender, usd: Token
) -> None:
    burned = done(alice.invoke(usd.call("transfer", alice.id, issuer.id, 7)))
    assert burned.events == alice.send(pay(usd.asset, issuer, 7)).events
    minted = done(issuer.invoke(usd.call("transfer", issuer.id, alice.id, 7)))
    assert minted.events == issuer.send(pay(usd.asset, alice, 7)).events
    assert held(alice, usd.asset) == 100 * UNIT


def test_nobody_but_the_issuer_mints(alice: Sender, usd: Token) -> None:
    footprint = resources(
        [account_key(usd.asset.issuer or ""), usd.contract.instance],
        [line_key(alice, usd.asset)],
    )
    trapped(alice.declare(footprint, usd.call("mint", alice.id, 5)), "AUTH/INVALID_ACTION")
    assert held(alice, usd.asset) == 100 * UNIT


@pytest.mark.parametrize(
    ("units", "error"), [(101 * UNIT, BALANCE), (-1, NEGATIVE), (2**63, "CONTRACT/12")]
)
def test_an_amount_that_is_not_there_does_not_move(
    alice: Sender, contract: Contract, usd: Token, units: int, error: str
) -> None:
    rejected(alice, usd.call("transfer", alice.id, contract.id, units), error)


def test_a_transfer_stays_within_the_limit_of_the_trustline(
    alice: Sender, bob: Sender, usd: Token
) -> None:
    trust(bob, usd.asset, 10)
    rejected(alice, usd.call("transfer", alice.id, bob.id, 11), BALANCE)
    done(alice.invoke(usd.call("transfer", alice.id, bob.id, 10)))


def test_a_transfer_needs_a_trustline(alice: Sender, bob: Sender, usd: Token) -> None:
    rejected(alice, usd.call("transfer", alice.id, bob.id, 1), TRUSTLINE_MISSING)


def test_a_trustline_that_went_away_before_its_turn_traps(
    alice: Sender, bob: Sender, usd: Token
) -> None:
    trust(bob, usd.asset)
    envelope = signed(alice, usd.call("transfer", alice.id, bob.id, 1))
    done(bob.send(ChangeTrust(usd.asset, "0")))
    trapped(alice.submit(envelope), TRUSTLINE_MISSING)
    assert line(bob, usd.asset) is None


def signed(sender: Sender, operation: InvokeHostFunction) -> TransactionEnvelope:
    envelope = sender.prepare(operation)
    envelope.sign(sender.key)
    return envelope


def test_the_contract_makes_trustlines(alice: Sender, bob: Sender, usd: Token) -> None:
    sent = done(bob.invoke(usd.call("trust", bob.id)))
    assert bob.entry().num_sub_entries.uint32 == 1
    found = line(bob, usd.asset)
    assert found is not None
    assert (found.balance.int64, found.limit.int64) == (0, 2**63 - 1)
    assert found.flags.uint32 == TrustLineFlags.AUTHORIZED_FLAG
    assert ("created", stored(bob, line_key(bob, usd.asset))) in sent.changes
    done(bob.send(ChangeTrust(usd.asset, "0")))
    assert bob.entry().num_sub_entries.uint32 == 0


# -- authorisation and clawback --------------------------------------------------------------


def test_the_issuer_authorises_trustlines_through_the_contract(
    alice: Sender, bob: Sender, issuer: Sender, usd: Token
) -> None:
    set_flags(issuer, REQUIRED)
    set_flags(issuer, REVOCABLE)
    trust(bob, usd.asset)
    assert not usd.ask(alice, "authorized", bob.id)
    envelope = signed_for(alice, usd, bob)
    trapped(alice.submit(envelope), DEAUTHORISED)
    sent = done(issuer.invoke(usd.call("set_authorized", bob.id, True)))
    assert event(sent) == (["set_authorized", bob.id, named(usd.asset)], True)
    assert usd.ask(alice, "authorized", bob.id)
    done(alice.invoke(usd.call("transfer", alice.id, bob.id, 5)))
    sent = done(issuer.invoke(usd.call("set_authorized", bob.id, False)))
    assert event(sent) == (["set_authorized", bob.id, named(usd.asset)], False)
    assert failure(bob, pay(usd.asset, issuer, 5)) == "PAYMENT_SRC_NOT_AUTHORIZED"
    found = line(bob, usd.asset)
    assert found is not None
    assert found.flags.uint32 == TrustLineFlags.AUTHORIZED_TO_MAINTAIN_LIABILITIES_FLAG


def signed_for(payer: Sender, made: Token, payee: Sender) -> TransactionEnvelope:
    """Sign a transfer whose simulation would fail."""
    keys = [line_key(sender, made.asset) for sender in (payer, payee)]
    data = resources([made.contract.instance], keys)
    envelope = payer.declared(data, made.call("transfer", payer.id, payee.id, 5))
    invoked = envelope.transaction.operations[0]
    assert isinstance(invoked, InvokeHostFunction)
    call = invoked.host_function.invoke_contract
    assert call is not None
    invoked.auth = [
        xdr.SorobanAuthorizationEntry(
            xdr.SorobanCredentials(xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT),
            xdr.SorobanAuthorizedInvocation(
                xdr.SorobanAuthorizedFunction(
                    xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN,
                    contract_fn=call,
                ),
                [],
            ),
        )
    ]
    envelope.sign(payer.key)
    return envelope


def test_an_authorisation_is_kept_where_the_issuer_is_not_revocable(
    alice: Sender, issuer: Sender, usd: Token
) -> None:
    rejected(issuer, usd.call("set_authorized", alice.id, False), NOT_SUPPORTED)


def test_a_contract_is_authorised_like_an_account(
    alice: Sender, issuer: Sender, contract: Contract, usd: Token
) -> None:
    set_flags(issuer, REQUIRED)
    rejected(alice, usd.call("transfer", alice.id, contract.id, 5), DEAUTHORISED)
    done(issuer.invoke(usd.call("set_authorized", contract.id, True)))
    done(alice.invoke(usd.call("transfer", alice.id, contract.id, 5)))
    assert usd.balance(alice, contract.id) == 5


def test_the_issuer_claws_back_from_accounts_and_contracts(
    alice: Sender, bob: Sender, issuer: Sender, contract: Contract, usd: Token
) -> None:
    rejected(issuer, usd.call("clawback", alice.id, 5), BALANCE)
    set_flags(issuer, REVOCABLE)
    set_flags(issuer, CLAWBACK)
    trust(bob, usd.asset)
    for holder in (bob.id, contract.id):
        done(alice.invoke(usd.call("transfer", alice.id, holder, 8)))
        sent = done(issuer.invoke(usd.call("clawback", holder, 5)))
        assert event(sent) == (["clawback", holder, named(usd.asset)], 5)
        assert usd.balance(alice, holder) == 3
    rejected(issuer, usd.call("clawback", alice.id, 5), BALANCE)  # trusted before the flag was set


def test_lumens_are_neither_minted_nor_clawed_back(
    alice: Sender, bob: Sender, lumens: Token
) -> None:
    for operation in (lumens.call("burn", alice.id, 1), lumens.call("clawback", bob.id, 1)):
        rejected(alice, operation, NOT_SUPPORTED)


# -- resources -------------------------------------------------------------------------------


def test_classic_entries_count_as_reads_from_disk(alice: Sender, bob: Sender, usd: Token) -> None:
    trust(bob, usd.asset)
    envelope = alice.prepare(usd.call("transfer", alice.id, bob.id, 5))
    data = envelope.transaction.soroban_data
    assert data is not None
    entries = (alice.network.entry(line_key(p, usd.asset).to_xdr_bytes()) for p in (alice, bob))
    size = sum(len(entry[0]) for entry in entries if entry is not None)
    assert data.resources.disk_read_bytes.uint32 == size

    def too_few(data: xdr.SorobanTransactionData) -> None:
        data.resources.disk_read_bytes = xdr.Uint32(size - 1)

    sent = alice.invoke(usd.call("transfer", alice.id, bob.id, 5), alter=too_few)
    assert sent.outcomes == ["INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED"]
    assert "byte-read" in sent.messages()
    assert held(bob, usd.asset) == 0


def test_a_trustline_that_cannot_be_is_no_key_of_a_footprint(
    alice: Sender, issuer: Sender, usd: Token
) -> None:
    wrong_code = line_key(alice, usd.asset)
    assert wrong_code.trust_line is not None
    assert wrong_code.trust_line.asset.alpha_num4 is not None
    wrong_code.trust_line.asset.alpha_num4.asset_code.asset_code4 = b"U$D\0"
    for key in (wrong_code, line_key(issuer, usd.asset), line_key(alice, XLM)):
        data = resources([usd.contract.instance, key])
        sent = alice.declare(data, usd.call("balance", alice.id))
        assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
        assert "invalid trustline asset" in sent.messages()


def test_a_revert_takes_back_what_the_contract_did(
    alice: Sender, contract: Contract, usd: Token
) -> None:
    mark = alice.network.snapshot()
    done(alice.invoke(usd.call("transfer", alice.id, contract.id, 5)))
    alice.network.revert(mark)
    assert held(alice, usd.asset) == 100 * UNIT
    assert contract_balance(alice, usd, contract.id) is None
    done(alice.invoke(usd.call("transfer", alice.id, contract.id, 5)))
