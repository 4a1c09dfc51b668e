"""The coverage of a run: method x outcome x state class, signatures, renewals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum

import attrs

from callora_vault.parity.steps import Lane


@attrs.frozen
class Cell:
    """One outcome of one method in one state class; `unreachable` is the reason, or None."""

    method: str
    outcome: str
    state: Enum
    unreachable: str | None


@attrs.frozen
class Table:
    """What a run must reach.

    `states` are the state classes in order, `cells` are all outcomes of all methods in each of
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
        """List the state classes in which a method has a reachable outcome."""
        found = {c.state for c in self.cells if c.method == method and c.unreachable is None}
        return tuple(state for state in self.states if state in found)


@attrs.define
class Coverage:
    """Counts of what a run has reached."""

    cells: Counter[tuple[str, str, Enum]] = attrs.field(factory=Counter)
    lanes: Counter[tuple[str, Lane]] = attrs.field(factory=Counter)
    renewals: Counter[str] = attrs.field(factory=Counter)
    """Accepted calls, by method, that found the instance due for renewal."""
    restored: Counter[str] = attrs.field(factory=Counter)
    """Accepted calls, by method, that found the instance archived."""

    def missed(self, table: Table, methods: frozenset[str], *, can_age: bool) -> list[str]:
        """List what a run over `methods` must reach and has not, in words."""
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
