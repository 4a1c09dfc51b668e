"""The client's calls: results, refusals, events and predictions are those of the model."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import attrs
import pytest
from stellar_sdk import Keypair, StrKey, xdr
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, STRANGER, DeployedVault

from callora_vault import (
    I128_MAX,
    Accepted,
    AlreadyInitialized,
    BadValue,
    BalanceOverflow,
    BelowMinDeposit,
    EmptyBatch,
    InsufficientBalance,
    MissingMethod,
    MissingSignature,
    NotInitialized,
    Rejected,
    Unauthorized,
    UnknownLayout,
    Unsigned,
    Vault,
    VaultErrorCode,
    VaultMeta,
    wasm,
)
from callora_vault.client import (
    FeeTooHigh,
    Journal,
    KeyReused,
    Limits,
    NoAccount,
    NoVault,
    SimulationFailed,
    State,
    Unreadable,
    VaultClient,
    from_keypair,
)
from callora_vault.codec.keys import account_key, instance_key
from callora_vault.model.calls import (
    BatchDeduct,
    Deduct,
    DeductItem,
    Deposit,
    GetMeta,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.events import DeductEvent, SetAuthorizedCallerEvent, WithdrawToEvent
from callora_vault.model.renewal import LEDGERS_PER_DAY, RENEW_AT

ME = OWNER.public_key


def charge(vault: Vault) -> int:
    """A backend's function, written for any vault."""
    return vault.deduct(ME, 25, "req_1")


def test_a_client_is_a_vault(deployed: DeployedVault, journal: Journal) -> None:
    vault: Vault = deployed.client(journal)
    assert charge(vault) == BALANCE - 25


def test_each_call_has_the_type_that_it_returns(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    assert_type(vault.call(GetMeta()), VaultMeta)
    assert_type(vault.call(Deposit(10)), int)


def test_calls_return_what_the_contract_returns(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    assert vault.get_meta() == VaultMeta(ME, BALANCE, 10)
    assert vault.deposit(10) == BALANCE + 10
    assert vault.withdraw(3) == BALANCE + 7
    assert vault.withdraw_to(STRANGER.public_key, 2) == BALANCE + 5
    assert vault.balance() == BALANCE + 5


def test_a_receipt_has_the_events_and_the_cost(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    receipt = vault.submit(Deduct(ME, 25, "req_1"))
    assert receipt.returned == BALANCE - 25
    assert receipt.events == (DeductEvent(ME, "req_1", 25, BALANCE - 25),)
    assert receipt.key == "req_1"
    assert receipt.ledger == deployed.network.latest_ledger
    assert 0 < receipt.fee.charged < 10_000
    assert (receipt.fee.renewed, receipt.fee.restored) == ((), ())
    assert str(receipt.fee) == f"{receipt.fee.charged:,} stroops"
    assert vault.submit(WithdrawTo(STRANGER.public_key, 1)).events == (
        WithdrawToEvent(ME, STRANGER.public_key, 1, BALANCE - 26),
    )


def test_amounts_are_exact_up_to_the_ends_of_i128(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal)
    assert vault.deposit(I128_MAX - BALANCE) == I128_MAX
    with pytest.raises(BalanceOverflow) as refused:
        vault.deposit(10)
    assert (refused.value.amount, refused.value.balance) == (10, I128_MAX)
    assert vault.withdraw(I128_MAX) == 0


def test_a_refusal_carries_its_values_and_costs_nothing(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal, (deployed.owner, from_keypair(STRANGER)))
    ledger = deployed.network.latest_ledger
    with pytest.raises(InsufficientBalance) as lacking:
        vault.deduct(ME, BALANCE + 1)
    assert (lacking.value.amount, lacking.value.balance) == (BALANCE + 1, BALANCE)
    with pytest.raises(BelowMinDeposit) as low:
        vault.deposit(9)
    assert (low.value.amount, low.value.min_deposit) == (9, 10)
    with pytest.raises(Unauthorized) as stranger:
        vault.deduct(STRANGER.public_key, 1)
    assert stranger.value.caller == STRANGER.public_key
    with pytest.raises(AlreadyInitialized):
        vault.init(ME)
    assert deployed.network.latest_ledger == ledger


def test_whose_key_is_missing_is_named_and_nothing_is_sent(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal, (from_keypair(STRANGER),))
    ledger = deployed.network.latest_ledger
    for call in (Deposit(10), Withdraw(1), Deduct(ME, 1)):
        with pytest.raises(MissingSignature) as missing:
            vault.call(call)
        assert missing.value.address == ME
    assert deployed.network.latest_ledger == ledger


def test_reading_needs_no_key(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal, ())
    assert vault.balance() == BALANCE
    assert vault.stored().meta == vault.get_meta()
    with pytest.raises(MissingSignature):
        vault.deposit(10)


def fresh_instance(deployed: DeployedVault, journal: Journal, code: bytes) -> str:
    """An instance of some code that nobody has initialised."""
    deployer = deployed.deployer(journal)
    return deployer.create(deployer.upload(code), bytes(32))


def test_a_vault_without_owner_refuses_everything_but_init(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal, contract=deployed.fresh["v1"])
    for refused in (vault.balance, vault.get_meta, lambda: vault.deposit(10)):
        with pytest.raises(NotInitialized):
            refused()
    assert vault.init(ME, 5) == VaultMeta(ME, 5, 0)
    assert vault.balance() == 5


def test_a_prediction_is_what_then_happens(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    predicted = vault.predict(Deduct(ME, 25, "req_1"))
    assert isinstance(predicted, Accepted)
    receipt = vault.submit(Deduct(ME, 25, "req_1"))
    assert (receipt.returned, receipt.events) == (predicted.returned, predicted.events)
    assert vault.predict(Deposit(9)) == Rejected(VaultErrorCode.BelowMinDeposit)
    stranger = deployed.client(journal, (from_keypair(STRANGER),))
    assert stranger.predict(Deposit(10)) == Unsigned(ME)


@pytest.mark.parametrize("address_credentials", [False, True])
def test_who_pays_can_be_another_than_who_signs(
    deployed: DeployedVault, journal: Journal, address_credentials: bool
) -> None:
    channel = from_keypair(CHANNEL)
    vault = deployed.client(journal, source=channel, address_credentials=address_credentials)
    before = lumens(deployed, CHANNEL.public_key), lumens(deployed, ME)
    receipt = vault.submit(Deduct(ME, 1))
    paid = before[0] - lumens(deployed, CHANNEL.public_key)
    assert (paid, lumens(deployed, ME)) == (receipt.fee.charged, before[1])
    assert receipt.events == (DeductEvent(ME, "", 1, BALANCE - 1),)


def lumens(deployed: DeployedVault, account: str) -> int:
    """An account's balance in stroops."""
    found = deployed.network.entry(account_key(account).to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0]).data.account
    assert entry is not None
    return entry.balance.int64


def test_a_key_of_the_account_that_pays_signs_calls_too(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal, (), source=deployed.owner)
    assert vault.deposit(10) == BALANCE + 10


# Request keys


def test_a_repeated_key_returns_the_first_result_and_applies_nothing(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal)
    first = vault.submit(Deduct(ME, 25, "req_1"))
    vault.deposit(100)
    again = vault.submit(Deduct(ME, 25, "req_1"))
    assert again == attrs.evolve(first, repeated=True)
    assert vault.balance() == BALANCE + 75


def test_a_key_stands_for_one_call(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    vault.deduct(ME, 25, "req_1")
    with pytest.raises(
        KeyReused,
        match=r"'req_1' was already used for deduct\(caller=G.*, amount=25, .*\), not for .*=26",
    ):
        vault.deduct(ME, 26, "req_1")
    with pytest.raises(KeyReused, match="give the new request another key"):
        vault.deposit(26, key="req_1")
    assert vault.balance() == BALANCE - 25


def test_a_refused_call_leaves_its_key_free(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    with pytest.raises(InsufficientBalance):
        vault.deduct(ME, BALANCE + 5, "req_1")
    vault.deposit(10)
    assert vault.deduct(ME, BALANCE + 5, "req_1") == 5


def test_calls_without_a_key_are_calls_of_their_own(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal)
    vault.deduct(ME, 1)
    vault.deduct(ME, 1, "", key="an empty id")
    vault.deposit(10)
    vault.deposit(10)
    assert vault.balance() == BALANCE + 18
    assert vault.deposit(10, key="d") == vault.deposit(10, key="d") == BALANCE + 28


def test_keys_of_two_vaults_are_told_apart(deployed: DeployedVault, journal: Journal) -> None:
    deployed.client(journal, contract=deployed.fresh["v1"]).init(ME, 100)
    assert deployed.client(journal).deduct(ME, 1, "req_1") == BALANCE - 1
    assert deployed.client(journal, contract=deployed.fresh["v1"]).deduct(ME, 1, "req_1") == 99


# Fees and lives


def test_a_fee_that_renews_lives_says_so(deployed: DeployedVault, journal: Journal) -> None:
    deployed.network.advance_ledgers(LEDGERS_PER_DAY)
    receipt = deployed.client(journal).submit(Deduct(ME, 1))
    assert receipt.fee.renewed == ("instance", "code")
    assert receipt.fee.rent > 500_000
    assert str(receipt.fee) == (
        f"{receipt.fee.charged:,} stroops, {receipt.fee.rent:,} of it rent: "
        "it renews instance and code"
    )
    assert deployed.client(journal).submit(Deduct(ME, 1)).fee.renewed == ()


@pytest.mark.parametrize("headroom", [Limits().rent_headroom, 0])
def test_a_renewal_that_falls_due_after_simulation_is_paid(
    deployed: DeployedVault, journal: Journal, headroom: int
) -> None:
    instance = deployed.network.entry(instance_key(deployed.vault).to_xdr_bytes())
    assert instance is not None
    assert instance[1] is not None
    # the ledger that is simulated is the last one without a renewal
    deployed.network.advance_ledgers(instance[1] - RENEW_AT - 1 - deployed.network.latest_ledger)
    before = deployed.network.latest_ledger
    vault = deployed.client(journal, limits=Limits(rent_headroom=headroom))
    receipt = vault.submit(Deduct(ME, 1))
    assert "instance" in receipt.fee.renewed
    # without headroom the first transaction lacks the rent, and another is signed
    assert receipt.ledger == before + (1 if headroom else 2)
    states = [entry.state for entry in journal.listed(deployed.network.passphrase, *State)]
    assert states == ([] if headroom else [State.FAILED]) + [State.APPLIED]


def test_an_archived_vault_is_restored_by_a_call(deployed: DeployedVault, journal: Journal) -> None:
    deployed.network.advance_ledgers(31 * LEDGERS_PER_DAY)
    vault = deployed.client(journal)
    receipt = vault.submit(Deduct(ME, 1))
    assert receipt.fee.restored == ("instance", "code")
    assert "restores instance and code" in str(receipt.fee)
    assert vault.balance() == BALANCE - 1


def test_a_fee_over_the_limit_is_not_signed(deployed: DeployedVault, journal: Journal) -> None:
    deployed.network.advance_ledgers(31 * LEDGERS_PER_DAY)
    with pytest.raises(FeeTooHigh, match="over the limit of 1,000,000; raise the limit"):
        deployed.client(journal, limits=Limits(resource_fee=1_000_000)).deduct(ME, 1)
    assert journal.listed(deployed.network.passphrase, *State) == ()


# What is no vault, and whoever cannot pay


def test_an_id_without_a_contract_is_named(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal, contract=StrKey.encode_contract(bytes(32)))
    with pytest.raises(NoVault, match="no contract CAAA"):
        vault.deposit(10)
    with pytest.raises(SimulationFailed, match="MissingValue"):
        vault.balance()


@pytest.mark.parametrize("contract", [ME, "nonsense", OWNER.secret])
def test_an_id_that_is_none_of_a_contract_is_refused(
    deployed: DeployedVault, journal: Journal, contract: str
) -> None:
    with pytest.raises(BadValue) as bad:
        deployed.client(journal, contract=contract)
    assert OWNER.secret not in str(bad.value)


def test_an_account_that_is_not_there_is_named(deployed: DeployedVault, journal: Journal) -> None:
    nobody = from_keypair(Keypair.random())
    with pytest.raises(
        NoAccount, match=f"{nobody.address} does not exist on this network; fund it"
    ):
        deployed.client(journal, source=nobody).deposit(10)


def test_a_vault_of_an_older_layout_is_a_vault(deployed: DeployedVault, journal: Journal) -> None:
    code = Path("tests/data/mutants/v0_without_withdraw.wasm").read_bytes()
    vault = deployed.client(journal, contract=fresh_instance(deployed, journal, code))
    assert vault.init(ME, 5) == vault.get_meta() == VaultMeta(ME, 5, 0)
    assert vault.deposit(1) == 6


def test_events_of_another_shape_are_told_after_the_call_was_applied(
    deployed: DeployedVault, journal: Journal
) -> None:
    code = Path("tests/data/mutants/deposit_event_map.wasm").read_bytes()
    vault = deployed.client(journal, contract=fresh_instance(deployed, journal, code))
    vault.init(ME, 5)
    for _ in range(2):
        with pytest.raises(
            Unreadable,
            match=r"was applied in \w+, but its result cannot be read: the data of deposit",
        ):
            vault.deposit(1, key="d")
    assert vault.balance() == 6


def test_an_entry_of_an_unknown_layout_is_named(deployed: DeployedVault, journal: Journal) -> None:
    found = deployed.network.entry(instance_key(deployed.vault).to_xdr_bytes())
    assert found is not None
    deployed.network.set_entry(found[0].replace(b"min_deposit", b"max_deposit"), found[1])
    with pytest.raises(UnknownLayout, match=r"max_deposit \(I128\) is extra"):
        deployed.client(journal).deposit(10)


def test_a_trap_is_told_apart_from_a_refusal(deployed: DeployedVault, journal: Journal) -> None:
    code = Path("tests/data/mutants/panicking.wasm").read_bytes()
    vault = deployed.client(journal, contract=fresh_instance(deployed, journal, code))
    vault.init(ME, 5)
    with pytest.raises(SimulationFailed, match="WasmVm, InvalidAction"):
        vault.deduct(ME, 6)
    assert journal.listed(deployed.network.passphrase, State.OPEN) == ()


# v2


@pytest.fixture
def v2(deployed: DeployedVault, journal: Journal) -> VaultClient:
    """A vault of the v2 code with 100 in it, and the keys of its owner and of a stranger."""
    contract = deployed.deployer(journal).deploy(wasm.read("v2"), deployed.owner, 100).contract
    return deployed.client(journal, (deployed.owner, from_keypair(STRANGER)), contract=contract)


def test_a_batch_is_one_call_with_an_event_for_each_item(v2: VaultClient) -> None:
    items = (DeductItem(5, "a"), DeductItem(6))
    assert v2.predict(BatchDeduct(ME, items)) == Accepted(
        VaultMeta(ME, 89), 89, (DeductEvent(ME, "a", 5, 95), DeductEvent(ME, "", 6, 89))
    )
    receipt = v2.submit(BatchDeduct(ME, items), key="batch 1")
    assert receipt.events == (DeductEvent(ME, "a", 5, 95), DeductEvent(ME, "", 6, 89))
    assert v2.batch_deduct(ME, items, key="batch 1") == 89
    assert v2.balance() == 89
    with pytest.raises(InsufficientBalance) as refused:
        v2.batch_deduct(ME, [DeductItem(80), DeductItem(10)])
    assert (refused.value.item, refused.value.amount, refused.value.balance) == (1, 10, 9)
    with pytest.raises(EmptyBatch):
        v2.batch_deduct(ME, [])


def test_an_authorised_caller_deducts_with_a_key_of_its_own(v2: VaultClient) -> None:
    stranger = STRANGER.public_key
    with pytest.raises(Unauthorized):
        v2.deduct(stranger, 1)
    v2.set_authorized_caller(stranger)
    assert v2.get_meta().authorized_caller == stranger
    assert v2.deduct(stranger, 1) == 99
    receipt = v2.submit(SetAuthorizedCaller(None))
    assert (receipt.returned, receipt.events) == (None, (SetAuthorizedCallerEvent(ME, None),))
    with pytest.raises(Unauthorized):
        v2.batch_deduct(stranger, [DeductItem(1)])


def test_a_method_that_a_version_lacks_is_named_and_nothing_is_sent(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal)
    for attempt in (
        lambda: vault.set_authorized_caller(None),
        lambda: vault.batch_deduct(ME, [DeductItem(1)]),
        lambda: vault.predict(SetAuthorizedCaller(None)),
    ):
        with pytest.raises(MissingMethod, match="a vault of v1 has no method"):
            attempt()
    with pytest.raises(MissingMethod):
        deployed.client(journal, contract=deployed.fresh["v1"]).set_authorized_caller(None)
    assert journal.listed(deployed.network.passphrase, *State) == ()
