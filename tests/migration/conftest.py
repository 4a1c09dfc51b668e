from __future__ import annotations

import pytest
from tests.support.migrations import Migrating


@pytest.fixture(scope="session")
def _migrating(tmp_path_factory: pytest.TempPathFactory) -> Migrating:
    return Migrating(tmp_path_factory.mktemp("migrating"))


@pytest.fixture
def here(_migrating: Migrating) -> Migrating:
    """A network with vaults that nobody has migrated."""
    _migrating.fresh()
    return _migrating
