"""getHealth, getNetwork, getVersionInfo: what the network is and how far it has come."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.node.node import Node
from soroban_localnet.rpc.parameters import NoParameters


def get_health(node: Node, params: NoParameters) -> dict[str, Any]:
    """Say which ledgers are kept."""
    history = node.history
    return {
        "status": "healthy",
        "latestLedger": history.latest.sequence,
        "latestLedgerCloseTime": str(history.latest.close_time),
        "oldestLedger": history.oldest.sequence,
        "oldestLedgerCloseTime": str(history.oldest.close_time),
        "ledgerRetentionWindow": history.retention,
    }


def get_network(
    node: Node, params: NoParameters, friendbot_url: str | None = None
) -> dict[str, Any]:
    """Name the passphrase, the protocol and, where the network is served over HTTP, friendbot."""
    answer: dict[str, Any] = {
        "passphrase": node.passphrase,
        "protocolVersion": PROTOCOL.version,
    }
    if friendbot_url is not None:
        answer["friendbotUrl"] = friendbot_url
    return answer


def get_version_info(node: Node, params: NoParameters) -> dict[str, Any]:
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
