"""What the ledger says of a migration, in one request: it is the truth, the journal its index."""

from __future__ import annotations

import attrs
from stellar_sdk import xdr

from callora_vault import wasm
from callora_vault.codec.entries import StoredVault, decode_successor
from callora_vault.codec.keys import code_key, instance_key, successor_key
from callora_vault.codec.values import CannotDecode
from callora_vault.migration.errors import (
    CannotMigrate,
    MigratedElsewhere,
    Why,
)
from callora_vault.migration.plan import Mode, Plan
from callora_vault.model.layouts import UnknownLayout, VaultMeta
from callora_vault.model.units import Address
from callora_vault.rpc.answers import Entries
from callora_vault.rpc.errors import NoVault, WrongNetwork
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import instance_in


@attrs.frozen
class Held:
    """A vault as it is stored, and the ledger in which that was last written."""

    stored: StoredVault
    modified: int

    @property
    def code(self) -> str:
        """The SHA-256 of its code in hex, "" where it has none of its own."""
        found = self.stored.executable.wasm_hash
        return "" if found is None else found.hash.hex()


@attrs.frozen
class Chain:
    """What the ledger has after ``ledger``.

    ``new`` is None where the new vault is not there. ``successor`` is what the factory says of the
    old one, ``factory_code`` the hash of the factory's code, both None without one; ``code_lives``:
    whether the new code can be run.
    """

    ledger: int
    old: Held
    new: Held | None
    code_lives: bool
    factory_code: bytes | None
    successor: Address | None


def look(network: Network, plan: Plan, until: float) -> Chain:
    """Read all that a migration depends on. Raises NoVault, CannotMigrate, and as Network."""
    code = code_key(bytes.fromhex(plan.new_code))
    keys = [instance_key(plan.old), instance_key(plan.new), code]
    if plan.factory is not None:
        keys += [instance_key(plan.factory), successor_key(plan.factory, plan.old)]
    entries = network.entries(keys, until)
    old = held_in(entries, plan.old)
    if old is None:
        raise NoVault(plan.old)
    factory, successor = None, None
    if plan.factory is not None:
        found = instance_in(entries, plan.factory)
        factory = None if found is None else found.code_hash
        noted = entries.get(successor_key(plan.factory, plan.old))
        if noted is not None:
            successor = decode_successor(xdr.LedgerEntryData.from_xdr(noted.xdr))
    return Chain(
        ledger=entries.ledger,
        old=old,
        new=held_in(entries, plan.new),
        code_lives=entries.lives(code),
        factory_code=factory,
        successor=successor,
    )


def held(network: Network, contract: Address, until: float) -> Held | None:
    """Read one vault; None where there is none. Raises CannotMigrate, and as Network."""
    return held_in(network.entries([instance_key(contract)], until), contract)


def held_in(entries: Entries, contract: Address) -> Held | None:
    """Decode a vault; None where there is none. Raises CannotMigrate."""
    found = instance_in(entries, contract)
    if found is None:
        return None
    try:
        stored = found.vault()
    except (UnknownLayout, CannotDecode) as error:
        raise CannotMigrate(contract, Why.UNDECODABLE, str(error)) from error
    return Held(stored, found.modified)


# -- the checks before anything is signed --------------------------------------------------------


def check_network(network: Network, plan: Plan) -> None:
    """Refuse a plan of another network. Raises WrongNetwork."""
    if network.passphrase != plan.network:
        raise WrongNetwork(network.name, plan.network, network.passphrase)


def check_factory(chain: Chain, plan: Plan) -> None:
    """See that the factory runs this package's code. Raises CannotMigrate."""
    if plan.factory is not None and chain.factory_code != wasm.code_hash("factory"):
        found = "no code" if chain.factory_code is None else chain.factory_code.hex()
        raise CannotMigrate(plan.factory, Why.NO_FACTORY, found)


def check_old(chain: Chain, plan: Plan) -> VaultMeta:
    """Return what the old vault stores now, where it is still the one of the plan.

    Raises CannotMigrate.
    """
    return check_held(chain.old, plan)


def check_held(found: Held, plan: Plan) -> VaultMeta:
    """Do the same with what was read of it."""
    old, stored = plan.old, found.stored
    if stored.meta is None:
        raise CannotMigrate(old, Why.NOT_INITIALISED)
    if found.code != plan.old_code:
        raise CannotMigrate(old, Why.CODE_CHANGED, found.code or stored.executable.type.name)
    if stored.meta.owner != plan.owner:
        raise CannotMigrate(old, Why.OTHER_OWNER, stored.meta.owner)
    if plan.mode is Mode.ATOMIC and stored.meta.min_deposit != plan.min_deposit:
        raise CannotMigrate(old, Why.MIN_DEPOSIT_CHANGED, str(stored.meta.min_deposit))
    given = None if plan.mode is Mode.ATOMIC else plan.min_deposit
    check_meta(old, stored.meta, plan.mode, given)
    return stored.meta


def check_meta(old: Address, meta: VaultMeta, mode: Mode, min_deposit: int | None) -> None:
    """Refuse what no new vault could take over.

    Arguments: ``min_deposit`` of the new vault, None for the old one's. Raises CannotMigrate.
    """
    if not meta.owner.startswith("G"):
        raise CannotMigrate(old, Why.OWNED_BY_CONTRACT, meta.owner)
    if meta.balance < 0 and mode is not Mode.ZERO:
        raise CannotMigrate(old, Why.NEGATIVE_BALANCE, str(meta.balance))
    if meta.min_deposit < 0 and min_deposit is None:
        raise CannotMigrate(old, Why.NEGATIVE_MIN_DEPOSIT, str(meta.min_deposit))


def check_code(plan: Plan, accepted: str | None) -> None:
    """Refuse code of other people's, unless a dry run showed what it does and it is accepted.

    Arguments: ``accepted``, the hash in hex that the operator accepts. Raises CannotMigrate.
    """
    if plan.old_known is not None or plan.mode is Mode.ZERO:
        return
    if not plan.emptied_in_dry_run:
        detail = f"{plan.old_code}, and no dry run has shown that"
        raise CannotMigrate(plan.old, Why.UNKNOWN_CODE, detail)
    if accepted != plan.old_code:
        raise CannotMigrate(plan.old, Why.UNKNOWN_CODE, plan.old_code)


def check_successor(chain: Chain, plan: Plan) -> bool:
    """Say whether the factory has migrated the vault to where the plan says.

    Raises MigratedElsewhere.
    """
    if chain.successor is None:
        return False
    if chain.successor != plan.new:
        raise MigratedElsewhere(plan.old, chain.successor, plan.new)
    return True
