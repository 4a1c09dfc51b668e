"""The methods of Stellar RPC, as functions of their parameters.

One dispatcher, whatever the door: the in-process transport and the HTTP server both end here.
Source: the JSON-RPC reference of Stellar RPC, and stellar-rpc's own handlers for what it leaves
open.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import wire
from soroban_localnet.envelope import Transaction, parse
from soroban_localnet.errors import HostCrashed, MalformedEnvelope
from soroban_localnet.history import Record
from soroban_localnet.results import Invalid
from soroban_localnet.settings import PROTOCOL
from soroban_localnet.simulation import Unsimulatable, simulate

if TYPE_CHECKING:
    from soroban_localnet.network import LocalNetwork

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

MAX_KEYS = 200


class RpcError(Exception):
    """A JSON-RPC error: `code` and `message` of the answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _NoParams(Struct):
    pass


class _Formatted(Struct, rename="camel", kw_only=True):
    xdr_format: str | None = None


class _Entries(_Formatted):
    keys: list[str]


class _ResourceConfig(Struct, rename="camel"):
    instruction_leeway: int | None = None


class _Simulate(_Formatted):
    transaction: str
    resource_config: _ResourceConfig | None = None
    auth_mode: str | None = None
    use_upgraded_auth: bool | None = None


class _Send(_Formatted):
    transaction: str


class _GetTransaction(_Formatted):
    hash: str


class Dispatcher:
    """The methods of one network."""

    def __init__(self, network: LocalNetwork) -> None:
        self._network = network
        self._methods: dict[str, tuple[type[Struct], Callable[[Any], dict[str, Any]]]] = {
            "getHealth": (_NoParams, self._get_health),
            "getNetwork": (_NoParams, self._get_network),
            "getVersionInfo": (_NoParams, self._get_version_info),
            "getLatestLedger": (_NoParams, self._get_latest_ledger),
            "getLedgerEntries": (_Entries, self._get_ledger_entries),
            "simulateTransaction": (_Simulate, self._simulate_transaction),
            "sendTransaction": (_Send, self._send_transaction),
            "getTransaction": (_GetTransaction, self._get_transaction),
        }
        self.friendbot_url: str | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods."""
        return tuple(self._methods)

    def answer(self, request: Any) -> dict[str, Any]:
        """Answer one JSON-RPC request, which is JSON already decoded. Never raises."""
        identity: Any = None
        try:
            if not isinstance(request, dict):
                raise RpcError(INVALID_REQUEST, "a request is an object")
            identity = request.get("id")
            if not isinstance(identity, str | int | None) or isinstance(identity, bool):
                identity = None
                raise RpcError(INVALID_REQUEST, "id: a string or a number")
            if request.get("jsonrpc") != "2.0":
                raise RpcError(INVALID_REQUEST, 'jsonrpc: "2.0"')
            method = request.get("method")
            if not isinstance(method, str):
                raise RpcError(INVALID_REQUEST, "method: a string")
            result = self.call(method, request.get("params"))
        except RpcError as error:
            problem = {"code": error.code, "message": error.message}
            return {"jsonrpc": "2.0", "id": identity, "error": problem}
        return {"jsonrpc": "2.0", "id": identity, "result": result}

    def call(self, method: str, params: Any) -> dict[str, Any]:
        """Call a method by name. Raises RpcError."""
        known = self._methods.get(method)
        if known is None:
            raise RpcError(METHOD_NOT_FOUND, f"no such method {method!r}")
        kind, function = known
        if params is None:
            params = {}
        if not isinstance(params, dict):
            raise RpcError(INVALID_PARAMS, "params: an object with named parameters")
        try:
            decoded = msgspec.convert(params, kind)
        except msgspec.ValidationError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        if isinstance(decoded, _Formatted) and decoded.xdr_format not in (None, "", "base64"):
            raise RpcError(INVALID_PARAMS, "xdrFormat: only base64 is served here; leave it out")
        with self._network.lock:
            try:
                return function(decoded)
            except HostCrashed as crash:
                raise RpcError(INTERNAL_ERROR, str(crash)) from crash

    # -- the network -------------------------------------------------------------------------

    def _get_health(self, params: _NoParams) -> dict[str, Any]:
        history = self._network.history
        return {
            "status": "healthy",
            "latestLedger": history.latest.sequence,
            "latestLedgerCloseTime": history.latest.close_time,
            "oldestLedger": history.oldest.sequence,
            "ledgerRetentionWindow": history.retention,
        }

    def _get_network(self, params: _NoParams) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "passphrase": self._network.passphrase,
            "protocolVersion": PROTOCOL.version,
        }
        if self.friendbot_url:
            answer["friendbotUrl"] = self.friendbot_url
        return answer

    def _get_version_info(self, params: _NoParams) -> dict[str, Any]:
        return {
            "version": "soroban-localnet",
            "commitHash": "",
            "buildTimestamp": "",
            "captiveCoreVersion": f"soroban-env-host {PROTOCOL.host}",
            "protocolVersion": PROTOCOL.version,
        }

    def _get_latest_ledger(self, params: _NoParams) -> dict[str, Any]:
        latest = self._network.history.latest
        return {
            "id": latest.hash.hex(),
            "protocolVersion": PROTOCOL.version,
            "sequence": latest.sequence,
            "closeTime": str(latest.close_time),
            "headerXdr": _text(latest.header),
            "metadataXdr": _text(latest.meta()),
        }

    # -- entries -----------------------------------------------------------------------------

    def _get_ledger_entries(self, params: _Entries) -> dict[str, Any]:
        if len(params.keys) > MAX_KEYS:
            count = len(params.keys)
            raise RpcError(
                INVALID_PARAMS, f"key count ({count}) exceeds maximum supported ({MAX_KEYS})"
            )
        entries = []
        for index, text in enumerate(params.keys):
            key = _ledger_key(text, index)
            entry = self._network.lookup(key)
            if entry is None:
                continue
            live = entry.is_live(self._network.latest_ledger)
            if not live and wire.is_temporary(key):
                continue
            extension = entry.extension
            item: dict[str, Any] = {
                "key": text,
                "xdr": _text(entry.xdr[4 : -len(extension)]),
                "lastModifiedLedgerSeq": wire.last_modified(entry.xdr),
                "extXdr": _text(extension),
            }
            if entry.live_until is not None:
                item["liveUntilLedgerSeq"] = entry.live_until if live else 0
            entries.append(item)
        return {"entries": entries, "latestLedger": self._network.latest_ledger}

    # -- transactions ------------------------------------------------------------------------

    def _simulate_transaction(self, params: _Simulate) -> dict[str, Any]:
        latest = {"latestLedger": self._network.latest_ledger}
        try:
            transaction = self._parse(params.transaction)
        except MalformedEnvelope as error:
            return {"error": f"Could not unmarshal transaction: {error.reason}", **latest}
        config = params.resource_config or _ResourceConfig()
        leeway = config.instruction_leeway or 0
        if not 0 <= leeway < 2**32:
            raise RpcError(INVALID_PARAMS, "resourceConfig.instructionLeeway: 0 to 4294967295")
        try:
            answer = simulate(
                transaction,
                self._network.current_scene(),
                auth_mode=params.auth_mode,
                upgraded_auth=bool(params.use_upgraded_auth),
                instruction_leeway=leeway,
            )
        except Unsimulatable as reason:
            return {"error": str(reason), **latest}
        return {**answer, **latest}

    def _send_transaction(self, params: _Send) -> dict[str, Any]:
        network = self._network
        try:
            transaction = self._parse(params.transaction)
        except MalformedEnvelope as error:
            raise RpcError(INVALID_PARAMS, f"invalid_xdr: {error.reason}") from error
        answer: dict[str, Any] = {"hash": transaction.hash.hex()}
        if network.history.find(transaction.hash) is not None:
            answer["status"] = "DUPLICATE"
        else:
            sent = network.submit(transaction)
            if isinstance(sent, Invalid):
                answer["status"] = "ERROR"
                answer["errorResultXdr"] = _text(sent.result)
                if sent.diagnostics:
                    answer["diagnosticEventsXdr"] = [_text(e) for e in sent.diagnostics]
            else:
                answer["status"] = "PENDING"
        answer["latestLedger"] = network.latest_ledger
        answer["latestLedgerCloseTime"] = str(network.close_time)
        return answer

    def _get_transaction(self, params: _GetTransaction) -> dict[str, Any]:
        if len(params.hash) != 64:
            length = len(params.hash)
            raise RpcError(INVALID_PARAMS, f"unexpected hash length ({length})")
        try:
            transaction_hash = binascii.unhexlify(params.hash)
        except ValueError as error:
            raise RpcError(INVALID_PARAMS, f"incorrect hash: {error}") from error
        history = self._network.history
        window = {
            "latestLedger": history.latest.sequence,
            "latestLedgerCloseTime": str(history.latest.close_time),
            "oldestLedger": history.oldest.sequence,
            "oldestLedgerCloseTime": str(history.oldest.close_time),
            "txHash": params.hash,
        }
        record = history.find(transaction_hash)
        if record is None:
            return {"status": "NOT_FOUND", **window}
        return {**_details(record), **window}

    def _parse(self, text: str) -> Transaction:
        try:
            envelope = b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedEnvelope(f"not base64 ({error})") from error
        return parse(envelope, self._network.network_id)


def _details(record: Record) -> dict[str, Any]:
    applied = record.applied
    return {
        "status": "SUCCESS" if applied.success else "FAILED",
        "applicationOrder": record.index,
        "feeBump": record.transaction.fee_bump is not None,
        "envelopeXdr": _text(record.transaction.envelope),
        "resultXdr": _text(applied.result),
        "resultMetaXdr": _text(applied.meta),
        "diagnosticEventsXdr": [_text(event) for event in applied.diagnostics],
        "events": {
            "transactionEventsXdr": [_text(event) for event in applied.transaction_events],
            "contractEventsXdr": [[_text(e) for e in events] for events in applied.events],
        },
        "ledger": record.ledger,
        "createdAt": str(record.close_time),
    }


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _ledger_key(text: str, index: int) -> bytes:
    try:
        data = b64decode(text, validate=True)
        key = stellar_xdr.LedgerKey.from_xdr_bytes(data)
        if key.to_xdr_bytes() != data:  # the decoder lets wrong padding and flags pass
            raise ValueError("not canonical")
    except Exception as error:  # the decoder raises whatever Python raises on bad input
        message = f"cannot unmarshal key value {text} at index {index}"
        raise RpcError(INVALID_PARAMS, message) from error
    if key.type == stellar_xdr.LedgerEntryType.TTL:
        raise RpcError(INVALID_PARAMS, "ledger ttl entries cannot be queried directly")
    return data
