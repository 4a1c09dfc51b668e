"""An asset with its contract, called as a token."""

from __future__ import annotations

from typing import Any

import attrs
from localnet.tests.support.contract import Contract
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import Account, Asset, InvokeHostFunction, Keypair, TransactionBuilder, scval, xdr


@attrs.frozen
class Token:
    """An asset and its contract."""

    asset: Asset
    contract: Contract

    def call(self, method: str, *arguments: Any) -> InvokeHostFunction:
        """Call a method: strings are addresses, integers amounts, booleans themselves."""
        return self.contract.call(method, *map(_argument, arguments))

    def ask(self, sender: Sender, method: str, *arguments: Any) -> Any:
        """Simulate a call and return its value."""
        simulated = sender.server.simulate_transaction(sender.build(self.call(method, *arguments)))
        assert simulated.results, simulated.error
        assert simulated.results[0].xdr is not None
        return scval.to_native(simulated.results[0].xdr)

    def balance(self, sender: Sender, holder: str) -> int:
        return int(self.ask(sender, "balance", holder))


def _argument(value: Any) -> xdr.SCVal:
    if isinstance(value, bool):
        return scval.to_bool(value)
    if isinstance(value, int):
        return scval.to_int128(value)
    return scval.to_address(value)


def create(asset: Asset) -> InvokeHostFunction:
    builder = TransactionBuilder(Account(Keypair.random().public_key, 0), "")
    (operation,) = builder.append_create_stellar_asset_contract_from_asset_op(asset).operations
    assert isinstance(operation, InvokeHostFunction)
    return operation


def token(sender: Sender, asset: Asset) -> Token:
    sent = sender.invoke(create(asset))
    assert sent.code == Code.txSUCCESS, sent.messages()
    return Token(asset, Contract(scval.from_address(sent.value).address))
