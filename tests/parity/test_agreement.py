"""The contract of this package, judged by the model."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from callora_vault.parity import (
    Age,
    Lane,
    Report,
    Role,
    Submit,
    Verdict,
    campaign,
    committed,
    connect_local,
    subject,
)
from callora_vault.parity.steps import VAULT_LANES
from callora_vault.parity.subject import Subject
from callora_vault.parity.vault.subject import VaultSubject
from callora_vault.reports.parity import coverage_to_json, json_text, junit_text


@pytest.fixture(scope="module")
def vault() -> Subject[Any]:
    return subject(committed(), connect_local())


def test_the_contract_agrees_with_the_model(agreed: Report) -> None:
    assert agreed.verdict is Verdict.AGREE
    assert agreed.campaign.divergences == []
    assert agreed.campaign.examples >= 8
    assert agreed.not_compared == []


def test_a_small_run_reaches_every_cell_that_can_be_reached(agreed: Report) -> None:
    hits = agreed.campaign.tally.coverage.cells
    for cell in agreed.table.cells:
        reached = hits[cell.method, cell.outcome, cell.state] > 0
        assert reached == (cell.unreachable is None), cell


def test_every_write_is_seen_with_a_renewal_due_and_after_the_entries_were_archived(
    agreed: Report,
) -> None:
    coverage = agreed.campaign.tally.coverage
    for method in agreed.table.writes:
        assert coverage.renewals[method] > 0
    for method in agreed.table.methods:
        if method != "init":
            assert coverage.restored[method] > 0


def test_when_the_time_is_over_no_example_is_drawn_and_the_run_says_how_many_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VaultSubject, "tour", lambda _: iter(()))
    under_test = subject(committed(), connect_local())
    assert campaign.run(under_test, examples=50, steps=3, seconds=0).examples == 0
    moments = itertools.count()  # one a look at the clock
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("callora_vault.parity.campaign.time", clock)
    assert 0 < campaign.run(under_test, examples=50, steps=3, seconds=3).examples < 50


def test_the_same_seed_makes_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # the edges are the same in every run and would only take time
    monkeypatch.setattr(VaultSubject, "tour", lambda self: iter(()))
    under_test = subject(committed(), connect_local())

    def run(seed: int) -> tuple[int, str]:
        found = campaign.run(under_test, examples=8, steps=10, run_seed=seed)
        hits = coverage_to_json(found.tally.coverage, under_test.table)
        return found.tally.steps, json.dumps(hits, sort_keys=True)

    assert run(11) == run(11)
    assert run(11) != run(12)


def test_a_call_that_renews_pays_far_more_than_one_that_does_not(agreed: Report) -> None:
    write = agreed.table.writes[-1]
    used = agreed.campaign.tally.usages[write]
    assert used.least.instructions > 0
    assert used.most.fee > 100 * used.least.fee


@pytest.mark.parametrize("lane", VAULT_LANES)
@pytest.mark.parametrize("signer", [Role.OWNER, Role.STRANGER, Role.PAYER, Role.VAULT])
def test_whoever_signs_a_deduct_in_any_way_both_sides_take_it_alike(
    vault: Subject[Any], signer: Role, lane: Lane
) -> None:
    opening = Submit.of("init", owner=Role.OWNER, initial_balance=5, min_deposit=None)
    call = Submit.of("deduct", signer, lane, caller=signer, amount=1, request_id=None)
    assert campaign.reproduce(vault, [opening, call]).findings == ()


def test_a_contract_that_signs_after_its_entry_was_archived_says_as_much_as_any_other() -> None:
    opening = Submit.of("init", owner=Role.OWNER, initial_balance=0, min_deposit=None)
    authorise = Submit.of("set_authorized_caller", caller=Role.OTHER_VAULT)
    for lane in VAULT_LANES:
        call = Submit.of(
            "deduct", Role.OTHER_VAULT, lane, caller=Role.OTHER_VAULT, amount=1, request_id=None
        )
        under_test = subject(committed("v2"), connect_local())
        found = campaign.reproduce(under_test, [opening, Age(600_000), authorise, call])
        assert found.findings == ()
        assert found.lines[-1].observed == "unsigned"


def test_the_json_has_what_a_program_needs(agreed: Report) -> None:
    document = json.loads(json_text(agreed))
    assert document["verdict"] == "agree"
    assert document["divergences"] == []
    assert document["seed"] == 7
    assert document["steps"] == agreed.campaign.tally.steps
    assert document["coverage"]["missed"] == []
    assert set(document["resources"]) == set(agreed.table.methods)
    assert document["contract"]["sha256"] == committed(agreed.model).sha256


def test_the_junit_names_a_case_for_every_cell(agreed: Report) -> None:
    suite = ElementTree.fromstring(junit_text(agreed))  # noqa: S314 - we wrote it
    reachable = [cell for cell in agreed.table.cells if cell.unreachable is None]
    assert len(suite) == len(reachable) == int(suite.attrib["tests"])
    assert suite.attrib["failures"] == suite.attrib["errors"] == "0"
