"""The in-process transport for stellar-sdk: it ends in a network of this process."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from stellar_sdk import soroban_rpc
from stellar_sdk.client.base_sync_client import BaseSyncClient
from stellar_sdk.client.response import Response

from soroban_localnet.rpc.dispatcher import Dispatcher

# pydantic keeps parametrised models in a weak cache and stellar-sdk names them inside its methods,
# so each call would build them anew.
_KEPT_MODELS = (
    soroban_rpc.Request[soroban_rpc.GetEventsRequest],
    soroban_rpc.Request[soroban_rpc.GetLedgerEntriesRequest],
    soroban_rpc.Request[soroban_rpc.GetLedgersRequest],
    soroban_rpc.Request[soroban_rpc.GetTransactionRequest],
    soroban_rpc.Request[soroban_rpc.GetTransactionsRequest],
    soroban_rpc.Request[soroban_rpc.SendTransactionRequest],
    soroban_rpc.Request[soroban_rpc.SimulateTransactionRequest],
    soroban_rpc.Response[Any],
)


class _Answer(Response):
    """A response that is text only when somebody asks for text."""

    def __init__(self, document: Any, url: str) -> None:
        self.status_code = 200
        self.headers = {"Content-Type": "application/json"}
        self.url = url
        self._document = document

    @property
    def text(self) -> str:  # type: ignore[override]
        return json.dumps(self._document)

    def json(self) -> Any:
        return self._document


class InProcessClient(BaseSyncClient):
    """Carries stellar-sdk's requests to a Dispatcher, without a socket."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
    ) -> Response:
        """Answer one JSON-RPC request."""
        return _Answer(self._dispatcher.answer(json_data), url)

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        max_content_size: int | None = None,
    ) -> Response:
        """Raise NotImplementedError: Stellar RPC has no GET."""
        raise NotImplementedError("Stellar RPC is served by POST alone")

    def stream(
        self, url: str, params: dict[str, str] | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Raise NotImplementedError: Stellar RPC has no streams."""
        raise NotImplementedError("Stellar RPC has no streams")

    def close(self) -> None:
        """Do nothing: there is no socket."""
