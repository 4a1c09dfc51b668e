"""Events of vault and factory as contract events."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from stellar_sdk import StrKey, scval, xdr

from callora_vault.codec.values import (
    DECODE,
    ENCODE,
    CannotDecode,
    contract_address,
    decode_symbol,
    encode_symbol,
    type_name,
)
from callora_vault.model.events import EVENTS, FACTORY_EVENTS, Event, FactoryEvent
from callora_vault.model.units import Address, ScType, Symbol

_EVENTS: Final[dict[str, type[Event]]] = {event.shape.name: event for event in EVENTS}


_FACTORY_EVENTS: Final[dict[str, type[FactoryEvent]]] = {
    event.shape.name: event for event in FACTORY_EVENTS
}


_contract_id: Final = lru_cache(maxsize=4096)(StrKey.decode_contract)


def encode_event(event: Event | FactoryEvent, contract_id: Address) -> xdr.ContractEvent:
    """Encode an event as the contract `contract_id` emits it. Raises BadValue."""
    shape = event.shape
    topics = [encode_symbol(shape.name)]
    topics += [ENCODE[kind](getattr(event, name)) for name, kind in shape.topics]
    data = [ENCODE[kind](getattr(event, name)) for name, kind in shape.data]
    return xdr.ContractEvent(
        ext=xdr.ExtensionPoint(0),
        contract_id=xdr.ContractID(xdr.Hash(_contract_id(contract_id))),
        type=xdr.ContractEventType.CONTRACT,
        body=xdr.ContractEventBody(
            0, xdr.ContractEventV0(topics, data[0] if len(data) == 1 else scval.to_vec(data))
        ),
    )


def decode_event(event: xdr.ContractEvent, contract_id: Address) -> Event:
    """Decode an event of the vault `contract_id`.

    Raises CannotDecode, also for an event of another contract.
    """
    return _decode_event(event, contract_id, _EVENTS)


def decode_factory_event(event: xdr.ContractEvent, contract_id: Address) -> FactoryEvent:
    """Decode an event of the factory `contract_id`. Raises as `decode_event`."""
    return _decode_event(event, contract_id, _FACTORY_EVENTS)


_Event = TypeVar("_Event", Event, FactoryEvent)


def _decode_event(
    event: xdr.ContractEvent, contract_id: Address, kinds: Mapping[str, type[_Event]]
) -> _Event:
    emitter = event.contract_id
    if emitter is None or emitter.contract_id.hash != _contract_id(contract_id):
        found = "no contract" if emitter is None else contract_address(emitter.contract_id.hash)
        raise CannotDecode("the event's contract", contract_id, found)
    if event.type != xdr.ContractEventType.CONTRACT or event.body.v0 is None:
        raise CannotDecode("the event's type", "CONTRACT", event.type.name)
    return _decode_body(event.body.v0.topics, event.body.v0.data, kinds)


def decode_event_body(topics: Sequence[xdr.SCVal], data: xdr.SCVal) -> Event:
    """Decode topics and data of a vault's event, whichever contract emitted it.

    Raises CannotDecode.
    """
    return _decode_body(topics, data, _EVENTS)


def _decode_body(
    topics: Sequence[xdr.SCVal], data: xdr.SCVal, kinds: Mapping[str, type[_Event]]
) -> _Event:
    name = decode_symbol(topics[0], "the event's name") if topics else ""
    kind = kinds.get(name)
    if kind is None:
        raise CannotDecode("the event's name", ", ".join(kinds), repr(name))
    shape = kind.shape
    items = [data] if len(shape.data) == 1 else _items(data, name)
    values: dict[str, Any] = {}
    values |= _fields(shape.topics, topics[1:], f"the topics of {name}")
    values |= _fields(shape.data, items, f"the data of {name}")
    return kind(**values)


def _items(data: xdr.SCVal, name: str) -> list[xdr.SCVal]:
    if data.vec is None:
        raise CannotDecode(f"the data of {name}", "Vec", type_name(data))
    return data.vec.sc_vec


def _fields(
    expected: Sequence[tuple[str, ScType]], found: Sequence[xdr.SCVal], what: str
) -> dict[str, Address | Symbol | int | None]:
    if len(expected) != len(found):
        raise CannotDecode(what, f"{len(expected)} values", f"{len(found)} values")
    return {
        name: DECODE[kind](value, f"{name} in {what}")
        for (name, kind), value in zip(expected, found, strict=True)
    }
