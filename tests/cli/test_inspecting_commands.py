"""`callora-vault inspect`, `export`, `audit`, as a person runs them, over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import Ran, run
from tests.support.deployed_vault import BALANCE, OWNER, DeployedVault

from callora_vault.client import Journal
from soroban_localnet.serve.http import serve_http


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of a network, and a vault on it that was called a few times."""
    folder = tmp_path_factory.mktemp("served")
    deployed = DeployedVault(folder)
    with Journal(folder / "journal.db") as journal:
        client = deployed.client(journal)
        client.deduct(OWNER.public_key, 25, "r1")
        client.deposit(30)
    with serve_http(deployed.network) as endpoint:
        yield endpoint.url, deployed.vault


def _run(*arguments: object) -> Ran:
    return run(*arguments, env={**os.environ, "COLUMNS": "100"})


def test_inspect_shows_the_stored_entry_and_the_code(served: tuple[str, str]) -> None:
    url, vault = served
    ran = _run("inspect", vault, "--network", url)
    assert ran.returncode == 0, ran.stderr
    for words in (OWNER.public_key, f"{BALANCE + 5:,}", "callora-vault v1", "can change"):
        assert words in ran.stdout
    document = json.loads(_run("inspect", vault, "--network", url, "--json").stdout)
    assert document["meta"]["balance"] == str(BALANCE + 5)
    assert document["code"]["known"] == "v1"
    assert document["can_change"] is None


def test_audit_brings_the_history_up_to_date_and_judges_it(
    served: tuple[str, str], tmp_path: Path
) -> None:
    url, vault = served
    history = tmp_path / "history.jsonl"
    exported = _run("export", vault, "--output", history, "--network", url)
    assert exported.returncode == 0, exported.stderr
    ran = _run("audit", vault, "--history", history, "--network", url)
    assert ran.returncode == 0, ran.stderr
    assert "conserved since init" in ran.stdout
    document = json.loads(_run("audit", "--history", history, "--offline", "--json").stdout)
    assert document["verdict"] == "conserved since init"
    assert document["events"] == 3
    assert document["sums"]["closing"] == str(BALANCE + 5)


def test_audit_without_a_file_judges_what_the_rpc_has(served: tuple[str, str]) -> None:
    url, vault = served
    ran = _run("audit", vault, "--network", url)
    assert ran.returncode == 0, ran.stderr
    assert "conserved since init" in ran.stdout


def test_a_name_does_as_well_as_an_id(served: tuple[str, str], tmp_path: Path) -> None:
    url, vault = served
    here = ("--network", url, "--directory", tmp_path / "names.json")
    added = _run("directory", "add", "billing", vault, *here)
    assert added.returncode == 0, added.stderr
    document = json.loads(_run("inspect", "billing", *here, "--json").stdout)
    assert document["contract"] == vault
    for command in (("audit", "billing"), ("export", "billing", "--output", tmp_path / "h.jsonl")):
        ran = _run(*command, *here)
        assert ran.returncode == 0, ran.stderr


def test_a_history_that_does_not_follow_ends_with_1(
    served: tuple[str, str], tmp_path: Path
) -> None:
    url, vault = served
    history = tmp_path / "history.jsonl"
    _run("export", vault, "--output", history, "--network", url)
    lines = history.read_text().splitlines()
    kept = [line for line in lines if '"id":' not in line or line != lines[2]]
    history.write_text("\n".join([*kept, ""]))
    ran = _run("audit", "--history", history, "--offline")
    assert ran.returncode == 2
    assert "line 3 is not the one that was written" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("inspect", "C"), "no vault is named 'C' on"),
        (
            ("inspect", OWNER.public_key),
            "vault: this is an account; give the id of a contract (C...)",
        ),
        (("inspect", "VAULT", "--network", "nowhere"), "give http(s)://HOST[:PORT][/PATH]"),
        (("inspect", "VAULT", "--network", "mainnet"), "give the URL of yours with --rpc-url"),
        (("inspect", "C" + "A" * 51 + "D2KM"), "no contract C"),
        (("inspect", "VAULT", "--network-passphrase", "x"), "serves the network"),
        (("audit", "--history", "nowhere.jsonl", "--offline"), "No such file or directory"),
        (("audit", "--history", "nowhere.jsonl"), "VAULT: give its name or id, or --offline"),
        (("audit", "--offline"), "--offline: it needs a history; give one with --history"),
        (("export", "VAULT"), "--output"),
        (("export", "VAULT", "--output", "/dev/null/h.jsonl"), "/dev/null/h.jsonl: "),
    ],
)
def test_a_mistake_is_one_line_and_2(
    arguments: tuple[str, ...], line: str, served: tuple[str, str]
) -> None:
    url, vault = served
    given = [vault if argument == "VAULT" else argument for argument in arguments]
    if "--network" not in given and "--offline" not in given:
        given += ["--network", url]
    ran = _run(*given)
    assert ran.returncode == 2
    assert line in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert "Traceback" not in ran.stderr


def test_an_rpc_that_does_not_answer_is_one_line_and_2(served: tuple[str, str]) -> None:
    ran = _run("inspect", served[1], "--network", "http://127.0.0.1:9", "--timeout", 0.1)
    assert ran.returncode == 2
    assert "no usable answer from the RPC at http://127.0.0.1:9" in ran.stderr
