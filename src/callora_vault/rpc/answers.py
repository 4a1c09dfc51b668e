"""What an RPC answers, as values.

What an answer holds is not checked before it is read: bad input raises whatever Python raises.
"""

from __future__ import annotations

import attrs
from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import (
    GetEventsResponse,
    LedgerEntryResult,
    SimulateTransactionResponse,
)

from callora_vault.codec.errors import find_error
from callora_vault.model.units import Address
from callora_vault.rpc.errors import (
    SimulationFailed,
)
from callora_vault.rpc.results import Failure, Success


@attrs.frozen
class Tip:
    """The latest ledger: its sequence, and its close time in seconds since 1970."""

    ledger: int
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
        """Say whether an entry of a contract is there, and not archived."""
        found = self.get(key)
        return found is not None and (found.live_until_ledger or 0) >= self.ledger


@attrs.frozen
class Simulation:
    """A call that succeeds in simulation, as it is after `ledger`.

    `data` is what it would declare, `fee` the least resource fee in stroops.
    """

    ledger: int
    returned: xdr.SCVal
    authorisation: tuple[xdr.SorobanAuthorizationEntry, ...]
    data: xdr.SorobanTransactionData
    fee: int


@attrs.frozen
class Fate:
    """What one answer says of a transaction: its result in a ledger, or None for not found.

    `close_time` is that of the latest ledger, `oldest_ledger` the oldest that was looked at.
    """

    close_time: int
    oldest_ledger: int
    result: Success | Failure | None


@attrs.frozen
class EventRecord:
    """An event as an RPC hands it out; `id` orders all events, topics and data are base64 XDR.

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
    """Events of a contract in their order, and how far the RPC looked.

    Every event from `first` up to and in `through` is in this page or the ones before it; the next
    page begins at `cursor`. `first` is beyond the ledger that was asked for where the RPC has
    dropped that. `oldest` is the first ledger that the RPC has, `latest` its last.
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


def read_events(
    answer: GetEventsResponse, contract: Address, start: int | str, limit: int
) -> EventPage:
    """Read the answer of getEvents to a request for at most `limit` events of a contract.

    Arguments: `start`, the ledger or the cursor that was asked for. Raises ValueError for an answer
    with events of another contract, or of ledgers that it cannot know of.
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
    """Return the ledger that a cursor of events is in; a ledger stands for itself.

    A cursor begins with 32 bits of the ledger, then those of the transaction and the operation.
    """
    return cursor if isinstance(cursor, int) else int(cursor.partition("-")[0]) >> 32


def place_of(cursor: int | str) -> tuple[int, int]:
    """Return what orders cursors; a ledger stands for its beginning."""
    if isinstance(cursor, int):
        return (cursor << 32) - 1, 0
    place, _, index = cursor.partition("-")
    return int(place), int(index or 0)
