"""What the command line loads before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SLOW = {"hypothesis", "msgspec", "starlette", "uvicorn", "wasmtime"}


def test_the_command_line_starts_without_the_host_and_hypothesis() -> None:
    script = "import sys; import callora_vault.cli.app; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "callora_vault.cli.commands.vault" in loaded
    assert not SLOW & loaded
    assert not {"soroban_localnet.network", "callora_vault.parity"} & loaded


def test_the_installed_command_runs() -> None:
    command = Path(sys.executable).parent / "callora-vault"
    ran = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Usage: callora-vault COMMAND" in ran.stdout
