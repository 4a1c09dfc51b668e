"""The contract of this package, judged by the model."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from callora_vault.parity import (
    Lane,
    Report,
    Role,
    Submit,
    Verdict,
    audit,
    campaign,
    committed,
    connect_local,
)
from callora_vault.parity.chain import Chain
from callora_vault.parity.coverage import CELLS, METHODS


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(connect_local(), committed().code)


def test_the_contract_agrees_with_the_model(agreed: Report) -> None:
    assert agreed.verdict is Verdict.AGREE
    assert agreed.campaign.divergences == []
    assert agreed.campaign.examples >= 15
    assert agreed.not_compared == []


def test_a_small_run_reaches_every_cell_that_can_be_reached(agreed: Report) -> None:
    hits = agreed.campaign.tally.coverage.cells
    for cell in CELLS:
        reached = hits[cell.method, cell.outcome, cell.state] > 0
        assert reached == (cell.unreachable is None), cell


def test_every_write_is_seen_with_a_renewal_due_and_after_the_entries_were_archived(
    agreed: Report,
) -> None:
    coverage = agreed.campaign.tally.coverage
    for method in ("deposit", "deduct", "withdraw", "withdraw_to"):
        assert coverage.renewals[method] > 0
    for method in METHODS:
        if method != "init":
            assert coverage.restored[method] > 0


def test_the_same_seed_makes_the_same_run() -> None:
    def run(seed: int) -> tuple[int, str]:
        report = audit(committed(), connect_local(), examples=8, steps=10, seed=seed)
        hits = report.campaign.tally.coverage.to_json()
        return report.campaign.tally.steps, json.dumps(hits, sort_keys=True)

    assert run(11) == run(11)
    assert run(11) != run(12)


def test_a_call_that_renews_pays_far_more_than_one_that_does_not(agreed: Report) -> None:
    used = agreed.campaign.tally.usages["deduct"]
    assert used.least.instructions > 0
    assert used.most.fee > 100 * used.least.fee


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("signer", [Role.OWNER, Role.STRANGER, Role.PAYER, Role.VAULT])
def test_whoever_signs_a_deduct_in_any_way_both_sides_take_it_alike(
    chain: Chain, signer: Role, lane: Lane
) -> None:
    opening = Submit.of("init", owner=Role.OWNER, initial_balance=5, min_deposit=None)
    call = Submit.of("deduct", signer, lane, caller=signer, amount=1, request_id=None)
    assert campaign.reproduce(chain, [opening, call]).findings == ()


def test_the_json_has_what_a_program_needs(agreed: Report) -> None:
    document = json.loads(agreed.json_text())
    assert document["verdict"] == "agree"
    assert document["divergences"] == []
    assert document["seed"] == 7
    assert document["steps"] == agreed.campaign.tally.steps
    assert document["coverage"]["missed"] == []
    assert set(document["resources"]) == set(METHODS)
    assert document["contract"]["sha256"] == committed().sha256


def test_the_junit_names_a_case_for_every_cell(agreed: Report) -> None:
    suite = ElementTree.fromstring(agreed.junit_text())  # noqa: S314 - we wrote it
    reachable = [cell for cell in CELLS if cell.unreachable is None]
    assert len(suite) == len(reachable) == int(suite.attrib["tests"])
    assert suite.attrib["failures"] == suite.attrib["errors"] == "0"
