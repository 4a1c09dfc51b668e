"""A migration that is killed at any point and resumed happens once, with every unit."""

from __future__ import annotations

from itertools import takewhile

import pytest
from tests.support.deployed_vault import BALANCE
from tests.support.interruptions import Killed, killed_at
from tests.support.migrations import Migrating, other_code

from callora_vault.client import Journal
from callora_vault.migration import Mode
from callora_vault.migration.plan import instances

POINTS = {Mode.ATOMIC: 26, Mode.STEPWISE: 66, Mode.ZERO: 53}
"""How many answers and journal writes a migration has, before and after each write."""
NEW_CODE = other_code("batch_of_51")
"""Code of a v2 vault that is not on the ledger, so that its upload is part of it."""


@pytest.mark.parametrize("mode", list(Mode))
def test_killed_after_each_answer_and_around_each_write_it_migrates_once(
    here: Migrating, mode: Mode, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = here.plan(here.v2, mode, NEW_CODE)
    moved = 0 if mode is Mode.ZERO else BALANCE
    point = 0
    while True:
        point += 1
        here.fresh()
        try:
            new = here.apply(plan, killed_at(point), code=NEW_CODE).new
            killed = False
        except Killed:
            new = here.apply(plan, code=NEW_CODE).new
            killed = True
        assert here.stored(here.v2).balance == BALANCE - moved
        assert here.stored(new).balance == moved
        assert here.stored(new).authorized_caller == here.channel.address
        assert here.apply(plan).tries == 0
        verified = here.verify(plan)
        assert verified.passed, verified.failed
        assert (verified.amount, verified.late) == (moved, ())
        if mode is not Mode.ATOMIC:
            assert list(takewhile(here.exists, instances(plan))) == [new]
        if not killed:
            break
    with capsys.disabled():
        print(f"\n{mode.value}: killed at {point - 1} points")
    assert point - 1 == POINTS[mode]


def test_a_sweep_that_is_killed_at_any_point_deposits_once(
    here: Migrating, capsys: pytest.CaptureFixture[str]
) -> None:
    here.apply(plan := here.plan(here.v2))
    with Journal(here.folder / "writer.db") as journal:
        here.by_channel(journal, here.v2).deposit(500)
    mark = here.deployed.network.snapshot()
    point = 0
    while True:
        point += 1
        here.back(mark)
        try:
            here.sweep(plan, killed_at(point))
            killed = False
        except Killed:
            here.sweep(plan)
            killed = True
        assert here.stored(here.v2).balance == 0
        assert here.stored(plan.new).balance == BALANCE + 500
        if not killed:
            break
    with capsys.disabled():
        print(f"\nsweep: killed at {point - 1} points")
    assert point - 1 == 30
