"""Strategies for the next step of a factory: vaults in any state, and calls on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import strategies as st

from callora_vault.model.units import I128_MAX, I128_MIN
from callora_vault.parity.edges import FIRST_AMOUNT_EDGES
from callora_vault.parity.steps import Code, Lane, Made, Odd, Place, Role, Salt, Step, Submit


def create(
    owner: Role = Role.OWNER,
    code: Code = Code.V1,
    salt: int = 1,
    balance: int | None = 5,
    minimum: int | None = 2,
    signer: Role | None = None,
    lane: Lane = Lane.ADDRESS,
) -> Submit:
    """Build a call of create, by default signed by the owner."""
    return Submit.of(
        "create",
        owner if signer is None else signer,
        lane,
        owner=owner,
        wasm_hash=code,
        salt=Salt(salt),
        initial_balance=balance,
        min_deposit=minimum,
    )


def migrate(
    old_code: Code,
    code: Code = Code.V2,
    salt: int = 1,
    old: Role | Made = Role.VAULT,
    signer: Role = Role.OWNER,
    lane: Lane = Lane.ADDRESS,
) -> Submit:
    """Build a call of migrate."""
    return Submit.of(
        "migrate",
        signer,
        lane,
        old=old,
        old_wasm_hash=old_code,
        wasm_hash=code,
        salt=Salt(salt),
    )


def successor(old: Role | Made = Role.VAULT) -> Submit:
    """Build a call of successor, which needs no signature."""
    return Submit.of("successor", Role.OWNER, Lane.UNSIGNED, old=old)


_SALTS: Final = st.integers(1, 4)
_OWNERS: Final = st.sampled_from((Role.OWNER, Role.OWNER, Role.STRANGER, Role.PAYER, Role.VAULT))
_CODES: Final = st.sampled_from((Code.V2, Code.V1, Code.V2, Code.V1, Code.V0, Code.NONE))
_GOOD: Final = (Lane.ADDRESS, Lane.SOURCE)
_LANES: Final = st.sampled_from((*_GOOD * 6, *Lane))
_AMOUNT: Final = st.one_of(
    st.sampled_from((0, 5, 1, I128_MAX, 2**64, -1)), st.integers(0, 1_000), st.integers(0, I128_MAX)
)
_FIRST: Final = st.one_of(
    st.sampled_from(FIRST_AMOUNT_EDGES), st.integers(0, I128_MAX), st.integers(I128_MIN, I128_MAX)
)


@st.composite
def placements(draw: st.DrawFn) -> Step:
    """Draw a vault in any state."""
    role = draw(st.sampled_from((Role.VAULT, Role.OTHER_VAULT)))
    code = draw(st.sampled_from((Code.V1, Code.V2, Code.V2, Code.V0, Code.KEEPER, Code.RAW)))
    if code is Code.RAW:
        return Place(role, code, odd=draw(st.sampled_from(Odd)))
    if not draw(st.integers(0, 9)):
        return Place(role, code)
    caller = draw(st.sampled_from((None, Role.STRANGER, Role.OWNER))) if code is Code.V2 else None
    minimum = 0
    if code is not Code.V0:
        minimum = draw(st.one_of(st.sampled_from((0, 2, I128_MAX, -1)), _AMOUNT))
    return Place(role, code, draw(_OWNERS), draw(_AMOUNT), minimum, caller)


@st.composite
def creations(draw: st.DrawFn) -> Step:
    """Draw a call of create."""
    owner = draw(_OWNERS)
    signer = draw(st.sampled_from((owner, owner, owner, Role.STRANGER)))
    code, salt = draw(_CODES), draw(_SALTS)
    return create(owner, code, salt, draw(_FIRST), draw(_FIRST), signer, draw(_LANES))


_Known = Callable[[Role | Made], tuple[Code, Role | None] | None]


@st.composite
def migrations(draw: st.DrawFn, made: Sequence[Made], known: _Known) -> Step:
    """Draw a call of migrate.

    Arguments: `made`, the vaults that were deployed; `known`, which tells code and owner of one.
    """
    old = draw(_old_vaults(made))
    code, owner = known(old) or (Code.V1, None)
    named = draw(st.sampled_from((code, code, code, code, *Code)))
    own = owner or Role.OWNER
    signer = draw(st.sampled_from((own, own, own, Role.STRANGER)))
    return migrate(named, draw(_CODES), draw(_SALTS), old, signer, draw(_LANES))


@st.composite
def successors(draw: st.DrawFn, made: Sequence[Made]) -> Step:
    """Draw a call of successor."""
    return successor(draw(_old_vaults(made)))


def _old_vaults(made: Sequence[Made]) -> st.SearchStrategy[Role | Made]:
    return st.sampled_from((Role.VAULT, Role.OTHER_VAULT, Role.VAULT, *made, Role.NOBODY))
