"""A migration that is killed at any point and resumed happens once, with every unit."""

from __future__ import annotations

import pytest
from tests.migration.world import BALANCE, Killed, Migrating, killed_at

from callora_vault.client import NoVault
from callora_vault.migration import Mode
from callora_vault.migration.stepwise import instances
from callora_vault.units import Address

POINTS = {Mode.ATOMIC: 10, Mode.STEPWISE: 37, Mode.ZERO: 28}
"""How many answers and journal writes a migration of a vault with an authorised caller has."""


@pytest.mark.parametrize("mode", list(Mode))
def test_killed_after_each_answer_and_write_it_migrates_once(
    here: Migrating, mode: Mode, capsys: pytest.CaptureFixture[str]
) -> None:
    point = 0
    while True:
        point += 1
        here.fresh()
        plan = here.plan(here.v2, mode)
        happens = killed_at(point)
        try:
            here.apply(plan, happens)
            break
        except Killed:
            new = here.apply(plan).new
        assert here.apply(plan).tries == 0
        moved = 0 if mode is Mode.ZERO else BALANCE
        assert here.stored(here.v2).balance == BALANCE - moved
        assert here.stored(new).balance == moved
        assert here.stored(new).authorized_caller == here.channel.address
        verified = here.verify(plan)
        assert verified.passed, verified.failed
        assert (verified.amount, verified.late) == (moved, ())
        if mode is not Mode.ATOMIC:
            assert _made(here, list(instances(plan))) == [new]
    with capsys.disabled():
        print(f"\n{mode.value}: killed at {point - 1} points")
    assert point - 1 == POINTS[mode]


def _made(here: Migrating, contracts: list[Address]) -> list[Address]:
    found = []
    for contract in contracts:
        try:
            here.stored(contract)
        except NoVault:
            continue
        found.append(contract)
    return found
