"""What a run has to reach: method x outcome x state class, signatures, renewals.

The table is derived from the model's errors; what no call can reach is listed with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

import attrs

from callora_vault.model.calls import READS
from callora_vault.model.errors import ERRORS, VaultErrorCode
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import State
from callora_vault.model.versions import Abi
from callora_vault.parity import outcomes
from callora_vault.parity.steps import VAULT_LANES, Lane


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
    state: Enum
    unreachable: str | None


@attrs.frozen
class Table:
    """What a run has to reach.

    `states` are the state classes in order, `cells` lists every outcome of every method in each of
    them, `writes` the methods that need a signature, `lanes` the kinds of signature. `never_signed`
    are kinds that a method never has, with the reason.
    """

    states: tuple[Enum, ...]
    cells: tuple[Cell, ...]
    writes: tuple[str, ...]
    lanes: tuple[Lane, ...]
    never_signed: Mapping[tuple[str, Lane], str]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in order."""
        return tuple(dict.fromkeys(cell.method for cell in self.cells))

    def states_of(self, method: str) -> tuple[Enum, ...]:
        """List the state classes in which a call of a method can come to anything."""
        found = {c.state for c in self.cells if c.method == method and c.unreachable is None}
        return tuple(state for state in self.states if state in found)


_Error = VaultErrorCode
_NO_FUNDS: Final = "an empty vault has less than any positive amount"
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
    """List what a run over a vault of a version has to reach."""
    return Table(
        tuple(StateClass),
        tuple(_cells(abi)),
        tuple(call.method for call in abi.calls if call not in READS),
        VAULT_LANES,
        {("init", Lane.REPLAYED): "nothing has used a nonce up before init"},
    )


@attrs.define
class Coverage:
    """Counts what a run has reached."""

    cells: Counter[tuple[str, str, Enum]] = attrs.field(factory=Counter)
    lanes: Counter[tuple[str, Lane]] = attrs.field(factory=Counter)
    renewals: Counter[str] = attrs.field(factory=Counter)
    """Accepted calls, by method, that found the instance due for renewal."""
    restored: Counter[str] = attrs.field(factory=Counter)
    """Accepted calls, by method, that found the instance archived."""

    def missed(self, table: Table, methods: frozenset[str], *, can_age: bool) -> list[str]:
        """List what a run over `methods` should have reached and has not, in words."""
        listed = [
            f"{cell.method} {cell.outcome} when {cell.state.value}"
            for cell in table.cells
            if cell.method in methods
            and cell.unreachable is None
            and not self.cells[cell.method, cell.outcome, cell.state]
        ]
        for method in table.writes:
            if method not in methods:
                continue
            listed += [
                f"{method} {lane.value}"
                for lane in table.lanes
                if not self.lanes[method, lane] and (method, lane) not in table.never_signed
            ]
            # init finds an instance of seven days, which is always due
            if can_age and not self.renewals[method]:
                listed.append(f"{method} with a renewal due")
        return listed

    def to_json(self, table: Table) -> dict[str, Any]:
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
                for cell in table.cells
            ],
            "signatures_unreachable": {
                method: {lane.name.lower(): reason}
                for (method, lane), reason in table.never_signed.items()
            },
            "signatures": {
                method: {lane.name.lower(): self.lanes[method, lane] for lane in table.lanes}
                for method in table.writes
            },
            "renewals": dict(self.renewals),
            "restored": dict(self.restored),
        }
