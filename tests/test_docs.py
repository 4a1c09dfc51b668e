"""The commands of docs/ do what the pages say, typed one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from stellar_sdk import Keypair

from soroban_localnet import LocalNetwork
from soroban_localnet.http import serve_http

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_one_after_the_other(page: Path, tmp_path: Path) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    assert commands
    owner = Keypair.random()
    network = LocalNetwork()
    network.fund(owner.public_key)
    with serve_http(network) as endpoint:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CALLORA_VAULT_NETWORK": endpoint.url,
            "CALLORA_VAULT_KEY": owner.secret,
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
        }
        before = """
        deployed=$(callora-vault deploy --contract v1 --initial-balance 1000 --json)
        callora-vault directory add shop "$(grep -o 'C[A-Z2-7]\\{55\\}' <<< "$deployed")"
        """
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", before + "".join(commands)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
