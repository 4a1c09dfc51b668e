"""Completion of commands and options, as a shell asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
source .bashrc
function=$(complete -p callora-vault | grep -o '_callora_vault[a-z_]*')
COMP_WORDS=(callora-vault "$@")
COMP_CWORD=$#
$function
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose bash completes the command."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "callora_vault.cli", "--install-completion", "--shell", "bash"]
    environment = {**os.environ, "HOME": str(home)}
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        environment.pop(variable, None)
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return home


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("depo",), {"deposit"}),
        (("mig",), {"migrate"}),
        (("migrate", "ver"), {"verify"}),
        (("deduct", "--request"), {"--request-id", "--request-key"}),
        (("parity", "--mod"), {"--model"}),
    ],
)
def test_bash_completes_commands_and_their_options(
    home: Path, words: tuple[str, ...], completed: set[str]
) -> None:
    ran = subprocess.run(
        ["bash", "-c", ASK, "bash", *words],
        cwd=home,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(ran.stdout.split()) == completed
