from __future__ import annotations

import pytest
from hypothesis import settings
from localnet.tests.support.clock import START
from localnet.tests.support.contract import Contract, Kind, deploy, upload
from localnet.tests.support.fork_transport import RemoteTransport, fork_of
from localnet.tests.support.interrupts import foreground
from localnet.tests.support.sender import Sender

from soroban_localnet import LocalNetwork

__all__ = ["foreground"]

# no assertion by the clock: the machine may be busy
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture
def network() -> LocalNetwork:
    return LocalNetwork(start_time=START)


@pytest.fixture
def alice(network: LocalNetwork) -> Sender:
    return Sender(network)


@pytest.fixture
def bob(network: LocalNetwork) -> Sender:
    return Sender(network)


@pytest.fixture
def contract(alice: Sender) -> Contract:
    alice.invoke(upload())
    return deploy(alice)


@pytest.fixture
def transport(network: LocalNetwork, alice: Sender, contract: Contract) -> RemoteTransport:
    """A transport to a network where alice has a contract with a counter of each kind."""
    for kind in Kind:
        alice.invoke(contract.call("add", kind, "n", 5))
    return RemoteTransport(network)


@pytest.fixture
def forked(transport: RemoteTransport) -> LocalNetwork:
    """A fork of that network."""
    return fork_of(transport)
