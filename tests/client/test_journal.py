"""The journal: durable, its owner's alone, and safe for several processes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stellar_sdk import scval, xdr
from tests.support.deployed_vault import BALANCE, OWNER, STRANGER, DeployedVault

from callora_vault.client import Fee, Journal, JournalUnusable, State
from callora_vault.client.entries import FREE, Conflict, Life, NewTransaction
from callora_vault.codec.errors import HostError
from callora_vault.model.calls import Deduct
from callora_vault.rpc.results import Failure, Success

ME = OWNER.public_key
NETWORK = "a network"
FIRST = NewTransaction(
    network=NETWORK,
    life=1,
    scope="shop",
    key="req_1",
    contract="C",
    request="deduct()",
    call="XDR",
    source=ME,
    sequence=7,
    hash="h1",
    envelope="AAAA",
    signed_ledger=10,
    max_time=100,
    signer=None,
    nonce=None,
    until_ledger=None,
)
SECOND = attrs.evolve(FIRST, key="req_2", sequence=8, hash="h2")


@pytest.fixture(autouse=True)
def life(journal: Journal) -> Life:
    """The life of the network that the transactions here are of."""
    life = journal.life(NETWORK)
    assert life.id == 1
    return life


@pytest.fixture
def other(journal: Journal) -> Iterator[Journal]:
    """The same journal as another process has it."""
    with Journal(journal.path) as other:
        yield other


def test_what_is_noted_is_there_after_reopening(journal: Journal, life: Life) -> None:
    entry = journal.add(FIRST)
    with Journal(journal.path) as again:
        assert again.find(NETWORK, "shop", "req_1") == entry
        assert again.open_of(life, ME) == entry
    assert (entry.state, entry.result) == (State.OPEN, None)


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (
            State.APPLIED,
            Success(9, Fee(100, 5, ("code",), ("instance",)), scval.to_int128(2**100), ()),
        ),
        (State.FAILED, Failure(9, 100, "X", HostError(xdr.SCErrorType.SCE_CONTRACT, 7))),
        (State.FAILED, Failure(9, 100, "X", None)),
        (State.NEVER_APPLIED, None),
        (State.UNKNOWN, None),
    ],
)
def test_what_became_of_a_transaction_is_read_as_it_was_written(
    journal: Journal, life: Life, state: State, result: Success | Failure | None
) -> None:
    entry = journal.settle(journal.add(FIRST), state, result)
    assert (entry.state, entry.result) == (state, result)
    assert journal.find(NETWORK, "shop", "req_1") == entry
    assert journal.open_of(life, ME) is None


def test_each_commit_is_on_the_disk(journal: Journal) -> None:
    with journal._file.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("state", State)
def test_a_key_has_one_transaction_unless_the_last_changed_nothing(
    journal: Journal, other: Journal, state: State
) -> None:
    again = attrs.evolve(SECOND, key=FIRST.key, source=STRANGER.public_key)
    journal.settle(journal.add(FIRST), state)
    if state in FREE:
        assert other.add(again).state is State.OPEN
    else:
        with pytest.raises(Conflict):
            other.add(again)


def test_an_account_has_one_open_transaction(journal: Journal, other: Journal) -> None:
    entry = journal.add(FIRST)
    with pytest.raises(Conflict):
        other.add(SECOND)
    journal.settle(entry, State.APPLIED)
    assert other.add(SECOND).state is State.OPEN


def test_a_sequence_number_is_used_once_unless_it_never_was(
    journal: Journal, life: Life, other: Journal
) -> None:
    same = attrs.evolve(SECOND, sequence=FIRST.sequence)
    journal.settle(journal.add(FIRST), State.FAILED)
    assert journal.last_sequence(life, ME) == 7
    with pytest.raises(Conflict):
        other.add(same)
    journal.settle(journal.add(SECOND), State.NEVER_APPLIED)
    assert journal.last_sequence(life, ME) == 7
    assert other.add(attrs.evolve(SECOND, key="req_3", hash="h3")).state is State.OPEN


def test_networks_and_accounts_are_told_apart(journal: Journal, life: Life) -> None:
    journal.add(FIRST)
    elsewhere = journal.life("another")
    journal.add(attrs.evolve(FIRST, network="another", life=elsewhere.id))
    assert journal.find("a third", "shop", "req_1") is None
    assert journal.open_of(life, STRANGER.public_key) is None
    assert journal.last_sequence(elsewhere, ME) == 7
    assert journal.last_sequence(elsewhere, STRANGER.public_key) == 0
    assert len(journal.listed(NETWORK, State.OPEN, State.APPLIED)) == 1


def test_only_what_is_open_or_unknown_changes(journal: Journal) -> None:
    entry = journal.add(FIRST)
    journal.settle(entry, State.UNKNOWN)
    journal.settle(entry, State.APPLIED)
    journal.settle(entry, State.NEVER_APPLIED)
    found = journal.find(NETWORK, "shop", "req_1")
    assert found is not None
    assert found.state is State.APPLIED


def test_old_settled_transactions_can_be_forgotten(journal: Journal) -> None:
    journal.settle(journal.add(FIRST), State.APPLIED)
    journal.settle(journal.add(attrs.evolve(SECOND, max_time=200)), State.UNKNOWN)
    assert journal.forget(NETWORK, before=100) == 0
    assert journal.forget("another", before=1_000) == 0
    assert journal.forget(NETWORK, before=1_000) == 1
    assert [e.key for e in journal.listed(NETWORK, *State)] == ["req_2"]


# The file


def test_the_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Journal(tmp_path / "new.db") as journal:
            journal.life(NETWORK)
            journal.add(FIRST)
            modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_that_lets_others_in_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    path.chmod(mode)
    with pytest.raises(
        JournalUnusable, match=f"others can access it .mode {mode:o}.; run: chmod 600 {path}"
    ):
        Journal(path)


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no database " * 100)
    text.chmod(0o600)
    newer = tmp_path / "newer"
    Journal(newer).close()
    database = sqlite3.connect(newer)
    database.execute("PRAGMA user_version = 3")
    database.close()
    for path, reason in (
        (text, "file is not a database"),
        (newer, "its version is 3, this program's 2"),
        (tmp_path, "Is a directory"),
        (tmp_path / "absent" / "journal.db", "No such file"),
    ):
        with pytest.raises(JournalUnusable, match=reason):
            Journal(path)


# A full disk

KEY = "k" * 5_000
"""A key that needs pages of its own in the file."""


def limit_pages(journal: Journal, more: int) -> None:
    """Let the file grow by so many pages."""
    with journal._file.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_disk_that_is_full_before_the_signature_is_noted_lets_nothing_be_sent(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal)
    vault.deduct(ME, 1, "req_1")
    limit_pages(journal, 0)
    ledger = deployed.network.latest_ledger
    with pytest.raises(JournalUnusable, match="database or disk is full; check that its disk"):
        vault.deduct(ME, 1, key=KEY)
    assert deployed.network.latest_ledger == ledger
    limit_pages(journal, 100)
    assert vault.deduct(ME, 1, key=KEY) == BALANCE - 2


def test_a_disk_that_is_full_when_a_result_is_noted_loses_nothing(
    deployed: DeployedVault, journal: Journal
) -> None:
    transport = deployed.faulty(lambda number, method: None, lambda number, method: fill(method))

    def fill(method: str) -> None:
        if method == "sendTransaction":
            limit_pages(journal, 0)

    vault = deployed.client(journal, transport=transport)
    vault.balance()
    with pytest.raises(JournalUnusable, match="database or disk is full"):
        vault.submit(Deduct(ME, 1, "r" * 32), key=KEY)
    (entry,) = journal.listed(deployed.network.passphrase, State.OPEN)
    limit_pages(journal, 100)
    receipt = deployed.client(journal).submit(Deduct(ME, 1, "r" * 32), key=KEY)
    assert (receipt.transaction, receipt.returned) == (entry.hash, BALANCE - 1)
