"""Whoever lies, refuses or steals is named, nothing is lost, and what can go on goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from stellar_sdk import scval, xdr
from tests.support.deployed_vault import BALANCE, OWNER, STRANGER
from tests.support.migrations import MINIMUM, Migrating, other_code, said
from tests.support.transports import Altering

from callora_vault import wasm
from callora_vault.client import (
    Deployer,
    FeeTooHigh,
    Journal,
    Limits,
    Network,
    NoVault,
    State,
    UnexpectedAuthorisation,
    UnexpectedCode,
    UnexpectedFootprint,
    Unreachable,
    WrongNetwork,
    from_keypair,
)
from callora_vault.codec.keys import instance_key
from callora_vault.migration import (
    CannotMigrate,
    MigratedElsewhere,
    Mode,
    NotMigrated,
    Plan,
    Stage,
    SuccessorLoop,
    Why,
    WrongKey,
    apply,
    make,
    status,
    successors,
    sweep,
)
from callora_vault.migration.plan import instances
from callora_vault.model.errors import FactoryError, FactoryErrorCode

MOVING = (Mode.ATOMIC, Mode.STEPWISE)
MODES = tuple(Mode)


def untouched(here: Migrating, plan: Plan) -> None:
    """Nothing moved, and nothing was made."""
    assert here.stored(plan.old).balance == BALANCE
    assert here.status(plan).stage is Stage.NOT_BEGUN
    assert not here.exists(plan.new)


# The old vault


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize(
    ("field", "why"),
    [("balance", Why.NEGATIVE_BALANCE), ("min_deposit", Why.NEGATIVE_MIN_DEPOSIT)],
)
def test_a_negative_amount_is_refused_before_and_after_the_plan(
    here: Migrating, mode: Mode, field: str, why: Why
) -> None:
    plan = here.plan(here.v1, mode)
    here.store(here.v1, **{field: -5})
    with pytest.raises(CannotMigrate) as refused:
        here.plan(here.v1, mode)
    assert said(refused.value) == (CannotMigrate, here.v1, why, "-5")
    if mode is Mode.STEPWISE and why is Why.NEGATIVE_MIN_DEPOSIT:
        here.apply(plan)  # which gives the minimum that the plan says
        assert here.stored(plan.new).min_deposit == MINIMUM
        return
    with pytest.raises(CannotMigrate) as refused:
        here.apply(plan)
    assert refused.value.contract == here.v1
    assert refused.value.why in (why, Why.MIN_DEPOSIT_CHANGED)
    here.store(here.v1, **{field: BALANCE if field == "balance" else MINIMUM})
    untouched(here, plan)
    here.apply(plan)
    assert here.stored(plan.new).balance == BALANCE


def test_a_negative_balance_is_left_behind_by_zero_start(here: Migrating) -> None:
    here.store(here.v1, balance=-5, min_deposit=-1)
    plan = here.plan(here.v1, Mode.ZERO, min_deposit=1)
    here.apply(plan)
    verified = here.verify(plan)
    assert verified.passed, verified.failed
    assert (here.stored(here.v1).balance, verified.old_balance) == (-5, -5)
    assert (here.stored(plan.new).balance, here.stored(plan.new).min_deposit) == (0, 1)


@pytest.mark.parametrize("mode", MODES)
def test_an_entry_that_is_no_vaults_is_refused_field_by_field(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v1, mode)
    kept: list[xdr.SCVal] = []

    def damage(instance: xdr.SCContractInstance) -> None:
        assert instance.storage is not None
        (item,) = instance.storage.sc_map
        kept.append(item.val)
        fields = {"balance": scval.to_string("much"), "owner": scval.to_address(here.v1)}
        item.val = scval.to_map({scval.to_symbol(name): fields[name] for name in fields})

    here.change(here.v1, damage)
    for attempt in (lambda: here.plan(here.v1, mode), lambda: here.apply(plan)):
        with pytest.raises(CannotMigrate) as refused:
            attempt()
        contract, why, detail = said(refused.value)[1:]
        assert (contract, why) == (here.v1, Why.UNDECODABLE)
        assert "balance is String, not I128" in detail

    def mend(instance: xdr.SCContractInstance) -> None:
        assert instance.storage is not None
        instance.storage.sc_map[0].val = kept[0]

    here.change(here.v1, mend)
    untouched(here, plan)
    here.apply(plan)


@pytest.mark.parametrize("mode", MODES)
def test_a_vault_that_changes_owner_or_code_after_the_plan_is_refused(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.v1, mode)
    here.store(here.v1, owner=STRANGER.public_key)
    with pytest.raises(CannotMigrate) as refused:
        here.apply(plan)
    expected = CannotMigrate, here.v1, Why.OTHER_OWNER, STRANGER.public_key
    assert said(refused.value) == expected
    here.store(here.v1, owner=OWNER.public_key)

    def run(name: str) -> None:
        def change(instance: xdr.SCContractInstance) -> None:
            instance.executable.wasm_hash = xdr.Hash(bytes.fromhex(code_of(name)))

        here.change(here.v1, change)

    run("v2")
    with pytest.raises(CannotMigrate) as refused:
        here.apply(plan)
    assert said(refused.value) == (
        CannotMigrate,
        here.v1,
        Why.CODE_CHANGED,
        f"the code {code_of('v2')}",
    )
    run("v1")
    untouched(here, plan)


def test_a_minimum_deposit_that_changes_after_the_plan_is_refused(here: Migrating) -> None:
    """The factory would carry what get_meta says then, and the plan says something else."""
    plan = here.plan(here.v1)
    here.store(here.v1, min_deposit=MINIMUM + 1)
    with pytest.raises(CannotMigrate) as refused:
        here.apply(plan)
    expected = CannotMigrate, here.v1, Why.MIN_DEPOSIT_CHANGED, str(MINIMUM + 1)
    assert said(refused.value) == expected
    untouched(here, plan)
    here.apply(here.plan(here.v1))


def code_of(name: str) -> str:
    return wasm.code_hash(name).hex()


@pytest.mark.parametrize("mode", MODES)
def test_a_vault_without_owner_or_of_a_contract_or_none_at_all_is_refused(
    here: Migrating, mode: Mode
) -> None:
    fresh = here.deployed.fresh["v1"]
    with pytest.raises(CannotMigrate) as refused:
        here.plan(fresh, mode)
    assert said(refused.value) == (CannotMigrate, fresh, Why.NOT_INITIALISED, "")
    with pytest.raises(NoVault) as absent:
        here.plan(next(instances(here.plan(here.v1, Mode.ZERO))), mode)
    assert absent.value.exit_code == 2
    here.store(here.v1, owner=here.v2)
    with pytest.raises(CannotMigrate) as refused:
        here.plan(here.v1, mode)
    assert said(refused.value) == (CannotMigrate, here.v1, Why.OWNED_BY_CONTRACT, here.v2)


def test_a_lying_get_meta_gets_no_signature(here: Migrating) -> None:
    """It says that the minimum deposit is 0, and its raw entry has another."""
    old = here.foreign("get_meta_without_minimum")
    with pytest.raises(UnexpectedAuthorisation) as refused:
        here.plan(old)
    assert refused.value.where == "call 2 in the signed call"
    assert refused.value.expected.startswith(f"init({OWNER.public_key}, {BALANCE}, {MINIMUM})")
    assert refused.value.found.startswith(f"init({OWNER.public_key}, {BALANCE}, 0)")
    plan = here.plan(old, Mode.STEPWISE)  # which asks the raw entry alone
    here.dry_run(plan, here.fork())
    assert here.stored(old).balance == BALANCE


@pytest.mark.parametrize("mode", MOVING)
def test_a_vault_that_asks_for_more_gets_no_signature(here: Migrating, mode: Mode) -> None:
    old = here.foreign("withdraw_asks_for_more")
    with pytest.raises(UnexpectedAuthorisation) as refused:
        here.plan(old, mode)
    assert "the creation of a contract" in refused.value.found
    assert "the creation of a contract" not in refused.value.expected
    assert here.stored(old).balance == BALANCE


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize(
    "kind", ["v0_without_withdraw", "withdraw_takes_all_memory", "eight_faults"]
)
def test_a_vault_that_refuses_withdraw_is_refused_with_what_it_said(
    here: Migrating, mode: Mode, kind: str
) -> None:
    old = here.foreign(kind)
    here.store(old, **({} if kind == "v0_without_withdraw" else {"min_deposit": 0}))
    with pytest.raises(CannotMigrate) as refused:
        here.plan(old, mode)
    assert said(refused.value)[:3] == (CannotMigrate, old, Why.REFUSES)
    assert refused.value.detail
    assert "--mode zero" in str(refused.value)
    assert here.stored(old).balance == BALANCE


def test_a_vault_that_begins_to_refuse_withdraw_is_named_and_left(here: Migrating) -> None:
    """Its plan is of code that can be emptied; its entry then says that it runs other code."""
    plan = here.plan(here.v1, Mode.STEPWISE)
    for kind, words in (
        ("v0_without_withdraw", "withdraw"),
        ("withdraw_takes_all_memory", "Budget"),
        ("eight_faults", "balance"),
    ):
        here.fresh()
        with Journal(here.folder / "foreign.db") as journal:
            code_hash = Deployer(here.deployed.connect(), journal, here.owner).upload(
                other_code(kind)
            )

        def change(instance: xdr.SCContractInstance, code_hash: bytes = code_hash) -> None:
            instance.executable.wasm_hash = xdr.Hash(code_hash)

        here.change(here.v1, change)
        accepted = attrs.evolve(plan, old_code=code_hash.hex(), emptied_in_dry_run=True)
        if kind == "v0_without_withdraw":
            here.deployed.network.set_entry(*_as_v0(here))
        with pytest.raises(CannotMigrate) as refused:
            here.apply(accepted, accept_unknown_code=code_hash.hex())
        assert said(refused.value)[:3] == (CannotMigrate, here.v1, Why.REFUSES)
        assert words in refused.value.detail
        assert here.stored(here.v1).balance == BALANCE
        assert here.status(accepted).stage is Stage.BEGUN


def _as_v0(here: Migrating) -> tuple[bytes, int | None]:
    found = here.deployed.network.entry(instance_key(here.v1).to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.contract_data is not None
    assert entry.data.contract_data.val.instance is not None
    assert entry.data.contract_data.val.instance.storage is not None
    (item,) = entry.data.contract_data.val.instance.storage.sc_map
    assert item.val.map is not None
    item.val.map.sc_map = [
        e for e in item.val.map.sc_map if e.key != scval.to_symbol("min_deposit")
    ]
    return entry.to_xdr_bytes(), found[1]


def test_a_vault_that_keeps_its_balance_is_found_out_in_the_dry_run(here: Migrating) -> None:
    old = here.foreign("keeper")
    with pytest.raises(FactoryError) as refused:
        here.plan(old)
    assert refused.value.code is FactoryErrorCode.NotDrained
    plan = here.plan(old, Mode.STEPWISE)
    with pytest.raises(CannotMigrate) as kept:
        here.dry_run(plan, here.fork())
    assert said(kept.value) == (CannotMigrate, old, Why.KEEPS_BALANCE, f"amount {BALANCE}")
    accepted = attrs.evolve(plan, emptied_in_dry_run=True)
    for _ in range(2):
        with pytest.raises(CannotMigrate) as kept:
            here.apply(accepted, accept_unknown_code=plan.old_code)
        assert kept.value.why is Why.KEEPS_BALANCE
    assert here.stored(old).balance == BALANCE
    with pytest.raises(NotMigrated):
        here.verify(plan)


def test_a_vault_whose_entry_breaks_as_it_is_emptied_is_found_out_in_the_dry_run(
    here: Migrating,
) -> None:
    old = here.foreign("invalid_entry")
    plan = here.plan(old, Mode.STEPWISE)
    with pytest.raises(CannotMigrate) as refused:
        here.dry_run(plan, here.fork())
    assert said(refused.value)[:3] == (CannotMigrate, old, Why.UNDECODABLE)
    assert "owner (Address) is missing" in refused.value.detail


# The network, the key, the factory


@pytest.mark.parametrize("mode", MODES)
def test_another_network_is_refused_by_the_plan_and_by_the_rpc(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v2, mode)
    foreign = attrs.evolve(plan, network="Another Network")
    with here.journal() as journal:
        for refuse in (
            lambda: here.apply(foreign),
            lambda: here.verify(foreign),
            lambda: status(here.deployed.connect(), journal, foreign),
            lambda: sweep(here.deployed.connect(), journal, foreign, here.owner),
        ):
            with pytest.raises(WrongNetwork) as refused:
                refuse()
            found = here.deployed.network.passphrase
            assert said(refused.value)[2:] == ("Another Network", found)

    def lie(result: dict[str, Any]) -> None:
        result["passphrase"] = "Public Global Stellar Network ; September 2015"

    with pytest.raises(WrongNetwork) as refused:
        here.apply(plan, network=lying(here, "getNetwork", lie))
    assert refused.value.found == "Public Global Stellar Network ; September 2015"
    untouched(here, plan)
    here.apply(plan)


def lying(here: Migrating, method: str, change: Callable[[dict[str, Any]], None]) -> Network:
    """A network whose RPC changes the answers to one method."""
    return here.deployed.connect(Altering(here.deployed.network, method, change))


@pytest.mark.parametrize("mode", MODES)
def test_the_wrong_owners_key_is_refused(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v2, mode)
    stranger = from_keypair(STRANGER)
    with here.journal() as journal:
        attempts: list[Callable[[], object]] = [
            lambda: apply(here.deployed.connect(), journal, plan, stranger)
        ]
        if mode is not Mode.ZERO:
            attempts.append(lambda: sweep(here.deployed.connect(), journal, plan, stranger))
        for attempt in attempts:
            with pytest.raises(WrongKey) as refused:
                attempt()
            assert said(refused.value) == (WrongKey, OWNER.public_key, STRANGER.public_key)
    untouched(here, plan)


def test_a_factory_that_is_not_ours_is_refused(here: Migrating) -> None:
    plan = here.plan(here.v2)
    with Journal(here.folder / "other.db") as journal:
        deployer = Deployer(here.deployed.connect(), journal, here.owner)
        other = deployer.create(deployer.upload(other_code("old_not_drained")), b"x" * 32)
    for factory in (other, here.v1, here.v2):
        with pytest.raises(CannotMigrate) as refused:
            here.plan(here.v2, factory=factory)
        assert said(refused.value)[:3] == (CannotMigrate, factory, Why.NO_FACTORY)

    def change(instance: xdr.SCContractInstance) -> None:
        instance.executable.wasm_hash = xdr.Hash(bytes.fromhex(code_of("v1")))

    here.change(here.factory, change)
    here.succeed(here.v2, plan.new)
    for attempt in (here.apply, here.verify, here.sweep, here.status):
        with pytest.raises(CannotMigrate) as refused:
            attempt(plan)
        found = f"it runs the code {code_of('v1')}"
        expected = CannotMigrate, here.factory, Why.NO_FACTORY, found
        assert said(refused.value) == expected
    assert here.stored(here.v2).balance == BALANCE


def test_a_successor_that_is_not_ours_is_refused(here: Migrating) -> None:
    plan = here.plan(here.v2)
    here.succeed(here.v2, here.v1)
    attempts: tuple[Callable[[Plan], object], ...] = (
        here.apply,
        here.verify,
        here.sweep,
        here.status,
        lambda _: here.plan(here.v2, salt=plan.salt),
    )
    for attempt in attempts:
        with pytest.raises(MigratedElsewhere) as refused:
            attempt(plan)
        assert said(refused.value) == (MigratedElsewhere, here.v2, here.v1, plan.new)
    assert here.stored(here.v2).balance == BALANCE


def test_a_second_migration_of_a_vault_is_refused(here: Migrating) -> None:
    plan = here.plan(here.v2)
    here.apply(plan)
    with pytest.raises(FactoryError) as again:
        here.plan(here.v2, salt=plan.salt)
    assert again.value.code is FactoryErrorCode.AlreadyMigrated
    with pytest.raises(MigratedElsewhere):
        here.plan(here.v2)


def test_a_loop_of_successors_ends_where_it_closes(here: Migrating) -> None:
    network = here.deployed.connect()
    other = here.deployed.fresh["v2"]
    here.succeed(here.v2, here.v1)
    here.succeed(here.v1, other)
    found = successors(network, here.factory, here.v2, network.deadline(10))
    assert found == [here.v2, here.v1, other]
    here.succeed(other, here.v1)
    with pytest.raises(SuccessorLoop) as loop:
        successors(network, here.factory, here.v2, network.deadline(10))
    assert said(loop.value) == (SuccessorLoop, (here.v2, here.v1, other, here.v1))
    here.succeed(here.v1, here.v1)
    with pytest.raises(SuccessorLoop):
        successors(network, here.factory, here.v1, network.deadline(10))


# A lying RPC


def add_a_call(result: dict[str, Any]) -> None:
    """Slip a withdrawal of everything to a stranger under what is to be signed."""
    (answer,) = result["results"]
    entries = []
    for text in answer["auth"]:
        entry = xdr.SorobanAuthorizationEntry.from_xdr(text)
        function = xdr.SorobanAuthorizedFunction.from_xdr(entry.root_invocation.function.to_xdr())
        assert function.contract_fn is not None or function.create_contract_v2_host_fn is not None
        entry.root_invocation.sub_invocations.append(xdr.SorobanAuthorizedInvocation(function, []))
        entries.append(entry.to_xdr())
    answer["auth"] = entries


def widen(result: dict[str, Any]) -> None:
    """Let the transaction also write the account of a stranger."""
    data = xdr.SorobanTransactionData.from_xdr(result["transactionData"])
    account = xdr.LedgerKeyAccount(STRANGER.xdr_account_id())
    key = xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=account)
    data.resources.footprint.read_write.append(key)
    result["transactionData"] = data.to_xdr()


def make_dear(result: dict[str, Any]) -> None:
    result["minResourceFee"] = str(10**12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (add_a_call, UnexpectedAuthorisation),
        (widen, UnexpectedFootprint),
        (make_dear, FeeTooHigh),
    ],
)
def test_a_simulation_that_lies_gets_no_signature(
    here: Migrating,
    mode: Mode,
    lie: Callable[[dict[str, Any]], None],
    error: type[Exception],
) -> None:
    plan = here.plan(here.v2, mode)
    network = lying(here, "simulateTransaction", lie)
    with pytest.raises(error) as refused:
        here.apply(plan, network=network)
    words = {
        UnexpectedAuthorisation: "the nested calls of",
        UnexpectedFootprint: "also write",
        FeeTooHigh: "the resource fee would be 1,000,000,000,000 stroops",
    }
    assert words[error] in str(refused.value)
    with here.journal() as journal:
        assert journal.listed(plan.network, *State) == ()
    with pytest.raises(error):
        factory = here.factory if mode is Mode.ATOMIC else None
        make(network, here.v2, wasm.read("v2"), mode=mode, factory=factory)
    untouched(here, plan)
    new = here.apply(plan).new
    assert here.stored(new).balance == (0 if mode is Mode.ZERO else BALANCE)


def test_a_sweep_into_a_vault_of_other_code_is_refused(here: Migrating) -> None:
    plan = here.plan(here.v2)
    here.apply(plan)

    def change(instance: xdr.SCContractInstance) -> None:
        instance.executable.wasm_hash = xdr.Hash(bytes.fromhex(code_of("factory")))

    here.change(plan.new, change)
    with pytest.raises(UnexpectedCode) as refused:
        here.sweep(plan)
    assert said(refused.value) == (UnexpectedCode, plan.new, f"the code {code_of('factory')}")


def test_an_rpc_that_hides_the_successor_is_not_believed_for_ever(here: Migrating) -> None:
    """It shows the ledger before the migration, after it said that the migration is applied."""
    plan = here.plan(here.v2)
    shown: list[dict[str, Any]] = []

    def hide(result: dict[str, Any]) -> None:
        if len(result["entries"]) > 2:
            shown.append({**result})
            result.update(shown[0])

    with pytest.raises(Unreachable), here.journal() as journal:
        limits = Limits(timeout=5, resource_fee=200_000_000)
        network = lying(here, "getLedgerEntries", hide)
        apply(network, journal, plan, here.owner, limits=limits)
    assert here.apply(plan).tries == 0
    assert here.stored(plan.new).balance == BALANCE
    assert here.verify(plan).passed
