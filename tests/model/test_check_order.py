"""Where several checks fail at once, the earliest in the order of the table decides."""

from collections.abc import Callable, Iterator
from itertools import accumulate, combinations, product
from typing import Any

import attrs
import pytest
from hypothesis import given
from tests.support.strategies import CONTRACT, OWNER, STRANGER, calls, signers, states

from callora_vault.model.calls import (
    CALLS,
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import VaultErrorCode as Code
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import (
    Accepted,
    Outcome,
    Rejected,
    Signers,
    State,
    Unsigned,
    transition,
)


@attrs.frozen
class Check:
    """A check that a call makes: when it fails, and the outcome if it decides."""

    name: str
    fails: Callable[[Any, Any, Signers], bool]
    outcome: Callable[[Any, Any], Outcome]


def returns(code: Code, fails: Callable[[Any, Any], bool]) -> Check:
    return Check(code.name, lambda s, c, _: fails(s, c), lambda _s, _c: Rejected(code))


def signed_by(who: Callable[[Any, Any], str]) -> Check:
    return Check(
        "signature", lambda s, c, by: who(s, c) not in by, lambda s, c: Unsigned(who(s, c))
    )


INITIALISED = returns(Code.NotInitialized, lambda s, c: s is None)
POSITIVE = returns(Code.AmountNotPositive, lambda s, c: c.amount <= 0)
ENOUGH = returns(Code.InsufficientBalance, lambda s, c: c.amount > s.balance)
OWNER_SIGNED = signed_by(lambda s, c: s.owner)
CALLER_SIGNED = signed_by(lambda s, c: c.caller)
MAY_DEDUCT = returns(Code.Unauthorized, lambda s, c: c.caller not in (s.owner, s.authorized_caller))


def bad_item(state: Any, call: Any) -> Code | None:
    """What the first item that cannot be taken is refused with."""
    taken = accumulate((item.amount for item in call.items), initial=0)
    for item, before in zip(call.items, taken, strict=False):
        if item.amount <= 0:
            return Code.AmountNotPositive
        if before + item.amount > state.balance:
            return Code.InsufficientBalance
    return None


ITEM_NOT_POSITIVE, ITEM_TOO_MUCH = (
    returns(code, lambda s, c, code=code: bad_item(s, c) is code)  # type: ignore[misc]
    for code in (Code.AmountNotPositive, Code.InsufficientBalance)
)

ORDER: dict[type[Call], tuple[Check, ...]] = {
    Init: (
        returns(Code.AlreadyInitialized, lambda s, c: s is not None),
        signed_by(lambda s, c: c.owner),
        returns(Code.NegativeInitialBalance, lambda s, c: (c.initial_balance or 0) < 0),
        returns(Code.NegativeMinDeposit, lambda s, c: (c.min_deposit or 0) < 0),
    ),
    GetMeta: (INITIALISED,),
    Balance: (INITIALISED,),
    Deposit: (
        INITIALISED,
        OWNER_SIGNED,
        POSITIVE,
        returns(Code.BelowMinDeposit, lambda s, c: c.amount < s.min_deposit),
        returns(Code.BalanceOverflow, lambda s, c: s.balance + c.amount > I128_MAX),
    ),
    Deduct: (
        INITIALISED,
        CALLER_SIGNED,
        MAY_DEDUCT,
        POSITIVE,
        ENOUGH,
    ),
    Withdraw: (INITIALISED, OWNER_SIGNED, POSITIVE, ENOUGH),
    WithdrawTo: (INITIALISED, OWNER_SIGNED, POSITIVE, ENOUGH),
    BatchDeduct: (
        INITIALISED,
        CALLER_SIGNED,
        MAY_DEDUCT,
        returns(Code.EmptyBatch, lambda s, c: not c.items),
        returns(Code.BatchTooLarge, lambda s, c: len(c.items) > 50),
        ITEM_NOT_POSITIVE,
        ITEM_TOO_MUCH,
    ),
    SetAuthorizedCaller: (INITIALISED, OWNER_SIGNED),
}

NEVER_TOGETHER = {
    (BatchDeduct, "EmptyBatch", "BatchTooLarge"),
    (BatchDeduct, "EmptyBatch", "AmountNotPositive"),
    (BatchDeduct, "EmptyBatch", "InsufficientBalance"),
    (BatchDeduct, "AmountNotPositive", "InsufficientBalance"),
    (Deposit, "AmountNotPositive", "BalanceOverflow"),
}
"""No amount of 0 or less takes an i128 above i128; one item of a batch decides."""


def failing(state: State, call: Call, signed: Signers) -> list[Check]:
    """The checks that fail, in order; one that reads a missing state cannot be made."""
    checks = ORDER[type(call)]
    made = checks[:1] if state is None and checks[0] is INITIALISED else checks
    return [check for check in made if check.fails(state, call, signed)]


def expected(state: State, call: Call, signed: Signers) -> Outcome | None:
    """The outcome that the first failing check decides; None where all pass."""
    failed = failing(state, call, signed)
    return failed[0].outcome(state, call) if failed else None


AMOUNTS = (-1, 0, 1, 5, I128_MAX)
SIZES = {-1: 0, 0: 1, 1: 2, 5: 50, I128_MAX: 51}
BUILD: dict[type[Call], Callable[[str, int, int], Call]] = {
    Init: Init,
    GetMeta: lambda who, amount, other: GetMeta(),
    Balance: lambda who, amount, other: Balance(),
    Deposit: lambda who, amount, other: Deposit(amount),
    Deduct: lambda who, amount, other: Deduct(who, amount),
    Withdraw: lambda who, amount, other: Withdraw(amount),
    WithdrawTo: lambda who, amount, other: WithdrawTo(who, amount),
    BatchDeduct: lambda who, amount, other: BatchDeduct(who, [DeductItem(amount)] * SIZES[other]),
    SetAuthorizedCaller: lambda who, amount, other: SetAuthorizedCaller(who),
}


def cases(kind: type[Call]) -> Iterator[tuple[State, Call, Signers]]:
    """Every case of a method over small pools of boundary values."""
    callers = (None, CONTRACT) if kind in (Deduct, BatchDeduct) else (None,)
    minimums = AMOUNTS if kind is Deposit else (0,)
    stored = [VaultMeta(OWNER, *values) for values in product(AMOUNTS, minimums, callers)]
    people = (OWNER, STRANGER, CONTRACT)[: 1 + len(callers)]
    made = {BUILD[kind](*values) for values in product(people, AMOUNTS, AMOUNTS)}
    signing = (frozenset[str](), frozenset((STRANGER,)), frozenset(people))
    return product((None, *stored), made, signing)


@pytest.mark.parametrize("kind", CALLS)
def test_the_first_failing_check_decides_at_every_boundary(kind: type[Call]) -> None:
    for state, call, signed in cases(kind):
        outcome = transition(state, call, signed)
        decided = expected(state, call, signed)
        assert outcome == decided or (decided is None and isinstance(outcome, Accepted))


@given(states, calls, signers)
def test_the_first_failing_check_decides(state: State, call: Call, signed: Signers) -> None:
    outcome = transition(state, call, signed)
    decided = expected(state, call, signed)
    assert outcome == decided or (decided is None and isinstance(outcome, Accepted))


@pytest.mark.parametrize(
    ("kind", "earlier", "later"),
    [
        pytest.param(kind, earlier, later, id=f"{kind.method}: {earlier.name} before {later.name}")
        for kind, checks in ORDER.items()
        for earlier, later in combinations(checks, 2)
        if earlier is not INITIALISED and (kind, earlier.name, later.name) not in NEVER_TOGETHER
    ],
)
def test_of_two_failing_checks_the_earlier_one_decides(
    kind: type[Call], earlier: Check, later: Check
) -> None:
    met = False
    for state, call, signed in cases(kind):
        if failing(state, call, signed)[:1] == [earlier] and later in failing(state, call, signed):
            met = True
            assert transition(state, call, signed) == earlier.outcome(state, call)
    assert met, "no case in which both fail"


@given(states, calls, signers)
def test_no_scene_has_two_failures_that_exclude_each_other(
    state: State, call: Call, signed: Signers
) -> None:
    names = [check.name for check in failing(state, call, signed)]
    assert not NEVER_TOGETHER & {(type(call), *pair) for pair in combinations(names, 2)}
