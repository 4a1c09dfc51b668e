"""A prepaid vault on Soroban: its reference model in pure Python.

This package loads attrs and the standard library alone. Calls, events, layouts and the state
machine itself are in the modules of these names; `codec` needs stellar-sdk.
"""

from callora_vault.model.calls import DeductItem
from callora_vault.model.errors import (
    AlreadyInitialized,
    AmountNotPositive,
    BalanceOverflow,
    BatchTooLarge,
    BelowMinDeposit,
    CallRefused,
    EmptyBatch,
    FactoryError,
    FactoryErrorCode,
    InsufficientBalance,
    MissingMethod,
    MissingSignature,
    NegativeInitialBalance,
    NegativeMinDeposit,
    NotInitialized,
    Unauthorized,
    VaultError,
    VaultErrorCode,
)
from callora_vault.model.layouts import UnknownLayout, VaultMeta
from callora_vault.model.memory import Vault, VaultModel
from callora_vault.model.units import I128_MAX, I128_MIN, Address, BadValue, Symbol
from callora_vault.model.vault import Accepted, Outcome, Rejected, Unsigned
from callora_vault.model.versions import VAULT_V1, VAULT_V2, Abi

__all__ = [
    "I128_MAX",
    "I128_MIN",
    "VAULT_V1",
    "VAULT_V2",
    "Abi",
    "Accepted",
    "Address",
    "AlreadyInitialized",
    "AmountNotPositive",
    "BadValue",
    "BalanceOverflow",
    "BatchTooLarge",
    "BelowMinDeposit",
    "CallRefused",
    "DeductItem",
    "EmptyBatch",
    "FactoryError",
    "FactoryErrorCode",
    "InsufficientBalance",
    "MissingMethod",
    "MissingSignature",
    "NegativeInitialBalance",
    "NegativeMinDeposit",
    "NotInitialized",
    "Outcome",
    "Rejected",
    "Symbol",
    "Unauthorized",
    "UnknownLayout",
    "Unsigned",
    "Vault",
    "VaultError",
    "VaultErrorCode",
    "VaultMeta",
    "VaultModel",
]
