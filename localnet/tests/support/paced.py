"""Transactions that wait: senders on a network with a pace, whose ledgers are closed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from localnet.tests.support.clock import START
from localnet.tests.support.issued_assets import pay
from localnet.tests.support.sender import Sender, Sent
from stellar_sdk import Asset, FeeBumpTransactionEnvelope, TransactionEnvelope, xdr
from stellar_sdk.soroban_rpc import GetTransactionStatus, SendTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.host.host import Host
from soroban_localnet.host.messages import InvokeAnswer, InvokeRequest
from soroban_localnet.ledger.settings import NetworkSettings

NEVER = 7 * 86_400.0
"""Seconds from ledger to ledger: none is closed by itself while a test runs."""

XLM = Asset.native()

Envelope = TransactionEnvelope | FeeBumpTransactionEnvelope


@contextmanager
def paced_network(settings: NetworkSettings | None = None) -> Iterator[LocalNetwork]:
    with LocalNetwork(start_time=START, settings=settings, ledger_interval=NEVER) as network:
        yield network


class PacedSender(Sender):
    """A sender that closes a ledger after each transaction that it sent."""

    def wait(self) -> None:
        self.network.close_ledgers()


def signed(sender: Sender, envelope: TransactionEnvelope) -> TransactionEnvelope:
    envelope.sign(sender.key)
    return envelope


def payment(source: Sender, *, fee: int = 100, sequence: int | None = None) -> TransactionEnvelope:
    """Sign a payment of somebody to himself."""
    return signed(source, source.build(pay(XLM, source, 7), fee=fee, sequence=sequence))


@contextmanager
def no_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every invocation of the host raise what no transaction accounts for."""

    def unplugged(host: Host, request: InvokeRequest) -> InvokeAnswer:
        raise OSError("the machine has no memory left")

    with monkeypatch.context() as patched:
        patched.setattr(Host, "invoke", unplugged)
        yield


def queue(sender: Sender, envelope: Envelope) -> None:
    """Send a transaction that has to wait."""
    assert sender.server.send_transaction(envelope).status == SendTransactionStatus.PENDING
    assert is_missing(sender, envelope)


def is_missing(sender: Sender, envelope: Envelope) -> bool:
    """Tell whether a transaction is in no ledger."""
    got = sender.server.get_transaction(envelope.hash_hex())
    return got.status == GetTransactionStatus.NOT_FOUND


def share(*sent: tuple[Sender, Envelope]) -> list[Sent]:
    """Send transactions that share the next ledger; return what became of each."""
    network = sent[0][0].network
    before = network.latest_ledger
    for sender, envelope in sent:
        queue(sender, envelope)
    network.close_ledgers()
    assert network.latest_ledger == before + 1
    return [sender.found(envelope.hash_hex()) for sender, envelope in sent]


def latest_meta(network: LocalNetwork) -> xdr.LedgerCloseMetaV2:
    """Decode the meta of the latest ledger."""
    meta = xdr.LedgerCloseMeta.from_xdr_bytes(network.history.latest.meta()).v2
    assert meta is not None
    return meta


def lumens(network: LocalNetwork) -> int:
    """Add up all lumens of accounts and the fee pool, in stroops."""
    accounts = (entry.account for key, entry in network.entries().items() if key[:4] == bytes(4))
    return sum(account.balance for account in accounts) + network.history.latest.fee_pool
