"""Making a plan from the old vault's stored entry. Nothing is signed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import attrs

from callora_vault.client import approval
from callora_vault.client.deploy import create_action, upload_action
from callora_vault.client.errors import UnexpectedAuthorisation
from callora_vault.client.limits import Limits
from callora_vault.client.transactions import Action
from callora_vault.inspect import Inspection, audit, export, inspect, read_code
from callora_vault.migration import atomic, stepwise
from callora_vault.migration.checks import (
    check_factory,
    check_meta,
    check_network,
    check_old,
    check_successor,
)
from callora_vault.migration.errors import CannotMigrate, KeepsMoving, Why
from callora_vault.migration.ledger import LedgerView, look
from callora_vault.migration.plan import LIMITS, Mode, Plan, instance_salt, new_address
from callora_vault.migration.steps import TRIES, simulated
from callora_vault.model import units
from callora_vault.model.errors import FactoryError, FactoryErrorCode
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address, BadValue
from callora_vault.rpc.network import Network


def make(
    network: Network,
    old: Address,
    code: bytes,
    *,
    mode: Mode = Mode.ATOMIC,
    factory: Address | None = None,
    min_deposit: int | None = None,
    salt: bytes | None = None,
    limits: Limits = LIMITS,
) -> Plan:
    """Plan the migration of a vault to other code, or to a new instance of its own code.

    Arguments: `code`, the compiled new vault; `factory`, which atomic mode needs;
    `min_deposit` of the new vault, if it differs from the old one's (not in atomic mode).
    Raises BadValue, NoVault, CannotMigrate, MigratedElsewhere, RefusedToSign, SimulationFailed and
    what Network raises.
    """
    until = network.deadline(limits.timeout)
    if (factory is None) == (mode is Mode.ATOMIC):
        reason = (
            "--mode atomic needs a factory; give its id (`callora-vault migrate factory` prints "
            "it), or choose --mode stepwise"
            if factory is None
            else f"--mode {mode.value} has no factory; leave it out"
        )
        raise BadValue("factory", reason)
    if factory is not None:
        units.contract(factory, "factory")
    if min_deposit is not None and mode is Mode.ATOMIC:
        reason = "--mode atomic keeps the old vault's; choose --mode stepwise"
        raise BadValue("min_deposit", reason)
    found = inspect(network, old, until)
    meta = _check(found, mode, min_deposit)
    minimum = meta.min_deposit if min_deposit is None else units.amount(min_deposit, "min_deposit")
    if minimum < 0:
        raise BadValue("min_deposit", "it cannot be negative")
    interface = read_code(code).interface
    if meta.authorized_caller is not None and not (interface and interface.abi.authorises):
        raise CannotMigrate(old, Why.AUTHORISED_CALLER, meta.authorized_caller)
    salt = secrets.token_bytes(32) if salt is None else units.bytes32(salt, "salt")
    assert found.code is not None  # noqa: S101 - checked
    assert found.layout is not None  # noqa: S101 - it has fields
    plan = Plan(
        network=network.passphrase,
        mode=mode,
        ledger=found.ledger,
        old=old,
        old_code=found.code.hash,
        layout=found.layout.name,
        meta=meta,
        min_deposit=minimum,
        factory=factory,
        new=new_address(network.passphrase, factory, meta.owner, salt),
        new_code=sha256(code).hexdigest(),
        salt=salt,
        archived=_archived(found),
    )
    return _measured(network, plan, code, until, limits)


def look_back(
    network: Network,
    plan: Plan,
    history: Path,
    *,
    limits: Limits = LIMITS,
    progress: Callable[[int, int], None] = lambda _ledger, _latest: None,
) -> Plan:
    """Replay the old vault's events, as the network has them, and note what does not follow.

    It does not prevent the migration: a vault may have rules of its own. Arguments: `history`, the
    file of its events, which `verify` continues. Raises as `inspect.export`, and NoState.
    """
    check_network(network, plan)
    known = export(
        network, plan.old, history, lambda: network.deadline(limits.timeout), progress=progress
    )
    audited = audit(known)
    seen = f"ledgers {audited.since:,} to {audited.through:,}, {audited.events:,} events"
    return attrs.evolve(plan, history=(f"{seen}: {audited.verdict.value}", *audited.lines))


def _check(found: Inspection, mode: Mode, min_deposit: int | None) -> VaultMeta:
    """Return what the old vault stores, if it can be migrated. Raises CannotMigrate."""
    old = found.contract
    if found.problem is not None:
        raise CannotMigrate(old, Why.UNDECODABLE, found.problem)
    if found.meta is None:
        raise CannotMigrate(old, Why.NOT_INITIALISED)
    # the mode zero calls nothing of it
    if found.code is None or (found.can_change is not None and mode is not Mode.ZERO):
        raise CannotMigrate(old, Why.NO_CODE_OF_ITS_OWN, found.can_change or found.executable)
    check_meta(old, found.meta, mode, min_deposit)
    return found.meta


def _archived(found: Inspection) -> tuple[str, ...]:
    lives = {"the old vault": found.instance_life, "its code": found.code_life}
    return tuple(name for name, life in lives.items() if life is not None and life.archived)


def _measured(network: Network, plan: Plan, code: bytes, until: float, limits: Limits) -> Plan:
    """Add what is to be signed, and its cost. Raises RefusedToSign."""
    before = 0
    for _ in range(TRIES):
        view = look(network, plan, until)
        check_factory(view, plan)
        plan = attrs.evolve(plan, ledger=view.ledger, meta=check_old(view, plan))
        if check_successor(view, plan):
            raise FactoryError(FactoryErrorCode.AlreadyMigrated)
        pricing = _Pricing(network, plan, view, until, limits)
        try:
            if not view.code_lives:
                pricing.add(upload_action(code), f"upload {plan.new_code}")
            if plan.mode is Mode.ATOMIC:
                pricing.atomic()
            else:
                pricing.stepwise()
        except UnexpectedAuthorisation:
            if view.old.modified == before:
                raise
            before = view.old.modified  # somebody called the vault between the two reads
        else:
            return pricing.plan
    raise KeepsMoving(plan.old, TRIES)


class _Pricing:
    """Adds steps to a plan: what is signed, and its fee if it can be simulated."""

    def __init__(
        self, network: Network, plan: Plan, view: LedgerView, until: float, limits: Limits
    ) -> None:
        self.plan = attrs.evolve(plan, tree=(), fee=None, unpriced=())
        self._network = network
        self._view = view
        self._until = until
        self._limits = limits

    def add(self, action: Action | None, *lines: str) -> None:
        """Add a step: `lines` in words, `action` if the ledger has all that it needs."""
        plan = self.plan
        if action is None:
            plan = attrs.evolve(plan, unpriced=(*plan.unpriced, lines[0]))
        else:
            price = simulated(self._network, plan, action, self._until, self._limits)
            plan = attrs.evolve(plan, fee=(plan.fee or 0) + price)
        self.plan = attrs.evolve(plan, tree=(*plan.tree, *lines))

    def atomic(self) -> None:
        plan = self.plan
        action = atomic.action(plan, self._view)
        tree = approval.outline(atomic.tree(plan, plan.meta))
        self.add(action if self._view.code_lives else None, *tree)

    def stepwise(self) -> None:
        plan, meta = self.plan, self.plan.meta
        salt, code_hash = instance_salt(plan.salt, 0), bytes.fromhex(plan.new_code)
        create = create_action(plan.owner, code_hash, salt, plan.network)
        self.add(
            create if self._view.code_lives else None,
            f"create an instance of {plan.new_code}: {plan.new}",
        )
        drained = "0"
        if plan.mode is Mode.STEPWISE:
            drained = "the withdrawn amount"
            if meta.balance > 0:
                self.add(
                    stepwise.withdrawal(plan, meta.balance),
                    f"withdraw({meta.balance}), or the balance at that time, on {plan.old}",
                )
        self.add(None, f"init({plan.owner}, {drained}, {plan.min_deposit}) on the new vault")
        if meta.authorized_caller is not None:
            caller = meta.authorized_caller
            self.add(None, f"set_authorized_caller({caller}) on the new vault")
