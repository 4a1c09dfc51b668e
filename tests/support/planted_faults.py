"""The planted faults of contracts/mutants: table, counterexamples, and the search for one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import attrs

from callora_vault.parity import (
    MODELS,
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
