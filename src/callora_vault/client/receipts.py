"""What came of a call that was applied, as values."""

from __future__ import annotations

import attrs

from callora_vault.client.entries import JournalEntry
from callora_vault.client.errors import Unreadable
from callora_vault.codec.calls import decode_returned
from callora_vault.codec.events import decode_event
from callora_vault.codec.values import CannotDecode
from callora_vault.model.calls import Call
from callora_vault.model.events import Event
from callora_vault.model.layouts import UnknownLayout, VaultMeta
from callora_vault.model.units import Symbol
from callora_vault.rpc.results import Fee, Success, Unread


@attrs.frozen
class Skipped:
    """Item `item` of a batch, counted from 0, that was left out: `request_id` is applied already.

    `transaction` is the hash of the one that applied it.
    """

    item: int
    request_id: Symbol
    transaction: str


@attrs.frozen
class Receipt:
    """A call that was applied: what it returned and emitted, and what it cost.

    `key` names the request; `repeated` says that it was applied by an earlier call with this key.
    `transaction` is the hash, `ledger` the ledger that it is in. `skipped` are items of a batch
    that were left out; where all of them were, the rest is of the latest one that applied some.
    """

    call: Call
    key: str
    returned: VaultMeta | int | None
    events: tuple[Event, ...]
    fee: Fee
    ledger: int
    transaction: str
    repeated: bool
    skipped: tuple[Skipped, ...] = ()


def receipt(
    call: Call, entry: JournalEntry, *, repeated: bool, skipped: tuple[Skipped, ...] = ()
) -> Receipt:
    """Read the result of an applied call. Raises Unreadable."""
    about = entry.key, entry.contract, entry.hash
    result = entry.result
    if isinstance(result, Unread):
        raise Unreadable(*about, f"{result.reason}; a newer program may read it")
    assert isinstance(result, Success)  # noqa: S101 - it was applied
    try:
        returned = decode_returned(call, result.returned)
        events = tuple(decode_event(event, entry.contract) for event in result.events)
    except (CannotDecode, UnknownLayout) as error:
        raise Unreadable(*about, str(error)) from error
    return Receipt(
        call=call,
        key=entry.key,
        returned=returned,
        events=events,
        fee=result.fee,
        ledger=result.ledger,
        transaction=entry.hash,
        repeated=repeated,
        skipped=skipped,
    )
