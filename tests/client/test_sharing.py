"""One journal for many threads, for processes, and on both sides of a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from stellar_sdk import TransactionEnvelope
from tests.client.test_journal import FIRST, NETWORK
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, STRANGER, DeployedVault
from tests.support.threads import run_together

from callora_vault.client import Journal, JournalUnusable, State, from_keypair
from callora_vault.client.entries import Conflict
from soroban_localnet.faults import Faults, FaultyClient
from soroban_localnet.rpc.in_process import InProcessClient

ME = OWNER.public_key


class Noted(InProcessClient):
    """A node that looks, before it takes a transaction, whether the journal has it."""

    def __init__(self, deployed: DeployedVault, path: Path) -> None:
        super().__init__(deployed.network.dispatcher)
        self._passphrase = deployed.network.passphrase
        self._path = path
        self.unnoted: list[str] = []

    def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Any:
        if json_data is not None and json_data["method"] == "sendTransaction":
            sent = json_data["params"]["transaction"]
            hashed = TransactionEnvelope.from_xdr(sent, self._passphrase).hash_hex()
            with Journal(self._path) as journal:
                if not journal.named(hashed):
                    self.unnoted.append(hashed)
        return super().post(url, data, json_data)


def test_ten_threads_of_several_clients_share_one_journal(
    deployed: DeployedVault, journal: Journal
) -> None:
    """Each request once, noted before it is sent, under faults and with three accounts."""
    node = Noted(deployed, journal.path)
    clients = []
    for number in range(10):
        key = (OWNER, CHANNEL, STRANGER)[number % 3]
        faulty = FaultyClient(node, Faults.of_every_kind(number, 0.01), sleep=lambda seconds: None)
        clients.append(
            deployed.client(journal, (deployed.owner,), source=from_keypair(key), transport=faulty)
        )

    def work(number: int) -> None:
        for count in range(8):
            clients[number].deduct(ME, 1, f"req_{number}_{count}")

    run_together(work, 10)
    assert node.unnoted == []
    applied = journal.listed(deployed.network.passphrase, State.APPLIED)
    assert len({entry.key for entry in applied}) == len(applied) == 80
    assert deployed.client(journal).balance() == BALANCE - 80


def test_threads_add_and_settle_without_an_error(journal: Journal) -> None:
    life = journal.life(NETWORK)
    conflicts: list[Conflict] = []

    def work(number: int) -> None:
        for count in range(30):
            name = f"{number} {count}"
            row = attrs.evolve(FIRST, key=name, hash=name, source=f"G{number}", sequence=count)
            entry = journal.add(row)
            try:
                journal.add(row)
            except Conflict as conflict:
                conflicts.append(conflict)
            journal.settle(entry, State.APPLIED)

    run_together(work, 10)
    assert len(journal.listed(NETWORK, State.APPLIED, life=life)) == 300
    assert len(conflicts) == 300


def in_a_child(work: Callable[[], object]) -> int:
    """Run something in a fork of this process; return how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def row(name: str) -> Any:
    return attrs.evolve(FIRST, key=name, hash=name, source=f"G {name}")


def test_both_sides_of_a_fork_write_to_the_journal(journal: Journal) -> None:
    journal.life(NETWORK)
    journal.add(row("before"))

    def child() -> None:
        entry = journal.add(row("child"))
        journal.settle(entry, State.APPLIED)

    for _ in range(3):
        assert journal.find(NETWORK, "shop", "before") is not None
    assert in_a_child(child) == 0
    journal.add(row("after"))
    assert {entry.key for entry in journal.listed(NETWORK, *State)} == {"before", "child", "after"}
    with journal._file.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_fork_while_other_threads_write_leaves_nobody_waiting(journal: Journal) -> None:
    journal.life(NETWORK)
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            written += 1
            journal.settle(journal.add(row(f"thread {written}")), State.APPLIED)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            name = f"child {number}"
            assert in_a_child(partial(journal.add, row(name))) == 0
    finally:
        done.set()
        thread.join()
    keys = {entry.key for entry in journal.listed(NETWORK, *State)}
    assert {f"child {number}" for number in range(5)} <= keys
    assert len(keys) == written + 5


TAKE_OVER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=0)
try:
    print(database.execute("PRAGMA journal_mode = DELETE").fetchone()[0])
except sqlite3.OperationalError as error:
    print(error)
"""
"""What only a process can do to a database that nobody else has open."""


def test_opening_the_file_once_more_takes_no_lock_away(journal: Journal) -> None:
    """A process that opens and closes a file past SQLite loses its locks on it."""
    journal.life(NETWORK)
    Journal(journal.path).close()
    command = [sys.executable, "-c", TAKE_OVER, str(journal.path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == "database is locked\n"


def test_a_journal_that_is_closed_says_so(journal: Journal) -> None:
    journal.close()
    with pytest.raises(JournalUnusable, match="it was closed; open it again"):
        journal.life(NETWORK)
