"""The commands that move a vault to new code, one after the other, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from stellar_sdk import Keypair
from tests.support.commands import User

from soroban_localnet import LocalNetwork
from soroban_localnet.serve.http import serve_http


@attrs.frozen
class Moved:
    """A vault of v1 with 1,000, called shop, and its plan for v2."""

    user: User
    old: str
    plan: Path


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Moved]:
    network = LocalNetwork()
    owner = Keypair.random()
    network.fund(owner.public_key)
    with serve_http(network) as endpoint:
        user = User(tmp_path, endpoint.url, owner)
        old = user.json(
            "deploy", "--contract", "v1", "--initial-balance", 1000, "--min-deposit", 5
        )["vault"]
        assert user.run("directory", "add", "shop", old).returncode == 0
        yield Moved(user, old, tmp_path / "plan.json")


def test_a_vault_is_moved_verified_redirected_and_swept(vault: Moved) -> None:
    user, plan = vault.user, vault.plan
    factory = user.json("migrate", "factory")["factory"]
    planned = user.json("migrate", "plan", "shop", "--factory", factory, "--output", plan)
    assert planned == json.loads(plan.read_text())
    assert planned["old"]["balance"] == "1000"

    assert user.run("migrate", "status", plan).returncode == 3
    early = user.run("migrate", "redirect", plan, "shop")
    assert early.returncode == 2
    assert early.stderr.endswith("the factory names no successor; apply the plan first\n")

    dry = user.json("migrate", "dry-run", plan)
    assert (dry["before"]["balance"], dry["after_old"]["balance"]) == ("1000", "0")
    assert (dry["after_new"]["balance"], dry["after_new"]["layout"]) == ("1000", "v2")
    assert dry["verification"]["passed"] is True
    assert json.loads(plan.read_text())["old"]["emptied_in_dry_run"] is True
    assert user.run("balance", "shop").stdout == "1000\n"

    applied = user.json("migrate", "apply", plan)
    assert applied["new"] == planned["new"]["contract"] == dry["applied"]["new"]
    again = user.json("migrate", "resume", plan)
    assert again == {**applied, "tries": 0}

    assert user.json("deposit", vault.old, 50)["returned"] == "50"
    alone = user.run("watch-retired", "shop")
    assert alone.returncode == 2
    assert (
        f"vault: shop has stood for no other contract than {vault.old}; give the id" in alone.stderr
    )
    ahead = user.run("watch-retired", vault.old, "--since", 99_999)
    assert ahead.returncode == 2
    assert "since: ledger 99,999 has not closed yet" in ahead.stderr
    watched = user.run("watch-retired", vault.old)
    assert watched.returncode == 1
    assert "deposit(amount=50, balance=50)" in watched.stdout
    swept = user.json("migrate", "sweep", plan)
    assert (swept["moved"], swept["remainder"]) == ("50", "0")

    redirected = user.json("migrate", "redirect", plan, "shop")
    assert redirected["contract"] == applied["new"]
    assert redirected["retired"] == [vault.old]
    assert user.run("balance", "shop").stdout == "1050\n"
    quiet = user.run("watch-retired", "shop")
    assert quiet.returncode == 0, quiet.stderr
    assert quiet.stdout.startswith(f"{vault.old}: no calls up to ledger ")
    assert user.json("deposit", vault.old, 5)["returned"] == "5"
    reached = user.run("watch-retired", "shop", "--json")
    assert reached.returncode == 1
    assert json.loads(reached.stdout)["vault"] == vault.old
    verified = user.run("migrate", "verify", plan)
    assert verified.returncode == 0
    assert verified.stdout.count("holds") == 8
    assert "known: the old vault: all events of the ledgers" in verified.stdout
    assert "FAILS" not in verified.stdout
    assert user.json("migrate", "status", plan)["stage"] == "migrated"


def test_a_name_is_not_redirected_where_a_check_fails(vault: Moved) -> None:
    user, plan = vault.user, vault.plan
    user.json("migrate", "plan", "shop", "--mode", "stepwise", "--min-deposit", 7, "--output", plan)
    user.json("migrate", "apply", plan)
    document = json.loads(plan.read_text())
    document["new"]["min_deposit"] = "8"
    plan.write_text(json.dumps(document))
    assert user.run("migrate", "verify", plan).returncode == 1
    refused = user.run("migrate", "redirect", plan, "shop")
    assert refused.returncode == 1
    assert "the minimum deposit is the planned one: 7, planned 8" in refused.stderr
    assert user.run("balance", "shop").stdout == "0\n"


def test_what_cannot_be_planned_or_read_is_one_line(vault: Moved) -> None:
    cases = {
        ("plan", "shop", "--output", "p"): "--mode atomic needs a factory; give its id",
        ("plan", "shop", "--mode", "zero", "--output", "no/p"): "the plan no/p: No such file",
        ("plan", "shop", "--code", "none", "--output", "p"): "none: No such file or directory",
        ("apply", "none.json"): "the plan none.json: No such file or directory",
    }
    for arguments, reason in cases.items():
        ran = vault.user.run("migrate", *arguments)
        assert ran.returncode == 2
        assert ran.stderr.startswith("callora-vault: ")
        assert ran.stderr.count("\n") == 1
        assert reason in ran.stderr
