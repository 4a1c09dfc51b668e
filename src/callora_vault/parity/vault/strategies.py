"""Strategies for the next step, edges first, by the state of the vault."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from callora_vault.model.calls import MAX_BATCH, DeductItem
from callora_vault.model.units import I128_MAX, I128_MIN, SYMBOL_LIMIT
from callora_vault.model.vault import State
from callora_vault.parity.edges import FIRST_AMOUNT_EDGES, MAGNITUDES, SYMBOLS, amounts
from callora_vault.parity.steps import VAULT_LANES, Argument, Items, Lane, Role, Submit

# What is first is what a counterexample shrinks to; what is there twice is drawn twice as often.
_GOOD_SIGNATURES: Final = (Lane.ADDRESS, Lane.SOURCE)
LANES: Final = st.sampled_from((*_GOOD_SIGNATURES * 4, *VAULT_LANES))
_SIGNS_ELSE: Final = st.sampled_from((False, False, False, False, True))
_SIGNERS: Final = st.sampled_from((Role.OWNER, Role.STRANGER, Role.PAYER, Role.VAULT))
_CALLERS: Final = st.sampled_from((Role.OWNER, Role.OWNER, Role.STRANGER, Role.PAYER, Role.VAULT))
_RECEIVERS: Final = st.sampled_from((Role.STRANGER, *Role))


def items(state: State) -> st.SearchStrategy[Items]:
    """Draw the items of a batch: a few of any amounts, or many equal ones."""
    few = st.lists(st.builds(DeductItem, amounts(state), SYMBOLS), min_size=1, max_size=4)
    small = st.lists(st.builds(DeductItem, st.integers(1, 3), SYMBOLS), max_size=8)
    many = st.builds(
        lambda amount, request_id, size: [DeductItem(amount, request_id)] * size,
        st.sampled_from((1, 2, 0)),
        SYMBOLS,
        st.sampled_from((MAX_BATCH, MAX_BATCH + 1, 7)),
    )
    return st.one_of(small, few, many).map(tuple)


def batch_edges(state: State) -> list[Items]:
    """List the edges of batches: by size, by running balance, by order."""
    request = "s" * SYMBOL_LIMIT
    listed: list[Items] = [
        (),
        (DeductItem(1),),
        (DeductItem(1, "a"), DeductItem(1, ""), DeductItem(1, request)),
        (DeductItem(1), DeductItem(0), DeductItem(1)),
        (DeductItem(1), DeductItem(-1)),
        (DeductItem(I128_MAX), DeductItem(0)),
        (DeductItem(0), DeductItem(I128_MAX)),
        (DeductItem(I128_MAX), DeductItem(1)),
        (DeductItem(I128_MIN),),
        *((DeductItem(1, request),) * size for size in (MAX_BATCH - 1, MAX_BATCH, MAX_BATCH + 1)),
        (DeductItem(0),) * (MAX_BATCH + 1),
    ]
    if state is not None and state.balance > 1:
        rest = state.balance - 1
        listed += (
            (DeductItem(1), DeductItem(rest)),
            (DeductItem(rest), DeductItem(1), DeductItem(1)),
            (DeductItem(rest), DeductItem(2), DeductItem(0)),
            (DeductItem(1), DeductItem(state.balance)),
        )
    return listed


_FIRST_AMOUNTS: Final = st.one_of(
    st.sampled_from(FIRST_AMOUNT_EDGES), st.integers(I128_MIN, I128_MAX)
)
_OPENING_BALANCES: Final = st.one_of(
    st.just(0),
    st.sampled_from((5, 1, I128_MAX - 1)),
    st.integers(1, 1_000),
    MAGNITUDES,
    st.just(I128_MAX),
)
_OPENING_MINIMUMS: Final = st.sampled_from((None, 0, 2, 100, I128_MAX))


@st.composite
def _submit(
    draw: st.DrawFn, /, method: str, signer: Role | None, **arguments: st.SearchStrategy[Argument]
) -> Submit:
    values = {name: draw(strategy) for name, strategy in arguments.items()}
    who = values[_SIGNING[method]] if method in _SIGNING else signer
    if not isinstance(who, Role) or draw(_SIGNS_ELSE):
        who = draw(_SIGNERS)
    return Submit(method, tuple(values.items()), who, draw(LANES))


_SIGNING: Final = {"init": "owner", "deduct": "caller", "batch_deduct": "caller"}
"""The argument that names who must sign; for other methods it is the vault's owner."""


def openings() -> st.SearchStrategy[Submit | None]:
    """Draw the first steps of an example: none, or an init that is accepted."""
    init = st.builds(
        lambda balance, minimum: Submit.of(
            "init",
            Role.OWNER,
            Lane.ADDRESS,
            owner=Role.OWNER,
            initial_balance=balance,
            min_deposit=minimum,
        ),
        _OPENING_BALANCES,
        _OPENING_MINIMUMS,
    )
    return st.integers(0, 9).flatmap(lambda number: init if number else st.none())


def calls(
    method: str, state: State, owner: Role | None, authorized_caller: Role | None = None
) -> st.SearchStrategy[Submit]:
    """Draw a call of `method` on a vault in `state`.

    Arguments: `owner`, None before init; `authorized_caller`, who may deduct besides, if anybody.
    """
    callers = _CALLERS
    if authorized_caller is not None:
        callers = st.one_of(_CALLERS, st.just(authorized_caller))
    match method:
        case "init":
            return _submit(
                method,
                None,
                owner=_CALLERS,
                initial_balance=_FIRST_AMOUNTS,
                min_deposit=_FIRST_AMOUNTS,
            )
        case "deduct":
            return _submit(method, None, caller=callers, amount=amounts(state), request_id=SYMBOLS)
        case "batch_deduct":
            return _submit(method, None, caller=callers, items=items(state))
        case "set_authorized_caller":
            authorised = st.sampled_from((Role.STRANGER, None, *Role))
            return _submit(method, owner or Role.OWNER, caller=authorised)
        case "withdraw_to":
            return _submit(method, owner or Role.OWNER, to=_RECEIVERS, amount=amounts(state))
        case "deposit" | "withdraw":
            return _submit(method, owner or Role.OWNER, amount=amounts(state))
        case _:
            return st.sampled_from(
                (
                    Submit.of(method, Role.OWNER, Lane.UNSIGNED),
                    Submit.of(method, Role.STRANGER, Lane.ADDRESS),
                )
            )
