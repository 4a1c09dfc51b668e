"""The calls of the vault and of the factory as values, and how a call is written.

Every call that exists can be encoded: building one with a value that a call cannot carry raises
BadValue, which names the argument.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, cast

import attrs

from callora_vault.model import units
from callora_vault.model.units import Address, BadValue, Symbol


def _address(_: object, field: "attrs.Attribute[Any]", value: Address) -> None:
    units.address(value, field.name)


def _amount(_: object, field: "attrs.Attribute[Any]", value: int) -> None:
    units.amount(value, field.name)


def _optional_address(_: object, field: "attrs.Attribute[Any]", value: Address | None) -> None:
    if value is not None:
        units.address(value, field.name)


def _bytes32(_: object, field: "attrs.Attribute[Any]", value: bytes) -> None:
    units.bytes32(value, field.name)


def _optional_amount(_: object, field: "attrs.Attribute[Any]", value: int | None) -> None:
    if value is not None:
        units.amount(value, field.name)


def _optional_symbol(_: object, field: "attrs.Attribute[Any]", value: Symbol | None) -> None:
    if value is not None:
        units.symbol(value, field.name)


MAX_BATCH: Final = 50
"""The most items that a vault takes in one batch."""


@attrs.frozen
class DeductItem:
    """One deduction of a batch."""

    amount: int = attrs.field(validator=_amount)
    request_id: Symbol | None = attrs.field(default=None, validator=_optional_symbol)


def _items(values: Iterable[DeductItem]) -> tuple[DeductItem, ...]:
    return tuple(values)


def _deduct_items(_: object, field: "attrs.Attribute[Any]", value: tuple[DeductItem, ...]) -> None:
    for item in value:
        if not isinstance(item, DeductItem):
            raise BadValue(field.name, f"a batch has DeductItem, not {type(item).__name__}")


@attrs.frozen
class Init:
    """Give the vault its owner; `None` stands for 0."""

    method: ClassVar = "init"
    owner: Address = attrs.field(validator=_address)
    initial_balance: int | None = attrs.field(default=None, validator=_optional_amount)
    min_deposit: int | None = attrs.field(default=None, validator=_optional_amount)


@attrs.frozen
class GetMeta:
    """Read all that the vault stores."""

    method: ClassVar = "get_meta"


@attrs.frozen
class Balance:
    """Read the balance."""

    method: ClassVar = "balance"


@attrs.frozen
class Deposit:
    """Add `amount` to the balance; the owner signs."""

    method: ClassVar = "deposit"
    amount: int = attrs.field(validator=_amount)


@attrs.frozen
class Deduct:
    """Take `amount` for a metered request; `caller` signs.

    It must be the owner or, in v2, the authorised caller.
    """

    method: ClassVar = "deduct"
    caller: Address = attrs.field(validator=_address)
    amount: int = attrs.field(validator=_amount)
    request_id: Symbol | None = attrs.field(default=None, validator=_optional_symbol)


@attrs.frozen
class Withdraw:
    """Take `amount` out for the owner, who signs."""

    method: ClassVar = "withdraw"
    amount: int = attrs.field(validator=_amount)


@attrs.frozen
class WithdrawTo:
    """Take `amount` out in favour of `to`; the owner signs."""

    method: ClassVar = "withdraw_to"
    to: Address = attrs.field(validator=_address)
    amount: int = attrs.field(validator=_amount)


@attrs.frozen
class BatchDeduct:
    """v2: take the amount of every item, in order, or none at all; `caller` signs as in deduct.

    A vault takes 1 to MAX_BATCH items; any number of them can be sent.
    """

    method: ClassVar = "batch_deduct"
    caller: Address = attrs.field(validator=_address)
    items: tuple[DeductItem, ...] = attrs.field(converter=_items, validator=_deduct_items)


@attrs.frozen
class SetAuthorizedCaller:
    """v2: let `caller` deduct besides the owner, who signs; `None` for nobody."""

    method: ClassVar = "set_authorized_caller"
    caller: Address | None = attrs.field(validator=_optional_address)


_T = TypeVar("_T")


def plain(value: _T) -> _T:
    """Return a call, or a part of one, whose numbers and texts are int and str themselves.

    A subclass may show, compare and count as it likes; the ABI carries only what is under it.
    """
    made: Any = value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        made = int.__int__(value)
    elif isinstance(value, str):
        made = str.__str__(value)
    elif isinstance(value, tuple):
        made = tuple(map(plain, value))
    elif attrs.has(type(value)):
        names = (field.name for field in attrs.fields(type(made)))
        made = type(value)(*(plain(getattr(value, name)) for name in names))
    return cast(_T, made)


Call: TypeAlias = (
    Init
    | GetMeta
    | Balance
    | Deposit
    | Deduct
    | Withdraw
    | WithdrawTo
    | BatchDeduct
    | SetAuthorizedCaller
)

CALLS: Final[tuple[type[Call], ...]] = (
    Init,
    GetMeta,
    Balance,
    Deposit,
    Deduct,
    Withdraw,
    WithdrawTo,
    BatchDeduct,
    SetAuthorizedCaller,
)
"""Every call class of the vault; versions.py lists those of each version."""

READS: Final = (GetMeta, Balance)
"""Calls that read; nobody signs them."""


@attrs.frozen
class Create:
    """Factory: deploy a vault of the code `wasm_hash` and give it its owner, who signs."""

    method: ClassVar = "create"
    owner: Address = attrs.field(validator=_address)
    wasm_hash: bytes = attrs.field(validator=_bytes32)
    salt: bytes = attrs.field(validator=_bytes32)
    initial_balance: int | None = attrs.field(default=None, validator=_optional_amount)
    min_deposit: int | None = attrs.field(default=None, validator=_optional_amount)


@attrs.frozen
class Migrate:
    """Factory: move everything of `old`, whose owner signs, to a new vault of other code."""

    method: ClassVar = "migrate"
    old: Address = attrs.field(validator=_address)
    old_wasm_hash: bytes = attrs.field(validator=_bytes32)
    wasm_hash: bytes = attrs.field(validator=_bytes32)
    salt: bytes = attrs.field(validator=_bytes32)


@attrs.frozen
class Successor:
    """Factory: read which vault `old` was migrated to."""

    method: ClassVar = "successor"
    old: Address = attrs.field(validator=_address)


FactoryCall: TypeAlias = Create | Migrate | Successor

FACTORY_CALLS: Final[tuple[type[FactoryCall], ...]] = (Create, Migrate, Successor)
"""Every call class of the factory, in the order of the contract."""


def describe_call(call: Call | FactoryCall) -> str:
    """Write a call in words: its method and the arguments that are given.

    The text is for people: a call is identified by its XDR.
    """
    values = attrs.asdict(call, recurse=False)
    if isinstance(call, BatchDeduct):
        values["items"] = f"[{', '.join(map(describe_item, call.items))}]"
    return f"{call.method}({units.in_words(values)})"


def describe_item(item: DeductItem) -> str:
    """Write an item of a batch in words: its amount, and its request id if it has one."""
    if item.request_id is None:
        return str(item.amount)
    return f"{item.amount} for " + (item.request_id or '""')
