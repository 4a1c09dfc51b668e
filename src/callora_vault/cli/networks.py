"""Which network a command works on: a name that everybody knows, or the URL of an RPC."""

from __future__ import annotations

from typing import Annotated, Final

import attrs
from cyclopts import Parameter
from stellar_sdk import Network as StellarNetwork

from callora_vault.errors import CalloraError
from callora_vault.rpc.network import Network, connect, passphrase_of
from soroban_localnet import STANDALONE


@attrs.frozen
class Known:
    """A network by its name: its passphrase, and an RPC where there is one for everybody."""

    passphrase: str
    url: str | None


KNOWN: Final = {
    "local": Known(STANDALONE, "http://127.0.0.1:8000"),
    "testnet": Known(
        StellarNetwork.TESTNET_NETWORK_PASSPHRASE, "https://soroban-testnet.stellar.org"
    ),
    "mainnet": Known(StellarNetwork.PUBLIC_NETWORK_PASSPHRASE, None),
}


@attrs.frozen
class NoRpc(CalloraError):
    """The network has no RPC for everybody."""

    network: str

    def __str__(self) -> str:
        return f"{self.network} has no RPC for everybody; name yours by --rpc-url"


@Parameter(name="*")
@attrs.frozen
class NetworkOptions:
    """The options that say which network a command works on."""

    network: Annotated[
        str,
        Parameter(
            help="local, testnet, mainnet, or the URL of an RPC.", env_var="CALLORA_VAULT_NETWORK"
        ),
    ] = "local"
    rpc_url: Annotated[
        str | None, Parameter(help="The RPC to ask, where it is not the network's own.")
    ] = None
    network_passphrase: Annotated[
        str | None,
        Parameter(help="The passphrase that the RPC's network has to have; by URL it is believed."),
    ] = None
    timeout: Annotated[float, Parameter(help="Seconds to wait for an answer.")] = 30.0

    @property
    def url(self) -> str:
        """The RPC to ask. Raises NoRpc."""
        known = KNOWN.get(self.network)
        url = self.rpc_url or (self.network if known is None else known.url)
        if url is None:
            raise NoRpc(self.network)
        return url

    def connect(self) -> Network:
        """Return the network. Raises CalloraError, BadValue."""
        known, url = KNOWN.get(self.network), self.url
        passphrase = self.network_passphrase or (None if known is None else known.passphrase)
        return connect(url, passphrase or passphrase_of(url, self.timeout))
