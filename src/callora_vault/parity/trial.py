"""One example: the same steps on the model and on the contract, compared after each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import TypeAlias

import attrs

from callora_vault.codec.values import CannotDecode
from callora_vault.model.layouts import UnknownLayout
from callora_vault.model.renewal import RENEW_AT
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, State, transition
from callora_vault.model.versions import Abi
from callora_vault.parity import outcomes
from callora_vault.parity.coverage import Coverage, StateClass
from callora_vault.parity.errors import CannotRun, Inconclusive
from callora_vault.parity.network.connection import Observation, Usage
from callora_vault.parity.steps import Age, Lane, Role, Step, Submit
from callora_vault.parity.vault.comparison import Mismatch, Sides, compare, stored_state
from callora_vault.parity.vault.contract import Chain, Reading

Key: TypeAlias = tuple[str, str, str, str]


@attrs.frozen
class Finding:
    """A difference in one step: what tells it from others, and its detail for people."""

    method: str
    state: str
    expected: str
    observed: str
    detail: str = attrs.field(eq=False)

    @property
    def key(self) -> Key:
        """What makes a divergence distinct."""
        return self.method, self.state, self.expected, self.observed


@attrs.frozen
class Line:
    """A step that was made, and what both sides said to it."""

    step: Step
    expected: str
    observed: str


@attrs.define
class Usages:
    """What a method's accepted calls cost: the least and the most."""

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
    """What is counted over all examples of a run."""

    coverage: Coverage = attrs.field(factory=Coverage)
    usages: dict[str, Usages] = attrs.field(factory=dict)
    steps: int = 0
    uncounted: int = 0
    """Refusals without a number that `--foreign` lets count as refusals."""
    inconclusive: Counter[str] = attrs.field(factory=Counter)
    """Calls that ended in a way that says nothing of the contract, by method and how."""

    def use(self, method: str, usage: Usage) -> None:
        """Count what a call cost."""
        if method in self.usages:
            self.usages[method].add(usage)
        else:
            self.usages[method] = Usages(usage, usage)


class Trial(ABC):
    """An example that is being made, on the model and on the network.

    Arguments: `foreign`, to let a trap count as a refusal where a number is expected. `ended` says
    that there is nothing to go on from, or that a call said nothing.
    """

    def __init__(self, tally: Tally, *, foreign: bool = False) -> None:
        self._tally = tally
        self._foreign = foreign
        self.ended = False
        self.lines: list[Line] = []

    @abstractmethod
    def run(self, step: Step) -> list[Finding]:
        """Make one step on both sides; return what differs. Raises CannotRun."""

    def walk(self, steps: Iterable[Step]) -> Iterator[list[Finding]]:
        """Make steps one by one, until there is nothing to go on from; yield what differs.

        Raises CannotRun.
        """
        for step in steps:
            yield self.run(step)
            if self.ended:
                return

    def _inconclusive(self, step: Submit, reason: Inconclusive) -> list[Finding]:
        """Note that a call said nothing."""
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
        """Count a call and say what differs.

        Arguments: `state`, the class of the state before; `expected`, the model's word; `lived`,
        until which ledger the instance lived before.
        """
        if self._foreign:
            mismatches = self._comparable(mismatches)
        self._count(step, state, expected, seen, lived)
        shown = ", ".join(m.observed for m in mismatches) or seen.outcome
        self.lines.append(Line(step, expected, shown))
        return [_finding(step.method, state.value, mismatch) for mismatch in mismatches]

    def _comparable(self, mismatches: list[Mismatch]) -> list[Mismatch]:
        """Leave out refusals without a number and missing methods, as far as they are refusals."""
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


class VaultTrial(Trial):
    """An instance that nobody has called, beside a model that nobody has called.

    After a difference the model goes on from what is stored; `ended` says that this is no valid
    state, or that a call said nothing.
    """

    def __init__(self, chain: Chain, tally: Tally, *, foreign: bool = False) -> None:
        super().__init__(tally, foreign=foreign)
        chain.fresh()
        self._chain = chain
        self._reading = chain.read()
        self.state: State = None

    @property
    def abi(self) -> Abi:
        """The version of the model."""
        return self._chain.abi

    @property
    def reading(self) -> Reading:
        """What the vault has on the ledger now."""
        return self._reading

    @property
    def owner(self) -> Role | None:
        """Who owns the vault; None before init."""
        owner = None if self.state is None else self.state.owner
        return self._role(owner)

    @property
    def authorized_caller(self) -> Role | None:
        """Who may deduct besides the owner, if anybody."""
        return self._role(None if self.state is None else self.state.authorized_caller)

    def _role(self, address: Address | None) -> Role | None:
        return next((r for r, known in self._chain.people.items() if known == address), None)

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to go by."""
        return self._chain.can_age

    def run(self, step: Step) -> list[Finding]:
        """Make one step on both sides; return what differs. Raises CannotRun."""
        self._tally.steps += 1
        if isinstance(step, Submit):
            return self._submit(step)
        before = self._reading
        if isinstance(step, Age):
            self._chain.age(step.ledgers)
        else:
            self._chain.restore(before)
        after = self._reading = self._chain.read()
        self.lines.append(Line(step, "unchanged", "unchanged"))
        if before.instance != after.instance:
            raise CannotRun("the vault's entry changed without a call", "look at the network")
        return []

    def _submit(self, step: Submit) -> list[Finding]:
        chain, state = self._chain, self.state
        before = chain.past_last_ledger(self._reading)
        call = step.call(chain.people)
        try:
            seen = chain.submit(step, before)
        except Inconclusive as reason:
            return self._inconclusive(step, reason)
        after = self._reading = chain.read()
        signers = frozenset({chain.people[step.signer]}) if seen.counts else frozenset[Address]()
        expected = transition(state, call, signers)
        mismatches = compare(
            Sides(
                call=call,
                expected=expected,
                observation=seen,
                before=before,
                after=after,
                vault=chain.vault,
                instance_key=chain.instance_key,
                abi=chain.abi,
                code_hash=chain.code_hash,
                minimum_ttl=chain.minimum_ttl,
            )
        )
        word = outcomes.of_model(expected)
        findings = self._conclude(
            step, StateClass.of(state), word, seen, mismatches, before.instance_live_until
        )
        if findings or seen.outcome != word:
            self._follow()
        elif isinstance(expected, Accepted):
            self.state = expected.state
        return findings

    def _follow(self) -> None:
        """Let the model go on from what is stored."""
        try:
            self.state = stored_state(self._reading, self._chain.abi)
        except (CannotDecode, UnknownLayout):
            self.ended = True


def _finding(method: str, state: str, mismatch: Mismatch) -> Finding:
    if mismatch.observed.split(":")[0] == outcomes.MISSING_METHOD:
        # one finding, whatever was expected of the method
        return Finding(method, "any", "present", outcomes.MISSING_METHOD, "no such method")
    return Finding(method, state, mismatch.expected, mismatch.observed, mismatch.detail)
