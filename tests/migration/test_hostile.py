"""Whoever lies, refuses or steals is named, nothing is lost, and what can go on goes on."""

from __future__ import annotations

import operator
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs
import pytest
from stellar_sdk import scval, xdr
from tests.client.world import Altering
from tests.migration.world import (
    BALANCE,
    MINIMUM,
    OWNER,
    STRANGER,
    Counted,
    Killed,
    Migrating,
    killed_at,
    other_code,
    said,
)

from callora_vault import wasm
from callora_vault.client import (
    Deployer,
    FeeTooHigh,
    Journal,
    JournalUnusable,
    Limits,
    Network,
    NoVault,
    State,
    UnexpectedAuthorisation,
    UnexpectedCode,
    UnexpectedFootprint,
    Unknown,
    Unreachable,
    WrongNetwork,
    from_keypair,
)
from callora_vault.codec.keys import instance_key
from callora_vault.migration import (
    CannotMigrate,
    InstancesTaken,
    MigratedElsewhere,
    Mode,
    NotMigrated,
    Plan,
    Stage,
    SuccessorLoop,
    Why,
    WithdrawnByOthers,
    WrongKey,
    apply,
    make,
    status,
    successors,
    sweep,
)
from callora_vault.migration.plan import instances
from callora_vault.model.calls import Init
from callora_vault.model.errors import AlreadyInitialized, FactoryError, FactoryErrorCode
from callora_vault.model.units import Address

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
    assert said(refused.value) == (CannotMigrate, here.v1, Why.CODE_CHANGED, code_of("v2"))
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
    fresh = here.world.fresh["v1"]
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
            code_hash = Deployer(here.world.connect(), journal, here.owner).upload(other_code(kind))

        def change(instance: xdr.SCContractInstance, code_hash: bytes = code_hash) -> None:
            instance.executable.wasm_hash = xdr.Hash(code_hash)

        here.change(here.v1, change)
        accepted = attrs.evolve(plan, old_code=code_hash.hex(), emptied_in_dry_run=True)
        if kind == "v0_without_withdraw":
            here.world.network.set_entry(*_as_v0(here))
        with pytest.raises(CannotMigrate) as refused:
            here.apply(accepted, accept_unknown_code=code_hash.hex())
        assert said(refused.value)[:3] == (CannotMigrate, here.v1, Why.REFUSES)
        assert words in refused.value.detail
        assert here.stored(here.v1).balance == BALANCE
        assert here.status(accepted).stage is Stage.BEGUN


def _as_v0(here: Migrating) -> tuple[bytes, int | None]:
    found = here.world.network.entry(instance_key(here.v1).to_xdr_bytes())
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
    assert said(kept.value) == (CannotMigrate, old, Why.KEEPS_BALANCE, str(BALANCE))
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
            lambda: status(here.world.connect(), journal, foreign),
            lambda: sweep(here.world.connect(), journal, foreign, here.owner),
        ):
            with pytest.raises(WrongNetwork) as refused:
                refuse()
            found = here.world.network.passphrase
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
    return here.world.connect(Altering(here.world.network, method, change))


@pytest.mark.parametrize("mode", MODES)
def test_the_wrong_owners_key_is_refused(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v2, mode)
    stranger = from_keypair(STRANGER)
    with here.journal() as journal:
        attempts: list[Callable[[], object]] = [
            lambda: apply(here.world.connect(), journal, plan, stranger)
        ]
        if mode is not Mode.ZERO:
            attempts.append(lambda: sweep(here.world.connect(), journal, plan, stranger))
        for attempt in attempts:
            with pytest.raises(WrongKey) as refused:
                attempt()
            assert said(refused.value) == (WrongKey, OWNER.public_key, STRANGER.public_key)
    untouched(here, plan)


def test_a_factory_that_is_not_ours_is_refused(here: Migrating) -> None:
    plan = here.plan(here.v2)
    with Journal(here.folder / "other.db") as journal:
        deployer = Deployer(here.world.connect(), journal, here.owner)
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
        expected = CannotMigrate, here.factory, Why.NO_FACTORY, code_of("v1")
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
    network = here.world.connect()
    other = here.world.fresh["v2"]
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
        UnexpectedAuthorisation: "what is called under",
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


# A stranger, and a disk


@pytest.mark.parametrize("mode", [Mode.STEPWISE, Mode.ZERO])
def test_a_stranger_who_is_first_gets_an_empty_instance_and_nothing_else(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.v2, mode)
    moved = 0 if mode is Mode.ZERO else BALANCE
    point = 0
    taken = []
    while True:
        point += 1
        here.fresh()
        stolen = Theft(here, instances(plan), partial(operator.eq, point))
        new = here.apply(plan, stolen.happens).new
        if not stolen.asked:
            break
        if not stolen.taken:
            continue
        taken.append(len(stolen.taken))
        assert here.stored(new).owner == OWNER.public_key
        assert here.stored(here.v2).balance + here.stored(new).balance == BALANCE
        assert here.stored(new).balance == moved
        assert new == next(c for c in instances(plan) if c not in stolen.taken)
        verified = here.verify(plan)
        assert verified.passed, verified.failed
        assert here.apply(plan).tries == 0
    assert 0 < sum(taken) < point


def test_a_stranger_who_takes_every_instance_takes_no_balance(here: Migrating) -> None:
    plan = here.plan(here.v2, Mode.STEPWISE)
    stolen = Theft(here, instances(plan), lambda _: True)
    with pytest.raises(InstancesTaken) as refused:
        here.apply(plan, stolen.happens)
    assert said(refused.value)[1:] == (here.v2, tuple(stolen.taken), 0)
    assert len(stolen.taken) == 16
    assert here.stored(here.v2).balance == BALANCE
    new = here.apply(plan).new
    assert new not in stolen.taken
    assert here.stored(new).balance == BALANCE
    assert here.verify(plan).passed


class Theft:
    """A stranger who gives fresh instances an owner, at the points that a test picks."""

    def __init__(
        self, here: Migrating, contracts: Iterator[Address], when: Callable[[int], bool]
    ) -> None:
        self.happens = Counted(self._act)
        self.taken: list[Address] = []
        self.asked = False
        self._here = here
        self._contracts = contracts
        self._next = next(contracts)
        self._when = when

    def _act(self, point: int) -> None:
        if not self._when(point):
            return
        self.asked = True
        if not self._here.exists(self._next):
            return
        with Journal(self._here.folder / "thief.db") as journal:
            stranger = from_keypair(STRANGER)
            thief = self._here.world.client(journal, (stranger,), contract=self._next)
            try:
                thief.submit(Init(STRANGER.public_key, None, None))
            except AlreadyInitialized:
                return
        self.taken.append(self._next)
        self._next = next(self._contracts)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file be written."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class FullDisk(Journal):
    """A journal whose disk is full at one of its writes."""

    def __init__(self, path: Any, at: int) -> None:
        super().__init__(path)
        self._left = at

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._left = getattr(self, "_left", 0) - 1
        if self._left:
            with super()._writing():
                yield
        else:
            with full_disk(), super()._writing():
                yield

    @property
    def met(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize("mode", MODES)
def test_a_disk_that_is_full_at_any_write_of_the_journal_loses_nothing(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.v2, mode)
    moved = 0 if mode is Mode.ZERO else BALANCE
    write = 0
    while True:
        write += 1
        here.fresh()
        path = here.folder / "journal.db"
        journal = FullDisk(path, write)
        with journal:
            try:
                apply(here.world.connect(), journal, plan, here.owner)
            except JournalUnusable as unusable:
                assert unusable.path == str(path)
                assert "see that its disk has room" in str(unusable)
                assert journal.met
        if not journal.met:
            break
        new = here.apply(plan).new
        assert here.stored(here.v2).balance + here.stored(new).balance == BALANCE
        assert here.stored(new).balance == moved
        verified = here.verify(plan)
        assert verified.passed, verified.failed
    assert write - 1 == {Mode.ATOMIC: 2, Mode.STEPWISE: 8, Mode.ZERO: 6}[mode]


# Time, and a lost journal


def test_a_transaction_that_the_network_forgot_is_settled_by_the_ledger(here: Migrating) -> None:
    forgotten = []
    for mode in MODES:
        plan = here.plan(here.v2, mode)
        moved = 0 if mode is Mode.ZERO else BALANCE
        point = 0
        while True:
            point += 1
            here.fresh()
            try:
                here.apply(plan, killed_at(point))
                break
            except Killed:
                here.world.network.advance_ledgers(130_000)
            stood = here.status(plan)
            try:
                new = here.apply(plan).new
            except Unknown as unknown:
                # withdrawn, and nobody saw it: what became of that is for the operator
                assert stood.old_balance == 0
                (entry,) = here.status(plan).open
                assert (entry.key, entry.hash) == (unknown.key, unknown.transaction)
                forgotten.append(mode)
                continue
            assert here.stored(new).balance == moved
            assert here.stored(here.v2).balance == BALANCE - moved
    assert forgotten == [Mode.STEPWISE] * 3  # sent, answered, not yet noted


def drained(here: Migrating) -> Plan:
    """A migration that was killed as soon as the old vault was empty."""
    plan = here.plan(here.v2, Mode.STEPWISE)
    point = 0
    while here.stored(here.v2).balance:
        point += 1
        here.fresh()
        with pytest.raises(Killed):
            here.apply(plan, killed_at(point))
    return plan


def test_a_lost_journal_does_not_let_withdrawn_units_vanish(here: Migrating) -> None:
    plan = drained(here)
    kept = here.folder
    here.again()
    with pytest.raises(WithdrawnByOthers) as refused:
        here.apply(plan)
    assert refused.value.contract == here.v2
    (transaction,) = refused.value.transactions
    assert not here.status(plan).drained
    here.folder = kept
    new = here.apply(plan).new
    assert here.stored(new).balance == BALANCE
    here.again()  # done is done, whatever the journal knows
    assert here.apply(plan).tries == 0
    verified = here.verify(plan)
    assert verified.passed, verified.failed
    assert any("no journal" in words for words in verified.assumed)
    assert transaction


def test_a_lost_journal_and_a_thief_together_do_not_let_units_vanish(here: Migrating) -> None:
    plan = drained(here)
    kept = here.folder
    here.again()
    Theft(here, instances(plan), lambda _: True).happens()
    with pytest.raises(WithdrawnByOthers):
        here.apply(plan)
    here.folder = kept
    assert here.stored(here.apply(plan).new).balance == BALANCE


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
