"""A closed ledger: its header, its transactions in order, its meta.

Source: LedgerHeader and LedgerCloseMeta in Stellar-ledger.x.
"""

from __future__ import annotations

from struct import Struct

import attrs

from soroban_localnet import xdr
from soroban_localnet.history.events import Event, in_order
from soroban_localnet.history.record import Record
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger.parameters import (
    BASE_FEE,
    BASE_RESERVE,
    MAX_CLASSIC_OPERATIONS,
    TOTAL_COINS,
)
from soroban_localnet.transactions.set import UNCONTESTED, BaseFees, encode_set

_TAIL = Struct(">I q q I Q I I I")


@attrs.frozen(slots=True)
class ClosedLedger:
    """A ledger that is closed: its header and the hash of it.

    `close_time` in seconds; `fee_pool`, all fees that were ever paid, in stroops. `records` are in
    the order in which the transactions were applied. `evicted` are keys of temporary entries that
    had expired long before, and were removed.
    """

    sequence: int
    close_time: int
    header: bytes
    hash: bytes
    fee_pool: int
    records: tuple[Record, ...]
    base_fees: BaseFees
    evicted: tuple[bytes, ...] = ()
    events: tuple[Event, ...] = attrs.field(
        init=False,
        repr=False,
        default=attrs.Factory(lambda ledger: in_order(ledger.records), takes_self=True),
    )

    @property
    def history_entry(self) -> bytes:
        """The LedgerHeaderHistoryEntry: the header with its hash."""
        return self.hash + self.header + xdr.ABSENT

    def meta(self) -> bytes:
        """Encode the LedgerCloseMeta of the ledger."""
        return b"".join(
            (
                xdr.u32(2),
                xdr.ABSENT,
                self.history_entry,
                encode_set(self.header[4:36], self.records, self.base_fees),
                xdr.array(_result_meta(record) for record in self.records),
                xdr.ABSENT,  # no upgrades
                xdr.ABSENT,  # no consensus messages
                xdr.u64(PROTOCOL.live_state_bytes),
                xdr.array(
                    gone for key in self.evicted for gone in (key, xdr.ttl_key(xdr.sha256(key)))
                ),
            )
        )


def _result_meta(record: Record) -> bytes:
    applied = record.applied
    return b"".join(
        (
            xdr.ABSENT,
            record.hash + applied.result,
            applied.fee_changes,
            applied.meta.encode(),
            applied.refund_changes,
        )
    )


def close(
    previous: ClosedLedger | None,
    sequence: int,
    close_time: int,
    records: tuple[Record, ...],
    fees: BaseFees = UNCONTESTED,
    set_hash: bytes | None = None,
    evicted: tuple[bytes, ...] = (),
) -> ClosedLedger:
    """Close a ledger on top of the previous one: each header holds the hash of the one before.

    Arguments: `records`, in the order in which they were applied; `fees` that they paid; `set_hash`
    of the transaction set, where it is known already; `evicted` as in ClosedLedger.
    """
    previous_hash, fee_pool = bytes(32), sum(record.applied.fee_charged for record in records)
    if previous is not None:
        previous_hash, fee_pool = previous.hash, fee_pool + previous.fee_pool
    if set_hash is None:
        set_hash = xdr.sha256(encode_set(previous_hash, records, fees))
    results = xdr.array(r.hash + r.applied.result for r in records)
    header = b"".join(
        (
            xdr.u32(PROTOCOL.version),
            previous_hash,
            set_hash,
            xdr.u64(close_time),
            xdr.ABSENT,  # no upgrades
            xdr.ABSENT,  # a basic value, without the proposer's signature
            xdr.sha256(results),
            bytes(32),  # there are no buckets
            _TAIL.pack(
                sequence,
                TOTAL_COINS,
                fee_pool,
                0,  # no inflation
                0,  # no identifiers were given away
                BASE_FEE,
                BASE_RESERVE,
                MAX_CLASSIC_OPERATIONS,
            ),
            bytes(128),
            xdr.ABSENT,
        )
    )
    ledger_hash = xdr.sha256(header)
    return ClosedLedger(sequence, close_time, header, ledger_hash, fee_pool, records, fees, evicted)


def first_ledger(sequence: int, close_time: int) -> ClosedLedger:
    """Close a ledger that is the first here, without transactions."""
    return close(None, sequence, close_time, ())
