"""getLatestLedger, getLedgers: closed ledgers with their headers and meta."""

from __future__ import annotations

from itertools import islice
from typing import Any

from soroban_localnet import xdr
from soroban_localnet.history.closed_ledger import ClosedLedger
from soroban_localnet.history.history import History
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.node.node import Node
from soroban_localnet.rpc.cursors import integer
from soroban_localnet.rpc.errors import INVALID_PARAMS, INVALID_REQUEST, RpcError
from soroban_localnet.rpc.parameters import NoParameters, Paged

DEFAULT_LEDGERS, MAX_LEDGERS = 50, 200


class GetLedgers(Paged):
    """Parameters: `startLedger`, or the sequence of the ledger before as cursor."""


def get_latest_ledger(node: Node, params: NoParameters) -> dict[str, Any]:
    """Return the ledger that was closed last."""
    latest = node.history.latest
    return {
        "id": latest.hash.hex(),
        "protocolVersion": PROTOCOL.version,
        "sequence": latest.sequence,
        "closeTime": str(latest.close_time),
        "headerXdr": xdr.base64(latest.header),
        "metadataXdr": xdr.base64(latest.meta()),
    }


def get_ledgers(node: Node, params: GetLedgers) -> dict[str, Any]:
    """Return a page of ledgers. Sequences that a jump ahead left out are left out here too."""
    history = node.history
    first = _first_ledger(params, history)
    end = first + (params.asked_limit or DEFAULT_LEDGERS)
    ledgers = [*islice(history.ledgers(first), end - first)]
    return {
        "ledgers": [_ledger(ledger) for ledger in ledgers],
        "latestLedger": history.latest.sequence,
        "latestLedgerCloseTime": history.latest.close_time,
        "oldestLedger": history.oldest.sequence,
        "oldestLedgerCloseTime": history.oldest.close_time,
        "cursor": str(ledgers[-1].sequence),
    }


def _first_ledger(params: GetLedgers, history: History) -> int:
    oldest, latest = history.oldest.sequence, history.latest.sequence
    span = f"the oldest ledger: {oldest} and the latest ledger: {latest} for this rpc instance"
    first, cursor = params.first_ledger, params.cursor
    if cursor and first:
        message = f"startLedger ({first}) and cursor ({cursor}) cannot both be set"
        raise RpcError(INVALID_REQUEST, message)
    if not cursor and not oldest <= first <= latest:
        raise RpcError(INVALID_REQUEST, f"start ledger ({first}) must be between {span}")
    if params.asked_limit > MAX_LEDGERS:
        raise RpcError(INVALID_REQUEST, f"limit must not exceed {MAX_LEDGERS}")
    if not cursor:
        return first
    before = integer(cursor, 32)
    if before is None:
        raise RpcError(INVALID_PARAMS, f"cursor ('{cursor}') must be the sequence of a ledger")
    if not oldest <= before + 1 <= latest:
        raise RpcError(INVALID_PARAMS, f"cursor ('{cursor}') must be between {span}")
    return before + 1


def _ledger(ledger: ClosedLedger) -> dict[str, Any]:
    return {
        "hash": ledger.hash.hex(),
        "sequence": ledger.sequence,
        "ledgerCloseTime": str(ledger.close_time),
        "headerXdr": xdr.base64(ledger.history_entry),
        "metadataXdr": xdr.base64(ledger.meta()),
    }
