"""What a run has to reach: method x outcome x state class, signatures, renewals.

The table is derived from the model's errors; what no call can reach is listed with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import attrs

from callora_vault.calls import CALLS, Balance, GetMeta
from callora_vault.errors import ERRORS, VaultErrorCode
from callora_vault.parity import outcomes
from callora_vault.parity.steps import Lane
from callora_vault.transition import State
from callora_vault.units import I128_MAX

READS: Final = (GetMeta, Balance)
"""The calls that change nothing."""
READ_METHODS: Final = tuple(call.method for call in READS)
METHODS: Final = tuple(call.method for call in CALLS)
WRITE_METHODS: Final = tuple(method for method in METHODS if method not in READ_METHODS)


class StateClass(Enum):
    """Where a vault stands before a call."""

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


@attrs.frozen
class Cell:
    """One outcome of one method in one state class; `unreachable` is the reason, or None."""

    method: str
    outcome: str
    state: StateClass
    unreachable: str | None


_Error = VaultErrorCode
_NO_FUNDS: Final = "an empty vault has less than any positive amount"
_ANY_FUNDS: Final = "no amount exceeds a balance of 2**127 - 1"
_WITHDRAWALS: Final = ("deduct", "withdraw", "withdraw_to")

UNREACHABLE: Final[Mapping[tuple[str, str, StateClass], str]] = {
    **{(method, outcomes.ACCEPTED, StateClass.EMPTY): _NO_FUNDS for method in _WITHDRAWALS},
    **{
        (method, outcomes.rejected(_Error.InsufficientBalance), StateClass.FULL): _ANY_FUNDS
        for method in _WITHDRAWALS
    },
    ("deposit", outcomes.ACCEPTED, StateClass.FULL): "any positive amount overflows the balance",
    ("deposit", outcomes.rejected(_Error.BalanceOverflow), StateClass.EMPTY): (
        "no amount overflows a balance of 0"
    ),
}


NEVER_SIGNED: Final = {("init", Lane.REPLAYED): "nothing has used a nonce up before init"}
"""Kinds of signature that a method never has, with the reason."""


def _reason(method: str, outcome: str, state: StateClass) -> str | None:
    absent = state is StateClass.ABSENT
    if method == "init":
        once = outcome == outcomes.rejected(_Error.AlreadyInitialized)
        if once and absent:
            return "nothing is initialised yet"
        if not once and not absent:
            return "an initialised vault answers AlreadyInitialized before anything else"
    else:
        never = outcome == outcomes.rejected(_Error.NotInitialized)
        if never and not absent:
            return "the vault is initialised"
        if not never and absent:
            return "before init the vault answers NotInitialized before anything else"
    return UNREACHABLE.get((method, outcome, state))


def _cells() -> Iterator[Cell]:
    for method in METHODS:
        results = [outcomes.ACCEPTED]
        if method not in READ_METHODS:
            results.append(outcomes.UNAUTHORISED)
        results += [
            outcomes.rejected(error.code) for error in ERRORS.values() if method in error.methods
        ]
        for outcome in results:
            for state in StateClass:
                yield Cell(method, outcome, state, _reason(method, outcome, state))


CELLS: Final = tuple(_cells())
"""Every cell of the table, by method, outcome, state class."""


@attrs.define
class Coverage:
    """Counts what a run has reached."""

    cells: Counter[tuple[str, str, StateClass]] = attrs.field(factory=Counter)
    lanes: Counter[tuple[str, Lane]] = attrs.field(factory=Counter)
    renewals: Counter[str] = attrs.field(factory=Counter)
    """Accepted calls, by method, that found the instance due for renewal."""
    restored: Counter[str] = attrs.field(factory=Counter)
    """Accepted calls, by method, that found the instance archived."""

    def missed(self, methods: frozenset[str], *, can_age: bool) -> list[str]:
        """List what a run over `methods` should have reached and has not, in words."""
        listed = [
            f"{cell.method} {cell.outcome} when {cell.state.value}"
            for cell in CELLS
            if cell.method in methods
            and cell.unreachable is None
            and not self.cells[cell.method, cell.outcome, cell.state]
        ]
        for method in WRITE_METHODS:
            if method not in methods:
                continue
            listed += [
                f"{method} {lane.value}"
                for lane in Lane
                if not self.lanes[method, lane] and (method, lane) not in NEVER_SIGNED
            ]
            # init finds an instance of seven days, which is always due
            if can_age and not self.renewals[method]:
                listed.append(f"{method} with a renewal due")
        return listed

    def to_json(self) -> dict[str, Any]:
        """Write the table: every cell with its count, or the reason why it has none."""
        return {
            "cells": [
                {
                    "method": cell.method,
                    "outcome": cell.outcome,
                    "state": cell.state.value,
                    "hits": self.cells[cell.method, cell.outcome, cell.state],
                    "unreachable": cell.unreachable,
                }
                for cell in CELLS
            ],
            "signatures_unreachable": {
                method: {lane.name.lower(): reason}
                for (method, lane), reason in NEVER_SIGNED.items()
            },
            "signatures": {
                method: {lane.name.lower(): self.lanes[method, lane] for lane in Lane}
                for method in WRITE_METHODS
            },
            "renewals": dict(self.renewals),
            "restored": dict(self.restored),
        }
