"""The journal as a person sees it: over HTTP, on networks that are started again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stellar_sdk import Keypair
from tests.support.commands import User

from callora_vault.client import Journal, State
from soroban_localnet import LocalNetwork
from soroban_localnet.serve.http import serve_http

OWNER = Keypair.from_raw_ed25519_seed(bytes(range(32)))
START = 1_700_000_000
DEPLOY = ("deploy", "--initial-balance", 100, "--name", "shop")


@contextmanager
def served(folder: Path, start_time: int, port: int) -> Iterator[User]:
    """A local network on a port, started with the same account as every time."""
    network = LocalNetwork(start_time=start_time)
    network.fund(OWNER.public_key)
    with serve_http(network, port=port) as endpoint:
        yield User(folder, endpoint.url, OWNER)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


def journal_of(user: User) -> Path:
    return user.folder / "callora-vault" / "journal.db"


def test_commands_go_on_on_a_network_that_was_started_again(tmp_path: Path, port: int) -> None:
    with served(tmp_path, START, port) as user:
        vault = user.json(*DEPLOY)["vault"]
        first = user.json("deduct", vault, 3, "--request-id", "req_1")
    with served(tmp_path, START + 60, port) as user:
        deployed = user.run(*DEPLOY)
        assert deployed.returncode == 0
        (said,) = [line for line in deployed.stderr.splitlines() if "began anew" in line]
        assert said.startswith("callora-vault: http://127.0.0.1")
        assert "'Standalone Network ; February 2017' began anew at ledger 1, closed " in said
        ran = user.run("deduct", vault, 3, "--request-id", "req_1", "--json")
        assert ran.returncode == 0, ran.stderr
        assert "began anew" not in ran.stderr
        again = json.loads(ran.stdout)
        assert (again["repeated"], again["returned"]) == (False, "97")
        lives = json.loads(user.run("journal", "list", "--json").stdout)
        assert [life["why"] for life in lives] == ["the network began anew", None]
        kept = [each["transaction"] for each in lives[0]["transactions"]]
        assert first["transaction"] in kept
        text = user.run("journal", "list").stdout
        assert "life 1 of Standalone" in text.replace("\n", " ")
        assert "ended" in text
        shown = json.loads(user.run("journal", "show", "req_1", "--json").stdout)
        assert [each["life_ended"] for each in shown] == [True, False]
        assert shown[1]["ledger_hash"] is not None


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with served(tmp_path, START, 0) as user:
        yield user


def test_an_applied_request_is_forgotten_by_hand_and_its_id_is_free(user: User) -> None:
    vault = user.json(*DEPLOY)["vault"]
    user.json("deduct", vault, 3, "--request-id", "req_1")
    forgotten = user.run("journal", "forget", "req_1")
    assert forgotten.returncode == 0
    assert "it was applied: repeated, it is applied once more" in forgotten.stdout
    assert "the request key 'req_1' and its request ids are free again" in forgotten.stdout
    assert user.json("deduct", vault, 3, "--request-id", "req_1")["returned"] == "94"
    for name in ("nothing", "forget"):
        refused = user.run("journal", "forget" if name == "nothing" else "show", "req_9")
        assert refused.returncode == 2
        assert "req_9" in refused.stderr


def test_an_open_transaction_is_never_forgotten(user: User) -> None:
    vault = user.json(*DEPLOY)["vault"]
    user.json("deduct", vault, 3, "--request-id", "req_1")
    with Journal(journal_of(user)) as journal, journal._file.writing() as connection:
        connection.execute("UPDATE sent SET state = 'open' WHERE key = 'req_1'")
    refused = user.run("journal", "forget", "req_1")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "is open and is not forgotten: it may be applied still" in refused.stderr
    listed = json.loads(user.run("journal", "list", "--state", "open", "--json").stdout)
    assert [each["request_key"] for each in listed[0]["transactions"]] == ["req_1"]
    assert user.run("resume", key=False).returncode == 0
    with Journal(journal_of(user)) as journal:
        assert journal.named("req_1")[0].state is State.APPLIED


def test_a_new_life_begins_by_hand(user: User) -> None:
    vault = user.json(*DEPLOY)["vault"]
    user.json("deduct", vault, 3, "--request-id", "req_1")
    begun = user.run("journal", "new-life", key=False)
    assert begun.returncode == 0, begun.stderr
    assert "life 2 of Standalone Network ; February 2017 begins; 4 transactions" in begun.stdout
    assert user.json("deduct", vault, 3, "--request-id", "req_1")["returned"] == "94"


def test_items_that_were_deducted_are_refused_or_left_out(user: User) -> None:
    vault = user.json(*DEPLOY)["vault"]
    alone = user.json("deduct", vault, 3, "--request-id", "req_1")
    items = user.folder / "items.json"
    items.write_text('[{"amount": 3, "request_id": "req_1"}, {"amount": 4, "request_id": "req_2"}]')
    refused = user.run("batch-deduct", vault, "--items", items)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "item 0: the request id 'req_1' is applied already" in refused.stderr
    assert alone["transaction"] in refused.stderr
    left = user.json("batch-deduct", vault, "--items", items, "--skip-applied")
    assert (left["returned"], [each["item"] for each in left["skipped"]]) == ("93", [0])
    assert "left out" in user.run("batch-deduct", vault, "--items", items, "--skip-applied").stdout
    assert user.json("balance", vault)["balance"] == "93"
