"""One call on both sides: the model's expectation, the observation, and their differences."""

from __future__ import annotations

from itertools import islice
from typing import Final

import attrs
from stellar_sdk import xdr

from callora_vault.codec.calls import decode_returned, encode_returned
from callora_vault.codec.entries import decode_stored
from callora_vault.codec.events import decode_event, encode_event
from callora_vault.codec.values import CannotDecode
from callora_vault.model.calls import READS, Call
from callora_vault.model.events import describe_event
from callora_vault.model.layouts import UnknownLayout, VaultMeta, describe_meta
from callora_vault.model.renewal import live_until_after_write
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, Outcome, State
from callora_vault.model.versions import Abi
from callora_vault.parity import outcomes
from callora_vault.parity.mismatch import (
    EXTRA_ENTRY,
    WRONG_EVENTS,
    WRONG_RETURN,
    Mismatch,
    runs,
    simulated,
    unchanged,
)
from callora_vault.parity.network.observation import Observation
from callora_vault.parity.vault.contract import Reading

WRONG_STATE: Final = "accepted:wrong-state"
WRONG_CODE: Final = "accepted:other-code"
INSTANCE_TTL: Final = "accepted:wrong-instance-ttl"
CODE_TTL: Final = "accepted:wrong-code-ttl"


@attrs.frozen
class Sides:
    """One call with everything that the comparison needs."""

    call: Call
    expected: Outcome
    observation: Observation
    before: Reading
    after: Reading
    vault: Address
    instance_key: xdr.LedgerKey
    abi: Abi
    code_hash: bytes
    minimum_ttl: int


def compare(sides: Sides) -> list[Mismatch]:
    """List every difference between the two sides, the outcome's class first."""
    expected = outcomes.of_model(sides.expected)
    seen = sides.observation
    if expected != seen.outcome:
        found = [Mismatch(expected, seen.outcome, f"expected {expected}, observed {seen.outcome}")]
    elif isinstance(sides.expected, Accepted):
        found = _accepted(sides, sides.expected)
    else:
        found = unchanged(expected, sides.before, sides.after)
    return found + simulated(expected, seen)


def _accepted(sides: Sides, expected: Accepted) -> list[Mismatch]:
    found: list[tuple[str, str]] = []
    seen, call = sides.observation, sides.call
    wanted = encode_returned(expected.returned, sides.abi.layout)
    if seen.returned != wanted:
        shown = _returned(call, seen.returned, sides.abi)
        found.append((WRONG_RETURN, f"returned {shown}, expected {_value(expected.returned)}"))
    found += _state(sides, expected)
    events = tuple(encode_event(event, sides.vault) for event in expected.events)
    if seen.events != events:
        shown = _events(seen.events, sides.vault)
        wanted_events = ", ".join(map(describe_event, expected.events)) or "none"
        found.append((WRONG_EVENTS, f"emitted {shown}, expected {wanted_events}"))
    others = (key for key in seen.changed if key != sides.instance_key)
    found += [(EXTRA_ENTRY, f"wrote another entry, {key.to_json()}") for key in islice(others, 1)]
    found += _lives(sides)
    return [Mismatch(outcomes.ACCEPTED, word, detail) for word, detail in found]


def _state(sides: Sides, expected: Accepted) -> list[tuple[str, str]]:
    if isinstance(sides.call, READS) and sides.before.instance == sides.after.instance:
        return []
    if isinstance(sides.call, READS) and sides.before.instance_live_until > 0:
        return [(WRONG_STATE, "a read changed the stored entry")]
    try:
        stored = decode_stored(sides.after.entry)
    except (UnknownLayout, CannotDecode) as error:
        wanted = describe_meta(expected.state)
        return [(WRONG_STATE, f"the stored entry cannot be read, {error}; expected {wanted}")]
    found = []
    if stored.meta != expected.state or stored.layout not in (None, sides.abi.layout):
        shown = describe_meta(stored.meta)
        if stored.layout is not None:
            shown = f"{shown} (layout {stored.layout.name})"
        wanted = f"{describe_meta(expected.state)} (layout {sides.abi.layout.name})"
        found.append((WRONG_STATE, f"stored {shown}, expected {wanted}"))
    found += [
        (EXTRA_ENTRY, f"the instance also stores {e.key.to_json()}") for e in stored.extra[:1]
    ]
    if not runs(stored, sides.code_hash):
        found.append((WRONG_CODE, "the instance runs other code than before"))
    return found


def _lives(sides: Sides) -> list[tuple[str, str]]:
    before, after = sides.before, sides.after
    ledger = sides.observation.ledger
    found = []
    for word, lived, lives in (
        (INSTANCE_TTL, before.instance_live_until, after.instance_live_until),
        (CODE_TTL, before.code_live_until, after.code_live_until),
    ):
        expected = lived or ledger + sides.minimum_ttl - 1
        if not isinstance(sides.call, READS):
            expected = live_until_after_write(ledger, expected)
        if lives != expected:
            found.append((word, f"live-until ledger {lives}, expected {expected}"))
    return found


def _returned(call: Call, value: xdr.SCVal | None, abi: Abi) -> str:
    if value is None:
        return "nothing"
    try:
        return _value(decode_returned(call, value, abi.layout))
    except (CannotDecode, UnknownLayout) as error:
        return str(error)


def _value(value: VaultMeta | int | None) -> str:
    return str(value) if isinstance(value, int) else describe_meta(value)


def _events(events: tuple[xdr.ContractEvent, ...], vault: Address) -> str:
    shown = []
    for event in events:
        try:
            shown.append(describe_event(decode_event(event, vault)))
        except (CannotDecode, UnknownLayout, ValueError) as error:
            shown.append(str(error))
    return ", ".join(shown) or "none"


def stored_state(reading: Reading, abi: Abi) -> State:
    """Decode the stored state, for the model to continue from. Raises CannotDecode, UnknownLayout.

    A state that no vault can be in, with a negative amount, raises CannotDecode.
    """
    stored = decode_stored(reading.entry)
    if stored.meta is None:
        return None
    if stored.layout is not abi.layout or min(stored.meta.balance, stored.meta.min_deposit) < 0:
        one = f"one of a vault of {abi.name}"
        raise CannotDecode("the stored state", one, describe_meta(stored.meta))
    return stored.meta
