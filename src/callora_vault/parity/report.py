"""What a run says: the verdict, and everything about it as JSON, JUnit and Python."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final
from xml.etree import ElementTree

import attrs

from callora_vault.parity.campaign import Campaign, Divergence
from callora_vault.parity.coverage import Table
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.steps import Step, to_json
from callora_vault.parity.target import Target
from callora_vault.parity.trial import Usages


class Verdict(Enum):
    """What a run came to; the value is its word in JSON."""

    AGREE = "agree"
    DIVERGE = "diverge"
    ERROR = "error"

    @property
    def exit_code(self) -> int:
        """0 agree, 1 diverge, 2 could not run."""
        return {Verdict.AGREE: 0, Verdict.DIVERGE: 1, Verdict.ERROR: 2}[self]


@attrs.frozen
class Report:
    """A run with what was judged and where."""

    target: Target
    model: str
    table: Table
    network: str
    can_age: bool
    campaign: Campaign

    @property
    def missed(self) -> list[str]:
        """What the run should have reached and has not."""
        coverage = self.campaign.tally.coverage
        return coverage.missed(self.table, self.target.functions, can_age=self.can_age)

    @property
    def verdict(self) -> Verdict:
        """Divergences speak for themselves; without any, only a whole run agrees."""
        if self.campaign.divergences:
            return Verdict.DIVERGE
        if self.campaign.error is not None or self.inconclusive or self.missed:
            return Verdict.ERROR
        return Verdict.AGREE

    @property
    def reason(self) -> str | None:
        """Why a run without divergences says nothing; None where it agrees or diverges."""
        if self.verdict is not Verdict.ERROR:
            return None
        if self.campaign.error is not None:
            return str(self.campaign.error)
        if self.inconclusive is not None:
            return self.inconclusive
        return f"{len(self.missed)} reachable outcomes were never reached: {'; '.join(self.missed)}"

    @property
    def inconclusive(self) -> str | None:
        """Which calls ended in a way that says nothing of the contract; None where none did."""
        counts = self.campaign.tally.inconclusive
        if not counts:
            return None
        return f"{counts.total()} calls ended in a way that says nothing of the contract: " + (
            "; ".join(sorted(counts))
        )

    @property
    def not_compared(self) -> list[str]:
        """What was left out of the comparison."""
        listed = [
            f"{method}: the contract has no such method"
            for method in self.table.methods
            if method not in self.target.functions
        ]
        uncounted = self.campaign.tally.uncounted
        if uncounted:
            listed.append(f"error numbers of {uncounted} refusals that ended in a trap")
        if self.inconclusive is not None:
            listed.append(self.inconclusive)
        if not self.can_age:
            listed.append("renewal and restoration: time cannot be moved on this network")
        return listed

    def to_json(self) -> dict[str, Any]:
        """Write everything; the words are stable."""
        campaign = self.campaign
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "error": None if campaign.error is None else str(campaign.error),
            "contract": {"name": self.target.name, "sha256": self.target.sha256},
            "model": self.model,
            "network": self.network,
            "seed": campaign.seed,
            "examples": campaign.examples,
            "steps": campaign.tally.steps,
            "divergences": [self._divergence(found) for found in campaign.divergences],
            "not_compared": self.not_compared,
            "coverage": {**campaign.tally.coverage.to_json(self.table), "missed": self.missed},
            "resources": {
                method: _usages(usages) for method, usages in sorted(campaign.tally.usages.items())
            },
        }

    def _divergence(self, found: Divergence) -> dict[str, Any]:
        finding = found.finding
        return {
            "method": finding.method,
            "state": finding.state,
            "expected": finding.expected,
            "observed": finding.observed,
            "detail": finding.detail,
            "seen": self.campaign.seen[finding.key],
            "calls": [
                {"step": to_json(line.step), "expected": line.expected, "observed": line.observed}
                for line in found.lines
            ],
            "python": snippet(self.target, self.model, found.steps),
        }

    def json_text(self) -> str:
        """Write everything as JSON text."""
        return _text(self.to_json())

    def junit_text(self) -> str:
        """Write the reachable cells as JUnit test cases; a divergence fails its own."""
        suite = ElementTree.Element("testsuite", name="callora-vault parity")
        failures = 0
        for found in self.campaign.divergences:
            finding = found.finding
            case = _case(suite, finding.method, f"{finding.expected} when {finding.state}")
            failure = ElementTree.SubElement(
                case, "failure", message=f"observed {finding.observed}: {finding.detail}"
            )
            failure.text = "\n".join(
                f"{line.step}: expected {line.expected}, observed {line.observed}"
                for line in found.lines
            )
            failures += 1
        failed = {
            (f.finding.method, f.finding.expected, f.finding.state)
            for f in self.campaign.divergences
        }
        for cell in self.table.cells:
            hit = self.campaign.tally.coverage.cells[cell.method, cell.outcome, cell.state]
            if hit and (cell.method, cell.outcome, cell.state.value) not in failed:
                _case(suite, cell.method, f"{cell.outcome} when {cell.state.value}")
        errors = 0
        if self.reason is not None:
            ElementTree.SubElement(_case(suite, "run", "whole run"), "error", message=self.reason)
            errors = 1
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(failures))
        suite.set("errors", str(errors))
        ElementTree.indent(suite)
        return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def unmade(error: CannotRun) -> str:
    """Write the JSON of a run that could not begin: the keys of any run, and why."""
    nothing: dict[str, Any] = dict.fromkeys(("contract", "model", "network", "seed"))
    return _text(
        {
            "verdict": Verdict.ERROR.value,
            "reason": str(error),
            "error": str(error),
            **nothing,
            "examples": 0,
            "steps": 0,
            "divergences": [],
            "not_compared": [],
            "coverage": {},
            "resources": {},
        }
    )


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _case(suite: ElementTree.Element, method: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=f"vault.{method}", name=name)


def _usages(usages: Usages) -> dict[str, Any]:
    return {
        "calls": usages.calls,
        "least": attrs.asdict(usages.least),
        "most": attrs.asdict(usages.most),
    }


_SNIPPET: Final = """\
from callora_vault.parity import {names}

reproduce(
    {target},
    [
{steps}
    ],
    model="{model}",
)
"""


NAMES: Final = (
    "Age",
    "Code",
    "DeductItem",
    "Lane",
    "Made",
    "Place",
    "Restore",
    "Role",
    "Salt",
    "Submit",
)
"""What a step may be written with, all of it of callora_vault.parity."""


def snippet(target: Target, model: str, steps: Sequence[Step]) -> str:
    """Write a Python program that makes the steps and prints both sides."""
    lines = [f"        {step.python()}," for step in steps]
    text = "\n".join(lines)
    used = [name for name in NAMES if re.search(rf"\b{name}\b", text)]
    used += [name for name in ("committed", "deployed") if target.python.startswith(name)]
    names = ", ".join([*used, "reproduce"])
    return _SNIPPET.format(names=names, target=target.python, steps=text, model=model)
