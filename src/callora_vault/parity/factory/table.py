"""What to try with a factory: kinds of old vaults, each edge, and what a run has to reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Final

from hypothesis import strategies as st

from callora_vault.model.calls import Create, FactoryCall
from callora_vault.model.errors import FactoryErrorCode
from callora_vault.model.factory import Factory, FactoryState
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.renewal import LEDGERS_PER_DAY, RENEW_TO
from callora_vault.model.units import I128_MAX, I128_MIN, Address
from callora_vault.model.vault import State
from callora_vault.parity import outcomes
from callora_vault.parity.coverage import Cell, Table
from callora_vault.parity.steps import (
    Age,
    Code,
    Lane,
    Made,
    Odd,
    Place,
    Restore,
    Role,
    Salt,
    Step,
    Submit,
)
from callora_vault.parity.vault.strategies import FIRST_AMOUNT_EDGES


class Scene(Enum):
    """What a call finds: for create its address, for the others the old vault.

    Nothing is no vault at all, absent one before init, caller one with an authorised caller.
    """

    FREE = "address free"
    TAKEN = "address taken"
    NOTHING = "nothing"
    BARE = "absent"
    EMPTY = "empty"
    FUNDED = "funded"
    AUTHORISED = "caller"
    NEGATIVE = "negative"
    KEEPER = "keeper"
    MIGRATED = "migrated"

    @classmethod
    def of(
        cls, factory: Factory, state: FactoryState, call: FactoryCall, *, keeper: bytes
    ) -> Scene:
        """Classify what a call finds. Arguments: `keeper`, the hash of the code that drains not."""
        if isinstance(call, Create):
            taken = factory.address_of(call.owner, call.salt) in state.vaults
            return cls.TAKEN if taken else cls.FREE
        if call.old in state.successors:
            return cls.MIGRATED
        if call.old not in state.vaults:
            return cls.NOTHING
        old = state.vaults[call.old]
        if old.state is None:
            return cls.BARE
        if min(old.state.balance, old.state.min_deposit) < 0:
            return cls.NEGATIVE
        if old.state.authorized_caller is not None:
            return cls.AUTHORISED
        if old.state.balance == 0:
            return cls.EMPTY
        return cls.KEEPER if old.wasm_hash == keeper else cls.FUNDED


def placed(step: Place, people: Mapping[Role, Address]) -> State:
    """Return what a placed vault stores."""
    if step.owner is None or step.odd is not None:
        return None
    caller = step.authorized_caller
    return VaultMeta(
        people[step.owner],
        step.balance,
        step.min_deposit,
        None if caller is None else people[caller],
    )


# -- what a run has to reach -------------------------------------------------------------------

_E = FactoryErrorCode
_AMOUNTS = (outcomes.rejected(_E.NegativeBalance), outcomes.rejected(_E.NegativeMinDeposit))
_MOVES = (
    outcomes.ACCEPTED,
    outcomes.UNSIGNED,
    outcomes.TRAP,
    outcomes.rejected(_E.CodeChanged),
    outcomes.rejected(_E.AddressTaken),
)
_REACHABLE: Final[Mapping[tuple[str, Scene], tuple[str, ...]]] = {
    ("create", Scene.FREE): (
        outcomes.ACCEPTED,
        outcomes.UNSIGNED,
        outcomes.TRAP,
        *_AMOUNTS,
    ),
    ("create", Scene.TAKEN): (
        outcomes.UNSIGNED,
        *_AMOUNTS,
        outcomes.rejected(_E.AddressTaken),
    ),
    ("migrate", Scene.NOTHING): (outcomes.rejected(_E.CodeChanged),),
    ("migrate", Scene.BARE): (
        outcomes.rejected(_E.CodeChanged),
        outcomes.rejected(_E.UnknownLayout),
    ),
    ("migrate", Scene.EMPTY): _MOVES,
    ("migrate", Scene.FUNDED): _MOVES,
    ("migrate", Scene.AUTHORISED): (*_MOVES, outcomes.rejected(_E.AuthorizedCallerUnsupported)),
    ("migrate", Scene.NEGATIVE): (
        outcomes.UNSIGNED,
        outcomes.rejected(_E.CodeChanged),
        *_AMOUNTS,
    ),
    ("migrate", Scene.KEEPER): (
        outcomes.UNSIGNED,
        outcomes.rejected(_E.CodeChanged),
        outcomes.rejected(_E.NotDrained),
    ),
    ("migrate", Scene.MIGRATED): (outcomes.rejected(_E.AlreadyMigrated),),
    **{
        ("successor", scene): (outcomes.ACCEPTED,)
        for scene in Scene
        if scene not in (Scene.FREE, Scene.TAKEN)
    },
}
_BY_SCENE: Final = {
    Scene.FREE: "only create looks at its address first",
    Scene.TAKEN: "only create looks at its address first",
    Scene.NOTHING: "there is no code that could be the one named",
    Scene.BARE: "a vault that tells no fields is refused before anything else is looked at",
    Scene.NEGATIVE: "a negative amount is refused before anything is moved",
    Scene.KEEPER: "a vault that keeps its balance is refused before anything is deployed",
    Scene.MIGRATED: "AlreadyMigrated comes before anything else",
}
_BY_OUTCOME: Final = {
    outcomes.rejected(_E.AlreadyMigrated): "the vault was not migrated",
    outcomes.rejected(_E.UnknownLayout): "what the vault tells is a known layout",
    outcomes.rejected(_E.NegativeBalance): "its balance is not negative",
    outcomes.rejected(_E.NegativeMinDeposit): "its minimum is not negative",
    outcomes.rejected(_E.NotDrained): "the vault lets its whole balance out",
    outcomes.rejected(_E.AuthorizedCallerUnsupported): "the vault has no authorised caller",
    outcomes.rejected(_E.AddressTaken): "the address is free",
    outcomes.ACCEPTED: "the address is taken",
    outcomes.TRAP: "the address is taken, which comes before the code",
}


def _cells() -> Iterator[Cell]:
    for method in ("create", "migrate", "successor"):
        rows = [found for (name, _), found in _REACHABLE.items() if name == method]
        for outcome in dict.fromkeys(outcome for row in rows for outcome in row):
            for scene in Scene:
                reachable = outcome in _REACHABLE.get((method, scene), ())
                yield Cell(
                    method, outcome, scene, None if reachable else _why(method, outcome, scene)
                )


def _why(method: str, outcome: str, scene: Scene) -> str:
    if method == "create" and scene not in (Scene.FREE, Scene.TAKEN):
        return "create looks at no old vault"
    if method == "create":
        return _BY_OUTCOME[outcome]
    return _BY_SCENE.get(scene) or _BY_OUTCOME[outcome]


@cache
def factory_table() -> Table:
    """List what a run over a factory has to reach."""
    return Table(tuple(Scene), tuple(_cells()), ("create", "migrate"), tuple(Lane), {})


# -- the examples that every run makes first ---------------------------------------------------

_SAME_DAY: Final = LEDGERS_PER_DAY - 2
_LARGE: Final = 2**64 + 5

_OLD: Final = (
    Place(Role.VAULT, Code.V1, Role.OWNER, 0, 2),
    Place(Role.VAULT, Code.V2, Role.OWNER, 0, 0),
    Place(Role.VAULT, Code.V1, Role.OWNER, 5, 2),
    Place(Role.VAULT, Code.V2, Role.OWNER, 5, 2),
    Place(Role.VAULT, Code.V1, Role.OWNER, 1, I128_MAX),
    Place(Role.VAULT, Code.V1, Role.OWNER, _LARGE, _LARGE + 1),
    Place(Role.VAULT, Code.V2, Role.OWNER, I128_MAX, 0),
    Place(Role.VAULT, Code.V2, Role.OWNER, 5, 2, Role.STRANGER),
    Place(Role.VAULT, Code.V2, Role.OWNER, 0, 0, Role.OWNER),
    Place(Role.VAULT, Code.V2, Role.OWNER, 0, 2, Role.OTHER_VAULT),
    Place(Role.VAULT, Code.V0, Role.OWNER, 5),
    Place(Role.VAULT, Code.V0, Role.OWNER, 0),
    Place(Role.VAULT, Code.V0, Role.OWNER, -1),
    Place(Role.VAULT, Code.KEEPER, Role.OWNER, 0, 2),
    Place(Role.VAULT, Code.KEEPER, Role.OWNER, 5, 2),
    Place(Role.VAULT, Code.V1, Role.OWNER, -1, 0),
    Place(Role.VAULT, Code.V1, Role.OWNER, 5, -1),
    Place(Role.VAULT, Code.V2, Role.OWNER, I128_MIN, I128_MIN),
    Place(Role.VAULT, Code.V1),
    Place(Role.VAULT, Code.V2),
    Place(Role.VAULT, Code.V1, Role.PAYER, 5, 2),
    Place(Role.VAULT, Code.V1, Role.OTHER_VAULT, 5, 2),
)
"""Old vaults of every kind."""


def create(
    owner: Role = Role.OWNER,
    code: Code = Code.V1,
    salt: int = 1,
    balance: int | None = 5,
    minimum: int | None = 2,
    signer: Role | None = None,
    lane: Lane = Lane.ADDRESS,
) -> Submit:
    """Build a call of create, signed by the owner where nobody else is named."""
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
    """Build a call of successor, which nobody signs."""
    return Submit.of("successor", Role.OWNER, Lane.UNSIGNED, old=old)


def examples() -> Iterator[tuple[Step, ...]]:
    """Yield every example, the shortest first."""
    yield from _creations()
    for old in _OLD:
        yield from _migrations_of(old)
    for nobody in (Role.NOBODY, Role.STRANGER):
        for code in Code:
            yield (migrate(code, old=nobody),)
        yield (successor(nobody),)
    for odd in Odd:
        raw = Place(Role.VAULT, Code.RAW, odd=odd)
        yield (raw, migrate(Code.RAW))
        yield (raw, migrate(Code.RAW, lane=Lane.UNSIGNED))
    yield from _again()
    yield from _in_time()


def _creations() -> Iterator[tuple[Step, ...]]:
    for code in Code:
        yield (create(code=code),)
    for first in FIRST_AMOUNT_EDGES:
        yield (create(balance=first, minimum=None),)
        yield (create(balance=None, minimum=first),)
        yield (create(balance=-1, minimum=first),)
    for owner in (Role.STRANGER, Role.PAYER, Role.NOBODY, Role.VAULT):
        yield (create(owner),)
        yield (create(owner, signer=Role.OWNER),)
    for lane in Lane:
        yield (create(salt=2), create(lane=lane))
        yield (create(balance=-1, minimum=-1, lane=lane),)
    # a salt is each owner's own, and good for one vault
    for code, balance in ((Code.V1, 5), (Code.V2, 5), (Code.NONE, 5), (Code.V1, -1)):
        for minimum in (2, -1):
            yield (create(), create(code=code, balance=balance, minimum=minimum))
    yield (create(), create(Role.STRANGER), create(salt=2), create(lane=Lane.UNSIGNED))
    for lane in (Lane.ALONE, Lane.OTHER_NESTED):
        yield (create(), create(lane=lane))


def _migrations_of(old: Place) -> Iterator[tuple[Step, ...]]:
    own = old.owner or Role.OWNER
    for code in (Code.V1, Code.V2, Code.NONE, Code.V0):
        yield (old, migrate(old.code, code, signer=own))
    for named in Code:
        if named is not old.code:
            yield (old, migrate(named, signer=own))
    for signer in (own, Role.STRANGER):
        yield (old, migrate(old.code, signer=signer, lane=Lane.UNSIGNED))
        yield (old, migrate(old.code, signer=signer))
    for lane in (Lane.ALONE, Lane.OTHER_NESTED):
        yield (old, migrate(old.code, signer=own, lane=lane))
        yield (old, migrate(old.code, Code.V1, signer=own, lane=lane))
    # the address is taken already
    for code in (Code.V1, Code.V2, Code.NONE):
        yield (old, create(own), migrate(old.code, code, signer=own))
    for lane in (Lane.ALONE, Lane.UNSIGNED):
        yield (old, create(own), migrate(old.code, signer=own, lane=lane))
    yield (old, successor())


def _again() -> Iterator[tuple[Step, ...]]:
    first = Place(Role.VAULT, Code.V1, Role.OWNER, 5, 2)
    other = Place(Role.OTHER_VAULT, Code.V2, Role.STRANGER, 7, 0, Role.PAYER)
    moved = (first, migrate(Code.V1))
    new = Made(Role.OWNER, 1)
    for lane in Lane:
        yield (first, create(salt=2), migrate(Code.V1, lane=lane))
        yield (*moved, migrate(Code.V1, salt=2, lane=lane))
    for named in Code:
        yield (*moved, migrate(named, salt=2))
    yield (*moved, successor(), successor(new), successor(Role.OTHER_VAULT))
    yield (*moved, migrate(Code.V2, salt=2, old=new), successor(), successor(new))
    yield (*moved, migrate(Code.V2, Code.V1, salt=2, old=new), successor(new))
    yield (*moved, migrate(Code.V2, salt=1, old=new))
    elsewhere = migrate(Code.V2, old=Role.OTHER_VAULT, signer=Role.STRANGER)
    yield (*moved, other, elsewhere, successor(), successor(Role.OTHER_VAULT))
    # a balance that came in late stays where it is
    yield (*moved, first, migrate(Code.V1, salt=2), successor())


def _in_time() -> Iterator[tuple[Step, ...]]:
    first = Place(Role.VAULT, Code.V1, Role.OWNER, 5, 2)
    empty = Place(Role.VAULT, Code.V2, Role.OWNER, 0, 2)
    begun = (create(salt=2),)
    for ledgers in (_SAME_DAY, _SAME_DAY + 1, RENEW_TO + 1):
        for restored in ((), (Restore(),)):
            if restored and ledgers <= RENEW_TO:
                continue
            aged = (Age(ledgers), *restored)
            yield (*begun, *aged, create())
            for old in (first, empty):
                yield (*begun, old, *aged, migrate(old.code))
                yield (*begun, old, migrate(old.code), *aged, migrate(old.code, salt=3))
                yield (*begun, old, migrate(old.code), *aged, successor())
                new = Made(Role.OWNER, 1)
                onward = migrate(Code.V2, salt=3, old=new)
                yield (*begun, old, migrate(old.code), *aged, onward)


# -- what is drawn -----------------------------------------------------------------------------

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
def places(draw: st.DrawFn) -> Step:
    """Draw a vault in some state."""
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
