"""The successors of a migrated vault, by the factory's entries on the ledger.

Anybody can deploy a contract that claims to be a factory, so only one with this package's code is
believed. An owner can be tricked into migrating to any code, so a successor is followed only if it
runs code of this package and has the owner of the vault before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
from stellar_sdk import xdr

from callora_vault import wasm
from callora_vault.codec.entries import decode_successor
from callora_vault.codec.keys import instance_key, successor_key
from callora_vault.codec.values import CannotDecode
from callora_vault.errors import CalloraError
from callora_vault.model.layouts import UnknownLayout
from callora_vault.model.units import Address
from callora_vault.rpc.errors import Unreachable
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import Instance, instance_in, read_instance

_VAULTS: Final = ("v1", "v2")


@attrs.frozen
class SuccessorLoop(CalloraError):
    """The successors of `vaults` lead back to one of them."""

    vaults: tuple[Address, ...]

    def __str__(self) -> str:
        return (
            f"the successors of {self.vaults[0]} form a circle, {' -> '.join(self.vaults)}; name "
            "the vault to use yourself"
        )


@attrs.frozen
class NotOurFactory(CalloraError):
    """`factory` is not a factory of this package's code; `found` is the hash of its code."""

    factory: Address
    found: str

    def __str__(self) -> str:
        found = f"the code {self.found}" if self.found else "no code"
        return (
            f"{self.factory} is not a factory of this program's code (it has {found}); deploy one "
            "with `callora-vault migrate factory`"
        )


@attrs.frozen
class NotFollowed(CalloraError):
    """The factory names `successor` for `vault`, and for `reason` it is not followed."""

    vault: Address
    successor: Address
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.vault} was migrated to {self.successor}, which is not followed: {self.reason}; "
            "inspect that vault, and give its id if it is yours"
        )


def successors(network: Network, factory: Address, vault: Address, until: float) -> list[Address]:
    """Follow a vault to its last successor; the list begins with the vault.

    The successors themselves are not checked. Raises SuccessorLoop, NotOurFactory, and as Network.
    """
    return [vault, *_walk(network, factory, vault, until)]


def follow(network: Network, factory: Address, vault: Address, until: float) -> Address:
    """Return the last successor of a vault, the vault itself if it was not migrated.

    Each must run code of this package and have the owner of the one before.
    Raises NoVault, NotFollowed, SuccessorLoop, NotOurFactory, and as Network.
    """
    before = vault
    owner = None
    for contract in _walk(network, factory, vault, until):
        if owner is None:
            owner = _owner(read_instance(network, vault, until), vault, contract)
        found = instance_in(network.entries([instance_key(contract)], until), contract)
        code = None if found is None else found.code_hash
        if found is None or code not in {wasm.code_hash(name) for name in _VAULTS}:
            reason = "no code" if code is None else f"the code {code.hex()}"
            raise NotFollowed(before, contract, f"it runs {reason}, which is not this program's")
        other = _owner(found, before, contract)
        if other != owner:
            raise NotFollowed(before, contract, f"its owner is {other}, not {owner}")
        before = contract
    return before


def _owner(found: Instance, before: Address, after: Address) -> Address:
    """Return the owner of one of two vaults; the first was migrated to the second."""
    try:
        stored = found.vault()
    except (UnknownLayout, CannotDecode) as error:
        reason = f"{found.contract} does not store a vault ({error})"
        raise NotFollowed(before, after, reason) from error
    if stored.meta is None:
        raise NotFollowed(before, after, f"{found.contract} has no owner")
    return stored.meta.owner


def _walk(network: Network, factory: Address, vault: Address, until: float) -> Iterator[Address]:
    seen = [vault]
    while True:
        key = successor_key(factory, seen[-1])
        entries = network.entries([instance_key(factory), key], until)
        found = instance_in(entries, factory)
        code = None if found is None else found.code_hash
        if code != wasm.code_hash("factory"):
            raise NotOurFactory(factory, "" if code is None else code.hex())
        noted = entries.get(key)
        if noted is None:
            return
        contract = decode_successor(xdr.LedgerEntryData.from_xdr(noted.xdr))
        seen.append(contract)
        if contract in seen[:-1]:
            raise SuccessorLoop(tuple(seen))
        if network.clock.now() > until:
            raise Unreachable(network.name, f"no end of the successors of {vault}")
        yield contract
