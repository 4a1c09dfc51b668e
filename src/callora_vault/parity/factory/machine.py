"""The Hypothesis state machine of a factory: it draws steps and gives them to a trial."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from callora_vault.parity.edges import ages
from callora_vault.parity.factory import strategies
from callora_vault.parity.factory.trial import FactoryTrial
from callora_vault.parity.steps import Age, Restore, Step
from callora_vault.parity.subject import Driver


class FactoryMachine(RuleBasedStateMachine):
    """Vaults that are created and migrated in any order, with ledgers passing between."""

    def __init__(self, driver: Driver[FactoryTrial]) -> None:
        super().__init__()
        self._driver = driver
        self._trial = driver.begin()

    def _step(self, step: Step) -> None:
        if not self._trial.ended:
            self._driver.step(self._trial, step)

    @rule(step=strategies.placements())
    def place(self, step: Step) -> None:
        """Put a vault in any state."""
        self._step(step)

    @rule(step=strategies.creations())
    def create(self, step: Step) -> None:
        """Call create."""
        self._step(step)

    @rule(data=st.data())
    def migrate(self, data: st.DataObject) -> None:
        """Call migrate."""
        self._step(data.draw(strategies.migrations(self._trial.made, self._trial.known)))

    @rule(data=st.data())
    def successor(self, data: st.DataObject) -> None:
        """Call successor."""
        self._step(data.draw(strategies.successors(self._trial.made)))

    @rule(data=st.data())
    def age(self, data: st.DataObject) -> None:
        """Let ledgers pass."""
        self._step(Age(data.draw(ages(self._trial.left))))

    @rule()
    def restore(self) -> None:
        """Restore archived entries."""
        if self._trial.archived:
            self._step(Restore())
