"""The errors of vault and factory: their numbers as data, and an exception for each.

The numbers never change and no two errors share one; the factory's begin at 101.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Final

import attrs

from callora_vault.errors import CalloraError
from callora_vault.model.units import Address, BadValue

__all__ = [
    "ERRORS",
    "FACTORY_ERRORS",
    "AlreadyInitialized",
    "AmountNotPositive",
    "BadValue",
    "BalanceOverflow",
    "BatchTooLarge",
    "BelowMinDeposit",
    "CallRefused",
    "EmptyBatch",
    "FactoryError",
    "FactoryErrorCode",
    "InsufficientBalance",
    "MissingMethod",
    "MissingSignature",
    "NegativeInitialBalance",
    "NegativeMinDeposit",
    "NotInitialized",
    "Unauthorized",
    "VaultError",
    "VaultErrorCode",
]


class VaultErrorCode(IntEnum):
    """The contract's error numbers, under the names that its spec gives them."""

    AlreadyInitialized = 1
    NotInitialized = 2
    NegativeInitialBalance = 3
    NegativeMinDeposit = 4
    AmountNotPositive = 5
    BelowMinDeposit = 6
    InsufficientBalance = 7
    BalanceOverflow = 8
    Unauthorized = 9
    EmptyBatch = 10
    BatchTooLarge = 11


class CallRefused(CalloraError):
    """A call that changed nothing: the base of every refusal."""


@attrs.frozen
class MissingSignature(CallRefused):
    """The host ended the call: `address` must sign it and did not. It has no number."""

    address: Address

    def __str__(self) -> str:
        return f"{self.address} must sign this call and has not; sign with its key"


@attrs.frozen
class MissingMethod(CallRefused):
    """A contract of version `version` lacks the method `method`; the host ends the call."""

    method: str
    version: str

    def __str__(self) -> str:
        return f"a vault of {self.version} has no method {self.method}"


@attrs.frozen
class VaultError(CallRefused):
    """A refusal by the contract, with its number in `code`.

    An exception carries the values that explain it: the call's amount or caller, the vault's
    balance or minimum. A value that is not known is None and is left out of the text.
    """

    code: ClassVar[VaultErrorCode]
    meaning: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    """The methods that return it, in the versions that have them."""

    def __str__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        known = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
        return f"{self.meaning}: {known}" if known else self.meaning


@attrs.frozen
class AlreadyInitialized(VaultError):
    """`init` on a vault that has an owner."""

    code = VaultErrorCode.AlreadyInitialized
    meaning = "the vault is already initialised"
    methods = ("init",)


@attrs.frozen
class NotInitialized(VaultError):
    """Any other call before `init`."""

    code = VaultErrorCode.NotInitialized
    meaning = "the vault is not initialised"
    methods = (
        "get_meta",
        "balance",
        "deposit",
        "deduct",
        "withdraw",
        "withdraw_to",
        "batch_deduct",
        "set_authorized_caller",
    )


@attrs.frozen
class NegativeInitialBalance(VaultError):
    """`init` with an initial balance below zero."""

    code = VaultErrorCode.NegativeInitialBalance
    meaning = "the initial balance is negative"
    methods = ("init",)
    initial_balance: int | None = None


@attrs.frozen
class NegativeMinDeposit(VaultError):
    """`init` with a minimum deposit below zero."""

    code = VaultErrorCode.NegativeMinDeposit
    meaning = "the minimum deposit is negative"
    methods = ("init",)
    min_deposit: int | None = None


@attrs.frozen
class AmountNotPositive(VaultError):
    """An amount of zero or less; `item` is its position in a batch, from 0."""

    code = VaultErrorCode.AmountNotPositive
    meaning = "the amount is not positive"
    methods = ("deposit", "deduct", "withdraw", "withdraw_to", "batch_deduct")
    amount: int | None = None
    item: int | None = None


@attrs.frozen
class BelowMinDeposit(VaultError):
    """A deposit under the vault's minimum."""

    code = VaultErrorCode.BelowMinDeposit
    meaning = "the deposit is below the minimum"
    methods = ("deposit",)
    amount: int | None = None
    min_deposit: int | None = None


@attrs.frozen
class InsufficientBalance(VaultError):
    """More than the vault holds; in a batch, more than the items before `item` (from 0) leave."""

    code = VaultErrorCode.InsufficientBalance
    meaning = "the amount exceeds the balance"
    methods = ("deduct", "withdraw", "withdraw_to", "batch_deduct")
    amount: int | None = None
    balance: int | None = None
    item: int | None = None


@attrs.frozen
class BalanceOverflow(VaultError):
    """A deposit that would take the balance above 2**127 - 1."""

    code = VaultErrorCode.BalanceOverflow
    meaning = "the deposit would take the balance above 2**127 - 1"
    methods = ("deposit",)
    amount: int | None = None
    balance: int | None = None


@attrs.frozen
class Unauthorized(VaultError):
    """A deduction by a caller who has signed and is neither the owner nor the authorised caller."""

    code = VaultErrorCode.Unauthorized
    meaning = "the caller may not deduct"
    methods = ("deduct", "batch_deduct")
    caller: Address | None = None


@attrs.frozen
class EmptyBatch(VaultError):
    """A batch without items."""

    code = VaultErrorCode.EmptyBatch
    meaning = "the batch is empty"
    methods = ("batch_deduct",)


@attrs.frozen
class BatchTooLarge(VaultError):
    """A batch of more items than the contract accepts; `size` is their number."""

    code = VaultErrorCode.BatchTooLarge
    meaning = "the batch is too large"
    methods = ("batch_deduct",)
    size: int | None = None


ERRORS: Final[Mapping[VaultErrorCode, type[VaultError]]] = MappingProxyType(
    {
        error.code: error
        for error in (
            AlreadyInitialized,
            NotInitialized,
            NegativeInitialBalance,
            NegativeMinDeposit,
            AmountNotPositive,
            BelowMinDeposit,
            InsufficientBalance,
            BalanceOverflow,
            Unauthorized,
            EmptyBatch,
            BatchTooLarge,
        )
    }
)
"""The exception for each number, in numeric order."""


class FactoryErrorCode(IntEnum):
    """The factory's error numbers, under the names that its spec gives them."""

    AlreadyMigrated = 101
    CodeChanged = 102
    UnknownLayout = 103
    NegativeBalance = 104
    NegativeMinDeposit = 105
    NotDrained = 106
    AddressTaken = 107
    AuthorizedCallerUnsupported = 108


@attrs.frozen
class FactoryError(CallRefused):
    """A refusal by the factory, with its number in `code`."""

    code: FactoryErrorCode

    def __str__(self) -> str:
        return FACTORY_ERRORS[self.code].meaning


@attrs.frozen
class FactoryErrorEntry:
    """What an error of the factory means, and which methods return it."""

    meaning: str
    methods: tuple[str, ...] = ("migrate",)


FACTORY_ERRORS: Final[Mapping[FactoryErrorCode, FactoryErrorEntry]] = MappingProxyType(
    {
        FactoryErrorCode.AlreadyMigrated: FactoryErrorEntry("the vault was already migrated"),
        FactoryErrorCode.CodeChanged: FactoryErrorEntry(
            "the old vault does not run the given code, or is not a contract"
        ),
        FactoryErrorCode.UnknownLayout: FactoryErrorEntry(
            "`get_meta` of the old vault has no known layout, or the vault is not initialised"
        ),
        FactoryErrorCode.NegativeBalance: FactoryErrorEntry(
            "the initial balance is negative", ("create", "migrate")
        ),
        FactoryErrorCode.NegativeMinDeposit: FactoryErrorEntry(
            "the minimum deposit is negative", ("create", "migrate")
        ),
        FactoryErrorCode.NotDrained: FactoryErrorEntry(
            "the old vault still reports a balance after the withdrawal"
        ),
        FactoryErrorCode.AddressTaken: FactoryErrorEntry(
            "the owner already has a contract with this salt", ("create", "migrate")
        ),
        FactoryErrorCode.AuthorizedCallerUnsupported: FactoryErrorEntry(
            "the old vault has an authorised caller, and the new code does not support one"
        ),
    }
)
"""The meaning of each of the factory's numbers, in numeric order."""
