"""Fee bumps: a transaction that somebody else pays for."""

from __future__ import annotations

from typing import Any

from localnet.tests.support.sender import Sender
from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, TransactionBuilder, TransactionEnvelope


def inside(sender: Sender, *operations: Any, fee: int = 100) -> TransactionEnvelope:
    """Build and sign a transaction that somebody else is to pay."""
    envelope = sender.build(*operations, fee=fee)
    envelope.sign(sender.key)
    return envelope


def around(
    payer: Sender, inner: TransactionEnvelope, fee: int | None = None, *signers: Keypair
) -> FeeBumpTransactionEnvelope:
    """Put a fee bump around a transaction; `fee` in stroops, twice the base fee by default."""
    outer = TransactionBuilder.build_fee_bump_transaction(
        payer.id, 10**6, inner, payer.network.passphrase
    )
    outer.transaction.fee = 100 * (len(inner.transaction.operations) + 1) if fee is None else fee
    for signer in signers or (payer.key,):
        outer.sign(signer)
    return outer
