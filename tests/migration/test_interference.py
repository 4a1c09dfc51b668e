"""Others call the vault while it is migrated: what they do is never lost, and never doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.support.deployed_vault import BALANCE
from tests.support.interruptions import Counted
from tests.support.migrations import MINIMUM, Migrating

from callora_vault.client import Journal, VaultClient
from callora_vault.migration import TRIES, KeepsMoving, Mode
from callora_vault.model.calls import Deduct, Deposit, Withdraw
from callora_vault.model.errors import CallRefused

Act = Callable[[VaultClient], object]


@contextmanager
def writer(here: Migrating) -> Iterator[VaultClient]:
    """A client of the old vault, of another process."""
    with Journal(here.folder / "writer.db") as journal:
        yield here.by_channel(journal, here.v2)


def deduct(here: Migrating, amount: int) -> Act:
    return lambda client: client.submit(Deduct(here.channel.address, amount))


ACTS: dict[str, Callable[[Migrating], Act]] = {
    "deduct": lambda here: deduct(here, 3),
    "deposit": lambda here: lambda client: client.submit(Deposit(500)),
    "deposit as much": lambda here: lambda client: client.submit(Deposit(BALANCE)),
    "withdraw": lambda here: lambda client: client.submit(Withdraw(7)),
}
CHANGES = {"deduct": -3, "deposit": 500, "deposit as much": BALANCE, "withdraw": -7}


@pytest.mark.parametrize("mode", [Mode.ATOMIC, Mode.STEPWISE])
@pytest.mark.parametrize("name", ACTS)
def test_a_call_between_any_two_steps_is_in_one_of_the_vaults(
    here: Migrating, mode: Mode, name: str
) -> None:
    plan = here.plan(here.v2, mode)
    point = 0
    while True:
        point += 1
        here.fresh()
        called: list[int] = []
        with writer(here) as client:

            def act(
                now: int,
                at: int = point,
                client: VaultClient = client,
                called: list[int] = called,
            ) -> None:
                if now == at:
                    try:
                        ACTS[name](here)(client)
                    except CallRefused:
                        called.append(0)
                    else:
                        called.append(CHANGES[name])

            happens = Counted(act)
            new = here.apply(plan, happens).new
        if not called:
            break
        total = here.stored(here.v2).balance + here.stored(new).balance
        assert total == BALANCE + called[0]
        verified = here.verify(plan)
        assert verified.passed, verified.failed
        late = here.stored(here.v2).balance
        assert (len(verified.late) == 1) == (late > 0)
        if late:
            swept = here.sweep(plan)
            assert (swept.moved, swept.remainder) == (late, 0)
            assert here.sweep(plan).moved == 0
            assert here.stored(new).balance == total
            assert here.verify(plan).passed
    assert point > 8


def test_a_writer_at_full_rate_stops_the_atomic_migration_with_nothing_changed(
    here: Migrating,
) -> None:
    plan = here.plan(here.v2)
    deducted = 0
    with writer(here) as client:

        def act(_: int) -> None:
            nonlocal deducted
            deduct(here, 1)(client)
            deducted += 1

        with pytest.raises(KeepsMoving) as stopped:
            here.apply(plan, Counted(act))
    assert (stopped.value.tries, stopped.value.drained) == (TRIES, 0)
    assert here.stored(here.v2).balance == BALANCE - deducted
    assert not here.exists(plan.new)
    new = here.apply(plan).new
    assert here.stored(new).balance == BALANCE - deducted
    assert here.verify(plan).passed


def test_a_writer_at_full_rate_stops_the_stepwise_migration_resumably(here: Migrating) -> None:
    plan = here.plan(here.v2, Mode.STEPWISE)
    change = 0
    with writer(here) as client:

        def act(_: int) -> None:
            nonlocal change
            client.submit(Deposit(MINIMUM))
            change += MINIMUM

        with pytest.raises(KeepsMoving) as stopped:
            here.apply(plan, Counted(act))
    assert stopped.value.drained + here.stored(here.v2).balance == BALANCE + change
    new = here.apply(plan).new
    assert here.stored(new).balance == BALANCE + change
    assert here.verify(plan).passed


def test_a_remainder_under_the_minimum_deposit_is_left_and_named(here: Migrating) -> None:
    with Journal(here.folder / "lower.db") as journal:
        low = here.vault(journal, "v2", minimum=1)
    plan = here.plan(low, Mode.STEPWISE, min_deposit=MINIMUM)
    new = here.apply(plan).new
    with Journal(here.folder / "writer.db") as journal:
        here.by_channel(journal, low).submit(Deposit(MINIMUM - 1))
    swept = here.sweep(plan)
    assert (swept.moved, swept.remainder, swept.minimum) == (0, MINIMUM - 1, MINIMUM)
    assert here.stored(new).balance == BALANCE
    with Journal(here.folder / "writer.db") as journal:
        here.by_channel(journal, low).submit(Deposit(1))
    assert here.sweep(plan).moved == MINIMUM
    assert here.stored(new).balance == BALANCE + MINIMUM
