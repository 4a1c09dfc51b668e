"""Create account, payment, account merge: the operations that move lumens and issued assets.

Source: stellar-core's operations of these names; a payment there is a path payment without a path.
"""

from __future__ import annotations

from typing import cast

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.account import AUTH_IMMUTABLE, Account
from soroban_localnet.ledger.asset import NATIVE, Asset
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.ledger.store import Changes
from soroban_localnet.ledger.trustline import TrustLine
from soroban_localnet.transactions import asset_events
from soroban_localnet.transactions.envelope import Operation, Transaction, account_and_id
from soroban_localnet.transactions.reserves import available, stop_sponsoring, without_signer
from soroban_localnet.transactions.results import (
    OperationOutcome,
    Refused,
    failed,
    inner,
    succeeded,
)

_Create = stellar_xdr.CreateAccountResultCode
_Payment = stellar_xdr.PaymentResultCode
_Merge = stellar_xdr.AccountMergeResultCode

_PAYMENT = stellar_xdr.OperationType.PAYMENT
_ARRIVING = (
    _Payment.PAYMENT_NO_TRUST,
    _Payment.PAYMENT_NOT_AUTHORIZED,
    _Payment.PAYMENT_LINE_FULL,
)
_LEAVING = (
    _Payment.PAYMENT_SRC_NO_TRUST,
    _Payment.PAYMENT_SRC_NOT_AUTHORIZED,
    _Payment.PAYMENT_UNDERFUNDED,
)


def check_create_account(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a negative balance, and an account that creates itself."""
    body = operation.body.create_account_op
    if body.starting_balance.int64 < 0 or _raw(body.destination) == source:
        return Refused(inner(operation.type, _Create.CREATE_ACCOUNT_MALFORMED))
    return None


def create_account(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Create an account with a starting balance from the source's."""
    body = operation.body.create_account_op
    destination, stroops = _raw(body.destination), body.starting_balance.int64
    if changes.account(destination) is not None:
        raise failed(operation.type, _Create.CREATE_ACCOUNT_ALREADY_EXIST)
    created = Account(destination, stroops, environment.starting_sequence)
    if available(created) < 0:
        raise failed(operation.type, _Create.CREATE_ACCOUNT_LOW_RESERVE)
    payer = cast(Account, changes.account(source))
    if available(payer) < stroops:
        raise failed(operation.type, _Create.CREATE_ACCOUNT_UNDERFUNDED)
    changes.put_account(attrs.evolve(payer, balance=payer.balance - stroops), environment.sequence)
    changes.put_account(created, environment.sequence)
    event = asset_events.moved(
        environment, NATIVE, source, destination, stroops, None, transaction.memo
    )
    return succeeded(operation.type, (event,))


def _raw(account_id: stellar_xdr.AccountID) -> bytes:
    key = account_id.account_id.ed25519
    return cast(stellar_xdr.Uint256, key).uint256


def check_payment(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse an amount that is not positive, and an asset code that no asset can have."""
    body = operation.body.payment_op
    if body.amount.int64 <= 0 or not Asset(body.asset.to_xdr_bytes()).is_valid:
        return Refused(inner(operation.type, _Payment.PAYMENT_MALFORMED))
    return None


def payment(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Pay an amount of an asset to an account: first it is there, then it is gone here."""
    body = operation.body.payment_op
    asset, amount = Asset(body.asset.to_xdr_bytes()), body.amount.int64
    destination, destination_id = account_and_id(body.destination)
    if not asset.is_native or destination != source:
        # what is issued can go back to the issuer even where that account is gone
        if destination != asset.issuer and changes.account(destination) is None:
            raise failed(operation.type, _Payment.PAYMENT_NO_DESTINATION)
        if asset.is_native:
            _move_lumens(source, destination, amount, changes, environment)
        else:
            _change_line(asset, destination, amount, _ARRIVING, changes, environment)
            _change_line(asset, source, -amount, _LEAVING, changes, environment)
    event = asset_events.moved(
        environment, asset, source, destination, amount, destination_id, transaction.memo
    )
    return succeeded(operation.type, (event,))


def _move_lumens(
    source: bytes, destination: bytes, stroops: int, changes: Changes, environment: Environment
) -> None:
    credited = cast(Account, changes.account(destination)).credited(stroops)
    if credited is None:
        raise failed(_PAYMENT, _Payment.PAYMENT_LINE_FULL)
    payer = cast(Account, changes.account(source))
    if available(payer) < stroops:
        raise failed(_PAYMENT, _Payment.PAYMENT_UNDERFUNDED)
    changes.put_account(credited, environment.sequence)
    changes.put_account(attrs.evolve(payer, balance=payer.balance - stroops), environment.sequence)


def _change_line(
    asset: Asset,
    holder: bytes,
    amount: int,
    codes: tuple[int, int, int],
    changes: Changes,
    environment: Environment,
) -> None:
    """Put an amount on a trustline or take it away; an issuer has all there is and needs none.

    `codes` say that there is no trustline, no authorisation, no room or not enough.
    """
    if holder == asset.issuer:
        return
    no_trust, not_authorized, beyond = codes
    line = TrustLine.load(changes, holder, asset)
    if line is None:
        raise failed(_PAYMENT, no_trust)
    if not line.is_authorized:
        raise failed(_PAYMENT, not_authorized)
    changed = line.moved(amount)
    if changed is None:
        raise failed(_PAYMENT, beyond)
    changed.store(changes, environment.sequence)


def check_merge(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse an account that merges into itself."""
    if account_and_id(operation.body.destination)[0] == source:
        return Refused(inner(operation.type, _Merge.ACCOUNT_MERGE_MALFORMED))
    return None


def merge(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Give all lumens of the source to another account and remove the source."""
    destination, destination_id = account_and_id(operation.body.destination)
    if changes.account(destination) is None:
        raise failed(operation.type, _Merge.ACCOUNT_MERGE_NO_ACCOUNT)
    account = cast(Account, changes.account(source))
    if account.flags & AUTH_IMMUTABLE:
        raise failed(operation.type, _Merge.ACCOUNT_MERGE_IMMUTABLE_SET)
    if account.subentries != len(account.signers):
        raise failed(operation.type, _Merge.ACCOUNT_MERGE_HAS_SUB_ENTRIES)
    if account.sequence >= environment.starting_sequence:
        # created again in this ledger, it would start at a sequence number that was used before
        raise failed(operation.type, _Merge.ACCOUNT_MERGE_SEQNUM_TOO_FAR)
    if account.sponsoring:
        raise failed(operation.type, _Merge.ACCOUNT_MERGE_IS_SPONSOR)
    for key, _ in account.signers:
        account = without_signer(changes, account, key, environment.sequence)
    sponsor = xdr.sponsor(account.extension)
    if sponsor is not None:
        stop_sponsoring(changes, sponsor, 2, environment.sequence)
    # only now: the other account may have been a sponsor of this one
    credited = cast(Account, changes.account(destination)).credited(account.balance)
    if credited is None:
        raise failed(operation.type, _Merge.ACCOUNT_MERGE_DEST_FULL)
    changes.put_account(credited, environment.sequence)
    changes.put(xdr.account_key(source), None)
    moved = account.balance
    event = asset_events.moved(
        environment, NATIVE, source, destination, moved, destination_id, transaction.memo
    )
    return succeeded(operation.type, (event,), xdr.i64(moved))
