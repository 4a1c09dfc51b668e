"""A whole run: every distinct divergence of a contract, each shrunk, within one budget.

Theory of operation
-------------------
The key of a divergence is its method, state class, expected and observed outcome; divergences are
distinct if their keys are. Hypothesis alone would stop at the first failure, so a run is many short
searches. It has three phases:

1. *Saved examples* of earlier runs are made again. Whatever still differs is recorded as it is.
2. *The tour*: a fixed list of examples, the shortest first, that makes each edge once and reaches
   every reachable cell of the coverage table. Examples in a row that begin alike share their
   beginning: it is made once, and a snapshot of the network goes back to it. What differs is
   trimmed: each step that the divergence does not need is left out, until none is left to leave
   out. Then it is recorded.
3. *Searches*: Hypothesis draws examples until one shows a divergence whose key is not known.
   That key becomes the target of the search. From here on only the target fails an example, so
   Hypothesis shrinks towards it and never slips to another divergence. The shortest example is
   trimmed and recorded, and the next search goes on with the budget that is left.

*Record.* A divergence is recorded if its steps, run again, show it again. If they do not, the run
ends with an error: the contract depends on something that parity does not control, and cannot be
compared.

*Re-synchronise.* After a difference the model continues from the state that the contract stores, so
that one fault does not hide the next. If the stored entry is not a state of the model, the example
ends; an example of a factory always ends. Known keys are counted in `seen` and ignored.

*Budget.* `examples` counts what Hypothesis draws to find something new. After `seconds` no further
search begins; searches are short then. A report says how many examples were drawn. Saved examples,
the tour and shrinking do not count, and no budget cuts them short. One search draws at most
SEARCH_EXAMPLES; its seed comes from the run's seed and the examples drawn so far, so that a seed
repeats the whole run. Steps of shrinking and trimming do not count as coverage: their tally is
discarded.

*End.* The run ends when the budget is spent, or at the first CannotRun, which is kept in `error`
beside the findings. An inconclusive call (Inconclusive) ends only its example and is counted. With
`shortest`, the run ends with the first divergence, once no remaining example of the tour is short
enough to show a shorter one.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Generic

import attrs
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from callora_vault.parity.errors import CannotRun
from callora_vault.parity.mismatch import Finding, Key
from callora_vault.parity.steps import Age, Step
from callora_vault.parity.subject import AnyTrial, Subject
from callora_vault.parity.trial import Line, Tally

EXAMPLES: Final = 200
STEPS: Final = 30

SEARCH_EXAMPLES: Final = 250
"""The most examples of one search; Hypothesis keeps every choice of a search in memory."""

TIMED_EXAMPLES: Final = 10
"""The same under a budget of seconds, which is looked at between two searches."""


@attrs.frozen
class Divergence:
    """A difference of contract and model: the finding, and the shortest steps that show it."""

    finding: Finding
    lines: tuple[Line, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, the last of which shows the finding."""
        return tuple(line.step for line in self.lines)


@attrs.frozen
class Progress:
    """How far a run is."""

    examples: int
    of: int
    steps: int
    divergences: int
    shrinking: bool


@attrs.define
class Campaign:
    """The result of a run.

    `seen` counts every finding by its key, `error` is why the run ended early, or None.
    """

    seed: int
    examples: int = 0
    divergences: list[Divergence] = attrs.field(factory=list)
    seen: Counter[Key] = attrs.field(factory=Counter)
    tally: Tally = attrs.field(factory=Tally)
    error: CannotRun | None = None

    @property
    def known(self) -> frozenset[Key]:
        """The keys of the divergences so far."""
        return frozenset(found.finding.key for found in self.divergences)


class _Diverged(Exception):
    """Ends an example at the divergence that is searched for."""


class _Halt(BaseException):
    """Ends a search for another reason than a failing example; Hypothesis lets it through."""


class _Search(Generic[AnyTrial]):
    """One search of Hypothesis for the first divergence with a new key."""

    def __init__(
        self,
        subject: Subject[AnyTrial],
        campaign: Campaign,
        foreign: bool,
        report: Callable[[bool], None],
    ) -> None:
        self._subject = subject
        self._campaign = campaign
        self._foreign = foreign
        self._report = report
        self._known = campaign.known
        self._target: Key | None = None
        self.shortest: tuple[Step, ...] = ()
        self.error: CannotRun | None = None

    @property
    def target(self) -> Key | None:
        """The divergence that was found."""
        return self._target

    def machine(self) -> RuleBasedStateMachine:
        """Build the state machine that this search drives."""
        return self._subject.machine(self)

    def begin(self) -> AnyTrial:
        """Start an example."""
        if self._target is None:
            self._campaign.examples += 1
        self._report(self._target is not None)
        # steps of shrinking do not count as coverage
        tally = self._campaign.tally if self._target is None else Tally()
        try:
            return self._subject.trial(tally, foreign=self._foreign)
        except CannotRun as error:
            raise self._halt(error) from error

    def step(self, trial: AnyTrial, step: Step) -> None:
        """Run a step; end the example if it shows the target."""
        try:
            findings = trial.run(step)
        except CannotRun as error:
            raise self._halt(error) from error
        for finding in findings:
            if self._target is None:
                self._campaign.seen[finding.key] += 1
                if finding.key not in self._known:
                    self._target = finding.key
            if finding.key == self._target:
                self.shortest = tuple(line.step for line in trial.lines)
                raise _Diverged

    def _halt(self, error: CannotRun) -> _Halt:
        self.error = error
        return _Halt()


def run(
    subject: Subject[AnyTrial],
    *,
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seconds: float = math.inf,
    run_seed: int | None = None,
    foreign: bool = False,
    shortest: bool = False,
    saved: Sequence[Sequence[Step]] = (),
    progress: Callable[[Progress], None] = lambda _: None,
) -> Campaign:
    """Make the same calls to model and contract and list every distinct divergence.

    Arguments: `examples`, the budget; `steps`, the most that one example has; `seconds`, after
    which no further search begins; `run_seed`, to draw the same examples again; `foreign`, to
    let traps count as refusals; `shortest`, to end with a divergence once no edge that is left can
    show a shorter one; `saved`, examples of earlier runs, which are made first and do not count;
    `progress`, called at each example.
    """
    campaign = Campaign(random.SystemRandom().getrandbits(32) if run_seed is None else run_seed)

    def report(shrinking: bool) -> None:
        done = min(campaign.examples, examples)
        count = len(campaign.divergences)
        progress(Progress(done, examples, campaign.tally.steps, count, shrinking))

    try:
        for example in saved:
            if subject.can_age or not any(isinstance(step, Age) for step in example):
                _record_new(subject, campaign, example, foreign, anywhere=True)
        tour = _Tour(subject, campaign, foreign)
        for edge in sorted(subject.tour(), key=len):
            if shortest and any(len(found.steps) <= len(edge) for found in campaign.divergences):
                break
            tour.visit(edge)
            report(False)
        until = time.monotonic() + seconds
        most = SEARCH_EXAMPLES if seconds == math.inf else TIMED_EXAMPLES
        while (
            campaign.examples < examples
            and time.monotonic() < until
            and not (shortest and campaign.divergences)
        ):
            search = _Search(subject, campaign, foreign, report)
            budget = min(most, examples - campaign.examples)
            _search(search, campaign, budget, steps)
            if search.target is not None:
                trimmed = _trim(subject, search.shortest, search.target, foreign)
                _record_new(subject, campaign, trimmed, foreign)
                _check_recorded(campaign, search.target)
    except CannotRun as error:
        campaign.error = error
    report(False)
    return campaign


def _search(search: _Search[AnyTrial], campaign: Campaign, examples: int, steps: int) -> None:
    """Run one search of Hypothesis. Raises CannotRun."""

    def machine() -> RuleBasedStateMachine:
        return search.machine()

    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    try:
        run_state_machine_as_test(
            seed(campaign.seed << 32 | campaign.examples)(machine),  # type: ignore[arg-type]
            settings=limits,
        )
    except _Diverged:
        pass
    except _Halt:
        assert search.error is not None  # noqa: S101 - _halt sets it
        raise search.error from None
    except Flaky as error:
        raise CannotRun(
            "the same steps gave different results on the contract",
            "look for randomness in it; such a contract cannot be compared",
        ) from error


class _Tour(Generic[AnyTrial]):
    """The tour, one example after the other.

    Examples in a row that differ in the last step alone share the steps before it: the network goes
    back to a snapshot, where it can.
    """

    def __init__(self, subject: Subject[AnyTrial], campaign: Campaign, foreign: bool) -> None:
        self._subject = subject
        self._campaign = campaign
        self._foreign = foreign
        self._trial: AnyTrial | None = None
        self._opening: Sequence[Step] = ()
        self._go_back: Callable[[], None] | None = None

    def visit(self, example: Sequence[Step]) -> None:
        """Make an example; record what is new in it. Raises CannotRun."""
        opening, last = example[:-1], example[-1:]
        found: list[tuple[Key, tuple[Step, ...]]] = []
        if self._trial is not None and self._go_back is not None and opening == self._opening:
            trial = self._trial
            self._go_back()
        else:
            trial = self._subject.trial(self._campaign.tally, foreign=self._foreign)
            self._walk(trial, opening, found)
            self._trial, self._opening = trial, opening
            self._go_back = trial.mark() if opening and not trial.ended else None
        if not trial.ended:
            self._walk(trial, last, found)
        for key, steps in found:
            if key not in self._campaign.known:
                self._go_back = None
                trimmed = _trim(self._subject, steps, key, self._foreign)
                _record_new(self._subject, self._campaign, trimmed, self._foreign)
                _check_recorded(self._campaign, key)

    def _walk(
        self,
        trial: AnyTrial,
        steps: Sequence[Step],
        found: list[tuple[Key, tuple[Step, ...]]],
    ) -> None:
        for findings in trial.walk(steps):
            for finding in findings:
                self._campaign.seen[finding.key] += 1
                found.append((finding.key, tuple(line.step for line in trial.lines)))


def _check_recorded(campaign: Campaign, key: Key) -> None:
    """Raise CannotRun if a divergence was seen once and not again."""
    if key not in campaign.known:
        method, state, expected, observed = key
        raise CannotRun(
            f"{method} ({state}): expected {expected}, observed {observed} once and not again with "
            "the same calls",
            "look for time, ledgers or randomness in the contract; it cannot be compared",
        )


def _trim(
    subject: Subject[AnyTrial], steps: tuple[Step, ...], target: Key, foreign: bool
) -> tuple[Step, ...]:
    """Leave out every step that the divergence does not need."""
    index = 0
    while index < len(steps) - 1:
        fewer = steps[:index] + steps[index + 1 :]
        made = list(subject.trial(Tally(), foreign=foreign).walk(fewer))
        if len(made) == len(fewer) and any(finding.key == target for finding in made[-1]):
            steps, index = fewer, 0
        else:
            index += 1
    return steps


def _record_new(
    subject: Subject[AnyTrial],
    campaign: Campaign,
    steps: Sequence[Step],
    foreign: bool,
    *,
    anywhere: bool = False,
) -> None:
    """Record what is new in the last step of an example, or `anywhere` in it."""
    trial = subject.trial(Tally(), foreign=foreign)
    for number, findings in enumerate(trial.walk(steps), 1):
        if anywhere or number == len(steps):
            for finding in findings:
                if finding.key not in campaign.known:
                    campaign.divergences.append(Divergence(finding, tuple(trial.lines)))


@attrs.frozen
class Replay:
    """An example that was run again: each step with both sides, and every difference."""

    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]


def reproduce(
    subject: Subject[AnyTrial], steps: Sequence[Step], *, foreign: bool = False
) -> Replay:
    """Run the steps of an example. Raises CannotRun."""
    trial = subject.trial(Tally(), foreign=foreign)
    findings = tuple(itertools.chain.from_iterable(trial.walk(steps)))
    return Replay(tuple(trial.lines), findings)
