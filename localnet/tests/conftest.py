from __future__ import annotations

import pytest
from localnet.tests.contract import Contract, deploy, upload
from localnet.tests.person import Person

from soroban_localnet import LocalNetwork

START = 1_790_000_000


@pytest.fixture
def network() -> LocalNetwork:
    return LocalNetwork(start_time=START)


@pytest.fixture
def alice(network: LocalNetwork) -> Person:
    return Person(network)


@pytest.fixture
def bob(network: LocalNetwork) -> Person:
    return Person(network)


@pytest.fixture
def contract(alice: Person) -> Contract:
    alice.invoke(upload())
    return deploy(alice)
