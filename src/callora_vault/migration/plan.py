"""The plan of a migration: what will be signed, by whom, at what cost, after which checks.

A plan is a readable JSON file. It fixes what decides where the balance goes: network, vaults, code,
owner and salt. What may change until it is applied, such as the balance, is noted as it was and is
read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import attrs

from callora_vault import files, wasm
from callora_vault.client.transactions import Limits
from callora_vault.codec.addresses import deployed_address, vault_address
from callora_vault.migration.errors import PlanUnusable
from callora_vault.model import units
from callora_vault.model.calls import Migrate
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address

FORMAT: Final = 1
LIMITS: Final = Limits(resource_fee=200_000_000)
"""A migration renews the lives of three codes at once, which costs more than one call does."""


class Mode(Enum):
    """How the balance moves."""

    ATOMIC = "atomic"
    """In one transaction of the factory: no ledger in which both vaults hold it, or neither."""
    STEPWISE = "stepwise"
    """Withdrawn first, then given to the new vault as its first balance."""
    ZERO = "zero"
    """Not at all: the new vault begins with 0. The old one cannot be drained or protected."""


@attrs.frozen
class Plan:
    """A migration of the vault `old` to the vault `new`.

    `network` is the passphrase, `ledger` the one whose state was read: `meta` is what `old`
    stored then, in its layout `layout`. `old_code` and `new_code` are SHA-256 hashes in hex,
    `salt` 32 bytes. Without `factory` the new vault's id follows from the owner, and is another
    than `new` where a stranger takes that one. `min_deposit` is what the new vault gets.
    `emptied_in_dry_run`: whether a dry run showed that a withdrawal empties the old vault.
    """

    network: str
    mode: Mode
    ledger: int
    old: Address
    old_code: str
    layout: str
    meta: VaultMeta
    min_deposit: int
    factory: Address | None
    new: Address
    new_code: str
    salt: bytes
    fee: int | None = None
    """The least resource fee in stroops of what could be simulated; None for nothing."""
    unpriced: tuple[str, ...] = ()
    """What could not: it needs what comes before it on the ledger. A dry run tells all fees."""
    archived: tuple[str, ...] = ()
    """What has to be restored; the migration does that, and pays for it."""
    tree: tuple[str, ...] = ()
    """What the owner signs, line by line."""
    emptied_in_dry_run: bool = False
    history: tuple[str, ...] = ()
    """What the old vault's events show, line by line: what does not follow is nobody's to mend."""

    @property
    def owner(self) -> Address:
        """Who signs everything."""
        return self.meta.owner

    @property
    def old_known(self) -> str | None:
        """Which contract of this package the old vault runs; None for other people's code."""
        return wasm.known_code().get(self.old_code)

    @property
    def call(self) -> Migrate:
        """The factory's call, in atomic mode."""
        return Migrate(
            self.old, bytes.fromhex(self.old_code), bytes.fromhex(self.new_code), self.salt
        )

    @property
    def scope(self) -> str:
        """What keeps this migration's requests apart in the journal."""
        return f"migrate {self.old} {self.salt.hex()}"


def instance_salt(salt: bytes, number: int) -> bytes:
    """Return the salt of the instance `number` that a plan without a factory may make."""
    return sha256(salt + number.to_bytes(4, "big")).digest()


def new_address(passphrase: str, factory: Address | None, owner: Address, salt: bytes) -> Address:
    """Tell at which address the new vault is made."""
    if factory is not None:
        return vault_address(factory, owner, salt, passphrase)
    return deployed_address(owner, instance_salt(salt, 0), passphrase)


def instances(plan: Plan) -> Iterator[Address]:
    """Yield the ids that the new vault may have without a factory, in order: no end."""
    for number in count():
        yield deployed_address(plan.owner, instance_salt(plan.salt, number), plan.network)


# -- the file ------------------------------------------------------------------------------------


def to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON; amounts are strings, for not every reader has numbers that large."""
    return {
        "format": FORMAT,
        "network": plan.network,
        "mode": plan.mode.value,
        "ledger": plan.ledger,
        "old": {
            "contract": plan.old,
            "code": plan.old_code,
            "known": plan.old_known,
            "layout": plan.layout,
            "owner": plan.meta.owner,
            "balance": str(plan.meta.balance),
            "min_deposit": str(plan.meta.min_deposit),
            "authorized_caller": plan.meta.authorized_caller,
            "archived": list(plan.archived),
            "emptied_in_dry_run": plan.emptied_in_dry_run,
            "history": list(plan.history),
        },
        "new": {
            "contract": plan.new,
            "code": plan.new_code,
            "known": wasm.known_code().get(plan.new_code),
            "min_deposit": str(plan.min_deposit),
        },
        "factory": plan.factory,
        "salt": plan.salt.hex(),
        "signed_by": plan.owner,
        "to_be_signed": list(plan.tree),
        "resource_fee": plan.fee,
        "not_in_that_fee": list(plan.unpriced),
    }


def from_json(document: Any, path: Path) -> Plan:
    """Read what `to_json` wrote. Raises PlanUnusable about the file `path`."""
    try:
        if document["format"] != FORMAT:
            raise PlanUnusable(path, f"its format is {document['format']!r}, not {FORMAT}")
        old, new = document["old"], document["new"]
        caller, factory = old["authorized_caller"], document["factory"]
        plan = Plan(
            network=str(document["network"]),
            mode=Mode(document["mode"]),
            ledger=int(document["ledger"]),
            old=units.contract(old["contract"], "old"),
            old_code=_hash(old["code"], "old code"),
            layout=str(old["layout"]),
            meta=VaultMeta(
                units.address(old["owner"], "owner"),
                units.amount(int(old["balance"]), "balance"),
                units.amount(int(old["min_deposit"]), "min_deposit"),
                None if caller is None else units.address(caller, "authorized_caller"),
            ),
            min_deposit=units.amount(int(new["min_deposit"]), "min_deposit"),
            factory=None if factory is None else units.contract(factory, "factory"),
            new=units.contract(new["contract"], "new"),
            new_code=_hash(new["code"], "new code"),
            salt=units.bytes32(bytes.fromhex(document["salt"]), "salt"),
            fee=None if document["resource_fee"] is None else int(document["resource_fee"]),
            unpriced=tuple(map(str, document["not_in_that_fee"])),
            archived=tuple(map(str, old["archived"])),
            tree=tuple(map(str, document["to_be_signed"])),
            emptied_in_dry_run=old["emptied_in_dry_run"] is True,
            history=tuple(map(str, old.get("history", ()))),
        )
        if (plan.factory is None) == (plan.mode is Mode.ATOMIC):
            raise ValueError("mode and factory do not fit")
        if plan.new != new_address(plan.network, plan.factory, plan.owner, plan.salt):
            raise ValueError("the new vault's id does not follow from owner and salt")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it is damaged ({type(error).__name__}: {error}); make a new one"
        raise PlanUnusable(path, reason) from error
    return plan


def _hash(text: str, field: str) -> str:
    return units.bytes32(bytes.fromhex(text), field).hex()


def read(path: Path) -> Plan:
    """Read a plan from its file. Raises PlanUnusable."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanUnusable(path, error.strerror or type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        raise PlanUnusable(path, f"it is no JSON ({error})") from error
    return from_json(document, path)


def write(plan: Plan, path: Path) -> None:
    """Write a plan to its file, whole or not at all. Raises PlanUnusable."""
    text = json.dumps(to_json(plan), indent=2) + "\n"
    try:
        files.replace(path, text, files.PRIVATE)
    except OSError as error:
        raise PlanUnusable(path, error.strerror or type(error).__name__) from error


def code_at_hand(plan: Plan, code: bytes | None) -> bytes | None:
    """Return the new code: what was given where it is the plan's, or this package's own."""
    if code is not None:
        return code if sha256(code).hexdigest() == plan.new_code else None
    name = wasm.known_code().get(plan.new_code)
    return None if name is None else wasm.read(name)
