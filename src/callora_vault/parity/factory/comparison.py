"""One call of a factory on both sides: the model's expectation and the observation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
from stellar_sdk import StrKey, xdr

from callora_vault.codec.entries import decode_stored, decode_successor
from callora_vault.codec.events import decode_event, decode_factory_event, encode_event
from callora_vault.codec.values import CannotDecode, encode_optional_address
from callora_vault.model.calls import Create, FactoryCall, Migrate
from callora_vault.model.events import describe_event
from callora_vault.model.factory import FactoryAccepted, FactoryOutcome, FactoryState, Instance
from callora_vault.model.layouts import UnknownLayout, describe_meta
from callora_vault.model.renewal import live_until_after_write
from callora_vault.model.units import Address
from callora_vault.parity import outcomes
from callora_vault.parity.factory.contract import FactoryContract, Id, Kind, Reading
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
from callora_vault.parity.steps import Code

WRONG_VAULT: Final = "accepted:wrong-{}-vault"
WRONG_SUCCESSOR: Final = "accepted:wrong-successor"
WRONG_LIFE: Final = "accepted:wrong-life-of-{}"


@attrs.frozen
class Sides:
    """One call with everything that the comparison needs; `state` is the model's before it."""

    contract: FactoryContract
    call: FactoryCall
    state: FactoryState
    expected: FactoryOutcome
    observation: Observation
    before: Reading
    after: Reading
    vaults: tuple[Address, ...]


def compare(sides: Sides) -> list[Mismatch]:
    """List every difference between the two sides, the outcome's class first."""
    expected, seen = sides.expected, sides.observation
    word = outcomes.of_model(expected)
    if word != seen.outcome:
        detail = f"expected {word}, observed {seen.outcome}"
        return [Mismatch(word, seen.outcome, detail), *simulated(word, seen)]
    if isinstance(expected, FactoryAccepted):
        differs = [
            *_answer(expected, seen),
            *_written(sides, expected),
            *_stored(sides, expected.state),
            *_lives(sides, expected),
        ]
        found = [Mismatch(word, observed, detail) for observed, detail in differs]
    else:
        found = unchanged(word, sides.before, sides.after)
    return found + simulated(word, seen)


def _answer(expected: FactoryAccepted, seen: Observation) -> Iterator[tuple[str, str]]:
    if seen.returned != encode_optional_address(expected.returned):
        shown = "nothing" if seen.returned is None else seen.returned.to_json()
        yield WRONG_RETURN, f"returned {shown}, expected {expected.returned or 'nothing'}"
    events = tuple(encode_event(event, emitter) for emitter, event in expected.events)
    if seen.events != events:
        wanted = _shown_events(events)
        yield WRONG_EVENTS, f"emitted {_shown_events(seen.events)}, expected {wanted}"


def _written(sides: Sides, expected: FactoryAccepted) -> Iterator[tuple[str, str]]:
    contract, call = sides.contract, sides.call
    allowed = [
        contract.key((Kind.INSTANCE, vault))
        for vault, instance in expected.state.vaults.items()
        if sides.state.vaults.get(vault) != instance
    ]
    if isinstance(call, Migrate):
        allowed.append(contract.key((Kind.SUCCESSOR, call.old)))
    for key in sides.observation.changed:
        if key not in allowed:
            yield EXTRA_ENTRY, f"wrote another entry, {key.to_json()}"
            return


def _stored(sides: Sides, state: FactoryState) -> Iterator[tuple[str, str]]:
    contract, call, after = sides.contract, sides.call, sides.after
    old = None if isinstance(call, Create) else call.old
    new = contract.new_vault(call, sides.state)
    for vault in sides.vaults:
        which = "old" if vault == old else "new" if vault == new else "other"
        instance = state.vaults.get(vault)
        found = after.entries[Kind.INSTANCE, vault]
        wrong = _wrong_instance(contract, instance, found)
        if wrong:
            yield WRONG_VAULT.format(which), wrong
        wanted = state.successors.get(vault)
        entry = after.entries[Kind.SUCCESSOR, vault]
        told = None if entry is None else _successor(entry[0])
        if told != wanted:
            detail = f"stored {told or 'nothing'} as successor of {vault}"
            yield WRONG_SUCCESSOR, f"{detail}, expected {wanted or 'nothing'}"


def _wrong_instance(
    contract: FactoryContract, expected: Instance | None, found: tuple[str, int] | None
) -> str:
    """Return in words how an instance differs from the model's; empty if it does not."""
    if expected is None:
        return "" if found is None else "the instance exists, expected none"
    if found is None:
        return f"the instance is missing, expected one of the code {expected.wasm_hash.hex()}"
    if expected.wasm_hash == contract.hashes[Code.RAW]:
        return ""  # the model does not describe what it stores
    wanted = describe_meta(expected.state)
    try:
        stored = decode_stored(xdr.LedgerEntryData.from_xdr(found[0]))
    except (UnknownLayout, CannotDecode) as error:
        return f"the stored entry cannot be read, {error}; expected {wanted}"
    layout = contract.codes[expected.wasm_hash].abi.layout
    if stored.meta != expected.state or stored.layout not in (None, layout):
        shown = describe_meta(stored.meta)
        if stored.layout is not None:
            shown = f"{shown} (layout {stored.layout.name})"
        return f"stored {shown}, expected {wanted} (layout {layout.name})"
    if stored.extra:
        return f"the instance also stores {stored.extra[0].key.to_json()}"
    return "" if runs(stored, expected.wasm_hash) else "the instance runs other code"


def _lives(sides: Sides, expected: FactoryAccepted) -> Iterator[tuple[str, str]]:
    contract, call, before, after = sides.contract, sides.call, sides.before, sides.after
    ledger = sides.observation.ledger
    touched = contract.touched(call, sides.state)
    renewed: set[Id] = set()
    for emitter, _ in expected.events:
        code = contract.code_of(emitter, expected.state)
        renewed |= {(Kind.INSTANCE, emitter), (Kind.CODE, code)}
    if isinstance(call, Migrate):
        renewed.add((Kind.SUCCESSOR, call.old))
    fresh = ledger + contract.minimum_ttl - 1
    for entry in after.entries:
        lives = before.lives(entry)
        if entry in touched and not lives and after.entries[entry] is not None:
            lives = fresh
        if lives is not None and entry in renewed:
            lives = live_until_after_write(ledger, lives)
        if after.lives(entry) != lives:
            found, wanted = after.lives(entry) or "none", lives or "none"
            detail = f"live-until ledger {found}, expected {wanted}"
            yield WRONG_LIFE.format(_name(sides, entry)), detail


def _name(sides: Sides, entry: Id) -> str:
    """Name an entry in the words of a divergence."""
    contract, (kind, of) = sides.contract, entry
    if entry in (contract.instance_id, contract.code_id):
        return f"factory-{kind.value}"
    if kind is Kind.INSTANCE:
        return "new-vault" if of == contract.new_vault(sides.call, sides.state) else "old-vault"
    return "vault-code" if kind is Kind.CODE else kind.value


def _successor(entry: str) -> str:
    try:
        return decode_successor(xdr.LedgerEntryData.from_xdr(entry))
    except CannotDecode as error:
        return str(error)


def _shown_events(events: tuple[xdr.ContractEvent, ...]) -> str:
    shown = []
    for event in events:
        emitter = b"" if event.contract_id is None else event.contract_id.contract_id.hash
        address = StrKey.encode_contract(emitter)
        for decode in (decode_event, decode_factory_event):
            try:
                shown.append(f"{describe_event(decode(event, address))} of {address}")
                break
            except CannotDecode as error:
                reason = str(error)
        else:
            shown.append(reason)
    return ", ".join(shown) or "none"
