"""A migration before it counts: carried out in full on a fork of the network, with no real key.

The fork has the passphrase of the network that it came from, so what is signed there with a real
key would be valid outside. Whoever hands the fork in gives it a signer of its own for the owner.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.transactions import Limits
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
    """What a migration did on a fork: raw entries before and after, its cost, its verification.

    `before` is the old vault's entry; `after_old` and `after_new` are the vaults' afterwards.
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
        """Return the plan with what the dry run showed."""
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
    """Carry a plan out on a fork, and verify it there.

    Arguments: `fork`, a network of this machine alone; `stand_in`, a throw-away key that the
    fork takes for the owner's; `folder`, an empty one for journal and histories. Other people's
    code is run without being accepted: here it can do no harm. Raises as `apply` and `verify`.
    """
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
        raise NotMigrated(contract, "it is not there")
    return held.stored


def simulate(network: Network, plan: Plan, limits: Limits = LIMITS) -> int:
    """Simulate an atomic migration on the live network, where no fork can execute it.

    Compares what would be signed and touched with what is expected, as `apply` does, and returns
    the least resource fee in stroops. Nothing is signed. Raises as `planner.make`.
    """
    check_network(network, plan)
    until = network.deadline(limits.timeout)
    view = ledger.look(network, plan, until)
    check_factory(view, plan)
    check_old(view, plan)
    if not view.code_lives:
        raise CodeMissing(plan.new_code)
    return simulated(network, plan, atomic.action(plan, view), until, limits)
