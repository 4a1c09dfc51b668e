from __future__ import annotations

import pytest
from hypothesis import settings
from localnet.tests.support.interrupts import foreground
from tests.support.deployed_vault import DeployedVault

__all__ = ["foreground"]

# no assertion by the clock: the machine may be busy
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> DeployedVault:
    return DeployedVault(tmp_path_factory.mktemp("deployed"))


@pytest.fixture
def deployed(_deployed: DeployedVault) -> DeployedVault:
    """A network with a fresh vault."""
    _deployed.reset()
    return _deployed
