"""The storage layouts of vaults as data; STORAGE.md is generated from here.

The names and ScVal types of the stored fields alone decide the layout; it is never guessed. A field
with the value Void is present; a missing key makes another layout.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import attrs

from callora_vault.errors import CalloraError
from callora_vault.model import units
from callora_vault.model.units import Address, ScType

META_KEY: Final = "meta"
"""The Symbol under which a vault stores its fields, in instance storage."""


@attrs.frozen
class VaultMeta:
    """What a vault stores, in the vault's own unit.

    `authorized_caller` may deduct besides the owner. A layout without `min_deposit` has 0, one
    without `authorized_caller` has None. The fields are not checked here: a stored entry may hold
    any address and any i128.
    """

    owner: Address
    balance: int
    min_deposit: int = 0
    authorized_caller: Address | None = None


def describe_meta(meta: VaultMeta | None) -> str:
    """Write what a vault stores in words; None, before `init`, is `nothing`."""
    return "nothing" if meta is None else units.in_words(attrs.asdict(meta))


def check_meta(meta: VaultMeta) -> VaultMeta:
    """Check that a vault can store `meta`. Raises BadValue, which names the field."""
    units.address(meta.owner, "owner")
    units.amount(meta.balance, "balance")
    units.amount(meta.min_deposit, "min_deposit")
    if meta.authorized_caller is not None:
        units.address(meta.authorized_caller, "authorized_caller")
    return meta


@attrs.frozen
class Field:
    """A stored field: its name, its ScVal type, and what it means."""

    name: str
    type: ScType
    meaning: str


@attrs.frozen
class Layout:
    """A storage layout: one ScMap under `key` in storage of `durability`, sorted by name."""

    name: str
    fields: tuple[Field, ...]
    history: str
    key: str = META_KEY
    durability: str = "instance"

    @property
    def types(self) -> dict[str, ScType]:
        """The type of each field, by name."""
        return {field.name: field.type for field in self.fields}


_OWNER = Field("owner", ScType.ADDRESS, "the account or contract that signs for the vault")


_BALANCE = Field("balance", ScType.I128, "what the vault holds, in its own unit; never negative")


_MIN_DEPOSIT = Field("min_deposit", ScType.I128, "the least that one deposit may be; 0 for any")


_AUTHORIZED_CALLER = Field(
    "authorized_caller", ScType.OPTIONAL_ADDRESS, "who may deduct besides the owner; Void: nobody"
)


V0: Final = Layout(
    "v0",
    (_BALANCE, _OWNER),
    "A stored layout, not an interface: a contract that stores it may lack `withdraw`. It has no "
    "minimum deposit.",
)


V1: Final = Layout(
    "v1",
    (_BALANCE, _MIN_DEPOSIT, _OWNER),
    "Adds `min_deposit`. Stored by contracts/v1.",
)


V2: Final = Layout(
    "v2",
    (_AUTHORIZED_CALLER, _BALANCE, _MIN_DEPOSIT, _OWNER),
    "Adds `authorized_caller`. Stored by contracts/v2.",
)


LAYOUTS: Final = (V0, V1, V2)
"""Every layout, oldest first."""


class Fault(Enum):
    """What is wrong with a field."""

    MISSING = "missing"
    EXTRA = "extra"
    WRONG_TYPE = "wrong type"
    OUT_OF_ORDER = "out of order"


@attrs.frozen
class Difference:
    """One field that differs from a layout; its type is None on the side that lacks it."""

    field: str
    fault: Fault
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        match self.fault:
            case Fault.MISSING:
                return f"{self.field} ({self.expected}) is missing"
            case Fault.EXTRA:
                return f"{self.field} ({self.found}) is extra"
            case Fault.WRONG_TYPE:
                return f"{self.field} is {self.found}, not {self.expected}"
            case Fault.OUT_OF_ORDER:
                return f"{self.field} is repeated or out of order"


@attrs.frozen
class UnknownLayout(CalloraError):
    """Stored fields of no known layout: every difference from the `closest` one, by name.

    A value that is not a map of fields has no closest layout.
    """

    closest: Layout | None
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        listed = "; ".join(map(str, self.differences))
        closest = "" if self.closest is None else f" (the closest is {self.closest.name})"
        return f"unknown storage layout{closest}: {listed}"


def recognise(types: Mapping[str, str]) -> Layout:
    """Find the layout of stored fields, given as ScVal type names by field name.

    Raises UnknownLayout, which names every field that differs from the closest layout.
    """
    found = [(differences(layout, types), layout) for layout in reversed(LAYOUTS)]
    least, closest = min(found, key=lambda pair: len(pair[0]))
    if not least:
        return closest
    raise UnknownLayout(closest, least)


def differences(layout: Layout, types: Mapping[str, str]) -> tuple[Difference, ...]:
    """List the fields in which stored fields differ from `layout`, sorted by name."""
    expected = layout.types
    listed = []
    for name in sorted(expected.keys() | types.keys()):
        wanted, found = expected.get(name), types.get(name)
        if found is None:
            listed.append(Difference(name, Fault.MISSING, str(wanted), None))
        elif wanted is None:
            listed.append(Difference(name, Fault.EXTRA, None, found))
        elif found not in wanted.value:
            listed.append(Difference(name, Fault.WRONG_TYPE, str(wanted), found))
    return tuple(listed)
