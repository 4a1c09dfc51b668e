"""getLedgerEntries: entries of the present state."""

from __future__ import annotations

from typing import Any

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.node.node import Node
from soroban_localnet.rpc.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from soroban_localnet.rpc.parameters import Formatted, decode_xdr

MAX_KEYS = 200

_CORE = "could not query captive core: "
"""How stellar-rpc begins where stellar-core refuses what it asks it for."""


class GetLedgerEntries(Formatted):
    """Parameters: `keys`, LedgerKeys in base64."""

    keys: list[str]


def get_ledger_entries(node: Node, params: GetLedgerEntries) -> dict[str, Any]:
    """Return the entries that are there; an archived one has 0 for the ledger it lives until."""
    if len(params.keys) > MAX_KEYS:
        count = len(params.keys)
        raise RpcError(
            INVALID_PARAMS, f"key count ({count}) exceeds maximum supported ({MAX_KEYS})"
        )
    keys = [_ledger_key(text, index) for index, text in enumerate(params.keys)]
    if not keys:
        raise RpcError(INTERNAL_ERROR, f"{_CORE}no keys specified in request")
    if len(set(keys)) < len(keys):
        message = f"{_CORE}http request failed with non-200 status code (404)"
        raise RpcError(INTERNAL_ERROR, message, "keys: one key is given twice")
    entries = []
    for text, key, entry in zip(params.keys, keys, node.lookup(*keys), strict=True):
        if entry is None:
            continue
        live = entry.is_live(node.latest_ledger)
        if not live and xdr.is_temporary(key):
            continue
        extension = entry.extension
        item: dict[str, Any] = {
            "key": text,
            "xdr": xdr.base64(entry.xdr[4 : -len(extension)]),
            "lastModifiedLedgerSeq": xdr.last_modified(entry.xdr),
            "extXdr": xdr.base64(extension),
        }
        if entry.live_until is not None:
            item["liveUntilLedgerSeq"] = entry.live_until if live else 0
        entries.append(item)
    return {"entries": entries, "latestLedger": node.latest_ledger}


def _ledger_key(text: str, index: int) -> bytes:
    try:
        data, key = decode_xdr(text, stellar_xdr.LedgerKey)
    except ValueError as error:
        message = f"cannot unmarshal key value {text} at index {index}"
        raise RpcError(INVALID_PARAMS, message) from error
    if key.type == stellar_xdr.LedgerEntryType.TTL:
        raise RpcError(INVALID_PARAMS, "ledger ttl entries cannot be queried directly")
    return data
