"""A stranger, a full disk, a network that forgets, a journal that is gone: nothing is lost."""

from __future__ import annotations

import operator
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.support.deployed_vault import BALANCE, OWNER, STRANGER
from tests.support.interruptions import Counted, Killed, killed_at
from tests.support.migrations import Migrating, said

from callora_vault.client import (
    Journal,
    JournalUnusable,
    Unknown,
    from_keypair,
)
from callora_vault.migration import (
    InstancesTaken,
    Mode,
    Plan,
    WithdrawnByOthers,
    apply,
)
from callora_vault.migration.plan import instances
from callora_vault.model.calls import Init
from callora_vault.model.errors import AlreadyInitialized
from callora_vault.model.units import Address

MODES = tuple(Mode)


@pytest.mark.parametrize("mode", [Mode.STEPWISE, Mode.ZERO])
def test_a_stranger_who_is_first_gets_an_empty_instance_and_nothing_else(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.v2, mode)
    moved = 0 if mode is Mode.ZERO else BALANCE
    point = 0
    taken = []
    while True:
        point += 1
        here.fresh()
        stolen = Theft(here, instances(plan), partial(operator.eq, point))
        new = here.apply(plan, stolen.happens).new
        if not stolen.asked:
            break
        if not stolen.taken:
            continue
        taken.append(len(stolen.taken))
        assert here.stored(new).owner == OWNER.public_key
        assert here.stored(here.v2).balance + here.stored(new).balance == BALANCE
        assert here.stored(new).balance == moved
        assert new == next(c for c in instances(plan) if c not in stolen.taken)
        verified = here.verify(plan)
        assert verified.passed, verified.failed
        assert here.apply(plan).tries == 0
    assert 0 < sum(taken) < point


def test_a_stranger_who_takes_every_instance_takes_no_balance(here: Migrating) -> None:
    plan = here.plan(here.v2, Mode.STEPWISE)
    stolen = Theft(here, instances(plan), lambda _: True)
    with pytest.raises(InstancesTaken) as refused:
        here.apply(plan, stolen.happens)
    assert said(refused.value)[1:] == (here.v2, tuple(stolen.taken), 0)
    assert len(stolen.taken) == 16
    assert here.stored(here.v2).balance == BALANCE
    new = here.apply(plan).new
    assert new not in stolen.taken
    assert here.stored(new).balance == BALANCE
    assert here.verify(plan).passed


class Theft:
    """A stranger who gives fresh instances an owner, at the points that a test picks."""

    def __init__(
        self, here: Migrating, contracts: Iterator[Address], when: Callable[[int], bool]
    ) -> None:
        self.happens = Counted(self._act)
        self.taken: list[Address] = []
        self.asked = False
        self._here = here
        self._contracts = contracts
        self._next = next(contracts)
        self._when = when

    def _act(self, point: int) -> None:
        if not self._when(point):
            return
        self.asked = True
        if not self._here.exists(self._next):
            return
        with Journal(self._here.folder / "thief.db") as journal:
            stranger = from_keypair(STRANGER)
            thief = self._here.deployed.client(journal, (stranger,), contract=self._next)
            try:
                thief.submit(Init(STRANGER.public_key, None, None))
            except AlreadyInitialized:
                return
        self.taken.append(self._next)
        self._next = next(self._contracts)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file be written."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class FullDisk(Journal):
    """A journal whose disk is full at one of its writes."""

    def __init__(self, path: Any, at: int) -> None:
        super().__init__(path)
        self._left = at
        self._write = self._file.writing
        self._file.writing = self._full  # type: ignore[method-assign]

    @contextmanager
    def _full(self) -> Iterator[sqlite3.Connection]:
        self._left -= 1
        if self._left:
            with self._write() as connection:
                yield connection
        else:
            with full_disk(), self._write() as connection:
                yield connection

    @property
    def met(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize("mode", MODES)
def test_a_disk_that_is_full_at_any_write_of_the_journal_loses_nothing(
    here: Migrating, mode: Mode
) -> None:
    plan = here.plan(here.v2, mode)
    moved = 0 if mode is Mode.ZERO else BALANCE
    write = 0
    while True:
        write += 1
        here.fresh()
        path = here.folder / "journal.db"
        journal = FullDisk(path, write)
        with journal:
            try:
                apply(here.deployed.connect(), journal, plan, here.owner)
            except JournalUnusable as unusable:
                assert unusable.path == str(path)
                assert "check that its disk has room" in str(unusable)
                assert journal.met
        if not journal.met:
            break
        new = here.apply(plan).new
        assert here.stored(here.v2).balance + here.stored(new).balance == BALANCE
        assert here.stored(new).balance == moved
        verified = here.verify(plan)
        assert verified.passed, verified.failed
    assert write - 1 == {Mode.ATOMIC: 4, Mode.STEPWISE: 10, Mode.ZERO: 8}[mode]


def test_a_transaction_that_the_network_forgot_is_settled_by_the_ledger(here: Migrating) -> None:
    forgotten = []
    for mode in MODES:
        plan = here.plan(here.v2, mode)
        moved = 0 if mode is Mode.ZERO else BALANCE
        point = 0
        while True:
            point += 1
            here.fresh()
            try:
                here.apply(plan, killed_at(point))
                break
            except Killed:
                here.deployed.network.advance_ledgers(130_000)
            stood = here.status(plan)
            try:
                new = here.apply(plan).new
            except Unknown as unknown:
                # withdrawn, and nobody saw it: what became of that is for the operator
                assert stood.old_balance == 0
                (entry,) = here.status(plan).open
                assert (entry.key, entry.hash) == (unknown.key, unknown.transaction)
                forgotten.append(mode)
                continue
            assert here.stored(new).balance == moved
            assert here.stored(here.v2).balance == BALANCE - moved
    assert forgotten == [Mode.STEPWISE] * 4  # sent, answered, its ledger read, not yet noted


def drained(here: Migrating) -> Plan:
    """A migration that was killed as soon as the old vault was empty."""
    plan = here.plan(here.v2, Mode.STEPWISE)
    point = 0
    while here.stored(here.v2).balance:
        point += 1
        here.fresh()
        with pytest.raises(Killed):
            here.apply(plan, killed_at(point))
    return plan


def test_a_lost_journal_does_not_let_withdrawn_units_vanish(here: Migrating) -> None:
    plan = drained(here)
    kept = here.folder
    here.again()
    with pytest.raises(WithdrawnByOthers) as refused:
        here.apply(plan)
    assert refused.value.contract == here.v2
    (transaction,) = refused.value.transactions
    assert not here.status(plan).drained
    here.folder = kept
    new = here.apply(plan).new
    assert here.stored(new).balance == BALANCE
    here.again()  # done is done, whatever the journal knows
    assert here.apply(plan).tries == 0
    verified = here.verify(plan)
    assert verified.passed, verified.failed
    assert any("no journal" in words for words in verified.assumed)
    assert transaction


def test_a_lost_journal_and_a_thief_together_do_not_let_units_vanish(here: Migrating) -> None:
    plan = drained(here)
    kept = here.folder
    here.again()
    Theft(here, instances(plan), lambda _: True).happens()
    with pytest.raises(WithdrawnByOthers):
        here.apply(plan)
    here.folder = kept
    assert here.stored(here.apply(plan).new).balance == BALANCE
