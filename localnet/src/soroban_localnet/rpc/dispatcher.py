"""JSON-RPC: requests in, answers out, and the table of methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
from msgspec import Struct

from soroban_localnet.errors import FileError, ForkError, HostCrashed
from soroban_localnet.node.node import Node
from soroban_localnet.rpc import entries, events, fee_stats, ledgers, status, transactions
from soroban_localnet.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    RpcError,
)
from soroban_localnet.rpc.parameters import NoParameters

MAX_BATCH = 100

Method = tuple[type[Struct], Callable[[Node, Any], dict[str, Any]]]
"""The type of a method's parameters, and the function of node and parameters."""

METHODS: dict[str, Method] = {
    "getHealth": (NoParameters, status.get_health),
    "getNetwork": (NoParameters, status.get_network),
    "getVersionInfo": (NoParameters, status.get_version_info),
    "getFeeStats": (NoParameters, fee_stats.get_fee_stats),
    "getLatestLedger": (NoParameters, ledgers.get_latest_ledger),
    "getLedgers": (ledgers.GetLedgers, ledgers.get_ledgers),
    "getLedgerEntries": (entries.GetLedgerEntries, entries.get_ledger_entries),
    "simulateTransaction": (
        transactions.SimulateTransaction,
        transactions.simulate_transaction,
    ),
    "sendTransaction": (transactions.SendTransaction, transactions.send_transaction),
    "getTransaction": (transactions.GetTransaction, transactions.get_transaction),
    "getTransactions": (transactions.GetTransactions, transactions.get_transactions),
    "getEvents": (events.GetEvents, events.get_events),
}


_WORDS = (
    (r"Object missing required field `(.*)`", r"the parameter \1 is missing"),
    (r"Object contains unknown field `(.*)`", r"there is no parameter \1"),
    (r"\bint\b", "integer"),
    (r"\bfloat\b", "number"),
    (r"\bstr\b", "string"),
    (r"\bbool\b", "boolean"),
    ("`", ""),
)
"""What msgspec says of wrong parameters, and what to say instead."""

UNLOCKED = ("simulateTransaction", "sendTransaction")
"""Methods that take the node's lock themselves, after they have read an envelope."""


class Dispatcher:
    """The methods of one network, for one transport.

    `friendbot_urls` are where the network's friendbot is reached; getNetwork names the first.
    Arguments: `node`; `more`, methods beside those of Stellar RPC, by name.
    """

    def __init__(self, node: Node, more: Mapping[str, Method] | None = None) -> None:
        self._node = node
        self.friendbot_urls: list[str] = []
        own = {"getNetwork": (NoParameters, self._get_network)}
        self._methods: dict[str, Method] = {**METHODS, **(more or {}), **own}

    def _get_network(self, node: Node, params: NoParameters) -> dict[str, Any]:
        return status.get_network(node, params, next(iter(self.friendbot_urls), None))

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods."""
        return tuple(self._methods)

    def answer(self, document: Any) -> Any:
        """Answer a JSON-RPC request, or several in a list, which is JSON already decoded.

        Returns a list for a list, and None where there is nothing to answer: a request without an
        id is a notification. Never raises.
        """
        if not isinstance(document, list):
            return self._answer(document)
        if not document:
            return RpcError(INVALID_REQUEST, "empty request batch").answer(None)
        if len(document) > MAX_BATCH:
            message = f"a batch of {len(document)} requests: at most {MAX_BATCH} are answered"
            return RpcError(INVALID_REQUEST, message).answer(None)
        answers = [self._answer(request) for request in document]
        return [answer for answer in answers if answer is not None] or None

    def _answer(self, request: Any) -> dict[str, Any] | None:
        identity: Any = None
        notification = False
        try:
            if not isinstance(request, dict):
                raise RpcError(INVALID_REQUEST, "a request must be an object")
            identity = request.get("id")
            if not isinstance(identity, str | int | None) or isinstance(identity, bool):
                identity = None
                raise RpcError(INVALID_REQUEST, "id: must be a string or a number")
            if request.get("jsonrpc") != "2.0":
                raise RpcError(INVALID_REQUEST, 'jsonrpc: must be "2.0"')
            method = request.get("method")
            if not isinstance(method, str):
                raise RpcError(INVALID_REQUEST, "method: must be a string")
            notification = "id" not in request
            result = self.call(method, request.get("params"))
        except RpcError as error:
            return None if notification else error.answer(identity)
        return None if notification else {"jsonrpc": "2.0", "id": identity, "result": result}

    def call(self, method: str, params: Any) -> dict[str, Any]:
        """Call a method by name. Raises RpcError."""
        known = self._methods.get(method)
        if known is None:
            raise RpcError(METHOD_NOT_FOUND, f"no such method: '{method}'")
        kind, function = known
        if params is None:
            params = {}
        if not isinstance(params, dict):
            raise RpcError(INVALID_PARAMS, "params: must be an object with named parameters")
        try:
            decoded = msgspec.convert(params, kind)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            raise RpcError(INVALID_PARAMS, _explain(str(error))) from error
        lock = nullcontext() if method in UNLOCKED else self._node.lock
        with lock:
            try:
                return function(self._node, decoded)
            except (HostCrashed, ForkError, FileError) as failure:
                raise RpcError(INTERNAL_ERROR, str(failure)) from failure


def _explain(problem: str) -> str:
    """Say what is wrong with parameters in JSON's words instead of msgspec's, the name first."""
    text, _, path = problem.partition(" - at `$.")
    for found, said in _WORDS:
        text = re.sub(found, said, text)
    return f"{path.rstrip('`')}: {text[0].lower()}{text[1:]}" if path else text
