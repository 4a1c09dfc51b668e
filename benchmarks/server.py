"""How fast the served network is: from the start of its process to the first answer, and a signed
call over HTTP beside the same call in process.

Times on one machine vary. It fails where the first answer takes more than START_BOUND seconds of
the processor, or a call over HTTP more than RATIO_BOUND times as long as the one in process. The
quickest call of each side counts: what else the machine does slows two processes more than one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.network import Deployed
from stellar_sdk import Keypair, SorobanServer, scval

from soroban_localnet.ledger.parameters import STANDALONE

STARTS = 5
ROUNDS = 120
CALLS = 20

START_BOUND = 1.0
RATIO_BOUND = 3.0

_HEALTH = b'{"jsonrpc": "2.0", "id": 1, "method": "getHealth"}'


@contextmanager
def served() -> Iterator[str]:
    """Start a server in a process of its own and yield its URL."""
    # a warm cache is one of bytecode, too
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "soroban_localnet", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def ask(url: str) -> None:
    """Ask for the network's health."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, _HEALTH, headers)  # noqa: S310 - our own url
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own url
        assert b"healthy" in answer.read()


def measure_start() -> bool:
    """Print the time from process start to the first answered request, caches warm.

    Returns whether it is within its bound.
    """
    walls, processor = [], []
    for _ in range(STARTS + 1):
        begin, used = time.perf_counter(), os.times()
        with served() as url:
            ask(url)
            walls.append(time.perf_counter() - begin)
        spent = os.times()
        processor.append(
            spent.children_user + spent.children_system - used.children_user - used.children_system
        )
    best = min(processor[1:])
    print(f"process start to the first answer{min(walls[1:]):8.2f} s")
    print(f"  of the processor               {best:8.2f} s     (at most {START_BOUND})")
    return best <= START_BOUND


class Served(Deployed):
    """A funded account and a vault of its own on a network in another process."""

    def __init__(self, url: str) -> None:
        self.server = SorobanServer(url)
        self.owner = Keypair.random()
        friendbot = f"{url}/friendbot?addr={self.owner.public_key}"
        urllib.request.urlopen(friendbot).close()  # noqa: S310 - our own url
        self.deploy(STANDALONE)


def quickest(side: Deployed) -> float:
    """Return the seconds of the quickest of some signed deposits."""
    spent = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        side.call("deposit", [scval.to_int128(5)])
        spent.append(time.perf_counter() - begin)
    return min(spent)


def measure_calls() -> bool:
    """Print the time of a signed deposit over HTTP, beside the same one in process.

    Returns whether their ratio is within its bound.
    """
    with served() as url:
        sides = Deployed(), Served(url)
        rounds = [(quickest(sides[0]), quickest(sides[1])) for _ in range(ROUNDS)]
    inside = min(seconds for seconds, _ in rounds)
    outside = min(seconds for _, seconds in rounds)
    print(f"signed call over HTTP            {outside * 1e3:8.2f} ms")
    print(f"  in process                     {inside * 1e3:8.2f} ms")
    print(f"  ratio                          {outside / inside:8.2f}    (at most {RATIO_BOUND})")
    return outside / inside <= RATIO_BOUND


def main() -> int:
    """Measure both; return the exit code."""
    good = [measure_start(), measure_calls()]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
