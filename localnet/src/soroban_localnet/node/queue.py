"""Transactions that wait for a ledger: which may wait, and which are next.

Theory of operation
===================

A transaction that was sent is a `Waiting` until it has an `outcome`. It waits in one of two places:

    without an interval                          with an interval
    Node.submit                                  Node.send
        |                                            |
        v                                            v
    Node.arrivals (in order)                     Queue.admit ---> DUPLICATE, TRY_AGAIN_LATER,
        |                                            |            Invalid: it never waits
        |                                            | PENDING
        |                                            v
        |                                        Queue (one transaction an account)
        |                                            |
        +---------------------+----------------------+
                              | a ledger is closed with both
                              v
        ready    ------> DUPLICATE, Invalid       it can be in no ledger
                              |
                              v
        choose   ------> TRY_AGAIN_LATER          it fits in no ledger, however empty
                              |
                              v
        apply    ------> Record                   it is in the ledger, successful or failed
                 ------> Exception                closing its own ledger raised: nothing happened

*Where it waits.* Without a `ledger_interval`, `Node.send` appends the transaction to the arrivals
and closes ledgers until it has an outcome. It appends before it takes the node's lock, so whoever
has the lock takes all arrivals into one ledger, and several senders share it. With a
`ledger_interval`, `Node.send` asks `Queue.admit` and answers; a tick of `Pace`, or `close_ledgers`,
closes the ledger. The faucet always uses the arrivals: a funded account exists when the call
returns.

*Who decides.* `admit` holds a transaction to the rules of the next ledger, with a margin for its
close time, and to those of the queue: one transaction an account, fees that the payer has beside
those it owes already, room for two ledgers. If there is no room, a higher bid displaces the
lowest ones; a fee bump replaces its inner transaction for ten times its bid. What is displaced is
dropped, and nobody is told, as on a real network. `ready` checks each transaction again in the
ledger that is being made; of an account's several it takes the lowest sequence number. `choose`
takes the highest bids for the room of one ledger.

*What ends the waiting.* An outcome, which is set once and never changes. Without one, an arrival
stays; a queued transaction is dropped after four ledgers (`settle`). A revert to a snapshot empties
the queue: its transactions belong to another state. The arrivals stay.

*What is held throughout.* The lock of the node, but for appending to the arrivals. `_room` and
`_owed` are sums over the queue: each change of `_by_source` changes them too.

Source: stellar-core's transaction queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum
from math import ceil

import attrs

from soroban_localnet.history.history import History
from soroban_localnet.history.record import Record
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import LedgerLimits
from soroban_localnet.transactions import validity
from soroban_localnet.transactions.envelope import Transaction
from soroban_localnet.transactions.reserves import available
from soroban_localnet.transactions.results import Code, Invalid
from soroban_localnet.transactions.set import Room, bid

# How many ledgers full of transactions may wait, and how many ledgers long each.
QUEUE_LEDGERS = 2
PATIENCE_LEDGERS = 4
# A fee bump replaces a transaction that waits where it bids this many times as much.
REPLACING_BID = 10


class Verdict(Enum):
    """What sendTransaction says of a transaction that is not invalid."""

    PENDING = "PENDING"
    DUPLICATE = "DUPLICATE"
    TRY_AGAIN_LATER = "TRY_AGAIN_LATER"


@attrs.define(eq=False)
class Waiting:
    """A transaction that waits since the ledger `since`, and in the end what became of it.

    `outcome` is an exception where applying it raised one, which no transaction should.
    """

    transaction: Transaction
    since: int = 0
    outcome: Record | Invalid | Verdict | Exception | None = None


def ready(waiting: Iterable[Waiting], environment: Environment, history: History) -> list[Waiting]:
    """Return those that may be in the next ledger, and decide who may be in none.

    Of one account's the lowest sequence number is the first, and the others wait for later ledgers;
    so do those whose fees their payer cannot pay beside the fees of others.
    """
    by_source: dict[bytes, list[Waiting]] = {}
    for each in waiting:
        by_source.setdefault(each.transaction.source, []).append(each)
    found = []
    owed: Counter[bytes] = Counter()
    for own in by_source.values():
        for candidate in sorted(own, key=lambda each: each.transaction.sequence):
            transaction = candidate.transaction
            if history.find(transaction.hash) is not None:
                candidate.outcome = Verdict.DUPLICATE
                continue
            candidate.outcome = validity.check(transaction, environment)
            if candidate.outcome is None:
                if can_pay(transaction, environment, owed[transaction.fee_source]):
                    found.append(candidate)
                    owed[transaction.fee_source] += transaction.full_fee
                break
    return found


def can_pay(transaction: Transaction, environment: Environment, owed: int) -> bool:
    """Tell whether the payer has the fee beside the `owed` stroops."""
    payer = environment.ledger.account(transaction.fee_source)
    return payer is not None and available(payer) >= owed + transaction.full_fee


class Queue:
    """The transactions that wait for the next ledger of a network with a ledger interval.

    Arguments: `limits` of one ledger.
    """

    def __init__(self, limits: LedgerLimits) -> None:
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """Drop all waiting transactions."""
        self._by_source: dict[bytes, Waiting] = {}
        self._owed: Counter[bytes] = Counter()
        self._room = Room.of(self._limits, QUEUE_LEDGERS)

    def __len__(self) -> int:
        return len(self._by_source)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._by_source.values())

    def admit(
        self, transaction: Transaction, environment: Environment, margin: int
    ) -> Verdict | Invalid:
        """Let a transaction wait for its ledger, or say why it may not.

        An account has one waiting transaction; a fee bump replaces it for ten times its bid.
        If the queue is full, a transaction displaces those that bid less.
        Arguments: `environment`, the next ledger with the latest close time; `margin`, see
        validity.check.
        """
        replaced = self._by_source.get(transaction.source)
        if replaced is not None:
            answer = _beside(transaction, replaced.transaction)
            if answer is not None:
                return answer
        refused = validity.check(transaction, environment, margin)
        if refused is not None:
            return refused
        owed = self._owed[transaction.fee_source]
        if replaced and replaced.transaction.fee_source == transaction.fee_source:
            owed -= replaced.transaction.full_fee
        if not can_pay(transaction, environment, owed):
            return Invalid(Code.txINSUFFICIENT_BALANCE)
        leaving = self._who_leaves(transaction, replaced)
        if not isinstance(leaving, list):
            return leaving
        for each in leaving:
            self._remove(each)
        self._room.take(transaction)
        self._owed[transaction.fee_source] += transaction.full_fee
        self._by_source[transaction.source] = Waiting(transaction, environment.sequence - 1)
        return Verdict.PENDING

    def _who_leaves(
        self, transaction: Transaction, replaced: Waiting | None
    ) -> list[Waiting] | Verdict | Invalid:
        """Return those that have to leave for the transaction to fit, the lowest bids first."""
        room = self._room.copy()
        leaving = [] if replaced is None else [replaced]
        for each in leaving:
            room.release(each.transaction)
        if room.take(transaction):
            return leaving
        rivals = (
            each
            for each in self
            if each is not replaced and each.transaction.is_soroban == transaction.is_soroban
        )
        for rival in sorted(rivals, key=lambda each: bid(each.transaction)):
            lowest = bid(rival.transaction)
            if lowest >= bid(transaction):
                return _too_low(transaction, int(lowest * transaction.charged_operations) + 1)
            leaving.append(rival)
            room.release(rival.transaction)
            if room.take(transaction):
                return leaving
        return Verdict.TRY_AGAIN_LATER  # no ledger is large enough

    def _remove(self, waiting: Waiting) -> None:
        transaction = waiting.transaction
        del self._by_source[transaction.source]
        self._room.release(transaction)
        self._owed[transaction.fee_source] -= transaction.full_fee
        if not self._owed[transaction.fee_source]:
            del self._owed[transaction.fee_source]

    def settle(self, latest: int) -> None:
        """Forget what is decided, and what has waited too long by the ledger `latest`."""
        for each in list(self):
            if each.outcome is not None or latest - each.since >= PATIENCE_LEDGERS:
                self._remove(each)


def _beside(transaction: Transaction, waiting: Transaction) -> Verdict | Invalid | None:
    """Answer a transaction beside another of its account; None where it may replace that."""
    if transaction.is_soroban != waiting.is_soroban:
        return Verdict.TRY_AGAIN_LATER
    if transaction.hash in waiting.hashes:
        return Verdict.DUPLICATE
    if transaction.sequence < waiting.sequence:
        return Invalid(Code.txBAD_SEQ)
    if transaction.fee_bump is None or transaction.sequence != waiting.sequence:
        return Verdict.TRY_AGAIN_LATER
    least = REPLACING_BID * bid(waiting)
    if bid(transaction) < least:
        return _too_low(transaction, ceil(least * transaction.charged_operations))
    return None


def _too_low(transaction: Transaction, least: int) -> Invalid:
    """Refuse a bid for a place in the ledger; name the fee that would be enough, in stroops."""
    return Invalid(Code.txINSUFFICIENT_FEE, fee_charged=least + transaction.resource_fee)
