"""A network to run on, through its RPC: ask, send, read entries."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import attrs
from stellar_sdk import SorobanServer, TransactionEnvelope, xdr
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import BaseRequestError, SdkError
from stellar_sdk.soroban_rpc import (
    AuthMode,
    GetTransactionResponse,
    GetTransactionStatus,
    SendTransactionStatus,
    SimulateTransactionResponse,
)

from callora_vault.parity.errors import CannotRun, check_url, no_rpc
from callora_vault.rpc.urls import cause, origin
from soroban_localnet import LocalNetwork

RETENTION_LEDGERS: Final = 64
"""Parity reads no further back than the last transaction."""

POLLS: Final = 60
POLL_SECONDS: Final = 1
LOOK: Final = "check the network and its RPC"
_T = TypeVar("_T")


@attrs.frozen
class Connection:
    """A network to run on: its RPC, and how an account is funded there.

    `local` is the embedded network, whose clock can be moved; None for any other.
    """

    server: SorobanServer
    passphrase: str
    protocol: int
    fund: Callable[[str], None]
    local: LocalNetwork | None = None

    def entries(self, keys: Sequence[xdr.LedgerKey]) -> tuple[int, list[tuple[str, int] | None]]:
        """Read entries: the latest ledger, and each in base64 with its live-until ledger.

        An archived one has 0, a missing one is None. Raises CannotRun.
        """
        answer = self.ask(lambda: self.server.get_ledger_entries(list(keys)))
        found = {e.key: (e.xdr, e.live_until_ledger or 0) for e in answer.entries or ()}
        return answer.latest_ledger, [found.get(key.to_xdr()) for key in keys]

    def simulate(
        self, envelope: TransactionEnvelope, mode: AuthMode
    ) -> SimulateTransactionResponse:
        """Simulate a transaction. Raises CannotRun."""
        return self.ask(lambda: self.server.simulate_transaction(envelope, auth_mode=mode))

    def ask(self, question: Callable[[], _T]) -> _T:
        """Ask the RPC. Raises CannotRun if it gives no answer."""
        try:
            return question()
        except BaseRequestError as error:
            raise CannotRun(f"the RPC gave no answer ({cause(error)})", LOOK) from error

    def send(self, envelope: TransactionEnvelope) -> GetTransactionResponse:
        """Send a transaction and wait until it is in a ledger. Raises CannotRun."""
        for _ in range(POLLS):
            sent = self.ask(lambda: self.server.send_transaction(envelope))
            if sent.status != SendTransactionStatus.TRY_AGAIN_LATER:
                break
            time.sleep(POLL_SECONDS)
        if sent.status == SendTransactionStatus.ERROR:
            code = "no reason given"
            if sent.error_result_xdr is not None:
                result = xdr.TransactionResult.from_xdr(sent.error_result_xdr)
                code = result.result.code.name
            raise CannotRun(f"the network rejected a transaction: {code}", LOOK)
        for _ in range(POLLS):
            answer = self.ask(lambda: self.server.get_transaction(sent.hash))
            if answer.status != GetTransactionStatus.NOT_FOUND:
                return answer
            time.sleep(POLL_SECONDS)
        raise CannotRun(
            f"a transaction was in no ledger after {POLLS * POLL_SECONDS} seconds", LOOK
        )


def connect_local() -> Connection:
    """Start an embedded network and connect to it, without a socket."""
    network = LocalNetwork(retention=RETENTION_LEDGERS)

    def fund(address: str) -> None:
        network.fund(address)

    return Connection(network.server(), network.passphrase, network.protocol_version, fund, network)


def connect(rpc_url: str, passphrase: str, friendbot_url: str) -> Connection:
    """Connect to a Stellar RPC. Raises CannotRun if it does not answer or has another network."""
    check_url(rpc_url, "--rpc-url")
    check_url(friendbot_url, "--friendbot")
    client = RequestsClient()
    server = SorobanServer(rpc_url, client)
    try:
        network = server.get_network()
    except (SdkError, ValueError) as error:
        raise no_rpc(rpc_url, error, "--rpc-url") from error
    if network.passphrase != passphrase:
        raise CannotRun(
            f"the network at {origin(rpc_url)} has the passphrase {network.passphrase!r}, "
            f"not {passphrase!r}",
            "give that network's passphrase with --network-passphrase",
        )

    def fund(address: str) -> None:
        try:
            answer = client.get(friendbot_url, {"addr": address})
        except BaseRequestError as error:
            raise _friendbot_failed(friendbot_url, cause(error)) from error
        if answer.status_code != 200:
            raise _friendbot_failed(friendbot_url, f"status {answer.status_code}")

    return Connection(server, passphrase, network.protocol_version, fund)


def _friendbot_failed(url: str, reason: str) -> CannotRun:
    return CannotRun(
        f"friendbot at {origin(url)} funded no account ({reason})", "check --friendbot"
    )
