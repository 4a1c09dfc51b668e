"""Where a migration stands: the ledger decides, the journal says what is open."""

from __future__ import annotations

from enum import Enum

import attrs

from callora_vault.client.journal import Journal, JournalEntry, State
from callora_vault.client.network import Network
from callora_vault.client.transactions import Limits
from callora_vault.migration import chain as ledger
from callora_vault.migration import stepwise
from callora_vault.migration.errors import NotMigrated
from callora_vault.migration.plan import Mode, Plan
from callora_vault.migration.planning import LIMITS
from callora_vault.units import Address


class Stage(Enum):
    """How far a migration is; the value is its word."""

    NOT_BEGUN = "not begun"
    BEGUN = "begun"
    """Stepwise: the new vault is made, or something was withdrawn; resume."""
    MIGRATED = "migrated"


@attrs.frozen
class Status:
    """Where a migration stands after ``ledger``.

    ``new`` is the new vault once it has its owner. Balances are what the vaults store; ``drained``
    is what a stepwise migration has withdrawn by this journal. ``open`` are transactions that may
    be applied or not. ``successors`` is the chain from the old vault on, by the factory.
    """

    stage: Stage
    ledger: int
    new: Address | None
    old_balance: int | None
    new_balance: int | None
    drained: int
    open: tuple[JournalEntry, ...]
    successors: tuple[Address, ...]


def status(network: Network, journal: Journal, plan: Plan, limits: Limits = LIMITS) -> Status:
    """Say where a migration stands. Nothing is signed and nothing sent.

    Raises WrongNetwork, MigratedElsewhere, SuccessorLoop, CannotMigrate, NoVault, and as Network.
    """
    ledger.check_network(network, plan)
    until = network.deadline(limits.timeout)
    chain = ledger.look(network, plan, until)
    entries = journal.listed(plan.network, State.OPEN, State.APPLIED)
    own = [entry for entry in entries if entry.scope == plan.scope]
    still_open = tuple(entry for entry in own if entry.state is State.OPEN)
    followed: tuple[Address, ...] = ()
    drained = 0
    new: Address | None = None
    held = chain.new
    if plan.factory is not None:
        if ledger.check_successor(chain, plan):
            new = plan.new
            followed = tuple(ledger.successors(network, plan.factory, plan.old, until))
    else:
        if not still_open:
            drained = sum(amount for _, amount in stepwise.drains(journal, plan))
        try:
            new, held = stepwise.find(network, plan, until)
        except NotMigrated:
            new = None
    begun = bool(own) or (plan.mode is not Mode.ATOMIC and chain.new is not None)
    stored = chain.old.stored.meta
    return Status(
        stage=Stage.MIGRATED if new else Stage.BEGUN if begun else Stage.NOT_BEGUN,
        ledger=chain.ledger,
        new=new,
        old_balance=None if stored is None else stored.balance,
        new_balance=None
        if new is None or held is None or held.stored.meta is None
        else held.stored.meta.balance,
        drained=drained,
        open=still_open,
        successors=followed,
    )
