"""getLatestLedger: closed ledgers with their headers and meta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soroban_localnet import wire
from soroban_localnet.rpc.parameters import NoParameters
from soroban_localnet.settings import PROTOCOL

if TYPE_CHECKING:
    from soroban_localnet.network import LocalNetwork


def get_latest_ledger(network: LocalNetwork, params: NoParameters) -> dict[str, Any]:
    """Return the ledger that was closed last."""
    latest = network.history.latest
    return {
        "id": latest.hash.hex(),
        "protocolVersion": PROTOCOL.version,
        "sequence": latest.sequence,
        "closeTime": str(latest.close_time),
        "headerXdr": wire.base64(latest.header),
        "metadataXdr": wire.base64(latest.meta()),
    }
