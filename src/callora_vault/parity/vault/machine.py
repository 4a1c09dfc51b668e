"""The Hypothesis state machine: it draws steps and gives them to a trial."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from callora_vault.parity.edges import ages
from callora_vault.parity.steps import Age, Restore, Step
from callora_vault.parity.subject import Driver
from callora_vault.parity.vault import strategies
from callora_vault.parity.vault.trial import VaultTrial


class VaultMachine(RuleBasedStateMachine):
    """Any calls in any order, signed in any way, with ledgers passing between them."""

    def __init__(self, driver: Driver[VaultTrial]) -> None:
        super().__init__()
        self._driver = driver
        self._trial = driver.begin()

    def _step(self, step: Step) -> None:
        if not self._trial.ended:
            self._driver.step(self._trial, step)

    def _call(self, method: str, data: st.DataObject) -> None:
        trial = self._trial
        drawn = strategies.calls(method, trial.state, trial.owner, trial.authorized_caller)
        self._step(data.draw(drawn))

    def _authorises(self) -> bool:
        return self._trial.abi.authorises

    @initialize(opening=strategies.openings())
    def open(self, opening: Step | None) -> None:
        """Begin without a vault's owner, or with one."""
        if opening is not None:
            self._step(opening)

    @rule(data=st.data())
    def init(self, data: st.DataObject) -> None:
        """Call init."""
        self._call("init", data)

    @rule(data=st.data())
    def deposit(self, data: st.DataObject) -> None:
        """Call deposit."""
        self._call("deposit", data)

    @rule(data=st.data())
    def deduct(self, data: st.DataObject) -> None:
        """Call deduct."""
        self._call("deduct", data)

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Call withdraw."""
        self._call("withdraw", data)

    @rule(data=st.data())
    def withdraw_to(self, data: st.DataObject) -> None:
        """Call withdraw_to."""
        self._call("withdraw_to", data)

    @precondition(_authorises)
    @rule(data=st.data())
    def batch_deduct(self, data: st.DataObject) -> None:
        """Call batch_deduct."""
        self._call("batch_deduct", data)

    @precondition(_authorises)
    @rule(data=st.data())
    def set_authorized_caller(self, data: st.DataObject) -> None:
        """Call set_authorized_caller."""
        self._call("set_authorized_caller", data)

    @rule(data=st.data(), method=st.sampled_from(("get_meta", "balance")))
    def read(self, data: st.DataObject, method: str) -> None:
        """Call get_meta or balance."""
        self._call(method, data)

    @rule(data=st.data())
    def age(self, data: st.DataObject) -> None:
        """Let ledgers pass."""
        if self._trial.can_age:
            self._step(Age(data.draw(ages(self._trial.reading.left))))

    @rule()
    def restore(self) -> None:
        """Restore archived entries."""
        if self._trial.reading.instance_live_until == 0:
            self._step(Restore())
