"""The ledger's view of a migration, read in one request. The ledger decides, not the journal."""

from __future__ import annotations

import attrs
from stellar_sdk import xdr

from callora_vault.codec.entries import StoredVault, decode_successor
from callora_vault.codec.keys import code_key, instance_key, successor_key
from callora_vault.codec.values import CannotDecode
from callora_vault.migration.errors import (
    CannotMigrate,
    Why,
)
from callora_vault.migration.plan import Plan
from callora_vault.model.layouts import UnknownLayout
from callora_vault.model.units import Address
from callora_vault.rpc.answers import Entries
from callora_vault.rpc.errors import NoVault
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import Instance, instance_in


@attrs.frozen
class Held:
    """A vault's stored entry, and the ledger of its last change.

    `problem` is why the entry is not a vault's; `stored` then has no fields.
    """

    stored: StoredVault
    modified: int
    problem: str | None = None

    @property
    def code(self) -> str:
        """The SHA-256 of its code in hex, "" if it has none of its own."""
        found = self.stored.executable.wasm_hash
        return "" if found is None else found.hash.hex()


@attrs.frozen
class LedgerView:
    """All that a migration depends on, as of `ledger`.

    `new` is None if the new vault does not exist. `successor` is the factory's entry for the old
    vault, `factory_code` the hash of the factory's code, both None without one; `code_lives` is
    whether the new code can be run.
    """

    ledger: int
    old: Held
    new: Held | None
    code_lives: bool
    factory_code: bytes | None
    successor: Address | None


def look(network: Network, plan: Plan, until: float) -> LedgerView:
    """Read all that a migration depends on. Raises NoVault, CannotMigrate, and as Network.

    The old vault may store anything: after its migration that no longer matters.
    """
    code = code_key(bytes.fromhex(plan.new_code))
    keys = [instance_key(plan.old), instance_key(plan.new), code]
    if plan.factory is not None:
        keys += [instance_key(plan.factory), successor_key(plan.factory, plan.old)]
    entries = network.entries(keys, until)
    there = instance_in(entries, plan.old)
    if there is None:
        raise NoVault(plan.old)
    factory, successor = None, None
    if plan.factory is not None:
        found = instance_in(entries, plan.factory)
        factory = None if found is None else found.code_hash
        noted = entries.get(successor_key(plan.factory, plan.old))
        if noted is not None:
            successor = decode_successor(xdr.LedgerEntryData.from_xdr(noted.xdr))
    return LedgerView(
        ledger=entries.ledger,
        old=_held(there),
        new=held_in(entries, plan.new),
        code_lives=entries.lives(code),
        factory_code=factory,
        successor=successor,
    )


def held(network: Network, contract: Address, until: float) -> Held | None:
    """Read one vault; None if it does not exist. Raises CannotMigrate, and as Network."""
    return held_in(network.entries([instance_key(contract)], until), contract)


def held_in(entries: Entries, contract: Address) -> Held | None:
    """Decode a vault; None if it does not exist. Raises CannotMigrate."""
    found = instance_in(entries, contract)
    if found is None:
        return None
    held = _held(found)
    if held.problem is not None:
        raise CannotMigrate(contract, Why.UNDECODABLE, held.problem)
    return held


def _held(found: Instance) -> Held:
    try:
        return Held(found.vault(), found.modified)
    except UnknownLayout as error:
        return Held(StoredVault(found.executable, None, None, ()), found.modified, str(error))
    except CannotDecode as error:
        raise CannotMigrate(found.contract, Why.UNDECODABLE, str(error)) from error
