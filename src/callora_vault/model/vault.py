"""The vault's state machine: what the contract does, in one pure function.

Every method makes its checks in one fixed order, and the first that fails decides the error:

    initialised -> signature -> role -> arguments -> funds -> store -> event

A refusal carries no state and no events: it changes nothing and emits nothing. At `store` the
contract writes its entry and extends its TTL (STORAGE.md, "Time to live"); here it is the new
state.

This is the contract of v2. v1 is the same without `batch_deduct` and `set_authorized_caller`, so
only its owner can deduct (versions.py).
"""

from typing import TypeAlias, assert_never

import attrs

from callora_vault.model.calls import (
    MAX_BATCH,
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import VaultErrorCode
from callora_vault.model.events import (
    DeductEvent,
    DepositEvent,
    Event,
    InitEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    WithdrawToEvent,
)
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import I128_MAX, Address

State: TypeAlias = VaultMeta | None
"""What a vault stores; None before `init`."""

Signers: TypeAlias = frozenset[Address]
"""Who signed exactly this call, with these arguments, on this vault."""


@attrs.frozen
class Accepted:
    """The call succeeded: the state after it, the returned value, the events it emitted."""

    state: State
    returned: VaultMeta | int | None
    events: tuple[Event, ...]


@attrs.frozen
class Rejected:
    """The contract returned an error."""

    error: VaultErrorCode


@attrs.frozen
class Unsigned:
    """The host ended the call: `address` must sign it and did not."""

    address: Address


Outcome: TypeAlias = Accepted | Rejected | Unsigned


def transition(state: State, call: Call, signers: Signers) -> Outcome:
    """Return what `call` does to a vault in `state` when `signers` have signed it."""
    match call:
        case Init():
            return _init(state, call, signers)
        case GetMeta():
            return _get_meta(state)
        case Balance():
            return _balance(state)
        case Deposit():
            return _deposit(state, call, signers)
        case Deduct():
            return _deduct(state, call, signers)
        case Withdraw():
            return _withdraw(state, call, signers)
        case WithdrawTo():
            return _withdraw_to(state, call, signers)
        case BatchDeduct():
            return _batch_deduct(state, call, signers)
        case SetAuthorizedCaller():
            return _set_authorized_caller(state, call, signers)
    assert_never(call)


def _init(state: State, call: Init, signers: Signers) -> Outcome:
    # initialised
    if state is not None:
        return Rejected(VaultErrorCode.AlreadyInitialized)
    # signature
    if call.owner not in signers:
        return Unsigned(call.owner)
    # arguments
    balance = 0 if call.initial_balance is None else call.initial_balance
    min_deposit = 0 if call.min_deposit is None else call.min_deposit
    if balance < 0:
        return Rejected(VaultErrorCode.NegativeInitialBalance)
    if min_deposit < 0:
        return Rejected(VaultErrorCode.NegativeMinDeposit)
    # store
    stored = VaultMeta(call.owner, balance, min_deposit)
    # event
    return Accepted(stored, stored, (InitEvent(call.owner, balance),))


def _get_meta(state: State) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    return Accepted(state, state, ())


def _balance(state: State) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    return Accepted(state, state.balance, ())


def _deposit(state: State, call: Deposit, signers: Signers) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    # signature
    if state.owner not in signers:
        return Unsigned(state.owner)
    # arguments
    if call.amount <= 0:
        return Rejected(VaultErrorCode.AmountNotPositive)
    if call.amount < state.min_deposit:
        return Rejected(VaultErrorCode.BelowMinDeposit)
    # funds
    balance = state.balance + call.amount
    if balance > I128_MAX:
        return Rejected(VaultErrorCode.BalanceOverflow)
    # store
    stored = _with_balance(state, balance)
    # event
    return Accepted(stored, balance, (DepositEvent(call.amount, balance),))


def _deduct(state: State, call: Deduct, signers: Signers) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    # signature
    if call.caller not in signers:
        return Unsigned(call.caller)
    # role
    if call.caller not in (state.owner, state.authorized_caller):
        return Rejected(VaultErrorCode.Unauthorized)
    # arguments
    if call.amount <= 0:
        return Rejected(VaultErrorCode.AmountNotPositive)
    # funds
    if call.amount > state.balance:
        return Rejected(VaultErrorCode.InsufficientBalance)
    # store
    balance = state.balance - call.amount
    stored = _with_balance(state, balance)
    # event
    event = DeductEvent(call.caller, call.request_id or "", call.amount, balance)
    return Accepted(stored, balance, (event,))


def _withdraw(state: State, call: Withdraw, signers: Signers) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    # signature
    if state.owner not in signers:
        return Unsigned(state.owner)
    # arguments
    if call.amount <= 0:
        return Rejected(VaultErrorCode.AmountNotPositive)
    # funds
    if call.amount > state.balance:
        return Rejected(VaultErrorCode.InsufficientBalance)
    # store
    balance = state.balance - call.amount
    stored = _with_balance(state, balance)
    # event
    return Accepted(stored, balance, (WithdrawEvent(state.owner, call.amount, balance),))


def _withdraw_to(state: State, call: WithdrawTo, signers: Signers) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    # signature
    if state.owner not in signers:
        return Unsigned(state.owner)
    # arguments
    if call.amount <= 0:
        return Rejected(VaultErrorCode.AmountNotPositive)
    # funds
    if call.amount > state.balance:
        return Rejected(VaultErrorCode.InsufficientBalance)
    # store
    balance = state.balance - call.amount
    stored = _with_balance(state, balance)
    # event
    event = WithdrawToEvent(state.owner, call.to, call.amount, balance)
    return Accepted(stored, balance, (event,))


def _batch_deduct(state: State, call: BatchDeduct, signers: Signers) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    # signature
    if call.caller not in signers:
        return Unsigned(call.caller)
    # role
    if call.caller not in (state.owner, state.authorized_caller):
        return Rejected(VaultErrorCode.Unauthorized)
    # arguments
    if not call.items:
        return Rejected(VaultErrorCode.EmptyBatch)
    if len(call.items) > MAX_BATCH:
        return Rejected(VaultErrorCode.BatchTooLarge)
    # arguments and funds, item by item: the first that fails decides
    balance = state.balance
    events = []
    for item in call.items:
        if item.amount <= 0:
            return Rejected(VaultErrorCode.AmountNotPositive)
        if item.amount > balance:
            return Rejected(VaultErrorCode.InsufficientBalance)
        balance -= item.amount
        events.append(DeductEvent(call.caller, item.request_id or "", item.amount, balance))
    # store
    stored = _with_balance(state, balance)
    # event, one for each item
    return Accepted(stored, balance, tuple(events))


def _set_authorized_caller(state: State, call: SetAuthorizedCaller, signers: Signers) -> Outcome:
    # initialised
    if state is None:
        return Rejected(VaultErrorCode.NotInitialized)
    # signature
    if state.owner not in signers:
        return Unsigned(state.owner)
    # store
    stored = VaultMeta(state.owner, state.balance, state.min_deposit, call.caller)
    # event
    return Accepted(stored, None, (SetAuthorizedCallerEvent(state.owner, call.caller),))


def _with_balance(state: VaultMeta, balance: int) -> VaultMeta:
    return VaultMeta(state.owner, balance, state.min_deposit, state.authorized_caller)
