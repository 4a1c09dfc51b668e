"""The answers of an RPC as values.

An answer is not validated before it is read: bad input raises whatever Python raises.
"""

from __future__ import annotations

import attrs
from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import (
    GetEventsResponse,
    GetLedgersResponse,
    LedgerEntryResult,
    SimulateTransactionResponse,
)
from stellar_sdk.utils import sha256

from callora_vault.codec.errors import find_error
from callora_vault.model.units import Address
from callora_vault.rpc.errors import SimulationFailed
from callora_vault.rpc.results import Failure, Success, Unread


@attrs.frozen
class Tip:
    """The latest ledger: its sequence, and its close time in seconds since 1970."""

    ledger: int
    close_time: int


@attrs.frozen
class Anchor:
    """A closed ledger as an RPC told it.

    `hash` is that of its header in hex, `close_time` in seconds since 1970.
    """

    sequence: int
    hash: str
    close_time: int


@attrs.frozen
class LedgerPage:
    """The first ledger from a sequence on, and what the RPC keeps.

    `previous` is the hash of the ledger before, in hex. `oldest` and `latest` are of this answer;
    `oldest_closed` and `close_time` are their close times, in seconds since 1970.
    """

    ledger: Anchor
    previous: str
    oldest: int
    oldest_closed: int
    latest: int
    close_time: int


@attrs.frozen
class Entries:
    """Ledger entries by the XDR of their keys, in base64, as they are in `ledger`."""

    found: dict[str, LedgerEntryResult]
    ledger: int

    def get(self, key: xdr.LedgerKey) -> LedgerEntryResult | None:
        """Return an entry, or None where the ledger has none."""
        return self.found.get(key.to_xdr())

    def lives(self, key: xdr.LedgerKey) -> bool:
        """Return whether an entry of a contract exists and is not archived."""
        found = self.get(key)
        return found is not None and (found.live_until_ledger or 0) >= self.ledger


@attrs.frozen
class Simulation:
    """A call that succeeds in simulation, on the state after `ledger`.

    `data` are the resources to declare, `fee` is the minimum resource fee in stroops.
    """

    ledger: int
    returned: xdr.SCVal
    authorisation: tuple[xdr.SorobanAuthorizationEntry, ...]
    data: xdr.SorobanTransactionData
    fee: int


@attrs.frozen
class Fate:
    """One answer about a transaction: its result in a ledger, or None for not found.

    `close_time` is that of the latest ledger, `oldest_ledger` the oldest that the RPC searched;
    `applied_at` is the close time of the transaction's own ledger.
    """

    close_time: int
    oldest_ledger: int
    result: Success | Unread | Failure | None
    applied_at: int | None = None


@attrs.frozen
class EventRecord:
    """An event as an RPC returns it; `id` orders all events, topics and data are base64 XDR.

    `closed_at` is the close time of its ledger, in seconds since 1970.
    """

    id: str
    ledger: int
    closed_at: int
    transaction: str
    topics: tuple[str, ...]
    data: str


@attrs.frozen
class EventPage:
    """Events of a contract in order, and how far the RPC searched.

    Every event from `first` up to and in `through` is in this page or an earlier one; the next page
    begins at `cursor`. `first` is after the requested ledger if the RPC has dropped that. `oldest`
    is the first ledger that the RPC has, `latest` its last.
    """

    events: tuple[EventRecord, ...]
    first: int
    through: int
    cursor: str
    oldest: int
    latest: int


def read_simulation(answer: SimulateTransactionResponse) -> Simulation:
    """Read the answer of simulateTransaction. Raises SimulationFailed."""
    if answer.error is not None:
        diagnostics = map(xdr.DiagnosticEvent.from_xdr, answer.events or ())
        reason = (answer.error.splitlines() or [""])[0]
        raise SimulationFailed(find_error(diagnostics), reason)
    (result,) = answer.results or []
    if answer.transaction_data is None or answer.min_resource_fee is None:
        raise ValueError("no resources")
    return Simulation(
        answer.latest_ledger,
        xdr.SCVal.from_xdr(result.xdr),
        tuple(map(xdr.SorobanAuthorizationEntry.from_xdr, result.auth or ())),
        xdr.SorobanTransactionData.from_xdr(answer.transaction_data),
        answer.min_resource_fee,
    )


def read_ledger(answer: GetLedgersResponse, asked: int) -> LedgerPage:
    """Read the answer of getLedgers to a request for one ledger from `asked` on.

    What the RPC says of a ledger has to be what its header says. Raises ValueError.
    """
    (told,) = answer.ledgers
    header = xdr.LedgerHeaderHistoryEntry.from_xdr(told.header_xdr).header
    anchor = Anchor(
        header.ledger_seq.uint32,
        sha256(header.to_xdr_bytes()).hex(),
        header.scp_value.close_time.time_point.uint64,
    )
    if anchor != Anchor(told.sequence, told.hash, told.ledger_close_time):
        raise ValueError("a ledger that is not what its header says")
    if not asked <= anchor.sequence <= answer.latest_ledger:
        raise ValueError("a ledger that was not asked for")
    return LedgerPage(
        anchor,
        header.previous_ledger_hash.hash.hex(),
        answer.oldest_ledger,
        answer.oldest_ledger_close_time,
        answer.latest_ledger,
        answer.latest_ledger_close_time,
    )


def read_events(
    answer: GetEventsResponse, contract: Address, start: int | str, limit: int
) -> EventPage:
    """Read the answer of getEvents to a request for at most `limit` events of a contract.

    Arguments: `start`, the ledger or the cursor of the request. Raises ValueError for an answer
    with events of another contract, or of ledgers that it cannot know.
    """
    first = max(ledger_of(start), answer.oldest_ledger)
    events = []
    for found in answer.events:
        if found.contract_id != contract:
            raise ValueError("an event of another contract")
        if not first <= found.ledger <= answer.latest_ledger:
            raise ValueError("an event of a ledger that was not asked for")
        events.append(
            EventRecord(
                found.id,
                found.ledger,
                int(found.ledger_close_at.timestamp()),
                found.transaction_hash,
                tuple(found.topic),
                found.value,
            )
        )
    reached = place_of(answer.cursor)[0] >> 32
    if reached > answer.latest_ledger:
        raise ValueError("a cursor beyond the latest ledger")
    full = len(events) == limit
    return EventPage(
        tuple(events),
        first,
        reached - 1 if full else reached,
        answer.cursor,
        answer.oldest_ledger,
        answer.latest_ledger,
    )


def ledger_of(cursor: int | str) -> int:
    """Return the ledger of a cursor of events; a ledger is returned as it is.

    A cursor begins with 32 bits of the ledger, then those of the transaction and the operation.
    """
    return cursor if isinstance(cursor, int) else int(cursor.partition("-")[0]) >> 32


def place_of(cursor: int | str) -> tuple[int, int]:
    """Return the sort key of a cursor; a ledger counts as its beginning."""
    if isinstance(cursor, int):
        return (cursor << 32) - 1, 0
    place, _, index = cursor.partition("-")
    return int(place), int(index or 0)
