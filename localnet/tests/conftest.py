from __future__ import annotations

import pytest
from localnet.tests.contract import Contract, Kind, deploy, upload
from localnet.tests.line import Line, fork_of
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


@pytest.fixture
def line(network: LocalNetwork, alice: Person, contract: Contract) -> Line:
    """The line to a network where alice has a contract with a counter of each kind."""
    for kind in Kind:
        alice.invoke(contract.call("add", kind, "n", 5))
    return Line(network)


@pytest.fixture
def forked(line: Line) -> LocalNetwork:
    """A fork of that network."""
    return fork_of(line)
