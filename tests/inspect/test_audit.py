"""The replay, over histories that the model makes: whole ones follow, changed ones do not."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stellar_sdk import xdr
from tests.support import strategies as values

from callora_vault.codec.entries import encode_meta
from callora_vault.codec.events import encode_event
from callora_vault.codec.keys import instance_key
from callora_vault.codec.values import encode_i128, encode_symbol
from callora_vault.inspect.audit import Audit, NoState, Verdict, audit
from callora_vault.inspect.breaks import Rule
from callora_vault.inspect.history import History, Span, StoredEntry
from callora_vault.model.calls import Call, Init
from callora_vault.model.events import Event, InitEvent
from callora_vault.model.layouts import V2, VaultMeta
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Accepted, State, transition
from callora_vault.rpc.answers import EventRecord

VAULT = values.CONTRACT
START = VaultMeta(values.OWNER, 1_000, 5)


def _record(event: Event, number: int) -> EventRecord:
    body = encode_event(event, VAULT).body.v0
    assert body is not None
    topics = tuple(topic.to_xdr() for topic in body.topics)
    return EventRecord(f"{number:019d}-0000000000", number, 0, "", topics, body.data.to_xdr())


def _entry(state: State) -> str:
    storage = None
    if state is not None:
        item = xdr.SCMapEntry(encode_symbol("meta"), encode_meta(state, V2))
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


def _history(events: list[Event], state: State, first: int = 1) -> History:
    history = History("a network", VAULT)
    history.events = [_record(event, number) for number, event in enumerate(events, first)]
    last = first + len(events)
    history.seen = [Span(first, last)]
    history.states = [StoredEntry(last, _entry(state))]
    return history


def _everybody() -> frozenset[str]:
    return frozenset((values.OWNER, values.STRANGER, values.CONTRACT))


def _live(calls: list[Call], state: State) -> tuple[list[Event], State]:
    """Make calls on the model; return what it emitted and stores."""
    events: list[Event] = []
    for call in calls:
        outcome = transition(state, call, _everybody())
        if isinstance(outcome, Accepted):
            events += outcome.events
            state = outcome.state
    return events, state


lives = st.builds(
    lambda balance, minimum, calls: [Init(values.OWNER, balance, minimum), *calls],
    st.integers(0, 50),
    st.integers(0, 5),
    st.lists(values.calls, max_size=12),
)


@settings(deadline=None)
@given(lives)
def test_whatever_a_vault_does_from_init_is_conserved(calls: list[Call]) -> None:
    events, state = _live(calls, None)
    audited = audit(_history(events, state))
    assert audited.verdict is Verdict.CONSERVED
    assert state is not None
    assert audited.sums.closing == state.balance
    assert audited.events == len(events)


@settings(deadline=None)
@given(lives, st.data())
def test_whatever_a_vault_does_from_any_ledger_on_is_consistent(
    calls: list[Call], data: st.DataObject
) -> None:
    events, state = _live(calls, None)
    cut = data.draw(st.integers(1, len(events)))
    audited = audit(_history(events[cut:], state, first=cut + 1))
    assert audited.verdict is Verdict.CONSISTENT, audited.breaks
    assert state is not None
    assert audited.sums.closing == state.balance


def _off_by_one(event: Event, field: str) -> Event:
    value = getattr(event, field)
    return attrs.evolve(event, **{field: value - 1 if value == I128_MAX else value + 1})


@settings(deadline=None)
@given(lives, st.data())
def test_a_changed_amount_or_balance_breaks_it_there_or_at_the_next_balance(
    calls: list[Call], data: st.DataObject
) -> None:
    events, state = _live(calls, None)
    index = data.draw(st.integers(0, len(events) - 1))
    fields = [name for name in ("amount", "balance") if hasattr(events[index], name)]
    assume(fields)
    changed = list(events)
    changed[index] = _off_by_one(events[index], data.draw(st.sampled_from(fields)))
    audited = audit(_history(changed, state))
    assert audited.verdict is Verdict.BROKEN
    balanced = (i for i in range(index + 1, len(events)) if hasattr(events[i], "balance"))
    found = [b.event.ledger - 1 for b in audited.breaks if b.event is not None]
    assert index <= min(found, default=len(events)) <= next(balanced, len(events))
    assert audited.events == len(events)


@settings(deadline=None)
@given(lives, st.data())
def test_a_missing_event_that_moved_something_breaks_it(
    calls: list[Call], data: st.DataObject
) -> None:
    events, state = _live(calls, None)
    moving = [i for i, event in enumerate(events) if i and hasattr(event, "amount")]
    assume(moving)
    index = data.draw(st.sampled_from(moving))
    left = events[:index] + events[index + 1 :]
    assert audit(_history(left, state)).verdict is Verdict.BROKEN


def test_an_event_of_no_vault_ends_the_replay_and_is_named() -> None:
    events, state = _live([Init(values.OWNER, 5, 0)], None)
    history = _history(events, state)
    strange = attrs.evolve(history.events[0], id="9" * 19, ledger=2, data=encode_i128(1).to_xdr())
    history.events.append(attrs.evolve(strange, topics=(encode_symbol("minted").to_xdr(),)))
    audited = audit(history)
    assert audited.verdict is Verdict.UNREADABLE
    assert audited.unreadable is not None
    assert audited.unreadable.startswith("unreadable from ledger 2: ")
    assert "minted" in audited.unreadable
    assert (audited.events, audited.breaks, audited.state) == (1, (), state)


def test_a_second_init_does_not_follow() -> None:
    init = InitEvent(values.OWNER, 5)
    (broken,) = audit(_history([init, init], VaultMeta(values.OWNER, 5))).breaks
    assert (broken.rule, broken.words) == (Rule.AGAIN, "1 init of a vault that had an owner")
    assert "AlreadyInitialized" in broken.expected


def test_a_vault_that_nobody_called_is_consistent() -> None:
    assert _audited([], None).verdict is Verdict.CONSISTENT
    assert _audited([], START).verdict is Verdict.CONSISTENT


def _audited(events: list[Event], state: State) -> Audit:
    return audit(_history(events, state))


def test_a_history_without_a_stored_state_is_not_judged() -> None:
    history = _history([], START)
    history.states.clear()
    with pytest.raises(NoState, match="export again"):
        audit(history)
