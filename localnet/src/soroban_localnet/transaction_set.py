"""The transactions of one ledger: which of those that wait go in, at what fee, in what order.

Source: GeneralizedTransactionSet in Stellar-ledger.x; stellar-core's rules for building and
applying it; CAP-5 (fees when a ledger is full), CAP-63 (stages and clusters).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cached_property
from operator import add, sub

import attrs

from soroban_localnet import wire
from soroban_localnet.envelope import Transaction
from soroban_localnet.fees import disk_read_entries
from soroban_localnet.scene import BASE_FEE, MAX_CLASSIC_OPERATIONS
from soroban_localnet.settings import LedgerLimits


@attrs.frozen
class BaseFees:
    """What an operation pays at most for its place in the ledger, in stroops."""

    classic: int = BASE_FEE
    soroban: int = BASE_FEE

    def of(self, transaction: Transaction) -> int:
        """Return the base fee that the transaction pays."""
        return self.soroban if transaction.is_soroban else self.classic


@attrs.frozen(slots=False)
class TransactionSet:
    """What a ledger is made of: both kinds of transactions, sorted by the hash of their envelope.

    All Soroban transactions are one cluster, so they run one after the other.
    """

    previous_hash: bytes
    classic: tuple[Transaction, ...]
    soroban: tuple[Transaction, ...]
    fees: BaseFees

    @classmethod
    def of(
        cls, previous_hash: bytes, transactions: Iterable[Transaction], fees: BaseFees
    ) -> TransactionSet:
        """Put transactions of one ledger, in any order, into a set."""
        ordered = sorted(transactions, key=_envelope_hash)
        return cls(
            previous_hash,
            tuple(t for t in ordered if not t.is_soroban),
            tuple(t for t in ordered if t.is_soroban),
            fees,
        )

    def encode(self) -> bytes:
        """Encode the GeneralizedTransactionSet: a classic phase, then a Soroban one."""
        classic = wire.array(t.envelope for t in self.classic)
        component = wire.u32(0) + wire.optional(wire.i64(self.fees.classic)) + classic
        cluster = wire.array(t.envelope for t in self.soroban)
        fee = wire.i64(self.fees.soroban) if self.soroban else None
        stages = [wire.array((cluster,))] if self.soroban else []
        phases = (
            wire.u32(0) + wire.array((component,) if self.classic else ()),
            wire.u32(1) + wire.optional(fee) + wire.array(stages),
        )
        return wire.u32(1) + self.previous_hash + wire.array(phases)

    @cached_property
    def hash(self) -> bytes:
        """The SHA-256 of the encoded set."""
        return wire.sha256(self.encode())

    def in_order(self) -> list[Transaction]:
        """List the transactions as they are applied.

        Classic ones come first; within a kind the order is that of the envelopes' hashes mixed with
        the set's, so that nobody can choose a place.
        """
        if len(self.classic) + len(self.soroban) == 1:
            return [*self.classic, *self.soroban]
        mask = int.from_bytes(self.hash, "big")

        def place(transaction: Transaction) -> int:
            return int.from_bytes(_envelope_hash(transaction), "big") ^ mask

        return sorted(self.classic, key=place) + sorted(self.soroban, key=place)


def _envelope_hash(transaction: Transaction) -> bytes:
    return wire.sha256(transaction.envelope)


class Room:
    """What is left of the room for transactions.

    Arguments: `classic`, in operations; `soroban`, in what LedgerLimits counts.
    """

    def __init__(self, classic: Sequence[int], soroban: Sequence[int]) -> None:
        self._left = [classic, soroban]

    @classmethod
    def of(cls, limits: LedgerLimits, ledgers: int = 1) -> Room:
        """Return the room of some ledgers."""
        return cls([ledgers * MAX_CLASSIC_OPERATIONS], [ledgers * limit for limit in limits])

    def copy(self) -> Room:
        """Return a room with as much left."""
        return Room(*self._left)

    def take(self, transaction: Transaction) -> bool:
        """Give the transaction its room, or tell that there is not enough."""
        left = list(map(sub, self._left[transaction.is_soroban], _needed(transaction)))
        if min(left) < 0:
            return False
        self._left[transaction.is_soroban] = left
        return True

    def release(self, transaction: Transaction) -> None:
        """Take back the room that the transaction had."""
        left = self._left[transaction.is_soroban]
        self._left[transaction.is_soroban] = list(map(add, left, _needed(transaction)))


def _needed(transaction: Transaction) -> Sequence[int]:
    data = transaction.soroban
    if data is None:
        return [len(transaction.operations)]
    return LedgerLimits(
        transactions=1,
        instructions=data.instructions,
        transaction_bytes=len(transaction.envelope),
        disk_read_entries=disk_read_entries(transaction, data),
        disk_read_bytes=data.disk_read_bytes,
        write_entries=len(data.read_write),
        write_bytes=data.write_bytes,
    )


def bid(transaction: Transaction) -> Fraction:
    """Return what the transaction bids for each operation, in stroops."""
    return Fraction(transaction.inclusion_fee, len(transaction.operations))


def choose(waiting: Iterable[Transaction], empty: Room) -> tuple[list[Transaction], BaseFees]:
    """Choose the transactions of a ledger: all that fit, the highest bids first where not all do.

    Where a transaction has to wait, all of its kind in the ledger pay what the lowest of them bids.
    Arguments: `empty`, the room of one ledger.
    """
    everyone = list(waiting)
    room = empty.copy()
    if all(room.take(transaction) for transaction in everyone):
        return everyone, BaseFees()
    # equal bids keep their order, so who came first goes first
    everyone.sort(key=bid, reverse=True)
    room = empty.copy()
    chosen = [transaction for transaction in everyone if room.take(transaction)]

    def base_fee(soroban: bool) -> int:
        bids = [int(bid(t)) for t in chosen if t.is_soroban == soroban]
        asked = sum(t.is_soroban == soroban for t in everyone)
        return min(bids) if 0 < len(bids) < asked else BASE_FEE

    return chosen, BaseFees(base_fee(False), base_fee(True))
