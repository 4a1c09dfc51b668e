"""A transaction in a closed ledger, with what is kept of it."""

from __future__ import annotations

import attrs

from soroban_localnet.transactions.apply import Applied
from soroban_localnet.transactions.envelope import Transaction


@attrs.frozen(slots=True)
class Record:
    """A transaction in a ledger, with what is kept of it, `index` counting from 1.

    `hashes` are those by which it is found, its own first; a fee bump is found by the hash of the
    transaction inside too. `operations` is their number.
    """

    envelope: bytes
    hashes: tuple[bytes, ...]
    is_soroban: bool
    operations: int
    applied: Applied
    ledger: int
    close_time: int
    index: int

    @classmethod
    def of(
        cls, transaction: Transaction, applied: Applied, ledger: int, close_time: int, index: int
    ) -> Record:
        """Record a transaction that was applied."""
        return cls(
            envelope=transaction.envelope,
            hashes=transaction.hashes,
            is_soroban=transaction.is_soroban,
            operations=len(transaction.operations),
            applied=applied,
            ledger=ledger,
            close_time=close_time,
            index=index,
        )

    @property
    def hash(self) -> bytes:
        """The hash of what was sent: of the fee bump, where it is one."""
        return self.hashes[0]

    @property
    def fee_bump(self) -> bool:
        """Tell whether it is a fee bump."""
        return len(self.hashes) > 1
