"""What a run over a vault must reach.

The table is derived from the model's errors; what no call can reach is listed with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Final

from callora_vault.model.calls import READS
from callora_vault.model.errors import ERRORS, VaultErrorCode
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import State
from callora_vault.model.versions import Abi
from callora_vault.parity import outcomes
from callora_vault.parity.coverage import Cell, Table
from callora_vault.parity.steps import VAULT_LANES, Lane


class StateClass(Enum):
    """The state class of a vault before a call."""

    ABSENT = "absent"
    EMPTY = "empty"
    FUNDED = "funded"
    FULL = "full"

    @classmethod
    def of(cls, state: State) -> StateClass:
        """Classify a state; full is a balance of 2**127 - 1."""
        if state is None:
            return cls.ABSENT
        if state.balance == 0:
            return cls.EMPTY
        return cls.FULL if state.balance == I128_MAX else cls.FUNDED


_Error = VaultErrorCode
_NO_FUNDS: Final = "any positive amount exceeds the balance of an empty vault"
_ANY_FUNDS: Final = "no amount exceeds a balance of 2**127 - 1"
_WITHDRAWALS: Final = ("deduct", "withdraw", "withdraw_to")
UNREACHABLE: Final[Mapping[tuple[str, str, StateClass], str]] = {
    **{
        (method, outcomes.ACCEPTED, StateClass.EMPTY): _NO_FUNDS
        for method in (*_WITHDRAWALS, "batch_deduct")
    },
    **{
        (method, outcomes.rejected(_Error.InsufficientBalance), StateClass.FULL): _ANY_FUNDS
        for method in _WITHDRAWALS
    },
    ("deposit", outcomes.ACCEPTED, StateClass.FULL): "any positive amount overflows the balance",
    ("deposit", outcomes.rejected(_Error.BalanceOverflow), StateClass.EMPTY): (
        "no amount overflows a balance of 0"
    ),
}


def _reason(method: str, outcome: str, state: StateClass) -> str | None:
    absent = state is StateClass.ABSENT
    if method == "init":
        once = outcome == outcomes.rejected(_Error.AlreadyInitialized)
        if once and absent:
            return "the vault is not initialised"
        if not once and not absent:
            return "an initialised vault checks AlreadyInitialized first"
    else:
        never = outcome == outcomes.rejected(_Error.NotInitialized)
        if never and not absent:
            return "the vault is initialised"
        if not never and absent:
            return "before init the vault checks NotInitialized first"
    return UNREACHABLE.get((method, outcome, state))


def _cells(abi: Abi) -> Iterator[Cell]:
    for call in abi.calls:
        results = [outcomes.ACCEPTED]
        if call not in READS:
            results.append(outcomes.UNSIGNED)
        results += [
            outcomes.rejected(error.code)
            for error in ERRORS.values()
            if call.method in error.methods
        ]
        for outcome in results:
            for state in StateClass:
                yield Cell(call.method, outcome, state, _reason(call.method, outcome, state))


@cache
def vault_table(abi: Abi) -> Table:
    """List what a run over a vault of a version must reach."""
    return Table(
        tuple(StateClass),
        tuple(_cells(abi)),
        tuple(call.method for call in abi.calls if call not in READS),
        VAULT_LANES,
        {("init", Lane.REPLAYED): "no nonce was used before init"},
    )
