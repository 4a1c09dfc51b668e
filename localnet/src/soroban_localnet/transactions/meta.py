"""Transaction meta V4, in parts that are XDR already, and put together when it is asked for.

Source: TransactionMetaV4 in Stellar-ledger.x; CAP-66 (restored entries), CAP-67 (unified events).
"""

from __future__ import annotations

import attrs

from soroban_localnet import xdr
from soroban_localnet.ledger.store import Changes, Entry

_CREATED, _UPDATED, _REMOVED, _STATE, _RESTORED = (xdr.u32(kind) for kind in range(5))

BEFORE_ALL_TRANSACTIONS = 0
AFTER_ALL_TRANSACTIONS = 2


def entry_changes(changes: Changes) -> list[bytes]:
    """Encode what was changed as LedgerEntryChange items, TTL entries included."""
    items: list[bytes] = []
    for key, before, after in changes.items():
        if before is after:
            continue
        restored = key in changes.restored
        if before is None or after is None or before.xdr != after.xdr:
            items += _entry_change(key, before, after, restored)
        elif restored:
            items.append(_RESTORED + after.xdr)
        if _ttl(before) != _ttl(after):
            items += _ttl_change(key, before, after, restored)
    return items


def _entry_change(
    key: bytes, before: Entry | None, after: Entry | None, restored: bool
) -> list[bytes]:
    if before is None:
        return [] if after is None else [_CREATED + after.xdr]
    if after is None:
        return [_STATE + before.xdr, _REMOVED + key]
    if not restored:
        return [_STATE + before.xdr, _UPDATED + after.xdr]
    revived = after.xdr[:4] + before.xdr[4:]
    if revived == after.xdr:
        return [_RESTORED + revived]
    return [_RESTORED + revived, _UPDATED + after.xdr]


def _ttl(entry: Entry | None) -> int | None:
    return None if entry is None else entry.live_until


def _ttl_change(
    key: bytes, before: Entry | None, after: Entry | None, restored: bool
) -> list[bytes]:
    key_hash = xdr.sha256(key)
    old = _ttl_entry(key_hash, before)
    new = _ttl_entry(key_hash, after)
    if old is None:
        return [] if new is None else [_CREATED + new]
    if new is None:
        return [_STATE + old, _REMOVED + xdr.ttl_key(key_hash)]
    return [_RESTORED + new] if restored else [_STATE + old, _UPDATED + new]


def _ttl_entry(key_hash: bytes, entry: Entry | None) -> bytes | None:
    if entry is None or entry.live_until is None:
        return None
    return xdr.ttl_entry(key_hash, entry.live_until, entry.ttl_modified)


def fee_event(native_contract: bytes, public_key: bytes, stroops: int, stage: int) -> bytes:
    """Encode the TransactionEvent of a fee; a refund is negative."""
    topics = (xdr.symbol("fee"), xdr.account_address(public_key))
    return xdr.u32(stage) + xdr.contract_event(native_contract, topics, xdr.int128(stroops))


@attrs.frozen
class SorobanMeta:
    """What SorobanTransactionMetaV2 says of a transaction. Fees in stroops."""

    non_refundable_fee: int
    refundable_fee: int
    rent_fee: int
    return_value: bytes | None

    def encode(self) -> bytes:
        """Encode SorobanTransactionMetaV2."""
        return b"".join(
            (
                xdr.u32(1),
                xdr.ABSENT,
                xdr.i64(self.non_refundable_fee),
                xdr.i64(self.refundable_fee),
                xdr.i64(self.rent_fee),
                xdr.optional(self.return_value),
            )
        )


@attrs.frozen
class TransactionMeta:
    """What a transaction changed and emitted, in parts: each event is kept once.

    `before` are the LedgerEntryChanges before the operations; `operations` hold for each operation
    its LedgerEntryChanges and the contract's events; `events` are the transaction's own (fees) as
    TransactionEvent, `diagnostics` DiagnosticEvents; all XDR. A transaction that failed has no
    operations here and no Soroban meta.
    """

    before: bytes
    operations: tuple[tuple[bytes, tuple[bytes, ...]], ...]
    soroban: SorobanMeta | None
    events: tuple[bytes, ...]
    diagnostics: tuple[bytes, ...]

    @property
    def contract_events(self) -> tuple[tuple[bytes, ...], ...]:
        """The contracts' events, one tuple for each operation."""
        return tuple(emitted for _, emitted in self.operations)

    def encode(self) -> bytes:
        """Encode a TransactionMeta V4."""
        return b"".join(
            (
                xdr.u32(4),
                xdr.ABSENT,
                self.before,
                xdr.array(
                    xdr.ABSENT + changes + xdr.array(emitted)
                    for changes, emitted in self.operations
                ),
                xdr.ABSENT,  # no changes after: the refund is paid after all transactions
                xdr.optional(None if self.soroban is None else self.soroban.encode()),
                xdr.array(self.events),
                xdr.array(self.diagnostics),
            )
        )
