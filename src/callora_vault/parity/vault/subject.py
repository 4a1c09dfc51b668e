"""A vault under test, with its examples."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis.stateful import RuleBasedStateMachine

from callora_vault.model.versions import Abi
from callora_vault.parity.network.connection import Connection
from callora_vault.parity.steps import Step
from callora_vault.parity.subject import Driver
from callora_vault.parity.trial import Tally
from callora_vault.parity.vault import tour
from callora_vault.parity.vault.contract import VaultContract
from callora_vault.parity.vault.machine import VaultMachine
from callora_vault.parity.vault.table import vault_table
from callora_vault.parity.vault.trial import VaultTrial


class VaultSubject:
    """A vault, compared with the model of a version. Raises CannotRun."""

    def __init__(self, connection: Connection, code: bytes, abi: Abi) -> None:
        self.contract = VaultContract(connection, code, abi)
        self.table = vault_table(abi)

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to pass."""
        return self.contract.can_age

    def trial(self, tally: Tally, *, foreign: bool) -> VaultTrial:
        """Start an example with a new instance."""
        return VaultTrial(self.contract, tally, foreign=foreign)

    def tour(self) -> Iterator[tuple[Step, ...]]:
        """Yield each edge once, in each state class."""
        return tour.examples(self.contract.abi, can_age=self.can_age)

    def machine(self, driver: Driver[VaultTrial]) -> RuleBasedStateMachine:
        """Build the state machine that draws calls."""
        return VaultMachine(driver)
