"""The transactions of one ledger: which of those that wait go in, at what fee, in what order.

Source: GeneralizedTransactionSet in Stellar-ledger.x; stellar-core's rules for building and
applying it; CAP-5 (fees when a ledger is full), CAP-63 (stages and clusters).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from operator import add, sub
from typing import Protocol

import attrs

from soroban_localnet import xdr
from soroban_localnet.ledger.parameters import BASE_FEE, MAX_CLASSIC_OPERATIONS
from soroban_localnet.ledger.settings import LedgerLimits
from soroban_localnet.transactions.envelope import Transaction
from soroban_localnet.transactions.fees import disk_read_entries


@attrs.frozen
class BaseFees:
    """What an operation pays at most for its place in the ledger, in stroops."""

    classic: int = BASE_FEE
    soroban: int = BASE_FEE

    def of(self, transaction: Transaction) -> int:
        """Return the base fee that the transaction pays."""
        return self.soroban if transaction.is_soroban else self.classic


UNCONTESTED = BaseFees()
"""The fees of a ledger in which there was room for all."""


class Member(Protocol):
    """What is in a transaction set, before it is applied and after."""

    @property
    def envelope(self) -> bytes:
        """The TransactionEnvelope as XDR."""

    @property
    def is_soroban(self) -> bool:
        """Tell which of the two kinds it is."""


def encode_set(previous_hash: bytes, members: Iterable[Member], fees: BaseFees) -> bytes:
    """Encode a GeneralizedTransactionSet: a classic phase, then a Soroban one, both by hash.

    All Soroban transactions are one cluster, so they run one after the other.
    """
    ordered = sorted(members, key=_envelope_hash)
    classic = [member.envelope for member in ordered if not member.is_soroban]
    soroban = [member.envelope for member in ordered if member.is_soroban]
    component = xdr.u32(0) + xdr.optional(xdr.i64(fees.classic)) + xdr.array(classic)
    fee = xdr.i64(fees.soroban) if soroban else None
    stages = [xdr.array((xdr.array(soroban),))] if soroban else []
    phases = (
        xdr.u32(0) + xdr.array((component,) if classic else ()),
        xdr.u32(1) + xdr.optional(fee) + xdr.array(stages),
    )
    return xdr.u32(1) + previous_hash + xdr.array(phases)


def _envelope_hash(member: Member) -> bytes:
    return xdr.sha256(member.envelope)


class TransactionSet:
    """The transactions of one ledger, in any order, and its hash.

    Arguments: `previous_hash`, of the ledger before; `fees`, what their operations pay at most.
    """

    def __init__(
        self, previous_hash: bytes, transactions: Sequence[Transaction], fees: BaseFees
    ) -> None:
        self.fees = fees
        self.hash = xdr.sha256(encode_set(previous_hash, transactions, fees))
        self._transactions = transactions

    def in_order(self) -> list[Transaction]:
        """List the transactions as they are applied.

        Classic ones come first; within a kind the order is that of the envelopes' hashes mixed with
        the set's, so that nobody can choose a place.
        """
        if len(self._transactions) == 1:
            return list(self._transactions)
        mask = int.from_bytes(self.hash, "big")

        def place(transaction: Transaction) -> tuple[bool, int]:
            own = int.from_bytes(_envelope_hash(transaction), "big")
            return transaction.is_soroban, own ^ mask

        return sorted(self._transactions, key=place)


class Room:
    """What is left of the room for transactions.

    Arguments: `classic`, in operations; `soroban`, in what LedgerLimits counts.
    """

    def __init__(self, classic: Sequence[int], soroban: Sequence[int]) -> None:
        self._left = [classic, soroban]  # by is_soroban

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
        return [transaction.charged_operations]
    return LedgerLimits(
        transactions=transaction.charged_operations,
        instructions=data.instructions,
        transaction_bytes=transaction.size,
        disk_read_entries=disk_read_entries(transaction, data),
        disk_read_bytes=data.disk_read_bytes,
        write_entries=len(data.read_write),
        write_bytes=data.write_bytes,
    )


def bid(transaction: Transaction) -> Fraction:
    """Return what the transaction bids for each operation, in stroops."""
    return Fraction(transaction.inclusion_fee, transaction.charged_operations)


def choose(waiting: Iterable[Transaction], empty: Room) -> tuple[list[Transaction], BaseFees]:
    """Choose the transactions of a ledger: all that fit, the highest bids first where not all do.

    Where a transaction has to wait, all of its kind in the ledger pay what the lowest of them bids.
    Arguments: `empty`, the room of one ledger.
    """
    everyone = list(waiting)
    room = empty.copy()
    if all(room.take(transaction) for transaction in everyone):
        return everyone, UNCONTESTED
    # equal bids keep their order, so who came first goes first
    everyone.sort(key=bid, reverse=True)
    room = empty.copy()
    chosen = [transaction for transaction in everyone if room.take(transaction)]

    def base_fee(soroban: bool) -> int:
        bids = [int(bid(t)) for t in chosen if t.is_soroban == soroban]
        asked = sum(t.is_soroban == soroban for t in everyone)
        return min(bids) if 0 < len(bids) < asked else BASE_FEE

    return chosen, BaseFees(base_fee(False), base_fee(True))
