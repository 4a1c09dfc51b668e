"""Histories made of events, without a network."""

from __future__ import annotations

from collections.abc import Sequence

from stellar_sdk import xdr
from tests.support import strategies as values

from callora_vault.codec.entries import encode_meta
from callora_vault.codec.events import encode_event
from callora_vault.codec.keys import instance_key
from callora_vault.codec.values import encode_symbol
from callora_vault.inspect.history import History, Span, StoredEntry
from callora_vault.model.events import Event
from callora_vault.model.layouts import V2, Layout
from callora_vault.model.vault import State
from callora_vault.rpc.answers import EventRecord

VAULT = values.CONTRACT


def record_of(event: Event, number: int) -> EventRecord:
    """The event of a ledger, as an RPC would tell it."""
    body = encode_event(event, VAULT).body.v0
    assert body is not None
    topics = tuple(topic.to_xdr() for topic in body.topics)
    return EventRecord(f"{number:019d}-0000000000", number, 0, "", topics, body.data.to_xdr())


def _entry(state: State, layout: Layout) -> str:
    storage = None
    if state is not None:
        item = xdr.SCMapEntry(encode_symbol("meta"), encode_meta(state, layout))
        storage = xdr.SCMap([item])
    key = instance_key(VAULT).contract_data
    assert key is not None
    executable = xdr.ContractExecutable(
        xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM, wasm_hash=xdr.Hash(bytes(32))
    )
    instance = xdr.SCContractInstance(executable, storage)
    value = xdr.SCVal(xdr.SCValType.SCV_CONTRACT_INSTANCE, instance=instance)
    data = xdr.ContractDataEntry(
        xdr.ExtensionPoint(0), key.contract, key.key, key.durability, value
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=data).to_xdr()


def history_of(
    events: Sequence[Event], state: State, first: int = 1, layout: Layout = V2
) -> History:
    """A history with an event in each ledger, which ends with what the vault stores."""
    history = History("a network", VAULT)
    history.events = [record_of(event, number) for number, event in enumerate(events, first)]
    last = first + len(events)
    history.seen = [Span(first, last)]
    history.states = [StoredEntry(last, _entry(state, layout))]
    return history
