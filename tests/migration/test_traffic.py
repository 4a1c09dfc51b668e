"""Traffic and migration together, in any order, against the model: every unit is somewhere."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_as_test
from tests.support.deployed_vault import BALANCE
from tests.support.interruptions import Counted, Killed
from tests.support.migrations import Migrating

from callora_vault.client import Journal, VaultClient
from callora_vault.migration import KeepsMoving, Mode, Stage
from callora_vault.model.calls import Call, Deduct, Deposit, Withdraw
from callora_vault.model.errors import CallRefused
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, transition

AMOUNTS = st.sampled_from([1, 9, 10, 500, BALANCE, BALANCE + 1])
CALLS = st.sampled_from(["deduct", "deposit", "withdraw"])
KILL = "kill"
WORKS = st.dictionaries(
    st.integers(1, 70), st.tuples(CALLS | st.just(KILL), AMOUNTS), min_size=1, max_size=5
)


class Traffic(RuleBasedStateMachine):
    """One vault with its migration; the model says what each call of others has to do."""

    here: Migrating

    def __init__(self) -> None:
        super().__init__()
        self.here.fresh()
        self.old = self.here.v2
        self.plan = self.here.plan(self.old, self.mode)
        self.total = BALANCE
        self.new: Address | None = None
        self.journal = Journal(self.here.folder / "others.db")
        self.clients: dict[Address, VaultClient] = {}

    mode = Mode.ATOMIC

    def teardown(self) -> None:
        self.new = self.here.apply(self.plan).new
        self._judge()
        self.here.sweep(self.plan)
        swept = self.here.stored(self.old).balance
        assert swept < self.here.stored(self.new).min_deposit
        assert swept + self.here.stored(self.new).balance == self.total
        self._judge()
        assert self.here.status(self.plan).stage is Stage.MIGRATED
        self.journal.close()

    def _judge(self) -> None:
        verified = self.here.verify(self.plan)
        assert verified.passed, verified.failed

    def _call(self, contract: Address, name: str, amount: int) -> None:
        """Make a call as others do: it does what the model says, no more and no less."""
        client = self.clients.get(contract)
        if client is None:
            client = self.here.by_channel(self.journal, contract)
            self.clients[contract] = client
        call: Call
        match name:
            case "deduct":
                call = Deduct(self.here.channel.address, amount)
            case "deposit":
                call = Deposit(amount)
            case _:
                call = Withdraw(amount)
        signers = frozenset({self.here.owner.address, self.here.channel.address})
        before = client.stored().meta
        expected = transition(before, call, signers)
        try:
            client.submit(call)
        except CallRefused:
            assert not isinstance(expected, Accepted)
            assert client.stored().meta == before
            return
        assert isinstance(expected, Accepted)
        assert client.stored().meta == expected.state
        assert before is not None
        assert expected.state is not None
        self.total += expected.state.balance - before.balance

    def _act(self, works: dict[int, tuple[str, int]], point: int) -> None:
        name, amount = works.get(point, (None, 0))
        if name == KILL:
            raise Killed
        if name is not None:
            self._call(self.old, name, amount)

    @rule(name=CALLS, amount=AMOUNTS)
    def others_call_the_old_vault(self, name: str, amount: int) -> None:
        self._call(self.old, name, amount)

    @precondition(lambda self: self.new is not None)
    @rule(name=CALLS, amount=AMOUNTS)
    def others_call_the_new_vault(self, name: str, amount: int) -> None:
        assert self.new is not None
        self._call(self.new, name, amount)

    @rule(works=WORKS)
    def migrate_while_others_call_and_the_power_fails(
        self, works: dict[int, tuple[str, int]]
    ) -> None:
        try:
            self.new = self.here.apply(self.plan, Counted(partial(self._act, works))).new
        except (Killed, KeepsMoving):
            return
        self._judge()

    @precondition(lambda self: self.new is not None)
    @rule(works=WORKS)
    def sweep_while_others_call_and_the_power_fails(
        self, works: dict[int, tuple[str, int]]
    ) -> None:
        try:
            self.here.sweep(self.plan, Counted(partial(self._act, works)))
        except (Killed, KeepsMoving):
            return
        self._judge()

    @invariant()
    def no_unit_is_in_two_vaults(self) -> None:
        """What a withdrawal took out and nothing took in yet is in none; nothing is in both."""
        held = self.here.stored(self.old).balance
        if self.here.exists(self.plan.new):
            held += self.here.balance_of(self.plan.new)
        assert held <= self.total
        if self.mode is Mode.ATOMIC and self.new is None:
            assert held == self.total


@pytest.mark.parametrize("mode", [Mode.ATOMIC, Mode.STEPWISE])
def test_traffic_and_migration_together_conserve_every_unit(here: Migrating, mode: Mode) -> None:
    machine = type("Machine", (Traffic,), {"here": here, "mode": mode})
    run_as_test(
        machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=8,
            deadline=None,
            # a failure is short enough, and shrinking takes minutes
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
