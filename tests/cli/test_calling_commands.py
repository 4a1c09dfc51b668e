"""The commands that call a vault, as a person runs them, over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stellar_sdk import Keypair
from tests.support.commands import User

from soroban_localnet import LocalNetwork
from soroban_localnet.serve.http import serve_http

PUBLIC = "Public Global Stellar Network ; September 2015"


@pytest.fixture(scope="module")
def network() -> LocalNetwork:
    return LocalNetwork()


@pytest.fixture(scope="module")
def user(network: LocalNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    owner = Keypair.random()
    network.fund(owner.public_key)
    with serve_http(network) as endpoint:
        user = User(tmp_path_factory.mktemp("user"), endpoint.url, owner)
        deployed = user.json(
            "deploy", "--initial-balance", 1000, "--min-deposit", 5, "--name", "first"
        )
        added = user.run("directory", "add", "billing", deployed["vault"])
        assert added.returncode == 0, added.stderr
        yield user


@pytest.fixture
def balance(user: User) -> Callable[[], int]:
    def read() -> int:
        return int(user.run("balance", "billing", key=False).stdout)

    return read


def test_a_deployment_with_the_same_name_returns_the_same_vault(user: User) -> None:
    options = ("deploy", "--initial-balance", 1000, "--min-deposit", 5, "--name", "first")
    again = user.json(*options)["vault"]
    assert str(again) in user.run("directory", "list").stdout


def test_a_factory_deploys_a_vault_with_its_owner_in_one_transaction(
    user: User, network: LocalNetwork
) -> None:
    factory = user.run("migrate", "factory").stdout.strip()
    ledger = network.latest_ledger
    options = ("--factory", factory, "--initial-balance", 30, "--name", "made")
    deployed = user.json("deploy", *options)
    assert network.latest_ledger == ledger + 1
    assert user.json("meta", deployed["vault"])["balance"] == "30"
    assert user.json("deploy", *options) == deployed


def test_what_is_no_factory_deploys_nothing(user: User, network: LocalNetwork) -> None:
    vault = user.json("deploy", "--name", "first")["vault"]
    ledger = network.latest_ledger
    refused = user.run("deploy", "--factory", vault)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.stderr
    assert network.latest_ledger == ledger


@pytest.mark.parametrize("arguments", [("meta", "billing"), ("meta", "--help")])
def test_output_that_nobody_reads_ends_with_141(user: User, arguments: tuple[str, ...]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        ended = user.run_process(*arguments, stdout=write_end)
    finally:
        os.close(write_end)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_every_call_does_what_it_says(user: User, balance: Callable[[], int]) -> None:
    before = balance()
    assert user.json("deposit", "billing", 50)["returned"] == str(before + 50)
    assert user.json("withdraw", "billing", 20)["returned"] == str(before + 30)
    to = Keypair.random().public_key
    document = user.json("withdraw-to", "billing", to, 5)
    assert [event["to"] for event in document["events"]] == [to]
    items = user.folder / "items.json"
    items.write_text(json.dumps([{"amount": 1}, {"amount": 2, "request_id": "b"}]))
    batch = user.json("batch-deduct", "billing", "--items", items)
    assert [event["amount"] for event in batch["events"]] == ["1", "2"]
    assert balance() == before + 22


def test_a_repeated_request_is_deducted_once(user: User, balance: Callable[[], int]) -> None:
    before = balance()
    first = user.json("deduct", "billing", 7, "--request-id", "once")
    second = user.json("deduct", "billing", 7, "--request-id", "once")
    assert first["transaction"] == second["transaction"]
    assert second["repeated"] is True
    assert balance() == before - 7


def test_an_authorised_caller_is_set_and_shown(user: User) -> None:
    caller = Keypair.random().public_key
    user.json("set-authorized-caller", "billing", caller)
    assert user.json("meta", "billing")["authorized_caller"] == caller
    user.json("set-authorized-caller", "billing", "--nobody")
    assert user.json("meta", "billing")["authorized_caller"] is None


def test_the_key_may_come_from_a_file_of_mode_600_alone(user: User) -> None:
    file = user.folder / "key"
    file.write_text(user.owner.secret)
    file.chmod(0o644)
    open_to_others = user.run("deposit", "billing", 9, "--key-file", file, key=False)
    assert open_to_others.returncode == 2
    assert "chmod 600" in open_to_others.stderr
    file.chmod(0o600)
    done = user.run("deposit", "billing", 9, "--key-file", file, key=False)
    assert done.returncode == 0, done.stderr
    assert user.owner.secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("deduct", "billing", 10**9), "the amount exceeds the balance"),
        (("deposit", "billing", 1), "the deposit is below the minimum: amount 1, min_deposit 5"),
        (("deposit", "billing", 0), "the amount is not positive"),
        (("deposit", "billing", 2**127), "amount: the amount is outside i128"),
        (("deposit", "nobody", 1), "no vault is named 'nobody' on"),
        (("deposit", "billing", "much"), "AMOUNT"),
        (("deposit", "billing", "7.5"), 'AMOUNT: "7.5" is not a whole number'),
        (("set-authorized-caller", "billing"), "give either an address or --nobody"),
        (("batch-deduct", "billing", "--items", "nowhere"), "No such file or directory"),
        (("init", "billing"), "the vault is already initialised"),
        (("withdraw", "billing", 1, "--max-fee", 5), "over the limit of 5"),
        (("directory", "add", "billing", "C"), "contract: not a valid address"),
        (("directory", "remove", "nobody"), "no vault is named 'nobody' on"),
        (("deposit", "billing", 5, "--journal", "/dev/null"), "it is not a plain file"),
    ],
)
def test_a_mistake_is_one_line_and_2_and_changes_nothing(
    arguments: tuple[object, ...], line: str, user: User, network: LocalNetwork
) -> None:
    before = network.latest_ledger
    ran = user.run(*arguments)
    assert ran.returncode == 2, ran.stdout
    assert line in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert network.latest_ledger == before


def test_without_a_key_and_a_terminal_nothing_is_signed(user: User) -> None:
    ran = user.run("deposit", "billing", 9, key=False)
    assert ran.returncode == 2
    assert "set CALLORA_VAULT_KEY or --key-file" in ran.stderr


def test_on_the_public_network_what_will_be_signed_is_shown_and_asked(
    tmp_path: Path,
) -> None:
    network = LocalNetwork(PUBLIC)
    owner = Keypair.random()
    network.fund(owner.public_key)
    with serve_http(network) as endpoint:
        user = User(tmp_path, endpoint.url, owner)
        asked = user.run("deploy", "--name", "x")
        assert asked.returncode == 2
        assert "nothing was signed" in asked.stderr
        assert PUBLIC in asked.stderr
        assert f"init(owner={owner.public_key}, initial_balance=0, min_deposit=0)" in asked.stderr
        told = user.run("deploy", "--name", "x", "--yes")
        assert told.returncode == 0, told.stderr


def test_nothing_open_is_said(user: User) -> None:
    ran = user.run("resume", key=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "no transaction is open\n"
