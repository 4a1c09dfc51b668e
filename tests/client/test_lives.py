"""Whether a network is the one that is known: by the table, and in any history."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callora_vault.client.lives import (
    Anew,
    AskAccounts,
    AskBottom,
    AskLedger,
    AskTip,
    Behind,
    Look,
    Reverted,
    Same,
    Undecided,
    Verdict,
    decide,
)
from callora_vault.rpc.answers import Anchor

FIRST, LAST = Anchor(10, "f", 100), Anchor(50, "l", 300)
KNOWN = (FIRST, LAST)


def other(anchor: Anchor) -> Anchor:
    return attrs.evolve(anchor, hash=f"another {anchor.hash}")


@pytest.mark.parametrize(
    ("look", "answer"),
    [
        # the highest one within is asked for, and decides
        (Look(1, 60), AskLedger(50)),
        (Look(1, 60, {50: LAST}), Same()),
        (Look(50, 50, {50: LAST}), Same()),
        (Look(9, 60, {50: other(LAST), 10: None}), Anew()),  # a page that begins later
        # what is older is forgotten: the accounts tell
        (Look(50, 60, {50: other(LAST)}), AskAccounts(10)),
        (Look(50, 60, {50: None}, fell=True), Anew()),
        (Look(50, 60, {50: None}, fell=False), Anew()),  # no account has been there
        (Look(50, 60, {50: None}, fell=False, stands=True), Reverted(FIRST, 50)),
        (Look(1, 60, {50: other(LAST)}), AskLedger(10)),
        (Look(1, 60, {50: other(LAST), 10: other(FIRST)}), Anew()),
        (Look(1, 60, {50: other(LAST), 10: FIRST}), Reverted(FIRST, 50)),
        # the last is above: the node lags, or the network went back and on
        (Look(1, 40), AskLedger(10)),
        (Look(1, 40, {10: other(FIRST)}), Anew()),
        (Look(1, 40, {10: FIRST}), AskTip()),
        (Look(1, 40, {10: FIRST}, Anchor(40, "x", 300)), Same()),
        (Look(1, 40, {10: FIRST}, Anchor(40, "x", 301)), Reverted(FIRST, 50)),
        # all above
        (Look(1, 9), AskTip()),
        (Look(1, 9, {}, Anchor(9, "x", 300)), Behind(9)),
        (Look(1, 9, {}, Anchor(9, "x", 301)), Anew()),
        # all below
        (Look(60, 90), AskBottom()),
        (Look(60, 90, {}, None, Anchor(60, "x", 299)), Anew()),
        (Look(60, 90, {}, None, Anchor(60, "x", 300)), AskAccounts(50)),
        (Look(60, 90, {}, None, Anchor(60, "x", 400), fell=True), Anew()),
        (Look(60, 90, {}, None, Anchor(60, "x", 400), fell=False), Undecided()),
        # around
        (Look(20, 40), AskTip()),
        (Look(20, 40, {}, Anchor(40, "x", 290)), AskBottom()),
        (Look(20, 40, {}, Anchor(40, "x", 290), Anchor(20, "x", 100)), Behind(40)),
        (Look(20, 40, {}, Anchor(40, "x", 290), Anchor(20, "x", 99)), Anew()),
        (Look(20, 40, {}, Anchor(40, "x", 301)), Anew()),
    ],
)
def test_what_an_rpc_shows_decides(look: Look, answer: object) -> None:
    assert decide(KNOWN, look) == answer


def test_an_anchor_without_a_hash_has_a_number_and_a_time_alone() -> None:
    """As a journal of version 1 leaves it."""
    old = (Anchor(50, "", 300),)
    assert decide(old, Look(1, 60)) == AskAccounts(50)
    assert decide(old, Look(1, 60, fell=True)) == Anew()
    assert decide(old, Look(1, 60, fell=False)) == Undecided()
    assert decide(old, Look(1, 9, {}, Anchor(9, "x", 301))) == Anew()
    assert decide(old, Look(1, 9, {}, Anchor(9, "x", 300))) == Behind(9)


# Any history


@attrs.define
class History:
    """A network as soroban-localnet is one: its ledgers, and the clock that they are closed by."""

    seed: int
    clock: int
    retention: int
    life: int = 0
    sequence: int = 0
    ledgers: list[Anchor] = attrs.Factory(list)

    def close(self, ahead: int = 1, content: int = 0) -> None:
        before = self.ledgers[-1] if self.ledgers else None
        sequence = 1 if before is None else before.sequence + ahead
        closed = self.clock if before is None else max(self.clock, before.close_time)
        parts = (before and before.hash, sequence, closed, content)
        self.ledgers.append(Anchor(sequence, sha256(repr(parts).encode()).hexdigest(), closed))

    def restart(self, start: int) -> None:
        self.ledgers, self.sequence = [], 0
        self.clock = start
        self.close()

    def revert(self, place: int) -> None:
        del self.ledgers[place + 1 :]

    def view(self, lag: int) -> Sequence[Anchor]:
        """What a node has that is `lag` ledgers behind."""
        shown = self.ledgers[: max(len(self.ledgers) - lag, 1)]
        return [a for a in shown if a.sequence > shown[-1].sequence - self.retention]


def ask(known: Sequence[Anchor], view: Sequence[Anchor], fell: bool) -> Verdict:
    """Ask a node until it is decided."""
    look = Look(view[0].sequence, view[-1].sequence)
    for _ in range(100):
        match decide(known, look):
            case AskLedger(sequence):
                first = next(a for a in view if a.sequence >= sequence)
                found = first if first.sequence == sequence else None
                look = attrs.evolve(look, found={**look.found, sequence: found})
            case AskTip():
                look = attrs.evolve(look, tip=view[-1])
            case AskBottom():
                look = attrs.evolve(look, bottom=view[0])
            case AskAccounts():
                look = attrs.evolve(look, fell=fell, stands=not fell)
            case verdict:
                return verdict
    raise AssertionError("there is no end of questions")


moves = st.one_of(
    st.tuples(st.just("close"), st.integers(1, 30)),
    st.tuples(st.just("jump"), st.integers(2, 60)),
    st.tuples(st.just("wait"), st.integers(1, 10_000)),
    st.tuples(st.just("look"), st.integers(0, 40)),
)
disruptions = st.one_of(
    st.tuples(st.just("restart"), st.integers(1, 100)),
    st.tuples(st.just("restart back in time"), st.integers(1, 100_000)),
    st.tuples(st.just("revert"), st.integers(0, 40)),
)


def carry_out(history: History, move: tuple[str, int], chance: random.Random) -> None:
    kind, number = move
    match kind:
        case "close":
            for _ in range(number):
                history.close(content=chance.getrandbits(30))
        case "jump":
            history.clock += 5 * number
            history.close(number)
        case "wait":
            history.clock += number
        case "restart":
            history.restart(history.clock + number)
        case "restart back in time":
            history.restart(max(history.clock - number, 1))
        case "revert":
            history.revert(max(len(history.ledgers) - 1 - number, 0))
            history.clock = history.ledgers[-1].close_time


def begin(chance: random.Random, retention: int) -> History:
    history = History(chance.getrandbits(30), 1_000_000, retention)
    for _ in range(3):
        history.close(content=chance.getrandbits(30))
    return history


@given(
    seed=st.integers(0, 2**32),
    retention=st.sampled_from([3, 20, 1_000]),
    then=st.lists(moves, max_size=12),
)
@settings(deadline=None)
def test_a_node_of_the_same_network_is_never_taken_for_another(
    seed: int, retention: int, then: list[tuple[str, int]]
) -> None:
    """However far it lags, jumps, or has forgotten: no key that is applied is ever freed."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    history = begin(chance, retention)
    known = [history.view(0)[0], history.view(0)[-1]]
    for kind, number in [*then, ("look", 0)]:
        if kind != "look":
            carry_out(history, (kind, number), chance)
            continue
        view = history.view(number)
        verdict = ask(known, view, fell=False)
        assert isinstance(verdict, Same | Behind | Undecided)
        if number == 0:
            assert not isinstance(verdict, Behind)
            if view[0].sequence <= known[-1].sequence:
                assert verdict == Same()
        if isinstance(verdict, Same | Undecided) and view[-1].sequence > known[-1].sequence:
            known.append(view[-1])


@given(
    seed=st.integers(0, 2**32),
    retention=st.sampled_from([3, 20, 1_000]),
    before=st.lists(moves, max_size=6),
    disruption=disruptions,
    after=st.lists(moves, max_size=6),
)
@settings(deadline=None)
def test_what_a_network_has_no_more_is_told_from_what_it_has(
    seed: int,
    retention: int,
    before: list[tuple[str, int]],
    disruption: tuple[str, int],
    after: list[tuple[str, int]],
) -> None:
    """A ledger that the network has is never called gone; one that it replaced is, once seen."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    history = begin(chance, retention)
    known = [history.view(0)[0], history.view(0)[-1]]
    for move in before:
        carry_out(history, move, chance)
        known.append(history.view(0)[-1])
    carry_out(history, disruption, chance)
    for move in after:
        carry_out(history, move, chance)
    view, there = history.view(0), set(history.ledgers)
    fell = disruption[0] != "revert"
    verdict = ask(known, view, fell)
    kept = [anchor for anchor in known if anchor in there]
    match verdict:
        case Anew():
            # what was seen of it is gone, or too old for the node to tell
            assert not any(a.sequence >= view[0].sequence for a in kept)
            assert any(anchor not in there for anchor in known)
        case Reverted(through, broken):
            # what the node has forgotten is given the benefit of the doubt: it stays applied
            assert through in there or through.sequence < view[0].sequence
            assert all(anchor not in there for anchor in known if anchor.sequence >= broken)
        case Same():
            assert any(anchor in there for anchor in known)
            last = max(known, key=lambda anchor: anchor.sequence)
            assert last in there or last.sequence > view[-1].sequence


@given(st.integers(0, 2**32), st.lists(moves, max_size=6), st.integers(1, 50), st.booleans())
@settings(deadline=None)
def test_a_network_that_was_started_again_is_noticed_at_once(
    seed: int, before: list[tuple[str, int]], ledgers: int, above: bool
) -> None:
    """Below the old number and above it, as long as the node has its first ledger."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    history = begin(chance, 10**6)
    known = [history.view(0)[0]]
    for move in before:
        carry_out(history, move, chance)
    known.append(history.view(0)[-1])
    history.restart(history.clock + 1)
    if above:
        history.close(known[-1].sequence)
    for _ in range(ledgers):
        history.close(content=chance.getrandbits(30))
    assert ask(known, history.view(0), fell=True) == Anew()
