"""Fuzz the HTTP door: bodies, parameters, and every field of every kind of transaction.

    python -m localnet.tests.fuzz [--requests N] [--seed S]

Prints what was asked, and fails with the shortest request that breaks the network: no JSON-RPC
answer, a fault in the log, no answer in time, or a ledger that changed with nobody told.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from localnet.tests.fuzz.requests import bodies, calls, sending, swept, transactions, ways_in
from localnet.tests.fuzz.world import World, world

ROUND = 5_000
"""Examples that Hypothesis draws at a time: it remembers all of them."""


def sweep(made: World, every: int = 1) -> None:
    """Change each field of each envelope, and both send and simulate what comes out."""
    for name, path, envelope in swept(made, every):
        for method in ("sendTransaction", "simulateTransaction"):
            try:
                made.call(sending(envelope, method))
            except AssertionError as broken:
                broken.add_note(f"{method} of {name!r} with {path} changed: {envelope.hex()}")
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


def campaign(made: World, requests: int, number: int) -> None:
    """Ask about `requests` things: the sweep, and the rest in four parts."""
    start = made.asked
    sweep(made, max(1, 4 * 2 * 3_000 // requests))
    print(f"{made.asked - start} requests with one field changed", flush=True)

    def knock(way: tuple[str, str, bytes, dict[str, str]]) -> None:
        verb, path, body, headers = way
        answer = made.ask(body, path, verb, headers)
        made.check_http(answer, friendbot=path.startswith("/friendbot"))

    parts: tuple[tuple[str, int, st.SearchStrategy[Any], Callable[[Any], object]], ...] = (
        ("bodies", 25, bodies(made), made.call),
        ("ways in", 5, ways_in(made), knock),
        ("parameters", 25, calls(made).map(_encode), made.call),
        ("transactions", 45, transactions(made), made.call),
    )
    left = requests - (made.asked - start)
    for name, share, strategy, check in parts:
        before, begin = made.asked, time.perf_counter()
        todo = left * share // 100
        while todo > 0:
            drawn(strategy, check, min(todo, ROUND), number)
            todo, number = todo - ROUND, number + 1
            made.lives()
        spent = time.perf_counter() - begin
        print(f"{made.asked - before} requests with odd {name} in {spent:.0f} s", flush=True)
    print(
        f"{made.asked - start} requests, {made.accepted} transactions accepted, "
        f"{sum(made.crashes.values())} host crashes"
    )
    for crash, count in made.crashes.most_common():
        print(f"  {count} x {crash}")


def _encode(call: Any) -> bytes:
    import json

    return json.dumps(call).encode()


def main() -> int:
    """Run a campaign; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with world() as made:
        campaign(made, asked.requests, asked.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
