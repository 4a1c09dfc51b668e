"""Transports whose answers are changed, and plans of faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stellar_sdk.client.response import Response

from soroban_localnet import LocalNetwork
from soroban_localnet.faults import Fault, Plan
from soroban_localnet.rpc.in_process import InProcessClient


class Altering(InProcessClient):
    """A transport whose answers to one method are changed, as a lying RPC would."""

    def __init__(
        self, network: LocalNetwork, method: str, change: Callable[[dict[str, Any]], None]
    ) -> None:
        super().__init__(network.dispatcher)
        self._method = method
        self._change = change

    def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
    ) -> Response:
        answer = super().post(url, data, json_data)
        if json_data is not None and json_data["method"] == self._method:
            self._change(answer.json()["result"])
        return answer


def always(method: str, fault: Fault) -> Plan:
    """A plan in which every request of a method meets a fault."""
    return lambda number, asked: fault if asked == method else None


def once(at: int, fault: Fault) -> Plan:
    """A plan in which one request meets a fault, by its number from 1."""
    return lambda number, asked: fault if number == at else None
