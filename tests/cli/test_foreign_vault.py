"""A vault with rules of its own, moved by the commands, and redirected when the RPC forgot it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import User
from tests.support.deployed_vault import OWNER
from tests.support.foreign_rules import EIGHT_DAYS, LEFT, LINES, later, used
from tests.support.migrations import Migrating

from soroban_localnet.serve.http import serve_http


def test_its_breaks_are_listed_before_anything_is_signed_and_it_is_moved_all_the_same(
    tmp_path: Path,
) -> None:
    here = Migrating(tmp_path)
    here.fresh()
    old, plan = used(here), tmp_path / "plan.json"
    with serve_http(here.deployed.network) as endpoint:
        user = User(tmp_path, endpoint.url, OWNER)
        assert user.run("directory", "add", "shop", old).returncode == 0
        table = tmp_path / "events.csv"
        audited = user.run("audit", "shop", "--events", "--csv", table)
        assert audited.returncode == 1
        assert table.read_text().count("\n") == 18
        planned = user.run("migrate", "plan", "shop", "--factory", here.factory, "--output", plan)
        assert planned.returncode == 0, planned.stderr
        dry = user.run("migrate", "dry-run", plan)
        assert dry.returncode == 0, dry.stderr
        for shown in (audited.stdout, planned.stdout, dry.stdout):
            for words in LINES:
                assert words in " ".join(shown.replace("│", " ").split())
        assert f"stored │ {LEFT:,}" in " ".join(audited.stdout.split())
        document = json.loads(plan.read_text())
        assert len(document["old"]["history"]) == 1 + len(LINES)

        refused = user.run("migrate", "apply", plan)
        assert refused.returncode == 2
        code = document["old"]["code"]
        applied = user.json("migrate", "apply", plan, "--accept-unknown-code", code)
        here.deployed.network.advance_ledgers(EIGHT_DAYS)
        later(here, old)
        assert user.run("migrate", "verify", plan).returncode == 0
        again = user.json("migrate", "resume", plan, "--accept-unknown-code", code)
        assert again == {**applied, "tries": 0}
        redirected = user.json("migrate", "redirect", plan, "shop")
        assert redirected["contract"] == applied["new"]
        assert user.json("migrate", "sweep", plan)["moved"] == "540"
        verified = user.json("migrate", "verify", plan)
        assert verified["passed"]
        assert any("3 negative deducts created 1,500" in line for line in verified["reported"])
        assert any("are no longer known" in line for line in verified["evidence"])
        assert user.run("balance", "shop").stdout == f"{LEFT + 540}\n"
