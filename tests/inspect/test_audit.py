"""The replay, over histories that the model makes: whole ones follow, changed ones do not."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support import strategies as values
from tests.support.histories import history_of

from callora_vault.codec.values import encode_i128, encode_symbol
from callora_vault.inspect.audit import Audit, NoState, Verdict, audit
from callora_vault.inspect.breaks import Rule
from callora_vault.model.calls import Call, Init
from callora_vault.model.events import Event, InitEvent
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Accepted, State, transition

START = VaultMeta(values.OWNER, 1_000, 5)


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
    audited = audit(history_of(events, state))
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
    audited = audit(history_of(events[cut:], state, first=cut + 1))
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
    audited = audit(history_of(changed, state))
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
    assert audit(history_of(left, state)).verdict is Verdict.BROKEN


def test_an_event_of_no_vault_ends_the_replay_and_is_named() -> None:
    events, state = _live([Init(values.OWNER, 5, 0)], None)
    history = history_of(events, state)
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
    (broken,) = audit(history_of([init, init], VaultMeta(values.OWNER, 5))).breaks
    assert (broken.rule, broken.words) == (Rule.AGAIN, "1 init of a vault that had an owner")
    assert "AlreadyInitialized" in broken.expected


def test_a_vault_that_nobody_called_is_consistent() -> None:
    assert _audited([], None).verdict is Verdict.CONSISTENT
    assert _audited([], START).verdict is Verdict.CONSISTENT


def _audited(events: list[Event], state: State) -> Audit:
    return audit(history_of(events, state))


def test_a_history_without_a_stored_state_is_not_judged() -> None:
    history = history_of([], START)
    history.states.clear()
    with pytest.raises(NoState, match="export again"):
        audit(history)
