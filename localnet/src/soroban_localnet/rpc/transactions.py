"""simulateTransaction, sendTransaction, getTransaction, getTransactions."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from itertools import islice
from typing import Any

from msgspec import Struct

from soroban_localnet import xdr
from soroban_localnet.errors import MalformedEnvelope
from soroban_localnet.history.events import AFTER_LAST
from soroban_localnet.history.history import History
from soroban_localnet.history.record import Record
from soroban_localnet.node.node import Node
from soroban_localnet.rpc.cursors import TOID_BITS, integer, toid
from soroban_localnet.rpc.errors import INVALID_PARAMS, INVALID_REQUEST, RpcError
from soroban_localnet.rpc.parameters import Formatted, Paged
from soroban_localnet.transactions.envelope import Transaction, parse
from soroban_localnet.transactions.results import Invalid
from soroban_localnet.transactions.simulation import Unsimulatable, simulate

DEFAULT_TRANSACTIONS, MAX_TRANSACTIONS = 50, 200


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


class GetTransactions(Paged):
    """Parameters: `startLedger`, or the TOID of the transaction before as cursor."""


def simulate_transaction(node: Node, params: SimulateTransaction) -> dict[str, Any]:
    """Say what a transaction would do, need and cost.

    What is refused before a ledger is looked at is answered with 0 as the latest ledger.
    """
    config = params.resource_config or ResourceConfig()
    leeway = config.instruction_leeway or 0
    if not 0 <= leeway < 2**32:
        raise RpcError(INVALID_PARAMS, "resourceConfig.instructionLeeway: 0 to 4294967295")
    try:
        transaction = _parse(node, params.transaction)
        with node.lock:
            node.prepare(transaction)
            answer = simulate(
                transaction,
                node.current_environment(),
                auth_mode=params.auth_mode,
                upgraded_auth=bool(params.use_upgraded_auth),
                instruction_leeway=leeway,
            )
            return {**answer, "latestLedger": node.latest_ledger}
    except MalformedEnvelope:
        return {"error": "Could not unmarshal transaction", "latestLedger": 0}
    except Unsimulatable as reason:
        return {"error": str(reason), "latestLedger": 0}


def send_transaction(node: Node, params: SendTransaction) -> dict[str, Any]:
    """Put a transaction into a ledger, or say why it may not enter.

    `latestLedger` is the latest one from before: the transaction is in none up to that.
    """
    try:
        transaction = _parse(node, params.transaction)
    except MalformedEnvelope as error:
        raise RpcError(INVALID_PARAMS, "invalid_xdr", error.reason) from error
    latest = node.history.latest
    answer: dict[str, Any] = {
        "hash": transaction.hash.hex(),
        "latestLedger": latest.sequence,
        "latestLedgerCloseTime": str(latest.close_time),
    }
    verdict = node.send(transaction)
    if isinstance(verdict, Invalid):
        answer["status"] = "ERROR"
        answer["errorResultXdr"] = xdr.base64(verdict.result)
        if verdict.diagnostics:
            answer["diagnosticEventsXdr"] = [xdr.base64(e) for e in verdict.diagnostics]
    else:
        answer["status"] = verdict.value
    return answer


def get_transaction(node: Node, params: GetTransaction) -> dict[str, Any]:
    """Return a transaction and its result, or NOT_FOUND with the ledgers that were searched."""
    if len(params.hash) // 2 != 32:
        length = len(params.hash)
        raise RpcError(INVALID_PARAMS, f"unexpected hash length ({length})")
    try:
        transaction_hash = binascii.unhexlify(params.hash)
    except ValueError as error:
        raise RpcError(INVALID_PARAMS, f"incorrect hash: {error}") from error
    history = node.history
    record = history.find(transaction_hash)
    return {
        "latestLedger": history.latest.sequence,
        "latestLedgerCloseTime": str(history.latest.close_time),
        "oldestLedger": history.oldest.sequence,
        "oldestLedgerCloseTime": str(history.oldest.close_time),
        **(_NOT_FOUND if record is None else _details(record)),
        "txHash": params.hash,
        "createdAt": "0" if record is None else str(record.close_time),
    }


def get_transactions(node: Node, params: GetTransactions) -> dict[str, Any]:
    """Return a page of transactions.

    The cursor is the TOID of its last transaction, or of the latest ledger's last one where the
    page is not full; the one that was given where there was nothing behind it.
    """
    history = node.history
    oldest, latest = history.oldest, history.latest
    first, index = _first_transaction(params, history)
    limit = params.asked_limit or DEFAULT_TRANSACTIONS
    records = [*islice(history.transactions(first, index), limit)]
    if len(records) == limit:
        last = toid(records[-1].ledger, records[-1].index, 1)
    else:
        last = max(toid(latest.sequence, len(latest.records), 1), toid(first, index - 1, 1))
    return {
        "transactions": [
            {**_details(record), "createdAt": record.close_time} for record in records
        ],
        "latestLedger": latest.sequence,
        "latestLedgerCloseTimestamp": latest.close_time,
        "oldestLedger": oldest.sequence,
        "oldestLedgerCloseTimestamp": oldest.close_time,
        "cursor": str(last),
    }


def _first_transaction(params: GetTransactions, history: History) -> tuple[int, int]:
    """Check the parameters; return the ledger and the index in it to begin with."""
    oldest, latest = history.oldest.sequence, history.latest.sequence
    first, cursor = params.first_ledger, params.cursor
    if cursor and first:
        raise RpcError(INVALID_REQUEST, "startLedger and cursor cannot both be set")
    if not cursor and not oldest <= first <= latest:
        raise RpcError(
            INVALID_REQUEST,
            f"start ledger must be between the oldest ledger: {oldest} "
            f"and the latest ledger: {latest} for this rpc instance",
        )
    if params.asked_limit > MAX_TRANSACTIONS:
        raise RpcError(INVALID_REQUEST, f"limit must not exceed {MAX_TRANSACTIONS}")
    if not cursor:
        return first, 1
    number = integer(cursor, TOID_BITS)
    if number is None:
        raise RpcError(INVALID_PARAMS, f"cursor ('{cursor}') must be a TOID")
    first, index = number >> 32, (number >> 12 & AFTER_LAST) + 1
    if first < oldest:
        message = f"database does not contain metadata for ledger: {first}"
        raise RpcError(INVALID_PARAMS, message)
    return first, index


def _parse(node: Node, text: str) -> Transaction:
    try:
        envelope = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedEnvelope(f"not base64 ({error})") from error
    return parse(envelope, node.network_id)


_NOT_FOUND: dict[str, Any] = {
    "status": "NOT_FOUND",
    "applicationOrder": 0,
    "feeBump": False,
    "events": {},
    "ledger": 0,
}


def _details(record: Record) -> dict[str, Any]:
    applied, meta = record.applied, record.applied.meta
    events = {
        "transactionEventsXdr": _texts(meta.events),
        "contractEventsXdr": [_texts(events) for events in meta.contract_events],
    }
    answer: dict[str, Any] = {
        "status": "SUCCESS" if applied.success else "FAILED",
        "txHash": record.hash.hex(),
        "applicationOrder": record.index,
        "feeBump": record.fee_bump,
        "envelopeXdr": xdr.base64(record.envelope),
        "resultXdr": xdr.base64(applied.result),
        "resultMetaXdr": xdr.base64(meta.encode()),
        "events": {name: texts for name, texts in events.items() if texts},
        "ledger": record.ledger,
    }
    if meta.diagnostics:
        answer["diagnosticEventsXdr"] = _texts(meta.diagnostics)
    return answer


def _texts(items: Iterable[bytes]) -> list[str]:
    return [xdr.base64(item) for item in items]
