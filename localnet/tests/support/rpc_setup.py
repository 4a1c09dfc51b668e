"""A network with something on it to ask for, and the ways to ask without a socket."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import attrs
from localnet.tests.support.contract import Contract
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Payment, TransactionEnvelope, xdr

from soroban_localnet import LocalNetwork
from soroban_localnet.ledger.store import Entry


@attrs.frozen
class Setup:
    """A network with a contract and two signed transactions that nobody has sent yet."""

    network: LocalNetwork
    alice: Sender
    contract: Contract
    payment: bytes
    call: bytes

    @property
    def state(self) -> tuple[int, dict[bytes, Entry]]:
        """The latest ledger and all entries; an entry that was written is another object."""
        return self.network.latest_ledger, self.network.entries()


def signed(sender: Sender, envelope: TransactionEnvelope) -> TransactionEnvelope:
    envelope.sign(sender.key)
    return envelope


def encoded(envelope: TransactionEnvelope) -> bytes:
    return envelope.to_xdr_object().to_xdr_bytes()


def payment(sender: Sender, sequence: int | None = None) -> TransactionEnvelope:
    operation = Payment(sender.id, Asset.native(), "1", source=sender.id)
    return signed(sender, sender.build(operation, sequence=sequence))


def ask(network: LocalNetwork, method: object, params: object = None, **more: object) -> Any:
    return network.dispatcher.answer(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": params, **more}
    )


def result(network: LocalNetwork, method: str, **params: object) -> Any:
    answer = ask(network, method, params)
    assert set(answer) == {"jsonrpc", "id", "result"}, answer
    return answer["result"]


def error(network: LocalNetwork, method: str, **params: object) -> tuple[int, str]:
    answer = ask(network, method, params)
    assert set(answer) == {"jsonrpc", "id", "error"}, answer
    return answer["error"]["code"], answer["error"]["message"]


def text(data: bytes) -> str:
    return b64encode(data).decode()


def key_text(key: xdr.LedgerKey) -> str:
    return text(key.to_xdr_bytes())
