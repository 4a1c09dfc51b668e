"""A vault of the v1 ABI with rules of its own is taken from deploy to sweep, in every mode."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from stellar_sdk import Keypair
from stellar_sdk.exceptions import SdkError
from tests.support.deployed_vault import CHANNEL, STRANGER
from tests.support.foreign_rules import EIGHT_DAYS, LEFT, LINES, later, used
from tests.support.interruptions import Counted
from tests.support.migrations import Migrating

from callora_vault.client import State
from callora_vault.directory import VaultDirectory
from callora_vault.migration import (
    Mode,
    Plan,
    Stage,
    Verification,
    look_back,
    redirect,
    verify,
    watch,
)
from callora_vault.model.calls import Call, Deduct, Deposit
from callora_vault.model.units import BadValue


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
    later(here, plan.old)
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
        with pytest.raises(BadValue, match="withdraw with `callora-vault withdraw`"):
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
    later(here, plan.old)
    found = here.verify(plan)
    redirected(here, plan, found, tmp_path / "vaults.json")
    evidence = "\n".join(found.evidence)
    assert "are no longer known" in evidence
    assert ("from the journal" in evidence) == (not verified_before)
    assert len(found.late) == 2
    watched = watch(here.deployed.connect(), plan.old, None, here.deployed.connect().deadline(10))
    assert len(watched.calls) == 2


ACTS: tuple[tuple[Keypair, Call], ...] = (
    (STRANGER, Deposit(40)),
    (CHANNEL, Deduct(CHANNEL.public_key, -500, "minted")),
    (STRANGER, Deduct(STRANGER.public_key, 0)),
    (CHANNEL, Deduct(CHANNEL.public_key, 7, "late")),
)


@pytest.mark.parametrize("mode", list(Mode))
def test_whatever_others_do_between_two_steps_it_is_migrated_and_can_be_redirected_for_ever(
    here: Migrating, mode: Mode, tmp_path: Path
) -> None:
    """The calls take turns from point to point; verified now, and when the RPC has forgotten."""
    plan = attrs.evolve(here.plan(used(here), mode), emptied_in_dry_run=True)
    mark = here.deployed.network.snapshot()
    point = 0
    while True:
        point += 1
        here.back(mark)
        who, call = ACTS[point % len(ACTS)]
        acted: list[int] = []

        def act(
            now: int,
            at: int = point,
            who: Keypair = who,
            call: Call = call,
            acted: list[int] = acted,
        ) -> None:
            if now == at:
                acted.append(at)
                with suppress(SdkError):  # it has no such balance any more
                    here.call(plan.old, who, call)

        here.apply(plan, Counted(act), accept_unknown_code=plan.old_code)
        if not acted:
            break
        found = here.verify(plan)
        assert found.passed, (point, found.failed)
        here.apply(plan, accept_unknown_code=plan.old_code)
        here.deployed.network.advance_ledgers(EIGHT_DAYS)
        with here.journal() as journal:
            empty = tmp_path / f"old{point}", tmp_path / f"new{point}"
            forgotten = verify(here.deployed.connect(), plan, empty, journal=journal)
        assert forgotten.passed, (point, forgotten.failed)
        assert forgotten.amount == found.amount
    assert point > 8


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
        happens = signed() if len(times) == 2 else here.balance_of(plan.old) == 40
        if times and happens:
            times.pop(0)()

    def signed() -> bool:
        with here.journal() as journal:
            return any("ithdraw" in e.request for e in journal.listed(plan.network, State.OPEN))

    here.apply(plan, meanwhile, accept_unknown_code=plan.old_code)
    if mode is Mode.STEPWISE:
        assert times == []
    found = here.verify(plan)
    assert found.passed, found.failed
