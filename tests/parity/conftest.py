from __future__ import annotations

import pytest

from callora_vault.parity import MODELS, Report, audit, committed, connect_local


@pytest.fixture(scope="session", params=MODELS)
def agreed(request: pytest.FixtureRequest) -> Report:
    """One run over each contract of this package, small but whole."""
    return audit(committed(request.param), connect_local(), examples=8, steps=15, seed=7)
