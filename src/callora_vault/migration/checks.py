"""The checks before anything is signed, and the search for the new vault afterwards."""

from __future__ import annotations

from callora_vault import wasm
from callora_vault.codec.entries import describe_executable
from callora_vault.migration.errors import (
    CannotMigrate,
    MigratedElsewhere,
    NotMigrated,
    Why,
    WrongKey,
)
from callora_vault.migration.ledger import Held, LedgerView, held
from callora_vault.migration.plan import Mode, Plan, instances
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address
from callora_vault.rpc.errors import WrongNetwork
from callora_vault.rpc.network import Network


def check_network(network: Network, plan: Plan) -> None:
    """Refuse a plan of another network. Raises WrongNetwork."""
    if network.passphrase != plan.network:
        raise WrongNetwork(network.name, plan.network, network.passphrase)


def check_key(owner: Address, plan: Plan) -> None:
    """Refuse a key of another account than the owner's. Raises WrongKey."""
    if owner != plan.owner:
        raise WrongKey(plan.owner, owner)


def check_factory(view: LedgerView, plan: Plan) -> None:
    """Check that the factory runs this package's code. Raises CannotMigrate."""
    if plan.factory is not None and view.factory_code != wasm.code_hash("factory"):
        code = view.factory_code
        found = "it has no code" if code is None else f"it runs the code {code.hex()}"
        raise CannotMigrate(plan.factory, Why.NO_FACTORY, found)


def check_old(view: LedgerView, plan: Plan) -> VaultMeta:
    """Return what the old vault stores now, if it is still the one of the plan.

    Raises CannotMigrate.
    """
    return check_held(view.old, plan)


def check_held(found: Held, plan: Plan) -> VaultMeta:
    """Do the same for an old vault that is already read."""
    old, stored = plan.old, found.stored
    if found.problem is not None:
        raise CannotMigrate(old, Why.UNDECODABLE, found.problem)
    if stored.meta is None:
        raise CannotMigrate(old, Why.NOT_INITIALISED)
    if found.code != plan.old_code:
        raise CannotMigrate(old, Why.CODE_CHANGED, describe_executable(stored.executable))
    if stored.meta.owner != plan.owner:
        raise CannotMigrate(old, Why.OTHER_OWNER, stored.meta.owner)
    if plan.mode is Mode.ATOMIC and stored.meta.min_deposit != plan.min_deposit:
        raise CannotMigrate(old, Why.MIN_DEPOSIT_CHANGED, str(stored.meta.min_deposit))
    given = None if plan.mode is Mode.ATOMIC else plan.min_deposit
    check_meta(old, stored.meta, plan.mode, given)
    return stored.meta


def check_meta(old: Address, meta: VaultMeta, mode: Mode, min_deposit: int | None) -> None:
    """Check that a new vault can take over what the old one stores.

    Arguments: `min_deposit` of the new vault, None for the old one's. Raises CannotMigrate.
    """
    if not meta.owner.startswith("G"):
        raise CannotMigrate(old, Why.OWNED_BY_CONTRACT, meta.owner)
    if meta.balance < 0 and mode is not Mode.ZERO:
        raise CannotMigrate(old, Why.NEGATIVE_BALANCE, str(meta.balance))
    if meta.min_deposit < 0 and min_deposit is None:
        raise CannotMigrate(old, Why.NEGATIVE_MIN_DEPOSIT, str(meta.min_deposit))


def check_code(plan: Plan, accepted: str | None) -> None:
    """Refuse code of others, unless a dry run showed what it does and the operator accepts it.

    Arguments: `accepted`, the hash in hex that the operator accepts. Raises CannotMigrate.
    """
    if plan.old_known is not None or plan.mode is Mode.ZERO:
        return
    if not plan.emptied_in_dry_run:
        detail = f"{plan.old_code}, and no dry run has shown that a withdrawal empties it"
        raise CannotMigrate(plan.old, Why.UNKNOWN_CODE, detail)
    if accepted != plan.old_code:
        raise CannotMigrate(plan.old, Why.UNKNOWN_CODE, plan.old_code)


def check_successor(view: LedgerView, plan: Plan) -> bool:
    """Return whether the factory has migrated the vault to the new vault of the plan.

    Raises MigratedElsewhere.
    """
    if view.successor is None:
        return False
    if view.successor != plan.new:
        raise MigratedElsewhere(plan.old, view.successor, plan.new)
    return True


def find_new_vault(
    network: Network, plan: Plan, view: LedgerView, until: float
) -> tuple[Address, Held]:
    """Return the new vault of a finished migration, in any mode.

    Raises NotMigrated, MigratedElsewhere, CannotMigrate.
    """
    if plan.mode is not Mode.ATOMIC:
        return _initialised(network, plan, until)
    check_factory(view, plan)
    if not check_successor(view, plan):
        raise NotMigrated(plan.old, "the factory names no successor")
    if view.new is None or view.new.stored.meta is None:
        raise NotMigrated(plan.old, "its successor does not exist, or is not initialised")
    if view.new.stored.meta.owner != plan.owner:
        raise CannotMigrate(plan.new, Why.OTHER_OWNER, view.new.stored.meta.owner)
    return plan.new, view.new


def _initialised(network: Network, plan: Plan, until: float) -> tuple[Address, Held]:
    """Find the new vault of a migration without a factory. Raises NotMigrated, CannotMigrate."""
    for contract in instances(plan):
        found = held(network, contract, until)
        if found is None or found.stored.meta is None:
            raise NotMigrated(plan.old, "the new vault is not initialised")
        if found.stored.meta.owner == plan.owner:
            return contract, found
    raise AssertionError("there is no end of instances")
