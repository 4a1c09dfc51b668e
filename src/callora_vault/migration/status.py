"""The status of a migration: its stage by the ledger, its open transactions by the journal."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import Final

import attrs

from callora_vault.client.entries import JournalEntry, State
from callora_vault.client.errors import AppliedByOthers, Unknown, Unreadable, Unsettled
from callora_vault.client.journal import Journal
from callora_vault.client.limits import Limits
from callora_vault.client.successors import successors
from callora_vault.migration import record
from callora_vault.migration.checks import check_network, find_new_vault
from callora_vault.migration.errors import NotMigrated
from callora_vault.migration.ledger import Held, look
from callora_vault.migration.plan import LIMITS, Mode, Plan
from callora_vault.model.units import Address
from callora_vault.rpc.network import Network

_UNDECIDED: Final = (State.OPEN, State.UNKNOWN, State.APPLIED_BY_OTHERS)


class Stage(Enum):
    """The stage of a migration; the value is its word."""

    NOT_BEGUN = "not begun"
    BEGUN = "begun"
    """Something was signed, or is on the ledger; resume."""
    MIGRATED = "migrated"


@attrs.frozen
class Status:
    """The status of a migration as of `ledger`.

    `new` is the new vault once it has its owner. Balances are those that the vaults store;
    `drained` is what a stepwise migration has withdrawn by this journal. `open` are transactions
    whose result is not known. `successors` are those of the old vault, by the factory.
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
    """Return the status of a migration. Nothing is signed and nothing is sent.

    Raises WrongNetwork, MigratedElsewhere, SuccessorLoop, CannotMigrate, NoVault, and as Network.
    """
    check_network(network, plan)
    until = network.deadline(limits.timeout)
    view = look(network, plan, until)
    entries = journal.listed(plan.network, *_UNDECIDED, State.APPLIED)
    own = [entry for entry in entries if entry.scope == plan.scope]
    followed: tuple[Address, ...] = ()
    try:
        new, held = find_new_vault(network, plan, view, until)
    except NotMigrated:
        new, held = None, None
    if plan.factory is not None and new is not None:
        followed = tuple(successors(network, plan.factory, plan.old, until))
    begun = bool(own) or (plan.mode is not Mode.ATOMIC and view.new is not None)
    finished = held is not None and _is_finished(plan, view.old, held, own)
    stored = view.old.stored.meta
    return Status(
        stage=Stage.MIGRATED if finished else Stage.BEGUN if begun else Stage.NOT_BEGUN,
        ledger=view.ledger,
        new=new,
        old_balance=None if stored is None else stored.balance,
        new_balance=None if held is None or held.stored.meta is None else held.stored.meta.balance,
        drained=_drained(journal, plan),
        open=tuple(entry for entry in own if entry.state in _UNDECIDED),
        successors=followed,
    )


def _is_finished(plan: Plan, old: Held, new: Held, own: list[JournalEntry]) -> bool:
    """Return whether the authorised caller is carried over too: stepwise, that is a separate call.

    A later change of it belongs to the use of the new vault.
    """
    metas = old.stored.meta, new.stored.meta
    callers = [None if meta is None else meta.authorized_caller for meta in metas]
    carried = any(e.key == record.AUTHORISE and e.state is State.APPLIED for e in own)
    return plan.mode is Mode.ATOMIC or callers[0] is None or callers[1] is not None or carried


def _drained(journal: Journal, plan: Plan) -> int:
    drained = 0
    with suppress(Unsettled, Unknown, AppliedByOthers, Unreadable):  # listed as open
        for _, amount in record.drains(journal, plan):
            drained += amount
    return drained
