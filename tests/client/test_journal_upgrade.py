"""A journal of version 1: its file becomes one of this version, in place."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.support.deployed_vault import BALANCE, OWNER, DeployedVault
from tests.support.transports import always

from callora_vault.client import Journal, Limits, RequestIdUsed, State, Unsettled
from callora_vault.model.calls import Deduct
from soroban_localnet.faults import DropAfter

ME = OWNER.public_key
START = 1_700_000_000
VERSION_1 = """
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY, network TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL,
    contract TEXT NOT NULL, request TEXT NOT NULL, source TEXT NOT NULL, sequence INTEGER NOT NULL,
    hash TEXT NOT NULL UNIQUE, envelope TEXT NOT NULL, signed_ledger INTEGER NOT NULL,
    max_time INTEGER NOT NULL, signer TEXT, nonce INTEGER, until_ledger INTEGER,
    state TEXT NOT NULL, result TEXT
);
CREATE UNIQUE INDEX one_per_key ON transactions (network, scope, key)
    WHERE state NOT IN ('failed', 'never applied');
PRAGMA user_version = 1;
"""
COLUMNS = (
    "id, network, scope, key, contract, request, source, sequence, hash, envelope, "
    "signed_ledger, max_time, signer, nonce, until_ledger, state, result"
)


def of_version_1(journal: Journal, path: Path) -> Path:
    """Write what a journal has as a program of version 1 did."""
    path.touch(mode=0o600)
    database = sqlite3.connect(path)
    database.executescript(VERSION_1)
    with journal._file.reading() as connection:
        rows = connection.execute(f"SELECT {COLUMNS} FROM sent").fetchall()  # noqa: S608
    marks = ", ".join("?" * len(rows[0]))
    database.executemany(f"INSERT INTO transactions VALUES ({marks})", rows)  # noqa: S608
    database.execute("UPDATE transactions SET request = 'Deduct(' || key || ')'")
    database.commit()
    database.close()
    return path


@pytest.fixture
def old(tmp_path: Path) -> DeployedVault:
    (tmp_path / "old").mkdir()
    return DeployedVault(tmp_path / "old", start_time=START)


def test_its_requests_are_applied_still(
    old: DeployedVault, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = old.client(journal).submit(Deduct(ME, 1, "req_1"))
    old.client(journal).deduct(ME, 2, "req_2", key="k")
    with Journal(of_version_1(journal, tmp_path / "v1.db")) as upgraded:
        vault = old.client(upgraded)
        again = vault.submit(Deduct(ME, 1, "req_1"))
        assert (again.repeated, again.transaction) == (True, first.transaction)
        with pytest.raises(RequestIdUsed, match="'req_2' is applied already"):
            vault.deduct(ME, 5, "req_2")
        assert vault.deduct(ME, 1, "req_3") == BALANCE - 4
        assert "it is taken to be the same network" in caplog.text
        (life,) = upgraded.lives()
        assert life.last is not None
        assert life.last.hash
    with Journal(tmp_path / "v1.db") as again_opened:
        assert len(again_opened.listed(old.network.passphrase, State.APPLIED)) == 3


def test_a_network_that_was_started_again_is_told_by_its_accounts_and_its_numbers(
    old: DeployedVault, journal: Journal, tmp_path: Path
) -> None:
    for number in range(5):
        old.client(journal).deduct(ME, 1, f"req_{number}")
    (tmp_path / "new").mkdir()
    for ledgers in (0, 300):
        path = of_version_1(journal, tmp_path / f"v1 {ledgers}.db")
        (tmp_path / f"new {ledgers}").mkdir()
        new = DeployedVault(tmp_path / f"new {ledgers}", start_time=START + 1_000)
        if ledgers:
            new.network.close_ledgers(ledgers)
        with Journal(path) as upgraded:
            assert new.client(upgraded).deduct(ME, 1, "req_1") == BALANCE - 1
            assert [life.why for life in upgraded.lives()] == ["the network began anew", None]


def test_what_is_open_is_unknown_until_the_network_tells(
    old: DeployedVault, journal: Journal, tmp_path: Path
) -> None:
    lost = old.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(Unsettled):
        old.client(journal, transport=lost, limits=Limits(timeout=1)).deduct(ME, 1, "req_1")
    with Journal(of_version_1(journal, tmp_path / "v1.db")) as upgraded:
        assert old.client(upgraded).deduct(ME, 1, "req_1") == BALANCE - 1
        (entry,) = upgraded.listed(old.network.passphrase, *State)
        assert entry.state is State.APPLIED


def test_a_program_of_version_1_that_still_runs_sends_nothing(
    old: DeployedVault, journal: Journal, tmp_path: Path
) -> None:
    """Its statements fail: the table that it knows is gone."""
    old.client(journal).deduct(ME, 1, "req_1")
    path = of_version_1(journal, tmp_path / "v1.db")
    running = sqlite3.connect(path)
    Journal(path).close()
    with pytest.raises(sqlite3.OperationalError, match="no such table: transactions"):
        running.execute("INSERT INTO transactions (key) VALUES ('x')")
    running.close()
