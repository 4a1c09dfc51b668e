"""The rehearsal of a migration: carried out in full on a fork of the network, without a real key.

The fork has the passphrase of its network, so a transaction that is signed there with a real key
would be valid on the network. Therefore the fork accepts another key for the owner.
"""

from __future__ import annotations

import math
from pathlib import Path

import attrs

from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import Limits
from callora_vault.codec.entries import StoredVault
from callora_vault.migration import atomic, ledger
from callora_vault.migration.apply import apply
from callora_vault.migration.checks import check_factory, check_network, check_old
from callora_vault.migration.errors import CodeMissing, NotMigrated
from callora_vault.migration.plan import LIMITS, Mode, Plan
from callora_vault.migration.record import Applied
from callora_vault.migration.steps import simulated
from callora_vault.migration.verify import Verification, verify
from callora_vault.model.units import Address
from callora_vault.rpc.network import Network


@attrs.frozen
class DryRun:
    """The result of a migration on a fork: entries before and after, cost, verification.

    `before` is the old vault's entry; `after_old` and `after_new` are both vaults' afterwards.
    """

    before: StoredVault
    after_old: StoredVault
    after_new: StoredVault
    applied: Applied
    verification: Verification

    @property
    def emptied(self) -> bool:
        """Whether the old vault's raw entry has no balance afterwards."""
        meta = self.after_old.meta
        return meta is not None and meta.balance == 0

    def noted(self, plan: Plan) -> Plan:
        """Return the plan with the result of the dry run."""
        shown = self.emptied and self.verification.passed and plan.mode is not Mode.ZERO
        return attrs.evolve(plan, emptied_in_dry_run=shown)


def dry_run(
    fork: Network,
    plan: Plan,
    stand_in: Signer,
    folder: Path,
    *,
    code: bytes | None = None,
    limits: Limits = LIMITS,
) -> DryRun:
    """Carry out a plan on a fork, and verify it there.

    Arguments: `fork`, a network on this machine only; `stand_in`, a throw-away key that the fork
    accepts as the owner's; `folder`, an empty one for journal and histories. Unknown code runs
    without `accept_unknown_code`, because it can do no harm here. Raises as `apply` and `verify`.
    """
    # the fork's time is that of its remote when it was made, and was perhaps moved
    limits = attrs.evolve(limits, clock_skew=math.inf)
    until = fork.deadline(limits.timeout)
    before = ledger.look(fork, plan, until).old.stored
    shown = attrs.evolve(plan, emptied_in_dry_run=True)
    with Journal(folder / "journal.db") as journal:
        applied = apply(
            fork,
            journal,
            shown,
            stand_in,
            code=code,
            accept_unknown_code=plan.old_code,
            limits=limits,
        )
        verification = verify(
            fork, plan, (folder / "old.jsonl", folder / "new.jsonl"), journal=journal, limits=limits
        )
    return DryRun(
        before=before,
        after_old=_stored(fork, plan.old, limits),
        after_new=_stored(fork, applied.new, limits),
        applied=applied,
        # what was known and what was not is of the network, not of its fork
        verification=attrs.evolve(verification, evidence=(), reported=()),
    )


def _stored(network: Network, contract: Address, limits: Limits) -> StoredVault:
    held = ledger.held(network, contract, network.deadline(limits.timeout))
    if held is None:
        raise NotMigrated(contract, "it does not exist")
    return held.stored


def simulate(network: Network, plan: Plan, limits: Limits = LIMITS) -> int:
    """Simulate an atomic migration on the live network, if no fork can execute it.

    Compares authorisation and footprint with what is expected, as `apply` does, and returns the
    minimum resource fee in stroops. Nothing is signed. Raises as `planner.make`.
    """
    check_network(network, plan)
    until = network.deadline(limits.timeout)
    view = ledger.look(network, plan, until)
    check_factory(view, plan)
    check_old(view, plan)
    if not view.code_lives:
        raise CodeMissing(plan.new_code)
    return simulated(network, plan, atomic.action(plan, view), until, limits)
