"""getHealth, getNetwork, getVersionInfo: what the network is and how far it has come."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.rpc.parameters import NoParameters

if TYPE_CHECKING:
    from soroban_localnet.network import LocalNetwork


def get_health(network: LocalNetwork, params: NoParameters) -> dict[str, Any]:
    """Say which ledgers are kept."""
    history = network.history
    return {
        "status": "healthy",
        "latestLedger": history.latest.sequence,
        "latestLedgerCloseTime": str(history.latest.close_time),
        "oldestLedger": history.oldest.sequence,
        "oldestLedgerCloseTime": str(history.oldest.close_time),
        "ledgerRetentionWindow": history.retention,
    }


def get_network(network: LocalNetwork, params: NoParameters) -> dict[str, Any]:
    """Name the passphrase, the protocol and, over HTTP, friendbot."""
    answer: dict[str, Any] = {
        "passphrase": network.passphrase,
        "protocolVersion": PROTOCOL.version,
    }
    if network.dispatcher.friendbot_url:
        answer["friendbotUrl"] = network.dispatcher.friendbot_url
    return answer


def get_version_info(network: LocalNetwork, params: NoParameters) -> dict[str, Any]:
    """Name this package and its host in the places of stellar-rpc and stellar-core.

    The version is a semantic one whose first number is the protocol's, as that of stellar-rpc.
    """
    return {
        "version": f"{PROTOCOL.host}-soroban-localnet.{version('soroban-localnet')}",
        "commitHash": "",
        "buildTimestamp": "",
        "captiveCoreVersion": f"soroban-env-host {PROTOCOL.host}",
        "protocolVersion": PROTOCOL.version,
    }
