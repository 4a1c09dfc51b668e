"""What a run judges: a contract on a network, with its model and what there is to try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from callora_vault.parity.coverage import Table
from callora_vault.parity.steps import Step
from callora_vault.parity.trial import Tally, Trial

AnyTrial = TypeVar("AnyTrial", bound=Trial)


class Driver(Protocol[AnyTrial]):
    """Begins trials and judges their steps; raises to end the example."""

    def begin(self) -> AnyTrial:
        """Start an example."""

    def step(self, trial: AnyTrial, step: Step) -> None:
        """Make a step and judge what differs."""


class Subject(Protocol[AnyTrial]):
    """A contract under test: how its examples begin, and which there are."""

    table: Table
    """What a run has to reach."""

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to go by."""

    def trial(self, tally: Tally, *, foreign: bool) -> AnyTrial:
        """Start an example."""

    def tour(self) -> Iterator[tuple[Step, ...]]:
        """Yield the examples that every run makes first."""

    def machine(self, driver: Driver[AnyTrial]) -> RuleBasedStateMachine:
        """Build the state machine that draws the others."""
