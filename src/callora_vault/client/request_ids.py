"""The request ids of a call: which it has, and what is done where one is taken already."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping

from callora_vault.client.entries import JournalEntry, State
from callora_vault.client.errors import RequestIdUsed
from callora_vault.client.receipts import Skipped
from callora_vault.model.calls import BatchDeduct, Call, Deduct
from callora_vault.model.units import BadValue, Symbol


def ids_of(call: Call) -> tuple[tuple[int | None, Symbol], ...]:
    """Return the request ids of a call, each with its item; None and empty ones are none."""
    match call:
        case Deduct(request_id=str(request_id)) if request_id:
            return ((None, request_id),)
        case BatchDeduct(items=items):
            return tuple((n, item.request_id) for n, item in enumerate(items) if item.request_id)
    return ()


def key_of(call: Call, identity: Callable[[], str]) -> str:
    """Return the request key of a call that was given none.

    It is the request id of a deduct; a batch with request ids is named by what it is, so that it is
    the same when it is repeated; anything else gets a key of its own.
    Arguments: `identity`, the hash of the call's XDR. Raises BadValue for an empty request id,
    which names nothing, and for one that is in a batch twice.
    """
    items = call.items if isinstance(call, BatchDeduct) else ()
    given = [item.request_id for item in items]
    if isinstance(call, Deduct):
        given = [call.request_id]
    if "" in given:
        where = f"item {given.index('')}: " if items else ""
        raise BadValue(
            "request_id", f"{where}an empty one names no request; give None, or a key (key=)"
        )
    if isinstance(call, Deduct) and call.request_id is not None:
        return str.__str__(call.request_id)
    return f"batch {identity()}" if any(given) else uuid.uuid4().hex


def check_twice(call: Call) -> None:
    """See that no request id is in a batch twice. Raises BadValue."""
    counted = Counter(request_id for _, request_id in ids_of(call))
    for number, request_id in ids_of(call):
        if counted[request_id] > 1:
            raise BadValue("items", f"item {number}: the request id {request_id!r} is there twice")


def same_request(held: Mapping[Symbol, JournalEntry], call: str) -> JournalEntry | None:
    """Return the applied transaction of this very call among those that have its request ids.

    Arguments: `call`, the hash of the call's XDR.
    """
    applied = (entry for entry in held.values() if entry.state is State.APPLIED)
    return next((entry for entry in applied if entry.call == call), None)


def leave_out(
    call: BatchDeduct, held: Mapping[Symbol, JournalEntry]
) -> tuple[BatchDeduct, tuple[Skipped, ...]]:
    """Leave the items out whose request ids are applied already."""
    skipped = tuple(
        Skipped(number, request_id, held[request_id].hash)
        for number, request_id in ids_of(call)
        if number is not None
        and request_id in held
        and held[request_id].state in (State.APPLIED, State.APPLIED_BY_OTHERS)
    )
    out = {each.item for each in skipped}
    kept = [item for number, item in enumerate(call.items) if number not in out]
    return BatchDeduct(call.caller, kept), skipped


def refuse_taken(call: Call, held: Mapping[Symbol, JournalEntry], scope: str, key: str) -> None:
    """Refuse a call with a request id that another one has taken. Raises RequestIdUsed.

    Arguments: `scope` and `key` of this call: what is noted under them is its own.
    """
    for number, request_id in ids_of(call):
        entry = held.get(request_id)
        if entry is not None and (entry.scope, entry.key) != (scope, key):
            raise RequestIdUsed(request_id, entry.contract, entry.hash, number, entry.state.value)
