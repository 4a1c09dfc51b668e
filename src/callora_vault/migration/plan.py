"""The plan of a migration: what will be signed, by whom, and at what cost.

A plan is a readable JSON file. It fixes everything that decides where the balance goes: network,
vaults, code, owner and salt. What may change until it is applied, such as the balance, is read
again then.
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
from callora_vault.client.limits import Limits
from callora_vault.codec.addresses import deployed_address, vault_address
from callora_vault.migration.errors import PlanUnusable
from callora_vault.model import units
from callora_vault.model.calls import Migrate
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address, BadValue

FORMAT: Final = 1
LIMITS: Final = Limits(resource_fee=200_000_000)
"""A migration extends the TTL of three codes at once, which costs more than one call."""


class Mode(Enum):
    """How the balance moves."""

    ATOMIC = "atomic"
    """In one transaction of the factory: in every ledger exactly one vault holds it."""
    STEPWISE = "stepwise"
    """Withdrawn first, then given to the new vault as its initial balance."""
    ZERO = "zero"
    """Not at all: the new vault starts with 0, and the old one keeps its balance."""


@attrs.frozen
class Plan:
    """A migration of the vault `old` to the vault `new`.

    `network` is the passphrase, `ledger` the one that was read: `meta` is what `old` stored then,
    in its layout `layout`. `old_code` and `new_code` are SHA-256 hashes in hex, `salt` is 32 bytes.
    Without `factory` the new vault's id follows from the owner, and is another than `new` if
    somebody else takes that one. `min_deposit` is the new vault's. `emptied_in_dry_run` is whether
    a dry run showed that a withdrawal empties the old vault.
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
    """The minimum resource fee in stroops of the steps that could be simulated; None for none."""
    unpriced: tuple[str, ...] = ()
    """The other steps, which need earlier ones on the ledger. A dry run shows all fees."""
    archived: tuple[str, ...] = ()
    """Entries that the migration must restore, and pays for."""
    tree: tuple[str, ...] = ()
    """What the owner signs, line by line."""
    emptied_in_dry_run: bool = False
    history: tuple[str, ...] = ()
    """The result of the replay of the old vault's events, line by line."""

    @property
    def owner(self) -> Address:
        """Who signs everything."""
        return self.meta.owner

    @property
    def old_known(self) -> str | None:
        """The contract of this package that the old vault runs; None for unknown code."""
        return wasm.known_code().get(self.old_code)

    @property
    def call(self) -> Migrate:
        """The factory's call, in atomic mode."""
        return Migrate(
            self.old, bytes.fromhex(self.old_code), bytes.fromhex(self.new_code), self.salt
        )

    @property
    def scope(self) -> str:
        """The scope of this migration's requests in the journal."""
        return f"migrate {self.old} {self.salt.hex()}"


def instance_salt(salt: bytes, number: int) -> bytes:
    """Return the salt of the instance `number` of a plan without a factory."""
    return sha256(salt + number.to_bytes(4, "big")).digest()


def new_address(passphrase: str, factory: Address | None, owner: Address, salt: bytes) -> Address:
    """Return the address of the new vault."""
    if factory is not None:
        return vault_address(factory, owner, salt, passphrase)
    return deployed_address(owner, instance_salt(salt, 0), passphrase)


def instances(plan: Plan) -> Iterator[Address]:
    """Yield the possible ids of the new vault without a factory, in order, without end."""
    for number in count():
        yield deployed_address(plan.owner, instance_salt(plan.salt, number), plan.network)


# -- the file ------------------------------------------------------------------------------------


def to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON; amounts are strings, because not every reader has 128-bit numbers."""
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
            reason = f"its format is {document['format']}, this program's {FORMAT}; make a new plan"
            raise PlanUnusable(path, reason)
        old, new = document["old"], document["new"]
        caller, factory = old["authorized_caller"], document["factory"]
        fee = document["resource_fee"]
        plan = Plan(
            network=str(document["network"]),
            mode=_mode(document["mode"]),
            ledger=_number(document["ledger"], "ledger"),
            old=units.contract(old["contract"], "old"),
            old_code=_hash(old["code"], "old code"),
            layout=str(old["layout"]),
            meta=VaultMeta(
                units.address(old["owner"], "owner"),
                units.amount(_number(old["balance"], "balance"), "balance"),
                units.amount(_number(old["min_deposit"], "min_deposit"), "min_deposit"),
                None if caller is None else units.address(caller, "authorized_caller"),
            ),
            min_deposit=units.amount(_number(new["min_deposit"], "min_deposit"), "min_deposit"),
            factory=None if factory is None else units.contract(factory, "factory"),
            new=units.contract(new["contract"], "new"),
            new_code=_hash(new["code"], "new code"),
            salt=_bytes(document["salt"], "salt"),
            fee=None if fee is None else _number(fee, "resource_fee"),
            unpriced=tuple(map(str, document["not_in_that_fee"])),
            archived=tuple(map(str, old["archived"])),
            tree=tuple(map(str, document["to_be_signed"])),
            emptied_in_dry_run=old["emptied_in_dry_run"] is True,
            history=tuple(map(str, old.get("history", ()))),
        )
        if (plan.factory is None) == (plan.mode is Mode.ATOMIC):
            raise BadValue("factory", "only the mode atomic has one")
        if plan.new != new_address(plan.network, plan.factory, plan.owner, plan.salt):
            raise BadValue("new", "the new vault's id does not follow from owner and salt")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it is damaged: {files.flaw(error)}; make a new plan"
        raise PlanUnusable(path, reason) from error
    return plan


def _hash(text: str, field: str) -> str:
    return _bytes(text, field).hex()


def _bytes(text: str, field: str) -> bytes:
    try:
        return units.bytes32(bytes.fromhex(text), field)
    except (TypeError, ValueError) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue(field, "it is not in hex") from error


def _number(value: Any, field: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadValue(field, "it is not a whole number") from error


def _mode(value: Any) -> Mode:
    try:
        return Mode(value)
    except ValueError as error:
        modes = ", ".join(mode.value for mode in Mode)
        raise BadValue("mode", f"{value!r} is not one of {modes}") from error


def read(path: Path) -> Plan:
    """Read a plan from its file. Raises PlanUnusable."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanUnusable(path, error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        reason = f"{files.flaw(error)}; give the file of `callora-vault migrate plan`"
        raise PlanUnusable(path, reason) from error
    return from_json(document, path)


def write(plan: Plan, path: Path) -> None:
    """Write a plan to its file, whole or not at all. Raises PlanUnusable."""
    text = json.dumps(to_json(plan), indent=2) + "\n"
    try:
        files.replace(path, text, files.PRIVATE)
    except OSError as error:
        raise PlanUnusable(path, error.strerror or str(error)) from error


def code_at_hand(plan: Plan, code: bytes | None) -> bytes | None:
    """Return the new code, if the given code or one of this package's is the plan's."""
    if code is not None:
        return code if sha256(code).hexdigest() == plan.new_code else None
    name = wasm.known_code().get(plan.new_code)
    return None if name is None else wasm.read(name)
