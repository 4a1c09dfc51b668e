"""getEvents, asked without a socket."""

from __future__ import annotations

from typing import Any

from stellar_sdk import xdr

from soroban_localnet import LocalNetwork


def text(value: xdr.SCVal) -> str:
    return value.to_xdr()


def ask(network: LocalNetwork, **params: object) -> Any:
    return network.dispatcher.answer(
        {"jsonrpc": "2.0", "id": 1, "method": "getEvents", "params": params}
    )


def answer(network: LocalNetwork, **params: object) -> dict[str, Any]:
    document = ask(network, **params)
    assert "result" in document, document
    result: dict[str, Any] = document["result"]
    return result


def refused(network: LocalNetwork, **params: object) -> tuple[int, str]:
    document = ask(network, **params)
    assert "error" in document, document
    return document["error"]["code"], document["error"]["message"]
