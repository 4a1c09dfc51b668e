from __future__ import annotations

import pytest

from callora_vault.parity import Report, audit, committed, connect_local


@pytest.fixture(scope="session")
def agreed() -> Report:
    """One run over the contract of this package, small but whole."""
    return audit(committed(), connect_local(), examples=15, steps=15, seed=7)
