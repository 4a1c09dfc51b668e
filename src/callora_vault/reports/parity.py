"""The report of a parity run as JSON and as JUnit XML."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import attrs

from callora_vault.parity.campaign import Divergence
from callora_vault.parity.coverage import Coverage, Table
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.notation import snippet, text
from callora_vault.parity.notation import to_json as step_to_json
from callora_vault.parity.trial import Usages
from callora_vault.parity.verdict import Report, Verdict


def to_json(report: Report) -> dict[str, Any]:
    """Return a report as a JSON document; its words are stable."""
    campaign = report.campaign
    return {
        "verdict": report.verdict.value,
        "reason": report.reason,
        "error": None if campaign.error is None else str(campaign.error),
        "contract": {"name": report.target.name, "sha256": report.target.sha256},
        "model": report.model,
        "network": report.network,
        "seed": campaign.seed,
        "examples": campaign.examples,
        "steps": campaign.tally.steps,
        "divergences": [_divergence(report, found) for found in campaign.divergences],
        "not_compared": report.not_compared,
        "coverage": {
            **coverage_to_json(campaign.tally.coverage, report.table),
            "missed": report.missed,
        },
        "resources": {
            method: _usages(usages) for method, usages in sorted(campaign.tally.usages.items())
        },
    }


def _divergence(report: Report, found: Divergence) -> dict[str, Any]:
    finding = found.finding
    return {
        "method": finding.method,
        "state": finding.state,
        "expected": finding.expected,
        "observed": finding.observed,
        "detail": finding.detail,
        "seen": report.campaign.seen[finding.key],
        "calls": [
            {"step": step_to_json(line.step), "expected": line.expected, "observed": line.observed}
            for line in found.lines
        ],
        "python": snippet(report.target, report.model, found.steps),
    }


def json_text(report: Report) -> str:
    """Write a report as JSON text."""
    return _text(to_json(report))


def junit_text(report: Report) -> str:
    """Write the reachable cells as JUnit test cases; a divergence fails its own."""
    suite = ElementTree.Element("testsuite", name="callora-vault parity")
    failures = 0
    for found in report.campaign.divergences:
        finding = found.finding
        case = _case(suite, finding.method, f"{finding.expected} when {finding.state}")
        failure = ElementTree.SubElement(
            case, "failure", message=f"observed {finding.observed}: {finding.detail}"
        )
        failure.text = "\n".join(
            f"{text(line.step)}: expected {line.expected}, observed {line.observed}"
            for line in found.lines
        )
        failures += 1
    failed = {
        (f.finding.method, f.finding.expected, f.finding.state) for f in report.campaign.divergences
    }
    for cell in report.table.cells:
        hit = report.campaign.tally.coverage.cells[cell.method, cell.outcome, cell.state]
        if hit and (cell.method, cell.outcome, cell.state.value) not in failed:
            _case(suite, cell.method, f"{cell.outcome} when {cell.state.value}")
    errors = 0
    if report.reason is not None:
        ElementTree.SubElement(_case(suite, "run", "whole run"), "error", message=report.reason)
        errors = 1
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def unmade(error: CannotRun) -> str:
    """Write the JSON of a run that could not begin: the same keys, and the reason."""
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


def coverage_to_json(coverage: Coverage, table: Table) -> dict[str, Any]:
    """Return the coverage table: every cell with its count, or why it cannot be reached."""
    return {
        "cells": [
            {
                "method": cell.method,
                "outcome": cell.outcome,
                "state": cell.state.value,
                "hits": coverage.cells[cell.method, cell.outcome, cell.state],
                "unreachable": cell.unreachable,
            }
            for cell in table.cells
        ],
        "signatures_unreachable": {
            method: {lane.name.lower(): reason}
            for (method, lane), reason in table.never_signed.items()
        },
        "signatures": {
            method: {lane.name.lower(): coverage.lanes[method, lane] for lane in table.lanes}
            for method in table.writes
        },
        "renewals": dict(coverage.renewals),
        "restored": dict(coverage.restored),
    }
