"""The factory's state machine: what contracts/factory does, in one pure function.

It deploys vaults and migrates a vault to new code. Calls of vaults go through the transition of
vault.py: one migration here is withdraw, init and set_authorized_caller there. Every method makes
its checks in the order of the code, and the first that fails decides the error. A refusal changes
nothing and emits nothing.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

import attrs

from callora_vault.model.calls import (
    Balance,
    Call,
    Create,
    FactoryCall,
    Init,
    Migrate,
    SetAuthorizedCaller,
    Successor,
    Withdraw,
)
from callora_vault.model.errors import FactoryErrorCode
from callora_vault.model.events import CreateEvent, Event, FactoryEvent, MigrateEvent
from callora_vault.model.units import Address
from callora_vault.model.vault import (
    Accepted,
    Outcome,
    Signers,
    State,
    Unsigned,
)
from callora_vault.model.vault import transition as vault_transition
from callora_vault.model.versions import Abi


@attrs.frozen
class Factory:
    """A factory: its address, and the address at which it deploys for an owner and a salt.

    On a network the latter is `codec.addresses.vault_address`.
    """

    address: Address
    address_of: Callable[[Address, bytes], Address]


@attrs.frozen
class Code:
    """A vault's code: its version, and what its calls do."""

    abi: Abi
    transition: Callable[[State, Call, Signers], Outcome] = vault_transition


@attrs.frozen
class Instance:
    """A vault on the ledger: the hash of its code, and what its `get_meta` returns.

    `state` is None before `init`, and for an unknown layout.
    """

    wasm_hash: bytes
    state: State = None


@attrs.frozen
class FactoryState:
    """All that a call of the factory depends on: uploaded codes, vaults, and successors."""

    codes: Mapping[bytes, Code]
    vaults: Mapping[Address, Instance] = attrs.field(factory=dict)
    successors: Mapping[Address, Address] = attrs.field(factory=dict)


@attrs.frozen
class Signed:
    """The signers of a call of the factory.

    `call` signed it with these arguments, `nested` also signed its `nested_calls`.
    """

    call: Signers
    nested: Signers


@attrs.frozen
class FactoryAccepted:
    """The call succeeded: the state after it, the returned address, and who emitted what."""

    state: FactoryState
    returned: Address | None
    events: tuple[tuple[Address, Event | FactoryEvent], ...] = ()


@attrs.frozen
class FactoryRejected:
    """The factory returned an error."""

    error: FactoryErrorCode


@attrs.frozen
class Aborted:
    """The host ended the call: a vault refused a nested call, or no code has this hash."""

    reason: str


FactoryOutcome: TypeAlias = FactoryAccepted | FactoryRejected | Unsigned | Aborted


def nested_calls(
    factory: Factory, state: FactoryState, call: FactoryCall
) -> tuple[tuple[Address, Call], ...]:
    """List the calls of vaults that an accepted `call` makes and its signature covers, in order.

    They are its nested calls in the authorisation tree.
    """
    match call:
        case Create(owner, _, salt, initial_balance, min_deposit):
            new = factory.address_of(owner, salt)
            return ((new, Init(owner, initial_balance, min_deposit)),)
        case Migrate(old, _, _, salt):
            found = state.vaults.get(old)
            if found is None or found.state is None:
                return ()
            meta = found.state
            new = factory.address_of(meta.owner, salt)
            nested: list[tuple[Address, Call]] = []
            if meta.balance > 0:
                nested.append((old, Withdraw(meta.balance)))
            nested.append((new, Init(meta.owner, meta.balance, meta.min_deposit)))
            if meta.authorized_caller is not None:
                nested.append((new, SetAuthorizedCaller(meta.authorized_caller)))
            return tuple(nested)
        case Successor():
            return ()
    assert_never(call)


def transition(
    factory: Factory, state: FactoryState, call: FactoryCall, signed: Signed
) -> FactoryOutcome:
    """Return what `call` does when the factory and its vaults are in `state`."""
    try:
        match call:
            case Create():
                return _create(factory, state, call, signed)
            case Migrate():
                return _migrate(factory, state, call, signed)
            case Successor():
                return FactoryAccepted(state, state.successors.get(call.old))
    except _Ended as ended:
        return ended.outcome
    assert_never(call)


def _create(factory: Factory, state: FactoryState, call: Create, signed: Signed) -> FactoryOutcome:
    # signature
    if call.owner not in signed.call:
        return Unsigned(call.owner)
    # arguments
    if (call.initial_balance or 0) < 0:
        return FactoryRejected(FactoryErrorCode.NegativeBalance)
    if (call.min_deposit or 0) < 0:
        return FactoryRejected(FactoryErrorCode.NegativeMinDeposit)
    # deploy
    vault = factory.address_of(call.owner, call.salt)
    if vault in state.vaults:
        return FactoryRejected(FactoryErrorCode.AddressTaken)
    vaults = _Vaults(state, signed.nested)
    vaults.deploy(vault, call.wasm_hash)
    # init
    vaults.call(vault, Init(call.owner, call.initial_balance, call.min_deposit))
    # event
    vaults.events.append((factory.address, CreateEvent(call.owner, vault)))
    return vaults.accepted(vault, state.successors)


def _migrate(
    factory: Factory, state: FactoryState, call: Migrate, signed: Signed
) -> FactoryOutcome:
    # not migrated before
    if call.old in state.successors:
        return FactoryRejected(FactoryErrorCode.AlreadyMigrated)
    # the old vault's code, and its get_meta
    old = state.vaults.get(call.old)
    if old is None or old.wasm_hash != call.old_wasm_hash:
        return FactoryRejected(FactoryErrorCode.CodeChanged)
    if old.state is None:
        return FactoryRejected(FactoryErrorCode.UnknownLayout)
    meta = old.state
    # signature
    if meta.owner not in signed.call:
        return Unsigned(meta.owner)
    # arguments that the new vault would refuse
    if meta.balance < 0:
        return FactoryRejected(FactoryErrorCode.NegativeBalance)
    if meta.min_deposit < 0:
        return FactoryRejected(FactoryErrorCode.NegativeMinDeposit)
    # withdraw
    vaults = _Vaults(state, signed.nested)
    if meta.balance > 0:
        vaults.call(call.old, Withdraw(meta.balance))
    if vaults.call(call.old, Balance()).returned != 0:
        return FactoryRejected(FactoryErrorCode.NotDrained)
    # deploy
    new = factory.address_of(meta.owner, call.salt)
    if new in state.vaults:
        return FactoryRejected(FactoryErrorCode.AddressTaken)
    code = vaults.deploy(new, call.wasm_hash)
    # init, and the authorised caller if there is one
    vaults.call(new, Init(meta.owner, meta.balance, meta.min_deposit))
    if meta.authorized_caller is not None:
        if not code.abi.authorises:
            return FactoryRejected(FactoryErrorCode.AuthorizedCallerUnsupported)
        vaults.call(new, SetAuthorizedCaller(meta.authorized_caller))
    # store and event
    event = MigrateEvent(meta.owner, call.old, new, meta.balance)
    vaults.events.append((factory.address, event))
    return vaults.accepted(new, {**state.successors, call.old: new})


class _Ended(Exception):
    """The host ended the whole call during a call of a vault."""

    def __init__(self, outcome: Unsigned | Aborted) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class _Vaults:
    """The vaults during one call of the factory, with the events so far."""

    def __init__(self, state: FactoryState, signers: Signers) -> None:
        self._codes = state.codes
        self._vaults = dict(state.vaults)
        self._signers = signers
        self.events: list[tuple[Address, Event | FactoryEvent]] = []

    def deploy(self, vault: Address, wasm_hash: bytes) -> Code:
        """Deploy a vault that is not initialised."""
        if wasm_hash not in self._codes:
            raise _Ended(Aborted("no code has this hash"))
        self._vaults[vault] = Instance(wasm_hash)
        return self._codes[wasm_hash]

    def call(self, vault: Address, call: Call) -> Accepted:
        """Make a call that the vault must accept."""
        instance = self._vaults[vault]
        code = self._codes[instance.wasm_hash]
        if type(call) not in code.abi.calls:
            raise _Ended(Aborted(f"the vault has no {call.method}"))
        outcome = code.transition(instance.state, call, self._signers)
        if isinstance(outcome, Unsigned):
            raise _Ended(outcome)
        if not isinstance(outcome, Accepted):
            raise _Ended(Aborted(f"the vault refuses {call.method}: {outcome.error.name}"))
        self._vaults[vault] = Instance(instance.wasm_hash, outcome.state)
        self.events += ((vault, event) for event in outcome.events)
        return outcome

    def accepted(self, returned: Address, successors: Mapping[Address, Address]) -> FactoryAccepted:
        """End the call."""
        state = FactoryState(self._codes, self._vaults, successors)
        return FactoryAccepted(state, returned, tuple(self.events))
