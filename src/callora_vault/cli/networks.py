"""The network of a command: a well-known name, or the URL of an RPC."""

from __future__ import annotations

from typing import Annotated, Final

import attrs
from cyclopts import Parameter
from stellar_sdk import Network as StellarNetwork

from callora_vault.errors import CalloraError
from callora_vault.rpc.network import Network, connect, passphrase_of
from callora_vault.rpc.urls import is_server
from soroban_localnet import STANDALONE


@attrs.frozen
class Known:
    """A network by its name: its passphrase, and its public RPC if it has one."""

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
    """The network has no public RPC."""

    network: str

    def __str__(self) -> str:
        return f"{self.network} has no public RPC; give the URL of yours with --rpc-url"


@attrs.frozen
class UnknownNetwork(CalloraError):
    """The given value is neither the name of a network nor the URL of an RPC."""

    option: str
    given: str

    def __str__(self) -> str:
        url = "give http(s)://HOST[:PORT][/PATH]"
        names = "" if self.option == "--rpc-url" else f", or one of {', '.join(KNOWN)}"
        what = "not a URL" if self.option == "--rpc-url" else "neither a network nor a URL"
        return f"{self.option}: '{self.given}' is {what}; {url}{names}"


@Parameter(name="*")
@attrs.frozen
class NetworkOptions:
    """The options for the network."""

    network: Annotated[
        str,
        Parameter(
            help="local, testnet, mainnet, or the URL of an RPC.", env_var="CALLORA_VAULT_NETWORK"
        ),
    ] = "local"
    rpc_url: Annotated[str | None, Parameter(help="The URL of another RPC of that network.")] = None
    network_passphrase: Annotated[
        str | None,
        Parameter(
            help="The passphrase that the network must have; by default that of the named "
            "network, or for a URL the RPC's own."
        ),
    ] = None
    timeout: Annotated[float, Parameter(help="Seconds to wait for an answer.")] = 30.0

    @property
    def url(self) -> str:
        """The RPC to ask. Raises NoRpc, UnknownNetwork."""
        known = KNOWN.get(self.network)
        url = self.rpc_url or (self.network if known is None else known.url)
        if url is None:
            raise NoRpc(self.network)
        if not is_server(url):
            option = "--network" if self.rpc_url is None else "--rpc-url"
            raise UnknownNetwork(option, url)
        return url

    def connect(self) -> Network:
        """Return the network. Raises CalloraError, BadValue."""
        known, url = KNOWN.get(self.network), self.url
        passphrase = self.network_passphrase or (None if known is None else known.passphrase)
        return connect(url, passphrase or passphrase_of(url, self.timeout))
