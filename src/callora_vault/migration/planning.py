"""How a plan is made: the old vault is judged by its raw stored entry, and nothing is signed."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

import attrs

from callora_vault import units
from callora_vault.client import signing
from callora_vault.client.errors import UnexpectedAuthorisation
from callora_vault.client.network import Network
from callora_vault.client.transactions import Limits
from callora_vault.errors import FactoryError, FactoryErrorCode
from callora_vault.inspect import Inspection, inspect, read_code
from callora_vault.layouts import VaultMeta
from callora_vault.migration import atomic
from callora_vault.migration.chain import (
    Chain,
    check_factory,
    check_meta,
    check_old,
    check_successor,
    look,
)
from callora_vault.migration.errors import CannotMigrate, KeepsMoving, Why
from callora_vault.migration.plan import Mode, Plan, new_vault
from callora_vault.units import Address, BadValue

LIMITS: Final = Limits(resource_fee=200_000_000)
"""A migration renews the lives of three codes at once, which costs more than one call does."""


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
    """Look at a vault and plan its migration to other code, or to a new instance of its own.

    Arguments: ``code``, the compiled new vault; ``factory``, which atomic mode needs;
    ``min_deposit`` of the new vault, where it is not to be the old one's (not in atomic mode).
    Raises BadValue, NoVault, CannotMigrate, MigratedElsewhere, RefusedToSign, SimulationFailed and
    what Network raises.
    """
    until = network.deadline(limits.timeout)
    if (factory is None) == (mode is Mode.ATOMIC):
        raise BadValue("factory", "the mode atomic needs the factory's id, the others have none")
    if min_deposit is not None and mode is Mode.ATOMIC:
        raise BadValue("min_deposit", "the factory carries the old one; choose another mode")
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
        new=new_vault(network.passphrase, factory, meta.owner, salt),
        new_code=sha256(code).hexdigest(),
        salt=salt,
        archived=_archived(found),
    )
    return _measured(network, plan, until, limits)


def _check(found: Inspection, mode: Mode, min_deposit: int | None) -> VaultMeta:
    """Return what the old vault stores, where it can be migrated. Raises CannotMigrate."""
    old = found.contract
    if found.problem is not None:
        raise CannotMigrate(old, Why.UNDECODABLE, found.problem)
    if found.meta is None:
        raise CannotMigrate(old, Why.NOT_INITIALISED)
    if found.code is None or found.can_change is not None:
        raise CannotMigrate(old, Why.NO_CODE_OF_ITS_OWN, found.can_change or found.executable)
    check_meta(old, found.meta, mode, min_deposit)
    return found.meta


def _archived(found: Inspection) -> tuple[str, ...]:
    lives = {"the old vault": found.instance_life, "its code": found.code_life}
    return tuple(name for name, life in lives.items() if life is not None and life.archived)


def _measured(network: Network, plan: Plan, until: float, limits: Limits) -> Plan:
    """Add the tree to be signed, and what it costs. Raises what refuses to sign it."""
    if plan.mode is not Mode.ATOMIC:
        return attrs.evolve(plan, tree=_steps(plan))
    before = 0
    for _ in range(atomic.TRIES):
        chain = look(network, plan, until)
        check_factory(chain, plan)
        plan = attrs.evolve(plan, ledger=chain.ledger, meta=check_old(chain, plan))
        try:
            return _priced(network, plan, chain, until, limits)
        except UnexpectedAuthorisation:
            if chain.old.modified == before:
                raise
            before = chain.old.modified  # somebody called the vault between the two reads
    raise KeepsMoving(plan.old, atomic.TRIES)


def _priced(network: Network, plan: Plan, chain: Chain, until: float, limits: Limits) -> Plan:
    tree = tuple(signing.outline(atomic.tree(plan, plan.meta)))
    plan = attrs.evolve(plan, tree=tree, fee=None)
    if check_successor(chain, plan):
        raise FactoryError(FactoryErrorCode.AlreadyMigrated)
    if not chain.code_lives:
        return plan  # nothing can be simulated before the new code is uploaded
    return attrs.evolve(plan, fee=atomic.simulated(network, plan, chain, until, limits))


def _steps(plan: Plan) -> tuple[str, ...]:
    steps = [f"the creation of an instance of {plan.new_code}: {plan.new}"]
    drained = "0"
    if plan.mode is Mode.STEPWISE:
        drained = "what was withdrawn"
        steps.append(f"withdraw({plan.meta.balance}), or what is there then, on {plan.old}")
    steps.append(f"init({plan.owner}, {drained}, {plan.min_deposit}) on the new vault")
    if plan.meta.authorized_caller is not None:
        steps.append(f"set_authorized_caller({plan.meta.authorized_caller}) on the new vault")
    return tuple(steps)
