"""Verify sees every way in which a migration can be wrong, and redirect waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
from stellar_sdk import xdr
from tests.support.deployed_vault import BALANCE, STRANGER
from tests.support.interruptions import Killed, killed_at
from tests.support.migrations import MINIMUM, Migrating, said

from callora_vault import wasm
from callora_vault.client import Deployer, Journal, VaultClient
from callora_vault.directory import VaultDirectory
from callora_vault.migration import (
    HistoryGone,
    Mode,
    NotMigrated,
    NotVerified,
    Plan,
    Stage,
    redirect,
    verify,
)
from callora_vault.migration.plan import instance_salt
from callora_vault.model.units import Address

MOVING = (Mode.ATOMIC, Mode.STEPWISE)

CONSERVED = "the withdrawn amount is the new vault's initial balance"
EMPTY = "the last withdrawal left nothing in the old vault"
NEW_REPLAY = "the new vault's balance is the replay of its events"
MINIMUM_KEPT = "the minimum deposit is the planned one"
CALLER = "the authorised caller was carried over"
NEW_CODE = "the new vault runs the planned code"
LAYOUT = "the new vault stores the layout of its code"


def code_of(name: str) -> bytes:
    return wasm.code_hash(name)


def run(here: Migrating, contract: Address, name: str) -> None:
    """Let a contract run other code, past all rules."""

    def change(instance: xdr.SCContractInstance) -> None:
        instance.executable.wasm_hash = xdr.Hash(code_of(name))

    here.change(contract, change)


def failing(here: Migrating, plan: Plan) -> set[str]:
    verification = here.verify(plan)
    assert verification.passed == (not verification.failed)
    return {check.name for check in verification.checks if not check.holds}


FAULTS: dict[str, tuple[Callable[[Migrating, Plan], object], set[str]]] = {
    "units vanish from the new vault": (
        lambda h, p: h.store(p.new, balance=BALANCE - 1),
        {NEW_REPLAY},
    ),
    "another minimum deposit": (lambda h, p: h.store(p.new, min_deposit=1), {MINIMUM_KEPT}),
    "another code of the new vault": (lambda h, p: run(h, p.new, "v1"), {NEW_CODE}),
    "another caller stored": (
        lambda h, p: h.store(p.new, authorized_caller=STRANGER.public_key),
        {NEW_REPLAY},
    ),
}


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_wrong_entry_fails_the_check_that_is_about_it(
    here: Migrating, mode: Mode, fault: str
) -> None:
    plan = here.plan(here.v2, mode)
    here.apply(plan)
    assert failing(here, plan) == set()
    plant, expected = FAULTS[fault]
    plant(here, plan)
    assert failing(here, plan) == expected


REPORTED: dict[str, tuple[Callable[[Migrating, Plan], object], str]] = {
    "units appear": (
        lambda h, p: h.store(p.old, balance=1),
        "the stored balance is 1 more than follows from the events",
    ),
    "other code": (lambda h, p: run(h, p.old, "factory"), "the old vault runs other code now"),
    "no vault's entry": (lambda h, p: h.unlike_a_vault(p.old), "balance (I128) is missing"),
}


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize("fault", REPORTED)
def test_what_becomes_of_the_old_vault_is_reported_and_fails_nothing(
    here: Migrating, mode: Mode, fault: str
) -> None:
    plan = here.plan(here.v1, mode)  # without a caller to carry over, resume looks at it again
    done = here.apply(plan)
    assert here.verify(plan).reported == ()
    plant, words = REPORTED[fault]
    plant(here, plan)
    assert failing(here, plan) == set()
    assert words in " ".join(here.verify(plan).reported)
    assert here.apply(plan) == attrs.evolve(done, tries=0)
    assert here.status(plan).stage is Stage.MIGRATED


@pytest.mark.parametrize("mode", list(Mode))
def test_a_layout_that_the_code_does_not_store_fails(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v1, mode, "v1")
    here.apply(plan)
    v2 = attrs.evolve(plan, new_code=code_of("v2").hex())
    run(here, plan.new, "v2")
    assert failing(here, v2) == {LAYOUT}


def _by_hand(here: Migrating, plan: Plan, withdrawn: int, begun: int) -> None:
    """Migrate as an operator could who follows no plan."""
    with Journal(here.folder / "hand.db") as journal:
        owner = here.deployed.client(journal, contract=plan.old)
        owner.withdraw(withdrawn)
        deployer = Deployer(here.deployed.connect(), journal, here.owner)
        assert deployer.create(code_of("v2"), instance_salt(plan.salt, 0)) == plan.new
        new = VaultClient(plan.new, here.deployed.connect(), journal, [here.owner])
        new.init(plan.owner, begun, plan.min_deposit)
        new.set_authorized_caller(here.channel.address)


@pytest.mark.parametrize(
    ("withdrawn", "begun", "expected"),
    [
        (BALANCE, BALANCE, set()),
        (BALANCE, BALANCE + 1, {CONSERVED}),
        (BALANCE, 0, {CONSERVED}),
        (BALANCE - 1, BALANCE, {CONSERVED, EMPTY}),
        (BALANCE - 1, BALANCE - 1, {EMPTY}),
    ],
)
def test_a_migration_by_hand_is_judged_by_its_transactions(
    here: Migrating, withdrawn: int, begun: int, expected: set[str]
) -> None:
    plan = here.plan(here.v2, Mode.STEPWISE)
    _by_hand(here, plan, withdrawn, begun)
    assert failing(here, plan) == expected
    verified = verify(here.deployed.connect(), plan, here.histories)
    assert "no journal" in " ".join(verified.assumed)
    assert verified.amount == withdrawn


@pytest.mark.parametrize("mode", MOVING)
def test_a_caller_that_was_not_carried_over_fails(here: Migrating, mode: Mode) -> None:
    """The old vault's authorisation was there at the migration, by the plan and by its events."""
    plan = here.plan(here.v1, mode)
    here.apply(plan)
    claimed = attrs.evolve(plan.meta, authorized_caller=STRANGER.public_key)
    here.store(plan.new, balance=BALANCE)
    with Journal(here.folder / "hand.db") as journal:
        here.deployed.client(journal, contract=plan.new).set_authorized_caller(STRANGER.public_key)
    expected = {CALLER} if mode is Mode.STEPWISE else set()
    assert failing(here, attrs.evolve(plan, meta=attrs.evolve(claimed))) == expected
    assert failing(here, plan) == expected


@pytest.mark.parametrize("mode", list(Mode))
def test_what_is_not_migrated_or_half_is_not_verified(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v2, mode)
    point = 0
    while True:
        point += 1
        here.fresh()
        try:
            here.apply(plan, killed_at(point))
        except Killed:
            stood = here.status(plan)
            assert (stood.stage is Stage.NOT_BEGUN) <= (stood.open == ())
            if stood.new is None:
                with pytest.raises(NotMigrated) as refused:
                    here.verify(plan)
                assert refused.value.old == plan.old
                continue
            if stood.stage is Stage.MIGRATED:
                break
            assert failing(here, plan) == {CALLER}
    assert point > 5
    assert here.verify(plan).passed
    assert here.status(plan).stage is Stage.MIGRATED


EIGHT_DAYS = 8 * 17_280


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("kept", ["the journal", "the histories", "both"])
def test_what_was_kept_counts_when_the_rpc_has_forgotten_the_migration(
    here: Migrating, mode: Mode, kept: str, tmp_path: Path
) -> None:
    plan = here.plan(here.v2, mode)
    here.apply(plan)
    histories = here.histories
    if kept == "the journal":
        histories = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    else:
        assert here.verify(plan).passed
    here.deployed.network.advance_ledgers(EIGHT_DAYS)
    with Journal(here.folder / "late.db") as late:
        here.by_channel(late, plan.new).deposit(MINIMUM)
    with ExitStack() as opened:
        journal = None if kept == "the histories" else opened.enter_context(here.journal())
        found = verify(here.deployed.connect(), plan, histories, journal=journal)
    assert found.passed, found.failed
    assert found.amount == (0 if mode is Mode.ZERO else BALANCE)
    evidence = "\n".join(found.evidence)
    assert "are no longer known" in evidence
    assert ("from the journal" in evidence) == (kept == "the journal")
    (replayed,) = (check for check in found.checks if check.name == NEW_REPLAY)
    assert "are no longer known" in replayed.found
    assert ("conserved since init" in replayed.found) == (kept != "the journal")


@pytest.mark.parametrize("mode", MOVING)
def test_a_new_vault_that_nobody_has_written_since_has_no_gap(here: Migrating, mode: Mode) -> None:
    plan = here.plan(here.v1, mode)
    here.apply(plan)
    here.deployed.network.advance_ledgers(EIGHT_DAYS)
    (replayed,) = (check for check in here.verify(plan).checks if check.name == NEW_REPLAY)
    assert replayed.holds
    assert "not known" not in replayed.found


@pytest.mark.parametrize("mode", list(Mode))
def test_an_rpc_that_forgot_the_migration_is_refused_where_nothing_was_kept(
    here: Migrating, mode: Mode, tmp_path: Path
) -> None:
    plan = here.plan(here.v2, mode)
    here.apply(plan)
    assert here.verify(plan).passed
    here.deployed.network.advance_ledgers(EIGHT_DAYS)
    empty = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    for histories in (empty, (empty[0], here.histories[1])):
        if mode is Mode.ZERO and histories is not empty:
            assert verify(here.deployed.connect(), plan, histories).passed
            continue
        with pytest.raises(HistoryGone) as gone:
            verify(here.deployed.connect(), plan, histories)
        assert gone.value.contract == (plan.new if histories is empty else plan.old)


@pytest.mark.parametrize("mode", MOVING)
def test_a_false_balance_of_the_new_vault_fails_though_the_rpc_has_forgotten(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.v1, mode)
    here.apply(plan)
    here.deployed.network.advance_ledgers(EIGHT_DAYS)
    with Journal(here.folder / "late.db") as late:
        here.by_channel(late, plan.new).deposit(MINIMUM)
    here.store(plan.new, balance=BALANCE)
    assert failing(here, plan) == {NEW_REPLAY}


# Redirect


@pytest.mark.parametrize("mode", list(Mode))
def test_a_name_stays_until_the_migration_is_verified(
    here: Migrating, mode: Mode, tmp_path: Path
) -> None:
    plan = here.plan(here.v2, mode)
    directory = VaultDirectory(tmp_path / "vaults.json")
    network = plan.network
    directory.point(network, "api", plan.old, instead_of=None)
    here.apply(plan)
    here.store(plan.new, min_deposit=1)
    wrong = here.verify(plan)
    with pytest.raises(NotVerified) as refused:
        redirect(directory, "api", plan, wrong)
    failed = (f"{MINIMUM_KEPT}: 1, planned {MINIMUM}",)
    assert said(refused.value) == (NotVerified, plan.old, plan.new, failed)
    assert refused.value.exit_code == 1
    here.store(plan.new, min_deposit=MINIMUM)
    verified = here.verify(plan)
    with pytest.raises(NotVerified, match="this verification is that of"):
        redirect(directory, "api", here.plan(here.v1, mode), verified)
    assert directory.find(network, "api").contract == plan.old
    listed = redirect(directory, "api", plan, verified)
    assert (listed.contract, listed.retired) == (plan.new, (plan.old,))
    assert redirect(directory, "api", plan, verified) == listed
