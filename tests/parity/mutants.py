"""Search and shrink a counterexample for every planted fault (`make mutants`).

Each mutant of contracts/mutants/mutants.toml has to be caught; the contracts themselves have to
pass with the same budget. The shortest counterexample of each is kept in
tests/data/counterexamples.json, which the tests replay. With `--seconds` no search begins after so
long; the table names those that were left out. Exit codes: 0 all that were searched are caught, 1
one was missed, 2 could not run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.support.planted_faults import COUNTEREXAMPLES, Counterexample, planted, search, stored

from callora_vault.parity import MODELS, CannotRun


def _search_before(name: str, until: float) -> tuple[bool, Counterexample | None]:
    """Search, unless it is too late; the first value says whether that was done."""
    if time.time() >= until:  # other processes share no monotonic clock
        return False, None
    return True, search(name)


def _searched(
    names: list[str], seconds: float, console: Console
) -> Iterator[tuple[str, tuple[bool, Counterexample | None]]]:
    with ProcessPoolExecutor() as pool:
        until = itertools.repeat(time.time() + seconds)
        results = zip(names, pool.map(_search_before, names, until), strict=False)
        yield from track(results, "searching", total=len(names), console=console, transient=True)


def main() -> int:
    """Search every mutant, print the table, keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the counterexamples")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin none after so long")
    parser.add_argument("--seed", type=int, default=1, help="the order in which they are searched")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these mutants alone")
    arguments = parser.parse_args()
    console = Console()
    names = arguments.names or [fault["name"] for fault in planted()]
    if arguments.seconds < math.inf:
        random.Random(arguments.seed).shuffle(names)  # noqa: S311 - not for secrets
    table = Table(title="planted faults", title_justify="left", show_edge=False)
    for column in ("mutant", "steps", "method", "expected", "observed"):
        table.add_column(column)
    try:
        results = dict(_searched([*MODELS, *names], arguments.seconds, console))
    except CannotRun as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    found = {name: example for name, (searched, example) in results.items() if searched}
    themselves = {model: found.pop(model) for model in MODELS if model in found}
    left_out = [name for name in results if name not in found and name not in themselves]
    for name, example in found.items():
        if example is None:
            table.add_row(name, "-", "", "[red]missed[/]", "")
        else:
            length = str(len(example.steps))
            table.add_row(name, length, example.method, example.expected, example.observed)
    console.print(table)
    missed = [name for name, example in found.items() if example is None]
    caught = len(found) - len(missed)
    console.print(f"{caught} of {len(found)} planted faults caught")
    if left_out:
        console.print(f"time is over; not searched: {', '.join(left_out)}")
    diverging = {model: example for model, example in themselves.items() if example is not None}
    for model, example in diverging.items():
        console.print(f"[red]the contract {model} itself diverges: {example.observed}[/]")
    if missed or diverging:
        return 1
    if arguments.write:
        kept = stored() | {name: example for name, example in found.items() if example is not None}
        planted_now = (fault["name"] for fault in planted())
        document = {name: kept[name].to_json() for name in planted_now if name in kept}
        COUNTEREXAMPLES.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
