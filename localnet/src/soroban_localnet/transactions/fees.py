"""Resource fees: the host computes them, this module says from what.

Source: CAP-46-07 and CAP-66 (what counts as a read from disk).
"""

from __future__ import annotations

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.host.host import Host
from soroban_localnet.transactions.envelope import SorobanData, Transaction


def disk_read_entries(transaction: Transaction, data: SorobanData) -> int:
    """Count the entries that the transaction reads from disk: classic and archived ones."""
    if transaction.operations[0].type == stellar_xdr.OperationType.RESTORE_FOOTPRINT:
        return len(data.read_write)
    classic = sum(not xdr.has_ttl(key) for key in data.read_only + data.read_write)
    return classic + len(data.archived)


def resource_fee(
    transaction: Transaction, data: SorobanData, event_bytes: int, host: Host
) -> tuple[int, int]:
    """Return the fee in stroops for the declared resources: not refundable, refundable.

    Arguments: `event_bytes`, the size of events and return value; 0 before they are known.
    """
    return host.resource_fee(
        data.instructions,
        disk_read_entries(transaction, data),
        len(data.read_write),
        data.disk_read_bytes,
        data.write_bytes,
        event_bytes,
        transaction.size,
    )
