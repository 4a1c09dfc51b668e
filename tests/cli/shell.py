"""A shell to run commands in, as a person does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
from stellar_sdk import Keypair


@attrs.frozen
class Shell:
    """A folder with a key, a journal and a directory, and a network to work on."""

    folder: Path
    url: str
    owner: Keypair

    def run(
        self,
        *arguments: object,
        key: bool = True,
        env: dict[str, str] | None = None,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "callora_vault.cli", *map(str, arguments)]
        if arguments[:2] != ("directory", "list"):
            command += ["--network", self.url, "--timeout", "20"]
        variables = {**os.environ, "COLUMNS": "200", "XDG_DATA_HOME": str(self.folder)}
        variables |= {"XDG_CONFIG_HOME": str(self.folder), **(env or {})}
        if key:
            variables["CALLORA_VAULT_KEY"] = self.owner.secret
        return subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=variables,
            stdin=subprocess.DEVNULL,
        )

    def json(self, *arguments: object) -> dict[str, Any]:
        ran = self.run(*arguments, "--json")
        assert ran.returncode == 0, ran.stderr
        document: dict[str, Any] = json.loads(ran.stdout)
        return document
