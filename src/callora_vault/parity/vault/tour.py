"""The examples at the start of every run: each edge once, in each state class.

They hit every reachable cell of the coverage table, so that a small budget does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from callora_vault.model.calls import DeductItem
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.renewal import LEDGERS_PER_DAY, RENEW_TO
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import State
from callora_vault.model.versions import Abi
from callora_vault.parity.edges import FIRST_AMOUNT_EDGES, SYMBOL_EDGES, amount_edges
from callora_vault.parity.steps import VAULT_LANES, Age, Argument, Lane, Restore, Role, Step, Submit
from callora_vault.parity.vault.strategies import batch_edges
from callora_vault.parity.vault.table import vault_table

MINIMUM: Final = 2
FUNDED: Final = 5
BALANCES: Final = (None, 0, FUNDED, 2**64 + 5, I128_MAX)
"""The initial balances of examples; None is a vault before init."""

_SAME_DAY: Final = LEDGERS_PER_DAY - 2
"""Ledgers after which a write does not yet renew a vault of the ledger before."""

_ACCEPTED: Final[Mapping[str, dict[str, Argument]]] = {
    "init": {"owner": Role.OWNER, "initial_balance": None, "min_deposit": None},
    "get_meta": {},
    "balance": {},
    "deposit": {"amount": MINIMUM},
    "deduct": {"caller": Role.OWNER, "amount": 1, "request_id": None},
    "withdraw": {"amount": 1},
    "withdraw_to": {"to": Role.STRANGER, "amount": 1},
    "batch_deduct": {"caller": Role.OWNER, "items": (DeductItem(1), DeductItem(2, "r"))},
    "set_authorized_caller": {"caller": Role.STRANGER},
}
"""Arguments that a funded vault accepts; those of init are for a vault before init."""


def opening(balance: int | None, minimum: int | None = MINIMUM) -> tuple[Step, ...]:
    """Return the steps that lead to a balance."""
    if balance is None:
        return ()
    return (_signed("init", _init(Role.OWNER, balance, minimum)),)


def _signed(
    method: str,
    arguments: dict[str, Argument],
    signer: Role = Role.OWNER,
    lane: Lane = Lane.ADDRESS,
) -> Submit:
    return Submit(method, tuple(arguments.items()), signer, lane)


def _edges(method: str, balance: int | None) -> Iterator[Submit]:
    """Yield calls of a method at every edge, correctly signed."""
    state = None if balance is None else VaultMeta("", balance, MINIMUM)
    amounts = amount_edges(state)
    if state is None:
        # whatever the arguments, they are looked at later
        amounts = amounts[:3]
    match method:
        case "init":
            for first in FIRST_AMOUNT_EDGES if state is None else FIRST_AMOUNT_EDGES[:3]:
                yield _signed(method, _init(Role.OWNER, first, None))
                yield _signed(method, _init(Role.OWNER, -1, first))
                yield _signed(method, _init(Role.OWNER, 1, first))
            yield _signed(method, _init(Role.VAULT, None, None), Role.VAULT)
        case "deduct":
            for amount in amounts:
                yield _signed(method, _deduct(Role.OWNER, amount, None))
            for amount in amounts[:7]:
                yield _signed(method, _deduct(Role.STRANGER, amount, None), Role.STRANGER)
            for request_id in SYMBOL_EDGES:
                yield _signed(method, _deduct(Role.OWNER, 1, request_id))
            yield _signed(method, _deduct(Role.VAULT, 1, None), Role.VAULT)
            yield _signed(method, _deduct(Role.OWNER, 1, None), Role.STRANGER)
        case "batch_deduct" | "set_authorized_caller":
            yield from _edges_of_v2(method, state)
        case "withdraw_to":
            for amount in amounts:
                yield _signed(method, {"to": Role.STRANGER, "amount": amount})
            for to in Role:
                yield _signed(method, {"to": to, "amount": 1})
            yield _signed(method, {"to": Role.STRANGER, "amount": 1}, Role.STRANGER)
        case "deposit" | "withdraw":
            for amount in amounts:
                yield _signed(method, {"amount": amount})
            yield _signed(method, {"amount": 1}, Role.STRANGER)
        case _:
            yield _signed(method, {}, lane=Lane.UNSIGNED)


def _edges_of_v2(method: str, state: State) -> Iterator[Submit]:
    if method == "set_authorized_caller":
        for caller in (None, *Role):
            yield _signed(method, {"caller": caller})
        yield _signed(method, {"caller": Role.STRANGER}, Role.STRANGER)
        return
    # before init, whatever the arguments, they are looked at later
    for items in batch_edges(state)[: None if state else 3]:
        yield _signed(method, {"caller": Role.OWNER, "items": items})
    for items in batch_edges(state)[:4]:
        yield _signed(method, {"caller": Role.STRANGER, "items": items}, Role.STRANGER)
    one = (DeductItem(1),)
    yield _signed(method, {"caller": Role.OWNER, "items": one}, Role.STRANGER)


def _init(owner: Role, balance: int | None, minimum: int | None) -> dict[str, Argument]:
    return {"owner": owner, "initial_balance": balance, "min_deposit": minimum}


def _deduct(caller: Role, amount: int, request_id: str | None) -> dict[str, Argument]:
    return {"caller": caller, "amount": amount, "request_id": request_id}


def _refused_later(method: str) -> Iterator[dict[str, Argument]]:
    """Yield valid arguments, then invalid ones: an unsigned call does not check them."""
    good = _ACCEPTED[method]
    yield good
    for name, value in good.items():
        if name == "amount":
            yield {**good, name: 0}
        elif name == "items":
            yield {**good, name: ()}
        elif value is None and name != "request_id":
            yield {**good, name: -1}


def _authorised() -> Iterator[tuple[Step, ...]]:
    """Yield calls by an authorised caller: allowed, not allowed, and after revocation."""
    authorise, other, nobody = (
        _signed("set_authorized_caller", {"caller": caller})
        for caller in (Role.STRANGER, Role.PAYER, None)
    )
    deduct = _deduct(Role.STRANGER, 1, "r")
    batch: dict[str, Argument] = {"caller": Role.STRANGER, "items": (DeductItem(1),)}
    for balance in (FUNDED, 0):
        start = opening(balance)
        for change in ((authorise,), (authorise, nobody), (authorise, other), (other, authorise)):
            for method, arguments in (("deduct", deduct), ("batch_deduct", batch)):
                yield (*start, *change, _signed(method, arguments, Role.STRANGER))
        for method in ("deduct", "batch_deduct", "deposit", "withdraw", "withdraw_to"):
            call = _ACCEPTED[method]
            yield (*start, authorise, _signed(method, call, Role.STRANGER))
            # what the owner does leaves the authorised caller in place
            yield (
                *start,
                authorise,
                _signed(method, call),
                _signed("deduct", deduct, Role.STRANGER),
            )
        by_itself = _signed("set_authorized_caller", {"caller": Role.PAYER}, Role.STRANGER)
        yield (*start, authorise, by_itself)
        yield (*start, authorise, _signed("get_meta", {}, lane=Lane.UNSIGNED))
    for method, arguments in (("deduct", deduct), ("batch_deduct", batch)):
        for lane in VAULT_LANES:
            yield (*opening(FUNDED), authorise, _signed(method, arguments, Role.STRANGER, lane))


def examples(abi: Abi, *, can_age: bool) -> Iterator[tuple[Step, ...]]:
    """Yield every example.

    Arguments: `can_age`, whether ledgers can be made to pass.
    """
    table = vault_table(abi)
    for balance in BALANCES:
        start = opening(balance)
        for method in table.methods:
            for call in _edges(method, balance):
                yield (*start, call)
            if method in table.writes:
                for arguments in _refused_later(method):
                    yield (*start, _signed(method, arguments, lane=Lane.UNSIGNED))
    for call in _edges("deposit", 0):
        yield (*opening(0, None), call)
    if abi.authorises:
        yield from _authorised()
    for method in table.methods:
        start, arguments = opening(None if method == "init" else FUNDED), dict(_ACCEPTED[method])
        for lane in VAULT_LANES:
            yield (*start, _signed(method, arguments, lane=lane))
        if can_age:
            call = _signed(method, arguments)
            for ledgers in (_SAME_DAY, _SAME_DAY + 1, RENEW_TO + 1):
                yield (*start, Age(ledgers), call)
            yield (*start, Age(RENEW_TO + 1), Restore(), call)
