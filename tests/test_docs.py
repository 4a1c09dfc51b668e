"""The commands and programs of docs/ do what the pages say, typed one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import Keypair
from tests.support.preloaded import preloaded

from soroban_localnet import LocalNetwork
from soroban_localnet.serve.http import serve_http

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
WITHOUT_COMMANDS = {"architecture", "threat-model"}


def typed(page: Path) -> str:
    """Return what a reader types, as one script: each Python program where it stands."""
    lines = []
    for language, block in re.findall(
        r"^```(sh|python)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    ):
        lines.append(block if language == "sh" else f"python - <<'PROGRAM'\n{block}PROGRAM\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def commands_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a `callora-vault` that starts at once."""
    with preloaded(tmp_path_factory.mktemp("commands")) as folder:
        yield folder


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.stem not in WITHOUT_COMMANDS],
    ids=lambda page: page.stem,
)
def test_the_commands_of_a_page_work_one_after_the_other(
    page: Path, tmp_path: Path, commands_folder: Path
) -> None:
    commands = typed(page)
    assert commands
    owner = Keypair.random()
    network = LocalNetwork()
    network.fund(owner.public_key)
    with serve_http(network) as endpoint:
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(
                (str(commands_folder), str(Path(sys.executable).parent), os.environ["PATH"])
            ),
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
            ["bash", "-euo", "pipefail", "-c", before + commands],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr


def test_each_test_that_the_threat_model_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "threat-model.md").read_text()))
    assert len(named) > 10
    source = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named <= set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
