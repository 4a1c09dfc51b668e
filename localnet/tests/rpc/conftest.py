from __future__ import annotations

import pytest
from localnet.tests.support.contract import Kind, deploy, upload
from localnet.tests.support.rpc_setup import Setup, encoded, payment, signed
from localnet.tests.support.sender import Sender

from soroban_localnet import LocalNetwork


@pytest.fixture(scope="module")
def setup() -> Setup:
    network = LocalNetwork(start_time=1_790_000_000)
    alice = Sender(network)
    alice.invoke(upload())
    contract = deploy(alice)
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 1))
    call = alice.prepare(contract.call("add", Kind.PERSISTENT, "n", 1))
    return Setup(network, alice, contract, encoded(payment(alice)), encoded(signed(alice, call)))
