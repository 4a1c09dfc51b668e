"""Vaults with rules of their own: each break is told with its count and sum, and none ends it."""

from __future__ import annotations

import csv
from io import StringIO

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import scval
from tests.support import strategies as values
from tests.support.histories import history_of

from callora_vault.codec.values import encode_i128
from callora_vault.inspect import Audit, Rule, Verdict, audit, listed
from callora_vault.inspect.history import History
from callora_vault.model.events import DeductEvent, DepositEvent, Event, InitEvent, WithdrawEvent
from callora_vault.model.layouts import V1, VaultMeta
from callora_vault.reports.events import csv_text

OWNER, BACKEND = values.OWNER, values.STRANGER
MINIMUM = 5


def lax(steps: list[tuple[str, int]], minimum: int = MINIMUM) -> tuple[list[Event], VaultMeta]:
    """The events of a vault that looks at no amount and lets anybody deduct, and what it stores."""
    balance = 1_000
    events: list[Event] = [InitEvent(OWNER, balance)]
    for number, (name, amount) in enumerate(steps):
        balance += amount if name == "deposit" else -amount
        if name == "deposit":
            events.append(DepositEvent(amount, balance))
        elif name == "withdraw":
            events.append(WithdrawEvent(OWNER, amount, balance))
        else:
            caller = OWNER if name == "deduct" else BACKEND
            events.append(DeductEvent(caller, f"r{number}", amount, balance))
    return events, VaultMeta(OWNER, balance, minimum)


def lines(audited: Audit) -> dict[Rule, list[tuple[str, int, int]]]:
    found: dict[Rule, list[tuple[str, int, int]]] = {}
    for broken in audited.breaks:
        found.setdefault(broken.rule, []).append((broken.name, broken.count, broken.total))
    return {rule: sorted(told) for rule, told in found.items()}


steps = st.lists(
    st.tuples(
        st.sampled_from(("deposit", "deduct", "backend", "withdraw")),
        st.one_of(st.integers(-3, 12), st.integers(-2_000, 2_000)),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(steps)
def test_each_break_is_counted_and_summed_and_the_closing_balance_is_right(
    made: list[tuple[str, int]],
) -> None:
    events, stored = lax(made)
    audited = audit(history_of(events, stored, layout=V1))
    assert audited.events == len(events)
    assert audited.sums.closing == stored.balance
    assert audited.unreadable is None
    expected: dict[tuple[Rule, str], list[int]] = {}
    balance = 1_000
    for name, amount in made:
        event = "deduct" if name == "backend" else name
        if name == "backend":
            expected.setdefault((Rule.CALLER, event), []).append(amount)
        if amount <= 0:
            rule = Rule.ZERO if amount == 0 else Rule.NEGATIVE
            expected.setdefault((rule, event), []).append(amount)
        elif name == "deposit" and amount < MINIMUM:
            expected.setdefault((Rule.MINIMUM, event), []).append(amount)
        elif name != "deposit" and amount > balance:
            expected.setdefault((Rule.FUNDS, event), []).append(amount)
        balance += amount if name == "deposit" else -amount
    told = {(b.rule, b.name): (b.count, b.total) for b in audited.breaks}
    assert told == {key: (len(found), sum(found)) for key, found in expected.items()}
    assert audited.verdict is (Verdict.BROKEN if expected else Verdict.CONSERVED)


@settings(deadline=None)
@given(st.lists(values.events, max_size=8), st.none() | values.valid_metas, st.integers(-5, 5))
def test_any_events_at_all_follow_or_are_told_and_the_sums_end_where_the_last_one_says(
    events: list[Event], stored: VaultMeta | None, off: int
) -> None:
    balances = [e.balance for e in events if hasattr(e, "balance")]
    if stored is not None and balances:
        stored = attrs.evolve(stored, balance=abs(balances[-1]) // 2 + off + 5)
    history = history_of(events, stored)
    audited = audit(history)
    assert audited.events == len(events)
    if balances:
        assert audited.sums.closing == balances[-1]
        if stored is not None and stored.balance != balances[-1]:
            (closing,) = (b for b in audited.breaks if b.rule is Rule.STORED)
            assert closing.total == stored.balance - balances[-1]
    marked = {event.record.id for event in listed(history, audited) if event.breaks}
    assert marked == audited.marks.keys()
    follows = audited.verdict in (Verdict.CONSERVED, Verdict.CONSISTENT)
    assert follows == (not audited.breaks)
    assert csv_text(listed(history, audited)).count("\n") == len(events) + 1


def upstream() -> tuple[list[Event], VaultMeta]:
    return lax(
        [
            ("backend", 300),
            ("backend", -500),
            ("deposit", 0),
            ("backend", -400),
            ("deduct", -600),
            ("deposit", 3),
        ]
    )


def test_three_negative_deducts_created_1500() -> None:
    events, stored = upstream()
    assert audit(history_of(events, stored, layout=V1)).lines == (
        "3 negative deducts created 1,500 (ledgers 3 to 6)",
        "3 deducts by callers that were not authorised, 600 in all (ledgers 2 to 5)",
        "1 deposit under the minimum deposit, 3 in all (ledger 7)",
        "1 deposit of 0 (ledger 4)",
    )


def test_a_history_of_v1_without_its_init_knows_that_nobody_was_authorised() -> None:
    events, stored = upstream()
    audited = audit(history_of(events[1:], stored, first=2, layout=V1))
    assert lines(audited)[Rule.CALLER] == [("deduct", 3, -600)]
    assert audited.sums.closing == stored.balance


@pytest.mark.parametrize("difference", [7, -7])
def test_a_balance_that_no_amount_explains_is_told_and_gone_on_from(difference: int) -> None:
    steps = [("deposit", 10), ("deposit", 20)]
    events, stored = lax([*steps, ("deduct", 5)])
    last = events[-1]
    assert isinstance(last, DeductEvent)
    events[-1] = attrs.evolve(last, balance=last.balance + difference)
    after, _ = lax([*steps, ("deduct", 5 - difference), ("withdraw", 9)])
    stored = attrs.evolve(stored, balance=stored.balance + difference - 9)
    audited = audit(history_of([*events, after[-1]], stored, layout=V1))
    rule, words = (Rule.GAINED, "more") if difference > 0 else (Rule.LOST, "less")
    assert lines(audited) == {rule: [("deduct", 1, difference)]}
    assert audited.lines == (
        f"1 deduct left 7 {words} than follows from the balance before (ledger 4)",
    )
    assert (audited.sums.unexplained, audited.sums.closing) == (difference, stored.balance)


def _reshaped(history: History, number: int, balance: int | None) -> History:
    """Write an event's data as a map, as contracts often do, with a balance or without."""
    fields = {"amount": encode_i128(1)} | (
        {} if balance is None else {"balance": encode_i128(balance)}
    )
    data = scval.to_map({scval.to_symbol(name): value for name, value in fields.items()})
    history.events[number] = attrs.evolve(history.events[number], data=data.to_xdr())
    return history


def test_an_event_of_another_shape_is_gone_on_from_where_it_tells_of_a_balance() -> None:
    events, stored = lax([("deposit", 10), ("deposit", 20), ("deduct", 5)])
    audited = audit(_reshaped(history_of(events, stored, layout=V1), 2, 1_030))
    assert lines(audited) == {Rule.SHAPE: [("deposit", 1, 20)]}
    assert (audited.events, audited.sums.closing) == (4, stored.balance)
    assert audited.verdict is Verdict.BROKEN


def test_an_event_that_tells_of_no_balance_ends_the_replay_and_the_entry_alone_decides() -> None:
    events, stored = lax([("backend", -10), ("deposit", 20), ("deduct", 5)])
    audited = audit(_reshaped(history_of(events, stored, layout=V1), 2, None))
    assert audited.unreadable is not None
    assert audited.unreadable.startswith("unreadable from ledger 3: ")
    assert audited.lines[0] == "1 negative deduct created 10 (ledger 2)"
    assert audited.lines[-1] == audited.unreadable
    assert (audited.events, audited.state) == (2, stored)
    assert Rule.STORED not in lines(audited)
    whole = audit(_reshaped(history_of(events[:1] + events[2:], stored, layout=V1), 1, None))
    assert (whole.verdict, whole.verdict.exit_code) == (Verdict.UNREADABLE, 1)


def test_the_csv_has_every_event_with_its_breaks() -> None:
    events, stored = upstream()
    history = history_of(events, stored, layout=V1)
    table = list(csv.DictReader(StringIO(csv_text(listed(history, audit(history))))))
    assert [row["event"] for row in table] == [event.shape.name for event in events]
    assert table[2]["amount"] == "-500"
    assert table[2]["caller"] == BACKEND
    assert table[2]["breaks"] == "caller not authorised; negative amount"
    assert table[1]["breaks"] == "caller not authorised"
    assert (table[0]["balance"], table[0]["amount"], table[0]["breaks"]) == ("1000", "", "")
