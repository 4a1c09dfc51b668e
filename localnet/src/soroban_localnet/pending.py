"""Transactions that wait for a ledger: which may wait, and whose turn it is.

Source: stellar-core's transaction queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

import attrs

from soroban_localnet import validity
from soroban_localnet.envelope import Transaction
from soroban_localnet.history import History, Record
from soroban_localnet.results import Code, Invalid
from soroban_localnet.scene import Scene
from soroban_localnet.settings import LedgerLimits
from soroban_localnet.transaction_set import Room, bid

# How many ledgers full of transactions may wait, and how many ledgers long each.
QUEUE_LEDGERS = 2
PATIENCE_LEDGERS = 4


class Verdict(Enum):
    """What sendTransaction says of a transaction that is not invalid."""

    PENDING = "PENDING"
    DUPLICATE = "DUPLICATE"
    TRY_AGAIN_LATER = "TRY_AGAIN_LATER"


@attrs.define(eq=False)
class Waiting:
    """A transaction that waits since the ledger `since`, and in the end what became of it."""

    transaction: Transaction
    since: int = 0
    outcome: Record | Invalid | Verdict | None = None


def ready(waiting: Iterable[Waiting], scene: Scene, history: History) -> list[Waiting]:
    """Return those that may be in the next ledger, one of each account; decide who never may.

    Of one account the lowest sequence number comes first, and the others wait for later ledgers.
    """
    by_source: dict[bytes, list[Waiting]] = {}
    for each in waiting:
        by_source.setdefault(each.transaction.source, []).append(each)
    found = []
    for own in by_source.values():
        for candidate in sorted(own, key=lambda each: each.transaction.sequence):
            if history.find(candidate.transaction.hash) is not None:
                candidate.outcome = Verdict.DUPLICATE
                continue
            candidate.outcome = validity.check(candidate.transaction, scene)
            if candidate.outcome is None:
                found.append(candidate)
                break
    return found


class Queue:
    """What waits for the next ledger of a network that closes them at a pace.

    Arguments: `limits` of one ledger.
    """

    def __init__(self, limits: LedgerLimits) -> None:
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """Forget everything that waits."""
        self._by_source: dict[bytes, Waiting] = {}
        self._room = Room.of(self._limits, QUEUE_LEDGERS)

    def __len__(self) -> int:
        return len(self._by_source)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._by_source.values())

    def admit(self, transaction: Transaction, scene: Scene, margin: int) -> Verdict | Invalid:
        """Let a transaction wait for its ledger, or say why it may not.

        An account has one transaction that waits. Where the queue is full, a transaction takes the
        place of those that bid less for each operation.
        Arguments: `scene`, the next ledger with the latest close time; `margin`, see
        validity.check.
        """
        other = self._by_source.get(transaction.source)
        if other is not None:
            return _beside(transaction, other.transaction)
        refused = validity.check(transaction, scene, margin)
        if refused is not None:
            return refused
        room = self._room.copy()
        evicted: list[Waiting] = []
        rivals = (w for w in self if w.transaction.is_soroban == transaction.is_soroban)
        cheapest = sorted(rivals, key=lambda each: bid(each.transaction))
        while not room.take(transaction):
            if len(evicted) == len(cheapest):
                return Verdict.TRY_AGAIN_LATER  # no ledger is large enough
            rival = cheapest[len(evicted)]
            if bid(rival.transaction) >= bid(transaction):
                return _outbid(transaction, rival.transaction)
            evicted.append(rival)
            room.release(rival.transaction)
        for rival in evicted:
            del self._by_source[rival.transaction.source]
        self._by_source[transaction.source] = Waiting(transaction, scene.sequence - 1)
        self._room = room
        return Verdict.PENDING

    def settle(self, latest: int) -> None:
        """Forget what is decided, and what has waited too long by the ledger `latest`."""
        for each in list(self):
            if each.outcome is not None or latest - each.since >= PATIENCE_LEDGERS:
                del self._by_source[each.transaction.source]
                self._room.release(each.transaction)


def _beside(transaction: Transaction, waiting: Transaction) -> Verdict | Invalid:
    """Answer a transaction whose account has another one that waits."""
    if transaction.hash == waiting.hash:
        return Verdict.DUPLICATE
    same_kind = transaction.is_soroban == waiting.is_soroban
    if same_kind and transaction.sequence < waiting.sequence:
        return Invalid(Code.txBAD_SEQ)
    return Verdict.TRY_AGAIN_LATER


def _outbid(transaction: Transaction, rival: Transaction) -> Invalid:
    """Refuse a transaction, and name the fee with which it would take the rival's place."""
    inclusion = int(bid(rival) * len(transaction.operations)) + 1
    resource = transaction.fee - transaction.inclusion_fee
    return Invalid(Code.txINSUFFICIENT_FEE, fee=inclusion + resource)
