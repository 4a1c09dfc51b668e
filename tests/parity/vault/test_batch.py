"""What a full batch costs on the network, and that it fits."""

from __future__ import annotations

import pytest
from benchmarks.batch import CASES, Case, event_limit, measure


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.lane.name} {case.length}")
def test_a_batch_of_50_costs_a_part_of_50_deductions_and_fits_the_limits(case: Case) -> None:
    costs = measure(case)
    assert costs.ratio <= case.aim
    assert costs.deduct.event_bytes * 40 < costs.batch.event_bytes < event_limit()
