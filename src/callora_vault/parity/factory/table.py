"""What a run over a factory must reach; unreachable outcomes are listed with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Final

from callora_vault.model.calls import Create, FactoryCall
from callora_vault.model.errors import FactoryErrorCode
from callora_vault.model.factory import Factory, FactoryState
from callora_vault.parity import outcomes
from callora_vault.parity.coverage import Cell, Table
from callora_vault.parity.steps import Lane


class StateClass(Enum):
    """The state class of a call: for create its address, for the others the old vault.

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
    ) -> StateClass:
        """Classify the state before a call. Arguments: `keeper`, the hash of the code keeper."""
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


_E = FactoryErrorCode
_AMOUNTS = (outcomes.rejected(_E.NegativeBalance), outcomes.rejected(_E.NegativeMinDeposit))
_MOVES = (
    outcomes.ACCEPTED,
    outcomes.UNSIGNED,
    outcomes.TRAP,
    outcomes.rejected(_E.CodeChanged),
    outcomes.rejected(_E.AddressTaken),
)
_REACHABLE: Final[Mapping[tuple[str, StateClass], tuple[str, ...]]] = {
    ("create", StateClass.FREE): (
        outcomes.ACCEPTED,
        outcomes.UNSIGNED,
        outcomes.TRAP,
        *_AMOUNTS,
    ),
    ("create", StateClass.TAKEN): (
        outcomes.UNSIGNED,
        *_AMOUNTS,
        outcomes.rejected(_E.AddressTaken),
    ),
    ("migrate", StateClass.NOTHING): (outcomes.rejected(_E.CodeChanged),),
    ("migrate", StateClass.BARE): (
        outcomes.rejected(_E.CodeChanged),
        outcomes.rejected(_E.UnknownLayout),
    ),
    ("migrate", StateClass.EMPTY): _MOVES,
    ("migrate", StateClass.FUNDED): _MOVES,
    ("migrate", StateClass.AUTHORISED): (
        *_MOVES,
        outcomes.rejected(_E.AuthorizedCallerUnsupported),
    ),
    ("migrate", StateClass.NEGATIVE): (
        outcomes.UNSIGNED,
        outcomes.rejected(_E.CodeChanged),
        *_AMOUNTS,
    ),
    ("migrate", StateClass.KEEPER): (
        outcomes.UNSIGNED,
        outcomes.rejected(_E.CodeChanged),
        outcomes.rejected(_E.NotDrained),
    ),
    ("migrate", StateClass.MIGRATED): (outcomes.rejected(_E.AlreadyMigrated),),
    **{
        ("successor", state_class): (outcomes.ACCEPTED,)
        for state_class in StateClass
        if state_class not in (StateClass.FREE, StateClass.TAKEN)
    },
}
_BY_SCENE: Final = {
    StateClass.FREE: "only create checks its address first",
    StateClass.TAKEN: "only create checks its address first",
    StateClass.NOTHING: "no code is there that could be the given one",
    StateClass.BARE: "an unknown layout is refused before the later checks",
    StateClass.NEGATIVE: "a negative amount is refused before the withdrawal",
    StateClass.KEEPER: "a vault that keeps its balance is refused before the deployment",
    StateClass.MIGRATED: "AlreadyMigrated is checked first",
}
_BY_OUTCOME: Final = {
    outcomes.rejected(_E.AlreadyMigrated): "the vault was not migrated",
    outcomes.rejected(_E.UnknownLayout): "the layout of the vault is known",
    outcomes.rejected(_E.NegativeBalance): "its balance is not negative",
    outcomes.rejected(_E.NegativeMinDeposit): "its minimum is not negative",
    outcomes.rejected(_E.NotDrained): "the withdrawal empties the vault",
    outcomes.rejected(_E.AuthorizedCallerUnsupported): "the vault has no authorised caller",
    outcomes.rejected(_E.AddressTaken): "the address is free",
    outcomes.ACCEPTED: "the address is taken",
    outcomes.TRAP: "the address is taken, which is checked before the code",
}


def _cells() -> Iterator[Cell]:
    for method in ("create", "migrate", "successor"):
        rows = [found for (name, _), found in _REACHABLE.items() if name == method]
        for outcome in dict.fromkeys(outcome for row in rows for outcome in row):
            for state_class in StateClass:
                reachable = outcome in _REACHABLE.get((method, state_class), ())
                yield Cell(
                    method,
                    outcome,
                    state_class,
                    None if reachable else _why(method, outcome, state_class),
                )


def _why(method: str, outcome: str, state_class: StateClass) -> str:
    if method == "create" and state_class not in (StateClass.FREE, StateClass.TAKEN):
        return "create has no old vault"
    if method == "create":
        return _BY_OUTCOME[outcome]
    return _BY_SCENE.get(state_class) or _BY_OUTCOME[outcome]


@cache
def factory_table() -> Table:
    """List what a run over a factory must reach."""
    return Table(tuple(StateClass), tuple(_cells()), ("create", "migrate"), tuple(Lane), {})
