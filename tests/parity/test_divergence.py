"""Contracts with faults, and contracts of other people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.support import planted_faults

from callora_vault.parity import Report, Verdict, audit, connect_local, from_file
from callora_vault.reports.parity import json_text, junit_text

PLACED = planted_faults.ROOT / "src/callora_vault/parity/data"
"""What parity puts before the factory; v0 stores another layout than v1."""

EIGHT_FAULTS = {
    ("init", "rejected:NegativeInitialBalance", "rejected:NegativeMinDeposit"),
    ("get_meta", "accepted", "accepted:wrong-return"),
    ("balance", "rejected:NotInitialized", "accepted"),
    ("deposit", "rejected:BelowMinDeposit", "accepted"),
    ("deduct", "rejected:Unauthorized", "accepted"),
    ("deduct", "accepted", "accepted:wrong-events"),
    ("withdraw", "accepted", "rejected:InsufficientBalance"),
    ("withdraw_to", "unsigned", "accepted"),
}


def _audit(name: str, *, foreign: bool = False, saved_in: Path | None = None) -> Report:
    return audit(
        from_file((PLACED if name == "v0" else planted_faults.COMPILED) / f"{name}.wasm"),
        connect_local(),
        examples=1,
        steps=5,
        seed=1,
        foreign=foreign,
        saved_in=saved_in,
    )


def _kinds(report: Report) -> set[tuple[str, str, str]]:
    found = (divergence.finding for divergence in report.campaign.divergences)
    return {(finding.method, finding.expected, finding.observed) for finding in found}


@pytest.fixture(scope="module")
def eight_faults(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    """Two runs over the contract with eight faults; the second has the examples of the first."""
    folder = tmp_path_factory.mktemp("saved")
    return _audit("eight_faults", saved_in=folder), _audit("eight_faults", saved_in=folder)


def test_one_run_reports_all_of_eight_faults(eight_faults: tuple[Report, Report]) -> None:
    first, _ = eight_faults
    assert first.verdict is Verdict.DIVERGE
    assert _kinds(first) >= EIGHT_FAULTS


def test_the_second_run_reports_them_all_again(eight_faults: tuple[Report, Report]) -> None:
    first, second = eight_faults
    assert _kinds(second) >= _kinds(first)


def test_no_divergence_is_listed_twice(eight_faults: tuple[Report, Report]) -> None:
    for report in eight_faults:
        keys = [found.finding.key for found in report.campaign.divergences]
        assert len(keys) == len(set(keys))


def test_a_divergence_in_json_has_stable_words_and_its_calls(
    eight_faults: tuple[Report, Report],
) -> None:
    document = json.loads(json_text(eight_faults[0]))
    assert document["verdict"] == "diverge"
    (found,) = (
        divergence
        for divergence in document["divergences"]
        if divergence["method"] == "balance" and divergence["state"] == "absent"
    )
    assert found["expected"] == "rejected:NotInitialized"
    assert found["observed"] == "accepted"
    (call,) = found["calls"]
    assert call["step"]["call"] == "balance"
    assert call["expected"] == "rejected:NotInitialized"


def test_a_divergence_in_junit_is_a_failure(eight_faults: tuple[Report, Report]) -> None:
    report = eight_faults[0]
    suite = ElementTree.fromstring(junit_text(report))  # noqa: S314 - we wrote it
    failures = suite.findall("testcase/failure")
    assert len(failures) == len(report.campaign.divergences) == int(suite.attrib["failures"])


def test_the_python_of_a_divergence_reproduces_it(
    eight_faults: tuple[Report, Report], tmp_path: Path
) -> None:
    document = json.loads(json_text(eight_faults[0]))
    found = next(d for d in document["divergences"] if d["method"] == "withdraw")
    program = tmp_path / "reproduce.py"
    program.write_text(found["python"])
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1, ran.stderr
    assert "model:    accepted" in ran.stdout
    assert "contract: rejected:InsufficientBalance" in ran.stdout


def test_a_contract_that_panics_instead_of_returning_numbers_diverges() -> None:
    kinds = _kinds(_audit("panicking"))
    assert ("deposit", "rejected:AmountNotPositive", "trap") in kinds
    assert {observed for _, _, observed in kinds} == {"trap"}


def test_as_a_foreign_contract_it_agrees_as_far_as_it_can_be_compared() -> None:
    report = _audit("panicking", foreign=True)
    assert report.verdict is Verdict.AGREE
    assert any("refusals that ended in a trap" in note for note in report.not_compared)


def test_a_missing_method_is_one_divergence_and_named() -> None:
    report = _audit("no_withdraw_to")
    assert _kinds(report) == {("withdraw_to", "present", "missing-method")}
    assert report.not_compared == ["withdraw_to: the contract has no such method"]


def test_as_a_foreign_contract_it_may_lack_a_method() -> None:
    report = _audit("no_withdraw_to", foreign=True)
    assert report.verdict is Verdict.AGREE
    assert report.not_compared[0] == "withdraw_to: the contract has no such method"


@pytest.mark.parametrize("name", ["invalid_entry", "v0"])
def test_a_stored_entry_that_no_vault_can_have_is_a_divergence_and_ends_its_example(
    name: str,
) -> None:
    report = _audit(name)
    assert report.campaign.error is None
    assert any(observed == "accepted:wrong-state" for _, _, observed in _kinds(report))


def test_what_the_host_forbids_a_contract_is_a_trap() -> None:
    report = _audit("deposit_reenters")
    assert ("deposit", "accepted", "trap") in _kinds(report)
    assert report.campaign.error is None
    assert report.inconclusive is None


def test_a_call_that_uses_up_its_budget_is_never_agreement_and_hides_no_other_divergence() -> None:
    report = _audit("withdraw_takes_all_memory")
    assert ("withdraw_to", "unsigned", "accepted") in _kinds(report)
    assert {kind[0] for kind in _kinds(report)} == {"withdraw_to"}
    assert report.inconclusive is not None
    assert "withdraw (" in report.inconclusive
    assert "Error(Budget, ExceededLimit)" in report.inconclusive
    assert report.inconclusive in report.not_compared
