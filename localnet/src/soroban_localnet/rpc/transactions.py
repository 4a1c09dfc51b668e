"""simulateTransaction, sendTransaction, getTransaction."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from soroban_localnet import wire
from soroban_localnet.envelope import Transaction, parse
from soroban_localnet.errors import MalformedEnvelope
from soroban_localnet.history import Record
from soroban_localnet.results import Invalid, transaction_result
from soroban_localnet.rpc.errors import INVALID_PARAMS, RpcError
from soroban_localnet.rpc.parameters import Formatted
from soroban_localnet.simulation import Unsimulatable, simulate

if TYPE_CHECKING:
    from soroban_localnet.network import LocalNetwork


class ResourceConfig(Struct, rename="camel"):
    """`instruction_leeway`: instructions to add to those that were measured."""

    instruction_leeway: int | None = None


class SimulateTransaction(Formatted):
    """Parameters: the envelope in base64, and how to simulate it."""

    transaction: str
    resource_config: ResourceConfig | None = None
    auth_mode: str | None = None
    use_upgraded_auth: bool | None = None


class SendTransaction(Formatted):
    """Parameters: the signed envelope in base64."""

    transaction: str


class GetTransaction(Formatted):
    """Parameters: the transaction's hash in hex."""

    hash: str


def simulate_transaction(network: LocalNetwork, params: SimulateTransaction) -> dict[str, Any]:
    """Say what a transaction would do, need and cost."""
    try:
        transaction = _parse(network, params.transaction)
    except MalformedEnvelope as error:
        problem = f"Could not unmarshal transaction: {error.reason}"
        return {"error": problem, "latestLedger": network.latest_ledger}
    config = params.resource_config or ResourceConfig()
    leeway = config.instruction_leeway or 0
    if not 0 <= leeway < 2**32:
        raise RpcError(INVALID_PARAMS, "resourceConfig.instructionLeeway: 0 to 4294967295")
    with network.lock:
        network.prepare(transaction)
        latest = {"latestLedger": network.latest_ledger}
        try:
            answer = simulate(
                transaction,
                network.current_scene(),
                auth_mode=params.auth_mode,
                upgraded_auth=bool(params.use_upgraded_auth),
                instruction_leeway=leeway,
            )
        except Unsimulatable as reason:
            return {"error": str(reason), **latest}
    return {**answer, **latest}


def send_transaction(network: LocalNetwork, params: SendTransaction) -> dict[str, Any]:
    """Put a transaction into a ledger, or say why it may not enter.

    `latestLedger` is the latest one from before: the transaction is in none up to that.
    """
    try:
        transaction = _parse(network, params.transaction)
    except MalformedEnvelope as error:
        raise RpcError(INVALID_PARAMS, f"invalid_xdr: {error.reason}") from error
    latest = network.history.latest
    answer: dict[str, Any] = {
        "hash": transaction.hash.hex(),
        "latestLedger": latest.sequence,
        "latestLedgerCloseTime": str(latest.close_time),
    }
    verdict = network.send(transaction)
    if isinstance(verdict, Invalid):
        answer["status"] = "ERROR"
        refused = transaction_result(verdict.fee, verdict.code, verdict.operations)
        answer["errorResultXdr"] = wire.base64(refused)
        if verdict.diagnostics:
            answer["diagnosticEventsXdr"] = [wire.base64(e) for e in verdict.diagnostics]
    else:
        answer["status"] = verdict.value
    return answer


def get_transaction(network: LocalNetwork, params: GetTransaction) -> dict[str, Any]:
    """Return a transaction and its result, or NOT_FOUND with the ledgers that were searched."""
    if len(params.hash) != 64:
        length = len(params.hash)
        raise RpcError(INVALID_PARAMS, f"unexpected hash length ({length})")
    try:
        transaction_hash = binascii.unhexlify(params.hash)
    except ValueError as error:
        raise RpcError(INVALID_PARAMS, f"incorrect hash: {error}") from error
    history = network.history
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


def _parse(network: LocalNetwork, text: str) -> Transaction:
    try:
        envelope = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedEnvelope(f"not base64 ({error})") from error
    return parse(envelope, network.network_id)


def _details(record: Record) -> dict[str, Any]:
    applied = record.applied
    return {
        "status": "SUCCESS" if applied.success else "FAILED",
        "applicationOrder": record.index,
        "feeBump": False,
        "envelopeXdr": wire.base64(record.transaction.envelope),
        "resultXdr": wire.base64(applied.result),
        "resultMetaXdr": wire.base64(applied.meta),
        "diagnosticEventsXdr": [wire.base64(event) for event in applied.diagnostics],
        "events": {
            "transactionEventsXdr": [wire.base64(event) for event in applied.transaction_events],
            "contractEventsXdr": [[wire.base64(e) for e in events] for events in applied.events],
        },
        "ledger": record.ledger,
        "createdAt": str(record.close_time),
    }
