"""The subject of a run: a contract on a network, with its model and its examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from callora_vault.parity.coverage import Table
from callora_vault.parity.steps import Step
from callora_vault.parity.trial import Tally, Trial

AnyTrial = TypeVar("AnyTrial", bound=Trial)


class Driver(Protocol[AnyTrial]):
    """Begins trials and judges their steps; it raises to end an example."""

    def begin(self) -> AnyTrial:
        """Start an example."""

    def step(self, trial: AnyTrial, step: Step) -> None:
        """Run a step and judge the differences."""


class Subject(Protocol[AnyTrial]):
    """A contract under test, with its examples."""

    table: Table
    """What a run must reach."""

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to pass."""

    def trial(self, tally: Tally, *, foreign: bool) -> AnyTrial:
        """Start an example."""

    def tour(self) -> Iterator[tuple[Step, ...]]:
        """Yield the examples at the start of every run."""

    def machine(self, driver: Driver[AnyTrial]) -> RuleBasedStateMachine:
        """Build the state machine that draws the other examples."""
