"""A vault of the v1 ABI with rules of its own is taken from deploy to sweep, in every mode."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, STRANGER
from tests.support.migrations import Migrating

from callora_vault.client import State
from callora_vault.directory import VaultDirectory
from callora_vault.migration import Mode, Plan, Stage, Verification, look_back, redirect, watch
from callora_vault.model.calls import Deduct, Deposit, Withdraw
from callora_vault.model.units import Address, BadValue

EIGHT_DAYS = 8 * 17_280
LEFT = BALANCE - 7 * 500 + 700 + 3 * 500 - 5 - 95
LINES = (
    "3 negative deducts created 1,500 (ledgers ",
    "12 deducts by callers that were not authorised, 2,000 in all (ledgers ",
    "1 deposit of 0 (ledger ",
    "2 deducts of 0 (ledgers ",
)


def used(here: Migrating) -> Address:
    """A vault that a backend deducts from which is not the owner, with what its users do to it."""
    old = here.foreign("upstream", minimum=0)
    for number in range(7):
        here.call(old, CHANNEL, Deduct(CHANNEL.public_key, 500, f"r{number}"))
    here.call(old, STRANGER, Deposit(700))
    for number in range(3):
        here.call(old, CHANNEL, Deduct(CHANNEL.public_key, -500, f"back{number}"))
    for _ in range(2):
        here.call(old, STRANGER, Deduct(STRANGER.public_key, 0))
    here.call(old, OWNER, Deduct(OWNER.public_key, 5))
    here.call(old, STRANGER, Deposit(0))
    here.call(old, OWNER, Withdraw(95))
    assert here.stored(old).balance == LEFT
    return old


def later(here: Migrating, plan: Plan) -> None:
    """What its users do to it when it has been migrated, and nobody told them."""
    here.call(plan.old, STRANGER, Deposit(40))
    here.call(plan.old, CHANNEL, Deduct(CHANNEL.public_key, -500, "late"))


def redirected(here: Migrating, plan: Plan, found: Verification, file: Path) -> None:
    assert found.passed, found.failed
    directory = VaultDirectory(file)
    directory.point(plan.network, "shop", plan.old, instead_of=None)
    assert redirect(directory, "shop", plan, found).contract == found.new


@pytest.mark.parametrize("mode", list(Mode))
def test_it_is_taken_from_deploy_to_sweep_with_its_history_reported(
    here: Migrating, mode: Mode, tmp_path: Path
) -> None:
    plan = look_back(here.deployed.connect(), here.plan(used(here), mode), here.histories[0])
    assert plan.history[0].endswith("17 events: broken")
    assert len(plan.history) == 1 + len(LINES)
    assert all(any(line.startswith(words) for line in plan.history) for words in LINES)
    dry = here.dry_run(plan, here.fork())
    assert dry.verification.passed, dry.verification.failed
    assert dry.emptied == (mode is not Mode.ZERO)
    plan = dry.noted(plan)

    done = here.apply(plan, accept_unknown_code=plan.old_code)
    found = here.verify(plan)
    later(here, plan)
    late = here.verify(plan)
    assert all(any(words in line for line in late.reported) for words in LINES[2:])
    assert any("4 negative deducts created 2,000" in line for line in late.reported)
    assert [found.amount, late.amount] == [0 if mode is Mode.ZERO else LEFT] * 2
    assert (len(found.late), len(late.late)) == (0, 2)
    assert here.status(plan).stage is Stage.MIGRATED
    assert here.apply(plan, accept_unknown_code=plan.old_code) == attrs.evolve(done, tries=0)
    redirected(here, plan, late, tmp_path / "vaults.json")

    kept = LEFT if mode is Mode.ZERO else 0
    assert here.stored(plan.old).balance == kept + 540
    assert here.stored(plan.new).balance == LEFT - kept
    if mode is Mode.ZERO:
        with pytest.raises(BadValue, match="withdraw by hand"):
            here.sweep(plan)
        return
    swept = here.sweep(plan)
    assert (swept.moved, swept.remainder) == (540, 0)
    assert here.stored(plan.new).balance == LEFT + 540
    after = here.verify(plan)
    assert after.passed, after.failed
    assert here.apply(plan, accept_unknown_code=plan.old_code) == attrs.evolve(done, tries=0)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("verified_before", [True, False])
def test_it_is_redirected_when_the_rpc_has_forgotten_everything(
    here: Migrating, mode: Mode, verified_before: bool, tmp_path: Path
) -> None:
    plan = here.plan(used(here), mode)
    plan = here.dry_run(plan, here.fork()).noted(plan)
    here.apply(plan, accept_unknown_code=plan.old_code)
    if verified_before:
        assert here.verify(plan).passed
    here.deployed.network.advance_ledgers(EIGHT_DAYS)
    later(here, plan)
    found = here.verify(plan)
    redirected(here, plan, found, tmp_path / "vaults.json")
    evidence = "\n".join(found.evidence)
    assert "are not known any more" in evidence
    assert ("from the journal" in evidence) == (not verified_before)
    assert len(found.late) == 2
    watched = watch(here.deployed.connect(), plan.old, None, here.deployed.connect().deadline(10))
    assert len(watched.calls) == 2


@pytest.mark.parametrize("mode", [Mode.ATOMIC, Mode.STEPWISE])
def test_a_remainder_that_others_deduct_before_init_does_not_fail_it_for_ever(
    here: Migrating, mode: Mode
) -> None:
    """The last withdrawal leaves 40 that came meanwhile, and a backend deducts them."""
    plan = here.plan(used(here), mode)
    plan = attrs.evolve(plan, emptied_in_dry_run=True)
    times = [
        lambda: here.call(plan.old, STRANGER, Deposit(40)),
        lambda: here.call(plan.old, CHANNEL, Deduct(CHANNEL.public_key, 40, "quick")),
    ]

    def meanwhile() -> None:
        balance = here.balance_of(plan.old)
        if len(times) == 2 and signed():
            times.pop(0)()
        elif len(times) == 1 and balance == 40:
            times.pop(0)()

    def signed() -> bool:
        with here.journal() as journal:
            return any("ithdraw" in e.request for e in journal.listed(plan.network, State.OPEN))

    here.apply(plan, meanwhile, accept_unknown_code=plan.old_code)
    if mode is Mode.STEPWISE:
        assert times == []
    found = here.verify(plan)
    assert found.passed, found.failed
