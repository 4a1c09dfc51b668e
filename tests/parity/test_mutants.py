"""Every planted fault is told from the model by its stored counterexample (`make mutants`)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import planted_faults
from tests.support.planted_faults import Counterexample

from callora_vault.parity import MODELS, campaign
from callora_vault.parity.subject import Subject

STORED = planted_faults.stored()


def _shows(under_test: Subject[Any], example: Counterexample) -> bool:
    """Whether the last of the steps shows the finding."""
    replay = campaign.reproduce(under_test, example.steps)
    last = f"{example.expected} | {example.observed}"
    found = {f"{f.expected} | {f.observed}" for f in replay.findings if f.method == example.method}
    line = replay.lines[-1]
    whole = len(replay.lines) == len(example.steps)
    return whole and last in found and example.observed in line.observed


def test_every_planted_fault_has_a_counterexample() -> None:
    names = [fault["name"] for fault in planted_faults.planted()]
    for model in MODELS:
        assert list(planted_faults.models().values()).count(model) > 12
    assert sorted(STORED) == sorted(names)


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_planted_fault_is_caught_by_the_fewest_steps(name: str) -> None:
    example = STORED[name]
    under_test = planted_faults.under_test(name)

    assert _shows(under_test, example)
    for index in range(len(example.steps) - 1):
        steps = example.steps[:index] + example.steps[index + 1 :]
        fewer = Counterexample(example.method, example.expected, example.observed, steps)
        assert not _shows(under_test, fewer)


@pytest.mark.parametrize("name", ["code_unchecked", "deposit_zero"])
def test_a_search_ends_with_as_few_steps_as_are_stored(name: str) -> None:
    found = planted_faults.search(name)
    assert found is not None
    assert len(found.steps) == len(STORED[name].steps)


@pytest.mark.parametrize("model", MODELS)
def test_a_contract_itself_passes_every_counterexample(model: str) -> None:
    under_test = planted_faults.under_test(model)
    for name, example in STORED.items():
        if planted_faults.models()[name] == model:
            assert not campaign.reproduce(under_test, example.steps).findings


def test_each_fault_is_caught_in_a_method_that_it_is_in() -> None:
    for fault in planted_faults.planted():
        assert STORED[fault["name"]].method in fault["methods"]
