"""One transaction into the ledger: fee, sequence number, operations, refund, meta.

Source: `What happens to a transaction` in README.md, steps 2 to 9.
"""

from __future__ import annotations

from typing import cast

import attrs

from soroban_localnet import meta, operations, wire
from soroban_localnet.account import Account
from soroban_localnet.classic import without_signer
from soroban_localnet.envelope import Transaction
from soroban_localnet.fees import resource_fee
from soroban_localnet.ledger import Changes
from soroban_localnet.meta import TransactionMeta
from soroban_localnet.results import Code, OperationOutcome, transaction_result
from soroban_localnet.scene import BASE_FEE, Scene
from soroban_localnet.signatures import pre_authorized_signer


@attrs.frozen
class Applied:
    """A transaction that is in a ledger: its TransactionResult as XDR, and its meta.

    `fee_charged` in stroops, after the refund. `fee_changes` and `refund_changes` are
    LedgerEntryChanges.
    """

    success: bool
    fee_charged: int
    result: bytes
    meta: TransactionMeta
    fee_changes: bytes
    refund_changes: bytes


def apply(transaction: Transaction, scene: Scene) -> Applied:
    """Apply a transaction that validity.check has let through.

    The fee is paid and the sequence number used up whatever the operations do; what they change is
    stored only when all of them succeed.
    """
    fee, fee_changes = _charge(transaction, scene)
    before = _use_sequence(transaction, scene)
    changes = Changes(scene.ledger)
    outcomes: list[OperationOutcome] = []
    metas: list[tuple[bytes, tuple[bytes, ...]]] = []
    for operation in transaction.operations:
        step = Changes(changes)
        outcome = operations.apply(operation, transaction, step, scene)
        outcomes.append(outcome)
        if outcome.success:
            metas.append((wire.array(meta.entry_changes(step)), outcome.events))
            step.commit()
    success = all(outcome.success for outcome in outcomes)
    if success:
        changes.commit()
    else:
        metas.clear()
    return _conclude(transaction, scene, fee, fee_changes, before, outcomes, metas, success)


def _charge(transaction: Transaction, scene: Scene) -> tuple[int, bytes]:
    """Take the fee; return what was taken, in stroops, and the changes."""
    bid = min(transaction.inclusion_fee, BASE_FEE * len(transaction.operations))
    resource = transaction.soroban.resource_fee if transaction.soroban else 0
    account = cast(Account, scene.ledger.account(transaction.source))
    fee = min(account.balance, resource + bid)
    return fee, _add_to_balance(scene, account, -fee)


def _add_to_balance(scene: Scene, account: Account, stroops: int) -> bytes:
    changes = Changes(scene.ledger)
    changes.put_account(attrs.evolve(account, balance=account.balance + stroops), scene.sequence)
    items = wire.array(meta.entry_changes(changes))
    changes.commit()
    return items


def _use_sequence(transaction: Transaction, scene: Scene) -> list[bytes]:
    """Use up the sequence number and signers for one time; return the changes for the meta."""
    changes = Changes(scene.ledger)
    account = cast(Account, changes.account(transaction.source))
    used = attrs.evolve(
        account,
        sequence=transaction.sequence,
        sequence_ledger=scene.sequence,
        sequence_time=scene.close_time,
        extensions=3,
    )
    changes.put_account(used, scene.sequence)
    once = pre_authorized_signer(transaction.hash)
    sources = {transaction.source, *(op.source for op in transaction.operations if op.source)}
    for source in sorted(sources):
        holder = changes.account(source)
        if holder is not None and once in dict(holder.signers):
            changes.put_account(without_signer(holder, once), scene.sequence)
    items = meta.entry_changes(changes)
    changes.commit()
    return items


def _conclude(
    transaction: Transaction,
    scene: Scene,
    fee: int,
    fee_changes: bytes,
    before: list[bytes],
    outcomes: list[OperationOutcome],
    metas: list[tuple[bytes, tuple[bytes, ...]]],
    success: bool,
) -> Applied:
    events = [_fee_event(transaction, scene, fee, meta.BEFORE_ALL_TRANSACTIONS)]
    soroban = None
    refund_changes = wire.array(())
    data = transaction.soroban
    if data is not None:
        fixed = resource_fee(transaction, data, 0, scene.host)[0]
        rent = sum(outcome.rent_fee for outcome in outcomes) if success else 0
        used = rent + sum(outcome.event_fee for outcome in outcomes) if success else 0
        refund = data.resource_fee - fixed - used
        account = scene.ledger.account(transaction.source)
        if refund and account is not None:
            refund_changes = _add_to_balance(scene, account, refund)
            fee -= refund
            events.append(_fee_event(transaction, scene, -refund, meta.AFTER_ALL_TRANSACTIONS))
        if success:
            soroban = meta.SorobanMeta(fixed, used, rent, outcomes[0].return_value)
    if any(outcome.internal_error for outcome in outcomes):
        code = Code.txINTERNAL_ERROR
    else:
        code = Code.txSUCCESS if success else Code.txFAILED
    return Applied(
        success=success,
        fee_charged=fee,
        result=transaction_result(fee, code, tuple(outcome.result for outcome in outcomes)),
        meta=TransactionMeta(
            before=wire.array(before),
            operations=tuple(metas),
            soroban=soroban,
            events=tuple(events),
            diagnostics=tuple(event for outcome in outcomes for event in outcome.diagnostics),
        ),
        fee_changes=fee_changes,
        refund_changes=refund_changes,
    )


def _fee_event(transaction: Transaction, scene: Scene, stroops: int, stage: int) -> bytes:
    return meta.fee_event(scene.native_contract, transaction.source, stroops, stage)
