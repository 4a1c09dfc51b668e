"""Search and shrink a counterexample for every planted fault (`make mutants`).

Each mutant of contracts/mutants/mutants.toml has to be caught; the contracts themselves have to
pass with the same budget. The shortest counterexample of each is kept in
tests/data/counterexamples.json, which the tests replay. Exit codes: 0 all caught, 1 one was missed,
2 could not run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.support.planted_faults import COUNTEREXAMPLES, Counterexample, planted, search, stored

from callora_vault.parity import MODELS, CannotRun


def _searched(names: list[str], console: Console) -> Iterator[tuple[str, Counterexample | None]]:
    with ProcessPoolExecutor() as pool:
        results = zip(names, pool.map(search, names), strict=True)
        yield from track(results, "searching", total=len(names), console=console, transient=True)


def main() -> int:
    """Search every mutant, print the table, keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the counterexamples")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these mutants alone")
    arguments = parser.parse_args()
    console = Console()
    names = arguments.names or [fault["name"] for fault in planted()]
    table = Table(title="planted faults", title_justify="left", show_edge=False)
    for column in ("mutant", "steps", "method", "expected", "observed"):
        table.add_column(column)
    try:
        found = dict(_searched([*MODELS, *names], console))
    except CannotRun as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    themselves = {model: found.pop(model) for model in MODELS}
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
