"""Vaults of every version and make are planned, tried on a fork, migrated and verified."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from stellar_sdk.utils import sha256
from tests.support.deployed_vault import BALANCE, OWNER
from tests.support.migrations import MINIMUM, Migrating, other_code, said

from callora_vault import wasm
from callora_vault.client import Journal
from callora_vault.migration import (
    CannotMigrate,
    CodeMissing,
    DryRun,
    Mode,
    Plan,
    PlanUnusable,
    Stage,
    Why,
    apply,
    read,
    simulate,
    to_json,
    write,
)
from callora_vault.migration.plan import from_json
from callora_vault.model.layouts import V0, V1, V2
from callora_vault.model.units import Address, BadValue
from soroban_localnet import Fork
from soroban_localnet.serve.http import serve_http

MOVING = (Mode.ATOMIC, Mode.STEPWISE)


def old_vault(here: Migrating, kind: str) -> Address:
    """A vault of this package, or of other people's code."""
    if kind in ("v1", "v2"):
        return here.v1 if kind == "v1" else here.v2
    return here.foreign(kind)


def carried_out(here: Migrating, plan: Plan, accepted: str | None = None) -> Address:
    new = here.apply(plan, accept_unknown_code=accepted).new
    verified = here.verify(plan)
    assert verified.passed, verified.failed
    assert here.status(plan).stage is Stage.MIGRATED
    return new


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize(("old", "new"), [("v1", "v2"), ("v1", "v1"), ("v2", "v2")])
def test_this_packages_vaults_go_to_any_version_that_can_hold_them(
    here: Migrating, mode: Mode, old: str, new: str
) -> None:
    plan = here.plan(old_vault(here, old), mode, new)
    before = here.stored(plan.old)
    assert here.status(plan).stage is Stage.NOT_BEGUN
    contract = carried_out(here, plan)
    stored = here.stored(contract)
    assert (stored.owner, stored.balance) == (OWNER.public_key, BALANCE)
    assert stored.min_deposit == before.min_deposit == MINIMUM
    assert stored.authorized_caller == (here.channel.address if old == "v2" else None)
    assert here.stored(plan.old).balance == 0


@pytest.mark.parametrize("mode", list(Mode))
def test_an_empty_vault_is_migrated_with_nothing_to_withdraw(here: Migrating, mode: Mode) -> None:
    with Journal(here.folder / "others.db") as journal:
        others = here.by_channel(journal, here.v2)
        others.withdraw(BALANCE)
        plan = here.plan(here.v2, mode)
        assert "withdraw(" not in " ".join(plan.tree)
        assert here.stored(carried_out(here, plan)).balance == 0
        others.deposit(500)
    verified = here.verify(plan)
    assert (verified.passed, verified.amount, len(verified.late)) == (True, 0, 1)


@pytest.mark.parametrize("mode", list(Mode))
def test_an_authorised_caller_is_not_lost_to_code_that_knows_none(
    here: Migrating, mode: Mode
) -> None:
    with pytest.raises(CannotMigrate) as refused:
        here.plan(here.v2, mode, "v1")
    assert said(refused.value) == (
        CannotMigrate,
        here.v2,
        Why.AUTHORISED_CALLER,
        here.channel.address,
    )
    with Journal(here.folder / "owner.db") as journal:
        owner = here.deployed.client(journal, contract=here.v2)
        owner.set_authorized_caller(None)
        plan = here.plan(here.v2, mode, "v1")
        owner.set_authorized_caller(here.channel.address)
        with pytest.raises(CannotMigrate) as refused:
            here.apply(plan)
        assert (refused.value.contract, refused.value.why) == (here.v2, Why.AUTHORISED_CALLER)
        owner.set_authorized_caller(None)
    carried_out(here, plan)


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize("kind", ["v0", "panicking", "no_withdraw_to"])
def test_other_peoples_code_is_migrated_once_a_dry_run_showed_that_it_can_be_emptied(
    here: Migrating, mode: Mode, kind: str
) -> None:
    plan = here.plan(old_vault(here, kind), mode)
    assert plan.old_known is None
    unknown = sha256(other_code(kind)).hex()
    for shown, accepted, detail in (
        (False, unknown, f"{unknown}, and no dry run has shown that a withdrawal empties it"),
        (True, None, unknown),
        (True, plan.new_code, unknown),
    ):
        with pytest.raises(CannotMigrate) as refused:
            here.apply(
                attrs.evolve(plan, emptied_in_dry_run=shown),
                accept_unknown_code=accepted,
            )
        assert said(refused.value) == (CannotMigrate, plan.old, Why.UNKNOWN_CODE, detail)
    dry = here.dry_run(plan, here.fork())
    plan = dry.noted(plan)
    assert (dry.emptied, plan.emptied_in_dry_run) == (True, True)
    assert here.stored(plan.old).balance == BALANCE
    new = carried_out(here, plan, unknown)
    assert here.stored(new).balance == BALANCE
    assert here.stored(new).min_deposit == (0 if kind == "v0" else MINIMUM)


def test_a_vault_without_withdraw_is_left_behind_with_the_words_for_it(here: Migrating) -> None:
    old = here.foreign("v0_without_withdraw")
    for mode in MOVING:
        with pytest.raises(CannotMigrate) as refused:
            here.plan(old, mode)
        assert (refused.value.contract, refused.value.why) == (old, Why.REFUSES)
        assert "a vault without withdraw can only be left behind: plan with --mode zero" in str(
            refused.value
        )
    plan = here.plan(old, Mode.ZERO, min_deposit=3)
    new = carried_out(here, plan)
    assert (here.stored(old).balance, here.stored(new).balance) == (BALANCE, 0)
    assert here.stored(new).min_deposit == 3
    verified = here.verify(plan)
    assert verified.old_balance == BALANCE
    assert (
        "the old vault's balance is not checked: --mode zero leaves it as it is" in verified.assumed
    )


# The plan


@pytest.mark.parametrize("mode", list(Mode))
def test_a_plan_says_what_is_signed_by_whom_at_what_fee_and_outlives_its_file(
    here: Migrating, mode: Mode, tmp_path: Path
) -> None:
    code = other_code("batch_of_51")
    plans = [here.plan(here.v2, mode), here.plan(here.v2, mode, code)]
    for plan in plans:
        path = tmp_path / "plan.json"
        write(plan, path)
        assert read(path) == plan
        document = json.loads(path.read_text())
        assert document["signed_by"] == OWNER.public_key
        assert document["old"]["balance"] == str(BALANCE)
        signed = " ".join(document["to_be_signed"])
        assert ("upload" in signed) == (plan is plans[1])
        assert f"set_authorized_caller({here.channel.address})" in signed
        for call in (f"withdraw({BALANCE})", "init("):
            assert (call in signed) == (call == "init(" or mode is not Mode.ZERO)
        assert plan.fee is not None
        assert plan.fee > 0
    known, uploaded = plans
    assert (known.unpriced == ()) == (mode is Mode.ATOMIC)
    assert all(line in plan.tree for plan in plans for line in plan.unpriced)
    assert len(uploaded.unpriced) == len(known.unpriced) + 1


def test_the_plans_fee_is_what_the_migration_declares(here: Migrating) -> None:
    plan = here.plan(here.v2)
    assert plan.fee is not None
    assert simulate(here.deployed.connect(), plan) == plan.fee
    assert 0 < here.apply(plan).fee <= plan.fee + 2_000_000 + 10_000


def test_what_cannot_be_simulated_yet_says_so(here: Migrating) -> None:
    plan = here.plan(here.v2, Mode.ATOMIC, other_code("batch_of_51"))
    with pytest.raises(CodeMissing) as missing:
        simulate(here.deployed.connect(), plan)
    assert said(missing.value) == (CodeMissing, plan.new_code)
    with pytest.raises(CodeMissing):
        here.apply(plan)
    with pytest.raises(CodeMissing):
        here.apply(plan, code=wasm.read("v1"))
    assert here.stored(here.v2).balance == BALANCE


def test_a_plan_that_was_changed_or_damaged_is_refused(here: Migrating, tmp_path: Path) -> None:
    document = to_json(here.plan(here.v2, Mode.STEPWISE))
    path = tmp_path / "plan.json"
    for place, name, value, reason in (
        (None, "format", 2, "its format is 2, this program's 1"),
        (None, "salt", "00", "salt"),
        (None, "salt", "00" * 32, "the new vault's id does not follow"),
        (None, "factory", here.factory, "factory: only the mode atomic has one"),
        (None, "mode", "quick", "mode: 'quick' is not one of atomic, stepwise, zero"),
        (None, "resource_fee", "some", "resource_fee: it is not a whole number"),
        ("old", "code", "ab", "old code"),
        ("new", "code", "xy", "new code: it is not in hex"),
        ("new", "contract", here.v2, "the new vault's id does not follow"),
        ("old", "owner", here.channel.address, "the new vault's id does not follow"),
        ("old", "balance", str(2**127), "balance"),
        ("old", "balance", None, "balance: it is not a whole number"),
    ):
        changed = json.loads(json.dumps(document))
        (changed if place is None else changed[place])[name] = value
        with pytest.raises(PlanUnusable, match=reason) as unusable:
            from_json(changed, path)
        assert unusable.value.path == path
    for text, reason in (
        ("{", "it is not JSON"),
        ("[]", "damaged"),
        ("[" * 100_000, "it is nested too deeply"),
    ):
        path.write_text(text)
        with pytest.raises(PlanUnusable, match=reason):
            read(path)
    with pytest.raises(PlanUnusable, match="No such file"):
        read(tmp_path / "absent.json")
    with pytest.raises(PlanUnusable, match="No such file"):
        write(here.plan(here.v2, Mode.ZERO), tmp_path / "absent" / "plan.json")


def test_options_that_do_not_fit_the_mode_are_refused(here: Migrating) -> None:
    for mode, given in (
        (Mode.ATOMIC, {"factory": None}),
        (Mode.STEPWISE, {"factory": here.factory}),
        (Mode.ATOMIC, {"min_deposit": 1}),
        (Mode.ZERO, {"min_deposit": -1}),
        (Mode.ZERO, {"salt": b"short"}),
    ):
        with pytest.raises(BadValue) as bad:
            here.plan(here.v2, mode, **given)
        assert bad.value.field in given


# The dry run


@pytest.mark.parametrize("mode", list(Mode))
def test_a_dry_run_through_a_url_does_it_all_and_the_network_sees_nothing(
    here: Migrating, mode: Mode
) -> None:
    code = other_code("batch_of_51")
    plan = here.plan(here.v2, mode, code)
    ledger = here.deployed.network.latest_ledger
    with serve_http(here.deployed.network) as endpoint:
        forked = Fork.connect(endpoint.url)
        try:
            dry = here.dry_run(plan, forked, code=code)
        finally:
            forked.close()
    moved = 0 if mode is Mode.ZERO else BALANCE
    assert _balances(dry) == (BALANCE, BALANCE - moved, moved)
    assert (dry.before.layout, dry.after_old.layout, dry.after_new.layout) == (V2, V2, V2)
    assert dry.verification.passed, dry.verification.failed
    assert dry.applied.new == plan.new
    assert dry.applied.fee > (plan.fee or 0) // 4
    assert dry.emptied == dry.noted(plan).emptied_in_dry_run == (mode is not Mode.ZERO)
    assert here.deployed.network.latest_ledger == ledger
    assert here.stored(here.v2).balance == BALANCE
    assert not here.exists(plan.new)


@pytest.mark.parametrize("mode", MOVING)
def test_code_whose_events_lie_is_not_accepted_though_a_withdrawal_empties_it(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.foreign("withdraw_event_old_balance"), mode)
    dry = here.dry_run(plan, here.fork())
    assert dry.emptied
    (failed,) = dry.verification.failed
    assert failed == f"the last withdrawal left nothing in the old vault: {BALANCE:,}"
    with pytest.raises(CannotMigrate) as refused:
        here.apply(dry.noted(plan), accept_unknown_code=plan.old_code)
    detail = f"{plan.old_code}, and no dry run has shown that a withdrawal empties it"
    assert said(refused.value) == (CannotMigrate, plan.old, Why.UNKNOWN_CODE, detail)
    assert here.stored(plan.old).balance == BALANCE


def test_a_dry_run_shows_the_layouts_change(here: Migrating) -> None:
    for kind, layout in (("v1", V1), ("v0", V0)):
        dry = here.dry_run(here.plan(old_vault(here, kind)), here.fork())
        assert (dry.before.layout, dry.after_new.layout) == (layout, V2)


def _balances(dry: DryRun) -> tuple[int, ...]:
    metas = [stored.meta for stored in (dry.before, dry.after_old, dry.after_new)]
    return tuple(-1 if meta is None else meta.balance for meta in metas)


# One transaction


def test_an_atomic_migration_is_one_transaction_after_two_reads(here: Migrating) -> None:
    plan = here.plan(here.v2)
    transport = here.deployed.faulty(lambda number, method: None)
    with here.journal() as journal:
        apply(here.deployed.connect(transport), journal, plan, here.owner)
    sent = transport.methods.index("sendTransaction")
    before, after = transport.methods[:sent], transport.methods[sent:]
    assert before.count("getLedgerEntries") == 2
    # a journal that knows no ledger yet notes the oldest and the latest
    assert sorted(set(before) - {"getLedgerEntries"}) == [
        "getHealth",
        "getLedgers",
        "getNetwork",
        "simulateTransaction",
    ]
    assert len(before) == 7
    assert after == ["sendTransaction", "getTransaction", "getLedgers", "getLedgerEntries"]


@pytest.mark.parametrize("mode", list(Mode))
def test_an_archived_vault_is_restored_by_its_migration(here: Migrating, mode: Mode) -> None:
    with Journal(here.folder / "made.db") as journal:
        old = here.vault(journal, "v1")
    here.deployed.network.advance_ledgers(31 * 17_280)
    with Journal(here.folder / "factory.db") as journal:  # what lives on is used: the factory is
        here.vault(journal, "v2")
    plan = here.plan(old, mode, "v2")
    assert plan.archived == ("the old vault", "its code")
    new = here.apply(plan).new
    moved = 0 if mode is Mode.ZERO else BALANCE
    assert here.stored(old).balance + here.stored(new).balance == BALANCE
    assert here.stored(new).balance == moved
