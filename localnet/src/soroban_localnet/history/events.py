"""Events in the order of their ledger, and what they say.

Source: stellar-rpc's event store: the fees of all transactions come first in a ledger and the
refunds last, each contract event at its transaction and operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

import attrs
from stellar_sdk import xdr as stellar_xdr
from xdrlib3 import Unpacker

from soroban_localnet import xdr
from soroban_localnet.history.record import Record
from soroban_localnet.transactions.meta import AFTER_ALL_TRANSACTIONS, BEFORE_ALL_TRANSACTIONS

BEFORE_FIRST, AFTER_LAST = 0, 0xFFFFF
"""The order in the ledger of events that belong to no place among its transactions."""

AFTER_OPERATIONS = 0xFFF
"""The order in the transaction of events that come after its operations."""

CONTRACT, TYPE, TOPIC_COUNT, FIRST_TOPIC = range(4)
"""What an index term is about; the topic with index i is FIRST_TOPIC + i."""

EventPlace = tuple[int, int, int]
"""The order of the transaction, of the operation in it, and of the event among its like."""

Term = tuple[int, bytes]
"""A subject and the XDR of its value."""


@attrs.frozen(slots=True)
class Event:
    """An event, the transaction that emitted it, and its place in the ledger.

    `transaction`, `operation` and `index` are parts of its id. `stored` is what the meta holds: a
    ContractEvent, or a TransactionEvent (a stage and a ContractEvent).
    """

    record: Record
    transaction: int
    operation: int
    index: int
    stored: bytes

    @property
    def xdr(self) -> bytes:
        """The ContractEvent."""
        of_operation = (
            self.operation != AFTER_OPERATIONS and BEFORE_FIRST < self.transaction < AFTER_LAST
        )
        return self.stored if of_operation else self.stored[4:]

    @property
    def place(self) -> EventPlace:
        """Where the event is in its ledger."""
        return self.transaction, self.operation, self.index


def in_order(records: Sequence[Record]) -> tuple[Event, ...]:
    """Return the events of a ledger's transactions in the order of their ids."""
    before: list[Event] = []
    among: list[Event] = []
    after: list[Event] = []
    for record in records:
        meta = record.applied.meta
        for operation, emitted in enumerate(meta.contract_events):
            for index, event in enumerate(emitted):
                among.append(Event(record, record.index, operation, index, event))
        later = 0
        for event in meta.events:
            stage = int.from_bytes(event[:4], "big")
            if stage == BEFORE_ALL_TRANSACTIONS:
                before.append(Event(record, BEFORE_FIRST, 0, len(before), event))
            elif stage == AFTER_ALL_TRANSACTIONS:
                after.append(Event(record, AFTER_LAST, 0, len(after), event))
            else:
                among.append(Event(record, record.index, AFTER_OPERATIONS, later, event))
                later += 1
    return (*before, *among, *after)


class Content(NamedTuple):
    """What a ContractEvent says: the contract's id, the type, topics and data as XDR of ScVals."""

    contract: bytes | None
    type: int
    topics: tuple[bytes, ...]
    data: bytes

    def terms(self) -> Iterator[Term]:
        """Yield the terms under which the event is found."""
        if self.contract is not None:
            yield CONTRACT, self.contract
        yield TYPE, xdr.u32(self.type)
        yield TOPIC_COUNT, xdr.u32(len(self.topics))
        yield from enumerate(self.topics, FIRST_TOPIC)


def read(event: bytes) -> Content:
    """Read a ContractEvent."""
    start = 8 if event[4:8] == xdr.ABSENT else 40  # after extension and contract
    kind, _, count = _HEAD.unpack_from(event, start)
    position = start + _HEAD.size
    topics = []
    for _ in range(count):
        end = _end(event, position)
        topics.append(event[position:end])
        position = end
    contract = event[8:40] if start == 40 else None
    return Content(contract, kind, tuple(topics), event[position:])


_HEAD = Struct(">III")  # type, version of the body, number of topics

_Type = stellar_xdr.SCValType

_SIZES = {
    kind.value: size
    for size, kinds in {
        4: (_Type.SCV_VOID,),
        8: (_Type.SCV_BOOL, _Type.SCV_U32, _Type.SCV_I32),
        12: (_Type.SCV_U64, _Type.SCV_I64, _Type.SCV_TIMEPOINT, _Type.SCV_DURATION),
        20: (_Type.SCV_U128, _Type.SCV_I128),
        36: (_Type.SCV_U256, _Type.SCV_I256),
    }.items()
    for kind in kinds
}

_OF_ANY_LENGTH = {kind.value for kind in (_Type.SCV_BYTES, _Type.SCV_STRING, _Type.SCV_SYMBOL)}


def _end(data: bytes, start: int) -> int:
    """Return where the ScVal at `start` ends."""
    kind = int.from_bytes(data[start : start + 4], "big")
    if kind in _OF_ANY_LENGTH:
        length = int.from_bytes(data[start + 4 : start + 8], "big")
        return start + 8 + length + -length % 4
    if kind == _Type.SCV_ADDRESS.value:
        address = int.from_bytes(data[start + 4 : start + 8], "big")
        if address <= 1:
            return start + (44 if address == 0 else 40)  # an account or a contract
    elif kind in _SIZES:
        return start + _SIZES[kind]
    unpacker = Unpacker(data)
    unpacker.set_position(start)
    stellar_xdr.SCVal.unpack(unpacker)
    return unpacker.get_position()
