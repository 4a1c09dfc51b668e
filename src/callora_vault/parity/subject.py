"""What a run judges: a contract on a network, with its model and what there is to try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hypothesis.stateful import RuleBasedStateMachine

from callora_vault.model.versions import Abi
from callora_vault.parity.coverage import Table, vault_table
from callora_vault.parity.network.connection import Connection
from callora_vault.parity.steps import Step
from callora_vault.parity.trial import Tally, VaultTrial
from callora_vault.parity.vault import tour
from callora_vault.parity.vault.contract import Chain
from callora_vault.parity.vault.machine import AnyTrial, Driver, VaultMachine


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


class VaultSubject:
    """A vault, judged by the model of a version. Raises CannotRun."""

    def __init__(self, connection: Connection, code: bytes, abi: Abi) -> None:
        self.chain = Chain(connection, code, abi)
        self.table = vault_table(abi)

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to go by."""
        return self.chain.can_age

    def trial(self, tally: Tally, *, foreign: bool) -> VaultTrial:
        """Start an example: an instance that nobody has called yet."""
        return VaultTrial(self.chain, tally, foreign=foreign)

    def tour(self) -> Iterator[tuple[Step, ...]]:
        """Yield each edge once, in each state class."""
        return tour.examples(self.chain.abi, can_age=self.can_age)

    def machine(self, driver: Driver[VaultTrial]) -> RuleBasedStateMachine:
        """Build the state machine that draws calls."""
        return VaultMachine(driver)
