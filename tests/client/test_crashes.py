"""A client that dies goes on where it was: after every answer, every write, at any moment."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.support import backend_process
from tests.support.backend_process import Work
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, DeployedVault, key_of

from callora_vault.client import Journal, State, from_keypair
from soroban_localnet.serve.http import Endpoint, serve_http

ME = OWNER.public_key


@pytest.fixture
def endpoint(deployed: DeployedVault) -> Iterator[Endpoint]:
    with serve_http(deployed.network) as endpoint:
        yield endpoint


def work(deployed: DeployedVault, endpoint: Endpoint, journal: Journal, *requests: str) -> Work:
    """Work of a backend with the channel account."""
    return Work(
        endpoint.url, deployed.network.passphrase, deployed.vault, journal.path, "channel", requests
    )


@pytest.mark.parametrize("address_credentials", [False, True])
def test_a_backend_killed_after_each_answer_and_write_deducts_once(
    deployed: DeployedVault, endpoint: Endpoint, journal: Journal, address_credentials: bool
) -> None:
    vault = deployed.client(
        journal, source=from_keypair(CHANNEL), address_credentials=address_credentials
    )
    point = 0
    while True:
        point += 1
        doing = attrs.evolve(
            work(deployed, endpoint, journal, f"req_{point}"),
            address_credentials=address_credentials,
            killed_at=point,
        )
        process, _ = backend_process.start(doing)
        process.join()
        for entry in vault.resume():
            assert entry.state is State.APPLIED
        assert vault.deduct(ME, 1, f"req_{point}") == BALANCE - point
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    # 8 answers (7 and the account's, once its number is known) and 2 writes
    assert point == 11
    assert len(journal.listed(deployed.network.passphrase, State.APPLIED)) == point


def test_a_backend_killed_at_any_moment_deducts_each_request_once(
    deployed: DeployedVault, endpoint: Endpoint, journal: Journal
) -> None:
    requests = [f"req_{number}" for number in range(30)]
    chance = random.Random(1)  # noqa: S311 - not for secrets
    kills = 0
    while True:
        process, told = backend_process.start(work(deployed, endpoint, journal, *requests))
        for _ in range(chance.randint(5, 60)):
            try:
                told.recv()
            except EOFError:
                break
        process.kill()  # or it has just ended
        process.join()
        if process.exitcode == 0:
            break
        kills += 1
    assert kills >= 3
    applied = Counter(e.key for e in journal.listed(deployed.network.passphrase, State.APPLIED))
    assert applied == Counter(requests)
    assert deployed.client(journal).balance() == BALANCE - len(requests)


def test_eight_backends_deduct_from_one_vault_together(
    deployed: DeployedVault, endpoint: Endpoint, journal: Journal
) -> None:
    started = []
    for number in range(8):
        name = f"channel {number}"
        deployed.network.fund(key_of(name).public_key)
        requests = [f"req_{number}_{count}" for count in range(10)]
        doing = attrs.evolve(
            work(deployed, endpoint, journal, *requests),
            channel=name,
            address_credentials=number % 2 == 1,
            ledger_seconds=0.05,  # each transaction closes one here
        )
        started.append(backend_process.start(doing))
    for process, _ in started:
        process.join()
    assert [process.exitcode for process, _ in started] == [0] * 8
    entries = journal.listed(deployed.network.passphrase, *State)
    assert {entry.state for entry in entries} == {State.APPLIED}
    assert len(entries) == 80
    assert deployed.client(journal).balance() == BALANCE - 80


def test_the_journal_of_a_killed_backend_is_its_owners_alone(
    deployed: DeployedVault, endpoint: Endpoint, journal: Journal, tmp_path: Path
) -> None:
    process, _ = backend_process.start(
        attrs.evolve(
            work(deployed, endpoint, journal, "req_1"), killed_at=5, journal=tmp_path / "new"
        )
    )
    process.join()
    files = [*tmp_path.glob("new*")]
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
