from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.world import World

from callora_vault.client import Journal


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(_world: World) -> World:
    """A network with a fresh vault."""
    _world.reset()
    return _world


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db") as journal:
        yield journal
