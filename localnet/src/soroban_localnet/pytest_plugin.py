"""pytest fixtures: a fresh network for each test, in its process and over HTTP.

One network lives as long as the test session and goes back to its beginning before each test, which
costs as much as the test before it changed. Nothing is imported before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from soroban_localnet.errors import SettingsError

if TYPE_CHECKING:
    from soroban_localnet.network import LocalNetwork
    from soroban_localnet.serve.http import Endpoint

_PASSPHRASE = "soroban_passphrase"  # noqa: S105 - of a network, known to everybody
_SETTINGS = "soroban_settings"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings of the network."""
    parser.addini(
        _PASSPHRASE, "passphrase of soroban_network (default: that of standalone networks)"
    )
    parser.addini(
        _SETTINGS,
        "limits and fees of soroban_network: a file in stellar-core's JSON form, relative to the "
        "rootdir "
        "(default: the testnet's)",
    )


@pytest.fixture(scope="session")
def _soroban_beginning(pytestconfig: pytest.Config) -> tuple[LocalNetwork, int]:
    from soroban_localnet.ledger import settings  # noqa: PLC0415
    from soroban_localnet.ledger.parameters import STANDALONE  # noqa: PLC0415
    from soroban_localnet.network import LocalNetwork  # noqa: PLC0415

    file = pytestconfig.getini(_SETTINGS)
    try:
        chosen = settings.load(pytestconfig.rootpath / file) if file else None
    except SettingsError as error:
        pytest.fail(f"{_SETTINGS}: {error}", pytrace=False)
    network = LocalNetwork(pytestconfig.getini(_PASSPHRASE) or STANDALONE, settings=chosen)
    return network, network.snapshot()


@pytest.fixture(scope="session")
def _soroban_endpoint(_soroban_beginning: tuple[LocalNetwork, int]) -> Iterator[Endpoint]:
    try:
        from soroban_localnet.serve.http import serve_http  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        remedy = "pip install 'soroban-localnet[serve]'"
        pytest.fail(f"soroban_rpc_url needs {missing.name}: {remedy}", pytrace=False)
    with serve_http(_soroban_beginning[0]) as endpoint:
        yield endpoint


@pytest.fixture
def soroban_network(_soroban_beginning: tuple[LocalNetwork, int]) -> LocalNetwork:
    """A Soroban network in this process, without accounts or contracts."""
    network, beginning = _soroban_beginning
    network.revert(beginning)
    return network


@pytest.fixture
def soroban_rpc_url(soroban_network: LocalNetwork, _soroban_endpoint: Endpoint) -> str:
    """The URL of a Stellar RPC that serves `soroban_network`, with friendbot on /friendbot."""
    return _soroban_endpoint.url
