from __future__ import annotations

import pytest
from localnet.tests.support.interrupts import foreground
from tests.support.deployed_vault import DeployedVault

__all__ = ["foreground"]


@pytest.fixture(scope="session")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> DeployedVault:
    return DeployedVault(tmp_path_factory.mktemp("deployed"))


@pytest.fixture
def deployed(_deployed: DeployedVault) -> DeployedVault:
    """A network with a fresh vault."""
    _deployed.reset()
    return _deployed
