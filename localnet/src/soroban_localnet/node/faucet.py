"""The faucet: an account gets lumens from the one that has them all, as friendbot gives them."""

from __future__ import annotations

from stellar_sdk import Account as SourceAccount
from stellar_sdk import Asset, Keypair, TransactionBuilder
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import FundingFailed
from soroban_localnet.history.record import Record
from soroban_localnet.ledger.parameters import BASE_RESERVE
from soroban_localnet.node.node import Node
from soroban_localnet.transactions.envelope import parse
from soroban_localnet.transactions.results import Invalid

STARTING_STROOPS = 10_000 * 10_000_000
"""What an account gets by default."""


def fund(node: Node, account_id: str, stroops: int = STARTING_STROOPS) -> str:
    """Give an account a balance, as friendbot does, and return the transaction's hash.

    A missing account is created; an account that has less is paid `stroops`. The
    transaction is in a ledger when this returns, with or without an interval.
    Arguments: `account_id` (G...); `stroops`, at least 1 lumen.
    Raises FundingFailed, and changes nothing, where the account has that much already, or the
    amount is below the reserve of an account.
    """
    destination = Keypair.from_public_key(account_id).raw_public_key()
    with node.lock:
        node.lookup(xdr.account_key(destination))
        held = node.ledger.account(destination)
        if held is not None and held.balance >= stroops:
            raise FundingFailed(account_id, "CREATE_ACCOUNT_ALREADY_EXIST")
        if stroops < 2 * BASE_RESERVE:
            raise FundingFailed(account_id, "CREATE_ACCOUNT_LOW_RESERVE")
        root = node.ledger.account(node.root.raw_public_key())
        if root is None:
            raise FundingFailed(account_id, "the account that funds others does not exist any more")
        builder = TransactionBuilder(
            SourceAccount(node.root.public_key, root.sequence), node.passphrase
        )
        amount = f"{stroops // 10**7}.{stroops % 10**7:07d}"
        if held is None:
            builder.append_create_account_op(account_id, amount)
        else:
            builder.append_payment_op(account_id, Asset.native(), amount)
        built = builder.add_time_bounds(0, 0).build()
        built.sign(node.root)
        sent = node.submit(parse(built.to_xdr_object().to_xdr_bytes(), node.network_id))
        if isinstance(sent, Invalid):
            raise FundingFailed(account_id, sent.code.name)
        assert isinstance(sent, Record)  # noqa: S101 - the sequence number is the root's next
        if not sent.applied.success:
            raise FundingFailed(account_id, _reason(sent))
        return sent.hash.hex()


def _reason(record: Record) -> str:
    result = stellar_xdr.TransactionResult.from_xdr_bytes(record.applied.result).result
    for operation in result.results or ():
        if operation.tr is not None:
            inner = operation.tr.create_account_result or operation.tr.payment_result
            if inner is not None:
                return inner.code.name
    return result.code.name
