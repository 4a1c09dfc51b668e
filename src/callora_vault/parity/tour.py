"""The examples that every run makes before it draws any: each edge once, in each state class.

They hit every reachable cell of the coverage table, so that a small budget does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from callora_vault.layouts import LEDGERS_PER_DAY, RENEW_TO, VaultMeta
from callora_vault.parity.coverage import METHODS, READ_METHODS, StateClass
from callora_vault.parity.steps import Age, Argument, Lane, Restore, Role, Step, Submit
from callora_vault.parity.strategies import FIRST_AMOUNT_EDGES, SYMBOL_EDGES, amount_edges
from callora_vault.transition import State
from callora_vault.units import I128_MAX

MINIMUM: Final = 2
_BALANCES: Final = {StateClass.EMPTY: 0, StateClass.FUNDED: 5, StateClass.FULL: I128_MAX}

_SAME_DAY: Final = LEDGERS_PER_DAY - 2
"""Ledgers after which a write finds a vault of the ledger before not yet due for renewal."""

_ACCEPTED: Final[Mapping[str, dict[str, Argument]]] = {
    "init": {"owner": Role.OWNER, "initial_balance": None, "min_deposit": None},
    "get_meta": {},
    "balance": {},
    "deposit": {"amount": MINIMUM},
    "deduct": {"caller": Role.OWNER, "amount": 1, "request_id": None},
    "withdraw": {"amount": 1},
    "withdraw_to": {"to": Role.STRANGER, "amount": 1},
}
"""Arguments that a funded vault accepts, and a vault before init those of init."""


def opening(state: StateClass, minimum: int | None = MINIMUM) -> tuple[Step, ...]:
    """Return the steps that lead to a state class."""
    if state is StateClass.ABSENT:
        return ()
    return (_signed("init", _init(Role.OWNER, _BALANCES[state], minimum)),)


def _signed(
    method: str,
    arguments: dict[str, Argument],
    signer: Role = Role.OWNER,
    lane: Lane = Lane.ADDRESS,
) -> Submit:
    return Submit(method, tuple(arguments.items()), signer, lane)


def _state(state: StateClass) -> State:
    if state is StateClass.ABSENT:
        return None
    return VaultMeta("", _BALANCES[state], MINIMUM)


def _edges(method: str, state: StateClass) -> Iterator[Submit]:
    """Yield calls of a method at every edge, well signed."""
    amounts = amount_edges(_state(state))
    match method:
        case "init":
            for balance in FIRST_AMOUNT_EDGES:
                yield _signed(method, _init(Role.OWNER, balance, None))
            for minimum in FIRST_AMOUNT_EDGES:
                yield _signed(method, _init(Role.OWNER, -1, minimum))
                yield _signed(method, _init(Role.OWNER, 1, minimum))
            yield _signed(method, _init(Role.VAULT, None, None), Role.VAULT)
        case "deduct":
            for amount in amounts:
                yield _signed(method, _deduct(Role.OWNER, amount, None))
                yield _signed(method, _deduct(Role.STRANGER, amount, None), Role.STRANGER)
            for request_id in SYMBOL_EDGES:
                yield _signed(method, _deduct(Role.OWNER, 1, request_id))
            yield _signed(method, _deduct(Role.VAULT, 1, None), Role.VAULT)
            yield _signed(method, _deduct(Role.OWNER, 1, None), Role.STRANGER)
        case "withdraw_to":
            for amount in amounts:
                yield _signed(method, {"to": Role.STRANGER, "amount": amount})
            yield _signed(method, {"to": Role.OWNER, "amount": 1})
            yield _signed(method, {"to": Role.VAULT, "amount": 1})
            yield _signed(method, {"to": Role.STRANGER, "amount": 1}, Role.STRANGER)
        case "deposit" | "withdraw":
            for amount in amounts:
                yield _signed(method, {"amount": amount})
            yield _signed(method, {"amount": 1}, Role.STRANGER)
        case _:
            yield _signed(method, {}, lane=Lane.UNSIGNED)


def _init(owner: Role, balance: int | None, minimum: int | None) -> dict[str, Argument]:
    return {"owner": owner, "initial_balance": balance, "min_deposit": minimum}


def _deduct(caller: Role, amount: int, request_id: str | None) -> dict[str, Argument]:
    return {"caller": caller, "amount": amount, "request_id": request_id}


def _refused_later(method: str) -> Iterator[dict[str, Argument]]:
    """Yield good arguments, then bad ones: without a signature nobody gets to look at them."""
    good = _ACCEPTED[method]
    yield good
    for name, value in good.items():
        if name == "amount":
            yield {**good, name: 0}
        elif value is None and name != "request_id":
            yield {**good, name: -1}


def examples(*, can_age: bool) -> Iterator[tuple[Step, ...]]:
    """Yield every example, the shortest first.

    Arguments: `can_age`, whether ledgers can be made to go by.
    """
    for state in StateClass:
        start = opening(state)
        for method in METHODS:
            for call in _edges(method, state):
                yield (*start, call)
            if method not in READ_METHODS:
                for arguments in _refused_later(method):
                    yield (*start, _signed(method, arguments, lane=Lane.UNSIGNED))
    for call in _edges("deposit", StateClass.EMPTY):
        yield (*opening(StateClass.EMPTY, None), call)
    for method in METHODS:
        usual = StateClass.ABSENT if method == "init" else StateClass.FUNDED
        start, arguments = opening(usual), dict(_ACCEPTED[method])
        for lane in Lane:
            yield (*start, _signed(method, arguments, lane=lane))
        if can_age:
            call = _signed(method, arguments)
            for ledgers in (_SAME_DAY, _SAME_DAY + 1, RENEW_TO + 1):
                yield (*start, Age(ledgers), call)
            yield (*start, Age(RENEW_TO + 1), Restore(), call)
