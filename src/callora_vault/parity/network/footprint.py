"""The footprint of a call, declared without simulation, which fails for a refused call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs
from stellar_sdk import scval, xdr
from stellar_sdk.soroban_rpc import SimulateTransactionResponse

from callora_vault.codec.keys import account_key, code_key, instance_key, is_nonce, nonce_key
from callora_vault.parity.network.signatures import Signer

# For calls that no simulation can measure, since they are refused.
GENEROUS_INSTRUCTIONS: Final = 50_000_000
GENEROUS_BYTES: Final = 60_000
GENEROUS_FEE: Final = 100_000_000
_UNDECLARED: Final = re.compile(rb"trying to access ([a-z ]+) outside of the footprint")


@attrs.frozen
class Entry:
    """An entry that a call may touch: whether it may write it, and whether it is archived."""

    key: xdr.LedgerKey
    writes: bool
    archived: bool


def generous(
    touches: Sequence[Entry],
    recorded: SimulateTransactionResponse,
    signer: Signer,
    nonce: int | None,
) -> xdr.SorobanTransactionData:
    """Declare the footprint of a call, with more resources than any call needs.

    Arguments: `recorded`, what recording simulation found; `nonce`, the one that its signature
    uses, None without one.
    """
    written = [entry for entry in touches if entry.writes or entry.archived]
    archived = [index for index, entry in enumerate(written) if entry.archived]
    known = [entry.key for entry in written]
    read_only = [entry.key for entry in touches if not entry.writes and not entry.archived]
    if nonce is not None:
        known.append(nonce_key(signer.address, nonce))
        if signer.key is not None:
            read_only.append(account_key(signer.address))
    if recorded.transaction_data is not None and recorded.error is None:
        data = xdr.SorobanTransactionData.from_xdr(recorded.transaction_data)
        footprint = data.resources.footprint
        seen = {key.to_xdr() for key in (*known, *read_only)}
        to_restore = _archived(data)
        for key in _unseen(footprint.read_write, seen):
            if key in to_restore:
                archived.append(len(known))
            known.append(key)
        read_only += _unseen(footprint.read_only, seen)
    return declare(
        read_only,
        known,
        xdr.Uint32(GENEROUS_INSTRUCTIONS),
        xdr.Uint32(GENEROUS_BYTES),
        GENEROUS_FEE,
        archived,
    )


def declare(
    read_only: list[xdr.LedgerKey],
    read_write: list[xdr.LedgerKey],
    instructions: xdr.Uint32,
    size: xdr.Uint32,
    fee: int,
    archived: list[int],
) -> xdr.SorobanTransactionData:
    """Declare a footprint and its resources; `archived` are indexes in `read_write`."""
    indexes = xdr.SorobanResourcesExtV0([xdr.Uint32(index) for index in archived])
    return xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(1, indexes) if archived else xdr.SorobanTransactionDataExt(0),
        xdr.SorobanResources(xdr.LedgerFootprint(read_only, read_write), instructions, size, size),
        xdr.Int64(fee),
    )


def undeclared(diagnostic: xdr.DiagnosticEvent) -> Iterator[xdr.LedgerKey]:
    """Yield the possible undeclared keys in a diagnostic event; none for other events."""
    body = diagnostic.event.body.v0
    values = [] if body is None or body.data.vec is None else body.data.vec.sc_vec
    told = values[0].str if values else None
    said = None if told is None else _UNDECLARED.fullmatch(told.sc_string)
    if said is None:
        return
    match said[1], values[1:]:
        case b"contract data key", [holder, name] if holder.address is not None:
            for durability in xdr.ContractDataDurability:
                key = xdr.LedgerKeyContractData(holder.address, name, durability)
                yield xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=key)
        case b"contract instance", [holder]:
            yield instance_key(scval.from_address(holder).address)
        case b"contract code", [code_hash]:
            yield code_key(scval.from_bytes(code_hash))


def _archived(data: xdr.SorobanTransactionData) -> list[xdr.LedgerKey]:
    """List the keys that a transaction marks as archived, to be restored."""
    marks = data.ext.resource_ext
    indexes = [] if marks is None else marks.archived_soroban_entries
    return [data.resources.footprint.read_write[index.uint32] for index in indexes]


def _unseen(keys: Iterable[xdr.LedgerKey], seen: set[str]) -> list[xdr.LedgerKey]:
    """Leave out nonces, which belong to the simulation, and keys that are already listed."""
    return [key for key in keys if key.to_xdr() not in seen and not is_nonce(key)]
