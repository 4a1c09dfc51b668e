from __future__ import annotations

import pytest
from tests.client.world import World


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(_world: World) -> World:
    """A network with a fresh vault."""
    _world.reset()
    return _world
