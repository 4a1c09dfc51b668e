"""The transactions of a ledger, applied: fees of all, each one's operations, refunds of all.

Source: `What happens to a transaction` in README.md, steps 2 to 9; stellar-core's order of them
(CAP-62, CAP-63: Soroban transactions after classic ones, refunds after all).
"""

from __future__ import annotations

from typing import cast

import attrs

from soroban_localnet import xdr
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.store import Changes, Entry
from soroban_localnet.transactions import meta, validity
from soroban_localnet.transactions.envelope import Transaction
from soroban_localnet.transactions.fees import resource_fee
from soroban_localnet.transactions.meta import TransactionMeta
from soroban_localnet.transactions.operations import table as operations
from soroban_localnet.transactions.reserves import without_signer
from soroban_localnet.transactions.results import (
    Code,
    Invalid,
    OperationOutcome,
    transaction_result,
)
from soroban_localnet.transactions.set import TransactionSet
from soroban_localnet.transactions.signatures import pre_authorized_signer


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


def apply(
    transactions: TransactionSet, environment: Environment
) -> list[tuple[Transaction, Applied]]:
    """Apply transactions that validity.check has let through; return them in their order.

    Each pays its fee and uses its sequence number up whether its operations succeed or not; what
    they do is stored only when all of them succeed. One that became invalid by what came before it
    in this ledger fails and pays; its sequence number is used where that was still the next.
    """
    steps = [
        _Application(
            transaction,
            # a Soroban transaction's random numbers depend on its place in the ledger
            attrs.evolve(environment, prng_seed=xdr.sha256(transactions.hash + xdr.u64(index))),
        )
        for index, transaction in enumerate(transactions.in_order())
    ]
    for step in steps:
        step.charge(transactions.fees.of(step.transaction))
    classic = [step for step in steps if not step.transaction.is_soroban]
    soroban = [step for step in steps if step.transaction.is_soroban]
    alone = len(steps) == 1  # what was valid before its ledger is so still
    for step in classic:
        step.begin(recheck=not alone)
        step.run()
    for step in soroban:
        step.begin(recheck=not alone)
    extensions = _Extensions(environment)
    for step in soroban:
        extensions.show(step.transaction)
        step.run(extensions)
    extensions.show_all()
    return [(step.transaction, step.conclude()) for step in steps]


class _Extensions:
    """Entries whose TTLs were extended by transactions that only read them.

    Others that only read them do not see it, and pay for the same term again: CAP-63 lets them run
    at the same time. It is there for the next transaction that may write the entry.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._live_until: dict[bytes, int] = {}

    def hold(self, transaction: Transaction, changes: Changes) -> None:
        """Take the new TTLs of entries that the transaction only reads out of its changes."""
        data = transaction.soroban
        for key in data.read_only if data else ():
            extended = changes.take(key)
            if extended is not None and extended.live_until is not None:
                known = self._live_until.get(key, 0)
                self._live_until[key] = max(known, extended.live_until)

    def show(self, transaction: Transaction) -> None:
        """Store the TTLs of entries that the transaction may write."""
        data = transaction.soroban
        for key in data.read_write if data else ():
            self._show(key)

    def show_all(self) -> None:
        """Store all TTLs that are still held back."""
        for key in list(self._live_until):
            self._show(key)

    def _show(self, key: bytes) -> None:
        live_until = self._live_until.pop(key, None)
        if live_until is None:
            return
        entry = self._environment.ledger.get(key)
        if entry is not None and (entry.live_until or 0) < live_until:
            self._environment.ledger.put(
                key, Entry(entry.xdr, live_until, self._environment.sequence)
            )


@attrs.define
class _Application:
    """One transaction on its way through a ledger. Fees in stroops."""

    transaction: Transaction
    environment: Environment
    fee: int = 0
    fee_changes: bytes = b""
    before: bytes = b""
    invalid: Invalid | None = None
    outcomes: list[OperationOutcome] = attrs.Factory(list)
    metas: list[tuple[bytes, tuple[bytes, ...]]] = attrs.Factory(list)

    @property
    def success(self) -> bool:
        """Tell whether it was valid at its turn and all its operations succeeded."""
        return self.invalid is None and all(outcome.success for outcome in self.outcomes)

    def charge(self, base_fee: int) -> None:
        """Take the fee."""
        transaction = self.transaction
        bid = min(transaction.inclusion_fee, base_fee * transaction.charged_operations)
        account = cast(Account, self.environment.ledger.account(transaction.fee_source))
        self.fee = min(account.balance, transaction.resource_fee + bid)
        self.fee_changes = self._add_to_balance(account, -self.fee)

    def _add_to_balance(self, account: Account, stroops: int) -> bytes:
        changes = Changes(self.environment.ledger)
        richer = attrs.evolve(account, balance=account.balance + stroops)
        changes.put_account(richer, self.environment.sequence)
        items = xdr.array(meta.entry_changes(changes))
        changes.commit()
        return items

    def begin(self, *, recheck: bool) -> None:
        """See whether it is still valid; use up the sequence number and signers for one time."""
        if recheck:
            self.invalid = validity.recheck(self.transaction, self.environment)
        transaction = self.transaction
        changes = Changes(self.environment.ledger)
        if transaction.fee_bump is not None:
            self._use_signer_once(changes, transaction.fee_source, transaction.hash)
        if self.invalid is None or self.invalid.uses_sequence:
            account = cast(Account, changes.account(transaction.source))
            used = account.at_sequence(
                transaction.sequence, self.environment.sequence, self.environment.close_time
            )
            changes.put_account(used, self.environment.sequence)
        own = (operation.source for operation in transaction.operations if operation.source)
        for source in sorted({transaction.source, *own}):
            self._use_signer_once(changes, source, transaction.inner_hash)
        self.before = xdr.array(meta.entry_changes(changes))
        changes.commit()

    def _use_signer_once(
        self, changes: Changes, public_key: bytes, transaction_hash: bytes
    ) -> None:
        holder = changes.account(public_key)
        once = pre_authorized_signer(transaction_hash)
        if holder is not None and once in dict(holder.signers):
            rest = without_signer(changes, holder, once, self.environment.sequence)
            changes.put_account(rest, self.environment.sequence)

    def run(self, extensions: _Extensions | None = None) -> None:
        """Run the operations, and store what they do where all of them succeed."""
        if self.invalid is not None:
            return
        changes = Changes(self.environment.ledger)
        for operation in self.transaction.operations:
            step = Changes(changes)
            outcome = operations.apply(operation, self.transaction, step, self.environment)
            self.outcomes.append(outcome)
            if outcome.success:
                self.metas.append((xdr.array(meta.entry_changes(step)), outcome.events))
                step.commit()
        if not self.success:
            self.metas.clear()
            return
        if extensions is not None:
            extensions.hold(self.transaction, changes)
        changes.commit()

    def conclude(self) -> Applied:
        """Give back what is left of the refundable fee, and say what came of it all."""
        events = [self._fee_event(self.fee, meta.BEFORE_ALL_TRANSACTIONS)] if self.fee else []
        soroban = None
        refund_changes = xdr.array(())
        data = self.transaction.soroban
        if data is not None:
            fixed = resource_fee(self.transaction, data, 0, self.environment.host)[0]
            rent = events_fee = 0
            if self.success:
                rent = sum(outcome.rent_fee for outcome in self.outcomes)
                events_fee = sum(outcome.event_fee for outcome in self.outcomes)
                used = rent + events_fee
                soroban = meta.SorobanMeta(fixed, used, rent, self.outcomes[0].return_value)
            refund = data.resource_fee - fixed - rent - events_fee
            account = self.environment.ledger.account(self.transaction.fee_source)
            if refund and account is not None:
                refund_changes = self._add_to_balance(account, refund)
                self.fee -= refund
                events.append(self._fee_event(-refund, meta.AFTER_ALL_TRANSACTIONS))
        return Applied(
            success=self.success,
            fee_charged=self.fee,
            result=self._result(),
            meta=TransactionMeta(
                before=self.before,
                operations=tuple(self.metas),
                soroban=soroban,
                events=tuple(events),
                diagnostics=tuple(e for outcome in self.outcomes for e in outcome.diagnostics),
            ),
            fee_changes=self.fee_changes,
            refund_changes=refund_changes,
        )

    def _result(self) -> bytes:
        code = Code.txSUCCESS if self.success else Code.txFAILED
        results = tuple(outcome.result for outcome in self.outcomes)
        if self.invalid is not None:
            code, results = self.invalid.code, self.invalid.operations
        elif any(outcome.internal_error for outcome in self.outcomes):
            code = Code.txINTERNAL_ERROR
        inside = None if self.transaction.fee_bump is None else self.transaction.inner_hash
        return transaction_result(self.fee, code, results, inside)

    def _fee_event(self, stroops: int, stage: int) -> bytes:
        payer = self.transaction.fee_source
        return meta.fee_event(self.environment.native_contract, payer, stroops, stage)
