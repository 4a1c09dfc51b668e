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
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.progress import track
from rich.table import Table

from callora_vault.parity import (
    MODELS,
    CannotRun,
    Step,
    campaign,
    committed,
    connect_local,
    from_file,
    subject,
)
from callora_vault.parity.notation import from_json, to_json
from callora_vault.parity.subject import Subject

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "contracts" / "mutants" / "mutants.toml"
COMPILED = ROOT / "tests" / "data" / "mutants"
COUNTEREXAMPLES = ROOT / "tests" / "data" / "counterexamples.json"

EXAMPLES = 20
STEPS = 20
SEED = 1


def planted() -> list[dict[str, Any]]:
    """Read the table of planted faults."""
    document = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    faults: list[dict[str, Any]] = document["mutant"]
    return faults


def models() -> dict[str, str]:
    """Tell the model of every mutant by its name, and of every contract itself."""
    return {fault["name"]: fault.get("contract", "v1") for fault in planted()} | {
        model: model for model in MODELS
    }


def under_test(name: str) -> Subject[Any]:
    """Put a compiled mutant, or a contract itself, on a network beside its model."""
    target = committed(name) if name in MODELS else from_file(COMPILED / f"{name}.wasm")
    return subject(target, connect_local(), models()[name])


@attrs.frozen
class Counterexample:
    """The shortest steps that tell a mutant from the model, and how the sides part in the last."""

    method: str
    expected: str
    observed: str
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """Write it for the file."""
        return {
            "method": self.method,
            "expected": self.expected,
            "observed": self.observed,
            "steps": [to_json(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Counterexample:
        """Read it from the file."""
        return cls(
            document["method"],
            document["expected"],
            document["observed"],
            tuple(from_json(step) for step in document["steps"]),
        )


def stored() -> dict[str, Counterexample]:
    """Read the counterexamples that were kept."""
    document = json.loads(COUNTEREXAMPLES.read_text(encoding="utf-8"))
    return {name: Counterexample.from_json(found) for name, found in document.items()}


def search(name: str) -> Counterexample | None:
    """Return the shortest counterexample of a mutant, or None where it was not caught."""
    result = campaign.run(
        under_test(name), examples=EXAMPLES, steps=STEPS, run_seed=SEED, shortest=True
    )
    if result.error is not None and not result.divergences:
        raise result.error
    if not result.divergences:
        return None
    shortest = min(result.divergences, key=lambda found: len(found.steps))
    finding = shortest.finding
    return Counterexample(finding.method, finding.expected, finding.observed, shortest.steps)


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
