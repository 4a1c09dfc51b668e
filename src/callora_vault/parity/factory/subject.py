"""A factory under test, with its examples."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis.stateful import RuleBasedStateMachine

from callora_vault.parity.factory import tour
from callora_vault.parity.factory.contract import FactoryContract
from callora_vault.parity.factory.machine import FactoryMachine
from callora_vault.parity.factory.table import factory_table
from callora_vault.parity.factory.trial import FactoryTrial
from callora_vault.parity.network.connection import Connection
from callora_vault.parity.steps import Step
from callora_vault.parity.subject import Driver
from callora_vault.parity.trial import Tally


class FactorySubject:
    """A factory, compared with its model. Raises CannotRun."""

    can_age = True

    def __init__(self, connection: Connection, code: bytes) -> None:
        self._contract = FactoryContract(connection, code)
        self.table = factory_table()

    def trial(self, tally: Tally, *, foreign: bool) -> FactoryTrial:
        """Start an example with a new factory."""
        return FactoryTrial(self._contract, tally, foreign=foreign)

    def tour(self) -> Iterator[tuple[Step, ...]]:
        """Yield each edge once, for each kind of vault."""
        return tour.examples()

    def machine(self, driver: Driver[FactoryTrial]) -> RuleBasedStateMachine:
        """Build the state machine that draws calls."""
        return FactoryMachine(driver)
