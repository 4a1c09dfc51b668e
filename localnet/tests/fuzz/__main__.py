"""Fuzz the HTTP server: bodies, parameters, and every field of every kind of transaction.

    python -m localnet.tests.fuzz [--requests N] [--seconds T] [--seed S] [PART ...]

Prints what was asked, and fails with the shortest request that breaks the network: no JSON-RPC
answer, a fault in the log, no answer in time, or a ledger that changed with nobody told.
"""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import time
from collections.abc import Callable, Collection
from itertools import chain
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from localnet.tests.fuzz.requests import (
    bodies,
    calls,
    encoded,
    nested,
    sending,
    swept,
    transactions,
    ways_in,
)
from localnet.tests.support.served_network import ServedNetwork, served_network

PARTS = {"bodies": 25, "ways": 5, "parameters": 25, "transactions": 45}
"""The parts of a campaign, and how many of a hundred requests each makes."""

ROUND = 5_000
"""Examples that Hypothesis draws at a time: it remembers all of them."""

TIMED_ROUND = 250
"""The same under a budget of time, which is looked at between two rounds."""


def sweep(served: ServedNetwork, every: int = 1) -> None:
    """Send and simulate each envelope with one field changed, and some deeply nested ones."""
    for name, path, envelope in chain(nested(served), swept(served, every)):
        for method in ("sendTransaction", "simulateTransaction"):
            try:
                served.call(sending(envelope, method))
            except AssertionError as broken:
                broken.add_note(f"{method} of {name!r}, {path} changed: {envelope[:5_000].hex()}")
                raise


def drawn(
    strategy: st.SearchStrategy[Any], check: Callable[[Any], object], examples: int, number: int
) -> None:
    """Check `examples` values of a strategy."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategy)
    def run(value: Any) -> None:
        check(value)

    run()


def campaign(
    served: ServedNetwork,
    requests: int,
    number: int,
    only: Collection[str],
    seconds: float = math.inf,
) -> None:
    """Make requests: the sweep of all fields, and the rest in four parts.

    Arguments: `requests`, the most of them; `seconds`, the time for the parts, shared out as the
    requests are.
    """
    sweep(served, max(1, 4 * 2 * 3_000 // requests))
    print(f"{served.asked} requests with one field changed", flush=True)

    def send(way: tuple[str, str, bytes, dict[str, str]]) -> None:
        verb, path, body, headers = way
        answer = served.ask(body, path, verb, headers)
        served.check_http(answer, friendbot=path.startswith("/friendbot"))

    strategies: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
        "bodies": (bodies(served), served.call),
        "ways": (ways_in(served), send),
        "parameters": (calls(served).map(encoded), served.call),
        "transactions": (transactions(served), served.call),
    }
    left = requests - served.asked
    size = ROUND if seconds == math.inf else TIMED_ROUND
    for name in only:
        before, begin = served.asked, time.perf_counter()
        share = PARTS[name] / sum(PARTS[part] for part in only)
        todo = int(left * share)
        while todo > 0 and time.perf_counter() - begin < seconds * share:
            drawn(*strategies[name], min(todo, size), number)
            todo, number = todo - size, number + 1
            served.lives()
        spent = time.perf_counter() - begin
        print(f"{served.asked - before} requests with odd {name} in {spent:.0f} s", flush=True)
    print(
        f"{served.asked} of {requests} requests, {served.accepted} transactions accepted, "
        f"{sum(served.crashes.values())} host crashes"
    )
    for crash, count in served.crashes.most_common():
        print(f"  {count} x {crash}")


def main() -> int:
    """Run a campaign; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after about so long")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with served_network() as served:
        campaign(served, asked.requests, asked.seed, asked.parts or PARTS, asked.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
