"""The calls of the v1 ABI as values.

A call that exists can be encoded: values that the ABI cannot carry raise BadValue, with the
argument's name, when the call is built.
"""

from typing import Any, ClassVar, Final, TypeAlias

import attrs

from callora_vault import units
from callora_vault.units import Address, Symbol


def _address(_: object, field: "attrs.Attribute[Any]", value: Address) -> None:
    units.address(value, field.name)


def _amount(_: object, field: "attrs.Attribute[Any]", value: int) -> None:
    units.amount(value, field.name)


def _optional_amount(_: object, field: "attrs.Attribute[Any]", value: int | None) -> None:
    if value is not None:
        units.amount(value, field.name)


def _optional_symbol(_: object, field: "attrs.Attribute[Any]", value: Symbol | None) -> None:
    if value is not None:
        units.symbol(value, field.name)


@attrs.frozen
class Init:
    """Give the vault its owner; ``None`` stands for 0."""

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
    """Add ``amount`` to the balance; the owner signs."""

    method: ClassVar = "deposit"
    amount: int = attrs.field(validator=_amount)


@attrs.frozen
class Deduct:
    """Take ``amount`` for a metered request; ``caller`` signs and must be the owner."""

    method: ClassVar = "deduct"
    caller: Address = attrs.field(validator=_address)
    amount: int = attrs.field(validator=_amount)
    request_id: Symbol | None = attrs.field(default=None, validator=_optional_symbol)


@attrs.frozen
class Withdraw:
    """Take ``amount`` out for the owner, who signs."""

    method: ClassVar = "withdraw"
    amount: int = attrs.field(validator=_amount)


@attrs.frozen
class WithdrawTo:
    """Take ``amount`` out in favour of ``to``; the owner signs."""

    method: ClassVar = "withdraw_to"
    to: Address = attrs.field(validator=_address)
    amount: int = attrs.field(validator=_amount)


Call: TypeAlias = Init | GetMeta | Balance | Deposit | Deduct | Withdraw | WithdrawTo

CALLS: Final[tuple[type[Call], ...]] = (
    Init,
    GetMeta,
    Balance,
    Deposit,
    Deduct,
    Withdraw,
    WithdrawTo,
)
"""Every call class of the ABI, in the order of the contract."""
