"""One example: the same steps on the model and on the contract, compared after each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

import attrs

from callora_vault.model.renewal import RENEW_AT
from callora_vault.parity import outcomes
from callora_vault.parity.coverage import Coverage
from callora_vault.parity.errors import Inconclusive
from callora_vault.parity.mismatch import Finding, Mismatch
from callora_vault.parity.network.observation import Observation, Usage
from callora_vault.parity.steps import Lane, Step, Submit


@attrs.frozen
class Line:
    """A step that was run, and the outcome on both sides."""

    step: Step
    expected: str
    observed: str


@attrs.define
class Usages:
    """The cost of a method's accepted calls: the least and the most."""

    least: Usage
    most: Usage
    calls: int = 1

    def add(self, usage: Usage) -> None:
        """Count one more call."""
        self.calls += 1
        if usage.fee < self.least.fee:
            self.least = usage
        if usage.fee > self.most.fee:
            self.most = usage


@attrs.define
class Tally:
    """The counts over all examples of a run."""

    coverage: Coverage = attrs.field(factory=Coverage)
    usages: dict[str, Usages] = attrs.field(factory=dict)
    steps: int = 0
    uncounted: int = 0
    """Traps that `--foreign` counts as refusals."""
    inconclusive: Counter[str] = attrs.field(factory=Counter)
    """Inconclusive calls, by method and cause."""

    def use(self, method: str, usage: Usage) -> None:
        """Count the cost of a call."""
        if method in self.usages:
            self.usages[method].add(usage)
        else:
            self.usages[method] = Usages(usage, usage)


class Trial(ABC):
    """An example in progress, on the model and on the network.

    Arguments: `foreign`, to count a trap as a refusal if a number is expected. `ended`: no further
    step can be compared.
    """

    def __init__(self, tally: Tally, *, foreign: bool = False) -> None:
        self._tally = tally
        self._foreign = foreign
        self.ended = False
        self.lines: list[Line] = []

    @abstractmethod
    def run(self, step: Step) -> list[Finding]:
        """Run one step on both sides; return the differences. Raises CannotRun."""

    @abstractmethod
    def mark(self) -> Callable[[], None] | None:
        """Mark where the example stands; what is returned goes back to it.

        None where the network cannot go back. A mark is gone once another example has begun.
        """

    def walk(self, steps: Iterable[Step]) -> Iterator[list[Finding]]:
        """Run steps one by one until the example ends; yield the differences of each.

        Raises CannotRun.
        """
        for step in steps:
            yield self.run(step)
            if self.ended:
                return

    def _inconclusive(self, step: Submit, reason: Inconclusive) -> list[Finding]:
        """Count an inconclusive call."""
        self._tally.inconclusive[f"{step.method} ({reason.cause})"] += 1
        self.ended = True
        return []

    def _conclude(
        self,
        step: Submit,
        state: Enum,
        expected: str,
        seen: Observation,
        mismatches: list[Mismatch],
        lived: int,
    ) -> list[Finding]:
        """Count a call and return the differences.

        Arguments: `state`, the class of the state before; `expected`, the model's outcome; `lived`,
        the instance's live-until ledger before.
        """
        if self._foreign:
            mismatches = self._comparable(mismatches)
        self._count(step, state, expected, seen, lived)
        shown = ", ".join(m.observed for m in mismatches) or seen.outcome
        self.lines.append(Line(step, expected, shown))
        return [Finding.of(step.method, state.value, mismatch) for mismatch in mismatches]

    def _comparable(self, mismatches: list[Mismatch]) -> list[Mismatch]:
        """Leave out traps in place of refusals, and missing methods."""
        kept = []
        for mismatch in mismatches:
            refused = mismatch.expected.startswith(outcomes.REJECTED)
            unnumbered = mismatch.observed == outcomes.TRAP and refused
            if unnumbered or mismatch.observed == outcomes.MISSING_METHOD:
                self._tally.uncounted += 1
            else:
                kept.append(mismatch)
        return kept

    def _count(
        self, step: Submit, state: Enum, expected: str, seen: Observation, lived: int
    ) -> None:
        coverage = self._tally.coverage
        unnumbered = (
            self._foreign
            and seen.outcome == outcomes.TRAP
            and expected.startswith(outcomes.REJECTED)
        )
        if expected == seen.outcome or unnumbered:
            coverage.cells[step.method, expected, state] += 1
        if step.lane is not Lane.REPLAYED or seen.replayed:
            coverage.lanes[step.method, step.lane] += 1
        if seen.usage is None:
            return
        if lived == 0:
            coverage.restored[step.method] += 1
        elif lived - seen.ledger <= RENEW_AT:
            coverage.renewals[step.method] += 1
        self._tally.use(step.method, seen.usage)
