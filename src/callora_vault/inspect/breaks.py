"""Breaks in a vault's history: each distinct one, how often, and how much."""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from callora_vault.rpc.answers import EventRecord


class Rule(Enum):
    """A rule of the model that an event, or the stored entry, breaks; worst first.

    The value is its word in JSON.
    """

    NEGATIVE = "negative amount"
    GAINED = "balance above what follows"
    STORED = "stored entry"
    OWNER = "not the owner"
    CALLER = "caller not authorised"
    FUNDS = "over the balance"
    LOST = "balance below what follows"
    AGAIN = "init again"
    BEFORE = "before init"
    OVERFLOW = "over the greatest amount"
    NEGATIVE_MINIMUM = "negative minimum deposit"
    MINIMUM = "under the minimum deposit"
    ZERO = "amount of 0"
    SHAPE = "event of another shape"


_OUT: Final = ("deduct", "withdraw", "withdraw_to")
_WORDS: Final = {
    Rule.GAINED: "{n} {names} left {sum} more than follows from the balance before",
    Rule.OWNER: "{n} {names} in the name of somebody who is not the owner, {sum} in all",
    Rule.CALLER: "{n} {names} by callers that were not authorised, {sum} in all",
    Rule.FUNDS: "{n} {names} of more than the balance, {sum} in all",
    Rule.LOST: "{n} {names} left {sum} less than follows from the balance before",
    Rule.AGAIN: "{n} {names} of a vault that had an owner",
    Rule.BEFORE: "{n} {names} before init, {sum} in all",
    Rule.OVERFLOW: "{n} {names} over the greatest amount, {sum} in all",
    Rule.NEGATIVE_MINIMUM: "{n} {names} with a negative minimum deposit",
    Rule.MINIMUM: "{n} {names} under the minimum deposit, {sum} in all",
    Rule.ZERO: "{n} {names} of 0",
    Rule.SHAPE: "{n} {names} whose event has another shape changed the balance by {signed}",
}


@attrs.frozen
class Break:
    """All events of one name that break one rule; for the stored entry, what it has instead.

    `name` is the events' name, "" for the stored entry. `total` is the sum of their amounts, or
    how much the balance is above what follows, in the vault's own unit. `first` and `last` are
    ledgers; `event` is the first of them, None for the stored entry, with what was expected and
    found.
    """

    rule: Rule
    name: str
    count: int
    total: int
    first: int
    last: int
    event: EventRecord | None
    expected: str
    found: str

    @property
    def words(self) -> str:
        """The break in words: what, how often, and how much."""
        if self.rule is Rule.STORED:
            if self.total == 0:
                return "the stored entry is not what follows from the events"
            more = "more" if self.total > 0 else "less"
            return f"the stored balance is {abs(self.total):,} {more} than follows from the events"
        names = self.name if self.count == 1 else f"{self.name}s"
        if self.rule is Rule.NEGATIVE:
            effect = "created" if self.name in _OUT else "took away"
            if self.name == "init":
                effect = "began with -"
            gap = "" if effect.endswith("-") else " "
            return f"{self.count:,} negative {names} {effect}{gap}{abs(self.total):,}"
        return _WORDS[self.rule].format(
            n=f"{self.count:,}", names=names, sum=f"{abs(self.total):,}", signed=f"{self.total:+,}"
        )

    def __str__(self) -> str:
        ledgers = f"ledger {self.first:,}"
        if self.last != self.first:
            ledgers = f"ledgers {self.first:,} to {self.last:,}"
        return f"{self.words} ({ledgers})"


class Breaks:
    """Collects breaks: events of one name that break one rule are one."""

    def __init__(self) -> None:
        self._found: dict[tuple[Rule, str], Break] = {}
        self.marks: dict[str, tuple[Rule, ...]] = {}
        """The rules that each event breaks, by its id."""

    def add(
        self, rule: Rule, name: str, record: EventRecord, amount: int, expected: str, found: str
    ) -> None:
        """Count an event that breaks a rule.

        Arguments: `amount`, which is added to the sum; `expected`, the model's result; `found`, the
        event in words.
        """
        self.marks[record.id] = (*self.marks.get(record.id, ()), rule)
        known = self._found.get((rule, name))
        if known is None:
            known = Break(rule, name, 0, 0, record.ledger, 0, record, expected, found)
        self._found[rule, name] = attrs.evolve(
            known, count=known.count + 1, total=known.total + amount, last=record.ledger
        )

    def listed(self) -> tuple[Break, ...]:
        """Return all of them, worst first."""
        order = list(Rule)
        return tuple(sorted(self._found.values(), key=lambda found: order.index(found.rule)))
