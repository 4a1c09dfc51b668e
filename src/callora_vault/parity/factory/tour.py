"""The examples at the start of every run over a factory: each edge once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from callora_vault.model.renewal import LEDGERS_PER_DAY, RENEW_TO
from callora_vault.model.units import I128_MAX, I128_MIN
from callora_vault.parity.edges import FIRST_AMOUNT_EDGES
from callora_vault.parity.factory.strategies import create, migrate, successor
from callora_vault.parity.steps import Age, Code, Lane, Made, Odd, Place, Restore, Role, Step

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
