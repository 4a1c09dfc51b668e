"""The commands that move a vault to new code, one after the other, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stellar_sdk import Keypair
from tests.cli.shell import Shell

from soroban_localnet import LocalNetwork
from soroban_localnet.serve.http import serve_http


@attrs.frozen
class Moved:
    """A vault of v1 with 1,000, called shop, and its plan for v2."""

    shell: Shell
    old: str
    plan: Path


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Moved]:
    network = LocalNetwork()
    owner = Keypair.random()
    network.fund(owner.public_key)
    with serve_http(network) as endpoint:
        shell = Shell(tmp_path, endpoint.url, owner)
        old = shell.json(
            "deploy", "--contract", "v1", "--initial-balance", 1000, "--min-deposit", 5
        )["vault"]
        assert shell.run("directory", "add", "shop", old).returncode == 0
        yield Moved(shell, old, tmp_path / "plan.json")


def test_a_vault_is_moved_verified_redirected_and_swept(vault: Moved) -> None:
    shell, plan = vault.shell, vault.plan
    factory = shell.json("migrate", "factory")["factory"]
    planned = shell.json("migrate", "plan", "shop", "--factory", factory, "--out", plan)
    assert planned == json.loads(plan.read_text())
    assert planned["old"]["balance"] == "1000"

    assert shell.run("migrate", "status", plan).returncode == 3
    early = shell.run("migrate", "redirect", plan, "shop")
    assert early.returncode == 2
    assert early.stderr.endswith("the factory names no successor; apply the plan first\n")

    dry = shell.json("migrate", "dry-run", plan)
    assert (dry["before"]["balance"], dry["after_old"]["balance"]) == ("1000", "0")
    assert (dry["after_new"]["balance"], dry["after_new"]["layout"]) == ("1000", "v2")
    assert dry["verification"]["passed"] is True
    assert json.loads(plan.read_text())["old"]["emptied_in_dry_run"] is True
    assert shell.run("balance", "shop").stdout == "1000\n"

    applied = shell.json("migrate", "apply", plan)
    assert applied["new"] == planned["new"]["contract"] == dry["applied"]["new"]
    again = shell.json("migrate", "resume", plan)
    assert again == {**applied, "tries": 0}

    assert shell.json("deposit", vault.old, 50)["returned"] == "50"
    alone = shell.run("watch-retired", "shop")
    assert alone.returncode == 2
    assert f"vault: shop has stood for {vault.old} alone; give an id" in alone.stderr
    ahead = shell.run("watch-retired", vault.old, "--since", 99_999)
    assert ahead.returncode == 2
    assert "since: ledger 99,999 is not there yet" in ahead.stderr
    watched = shell.run("watch-retired", vault.old)
    assert watched.returncode == 1
    assert "deposit (amount=50, balance=50)" in watched.stdout
    swept = shell.json("migrate", "sweep", plan)
    assert (swept["moved"], swept["remainder"]) == ("50", "0")

    redirected = shell.json("migrate", "redirect", plan, "shop")
    assert redirected["contract"] == applied["new"]
    assert redirected["retired"] == [vault.old]
    assert shell.run("balance", "shop").stdout == "1050\n"
    quiet = shell.run("watch-retired", "shop")
    assert quiet.returncode == 0, quiet.stderr
    assert quiet.stdout.startswith(f"{vault.old}: no calls up to ledger ")
    assert shell.json("deposit", vault.old, 5)["returned"] == "5"
    reached = shell.run("watch-retired", "shop", "--json")
    assert reached.returncode == 1
    assert json.loads(reached.stdout)["vault"] == vault.old
    verified = shell.run("migrate", "verify", plan)
    assert verified.returncode == 0
    assert verified.stdout.count("holds") == 10
    assert "FAILS" not in verified.stdout
    assert shell.json("migrate", "status", plan)["stage"] == "migrated"


def test_a_name_is_not_redirected_where_a_check_fails(vault: Moved) -> None:
    shell, plan = vault.shell, vault.plan
    shell.json("migrate", "plan", "shop", "--mode", "stepwise", "--min-deposit", 7, "--out", plan)
    shell.json("migrate", "apply", plan)
    document = json.loads(plan.read_text())
    document["new"]["min_deposit"] = "8"
    plan.write_text(json.dumps(document))
    assert shell.run("migrate", "verify", plan).returncode == 1
    refused = shell.run("migrate", "redirect", plan, "shop")
    assert refused.returncode == 1
    assert "the minimum deposit is the planned one: 7, planned 8" in refused.stderr
    assert shell.run("balance", "shop").stdout == "0\n"


def test_what_cannot_be_planned_or_read_is_one_line(vault: Moved) -> None:
    cases = {
        ("plan", "shop", "--out", "p"): "needs the factory's id",
        ("plan", "shop", "--mode", "zero", "--out", "no/p"): "the plan no/p: No such file",
        ("plan", "shop", "--code", "none", "--out", "p"): "none: No such file or directory",
        ("apply", "none.json"): "the plan none.json: No such file or directory",
    }
    for arguments, reason in cases.items():
        ran = vault.shell.run("migrate", *arguments)
        assert ran.returncode == 2
        assert ran.stderr.startswith("callora-vault: ")
        assert ran.stderr.count("\n") == 1
        assert reason in ran.stderr
