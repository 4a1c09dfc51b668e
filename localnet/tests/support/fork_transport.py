"""The transport between a fork and its remote: it notes what is asked and can garble answers."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from collections.abc import Callable, Generator
from typing import Any

from localnet.tests.support.sender import Sender
from stellar_sdk import xdr
from stellar_sdk.client.base_sync_client import BaseSyncClient
from stellar_sdk.client.response import Response

from soroban_localnet import Fork, LocalNetwork

URL = "https://rpc.example/v1/a-key-of-mine"

Alter = Callable[[str, dict[str, Any]], Response | dict[str, Any] | None]


class RemoteTransport(BaseSyncClient):
    """A transport to a network of this process.

    `asked` holds the methods in their order, `keys` the LedgerKeys of each getLedgerEntries.
    `alter` gets a method and the answer; what it returns is answered instead, what it raises is
    the transport's failure.
    """

    def __init__(self, remote: LocalNetwork, alter: Alter | None = None) -> None:
        self._client = remote.client()
        self.alter = alter
        self.asked: list[str] = []
        self.keys: list[list[bytes]] = []

    def post(
        self, url: str, data: dict[str, str] | None = None, json_data: dict[str, Any] | None = None
    ) -> Response:
        assert json_data is not None
        self.asked.append(json_data["method"])
        if json_data["method"] == "getLedgerEntries":
            self.keys.append([b64decode(key) for key in json_data["params"]["keys"]])
        answer: dict[str, Any] = json.loads(self._client.post(url, None, json_data).text)
        altered = None if self.alter is None else self.alter(json_data["method"], answer)
        if isinstance(altered, Response):
            return altered
        return Response(200, json.dumps(altered or answer), {}, url)

    def clear(self) -> None:
        """Forget what was asked."""
        self.asked.clear()
        self.keys.clear()

    def get(self, *arguments: Any, **named: Any) -> Response:
        raise AssertionError("a fork only posts")

    def stream(self, *arguments: Any, **named: Any) -> Generator[dict[str, Any], None, None]:
        raise AssertionError("a fork only posts")

    def close(self) -> None:
        raise AssertionError("the transport belongs to who made it")


def fork_of(transport: RemoteTransport) -> LocalNetwork:
    return LocalNetwork(fork=Fork.connect(URL, client=transport))


def times_asked(transport: RemoteTransport, *keys: xdr.LedgerKey) -> int:
    """Count how often one of the keys was asked for."""
    wanted = {key.to_xdr_bytes() for key in keys}
    return sum(key in wanted for keys in transport.keys for key in keys)


def at(sender: Sender, network: LocalNetwork) -> Sender:
    """Return the same sender, on another network."""
    there = copy.copy(sender)
    there.network, there.server = network, network.server()
    return there
