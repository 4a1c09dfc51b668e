"""Refusals as exceptions: a refused call with the values that explain it."""

import attrs

from callora_vault.model.calls import (
    BatchDeduct,
    Call,
)
from callora_vault.model.errors import (
    ERRORS,
    CallRefused,
    MissingSignature,
    VaultError,
    VaultErrorCode,
)
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Rejected, State, Unsigned


def refusal(outcome: Rejected | Unsigned, call: Call, state: State) -> CallRefused:
    """Build the exception for a refused call, with the values that explain it."""
    if isinstance(outcome, Unsigned):
        return MissingSignature(outcome.address)
    return vault_error(outcome.error, call, state)


def vault_error(code: VaultErrorCode, call: Call, state: State = None) -> VaultError:
    """Build the exception for an error number that `call` met.

    `state` is the vault before the call, None if that is not known.
    """
    error = ERRORS[code]
    known = {} if state is None else attrs.asdict(state)
    known |= attrs.asdict(call, recurse=False)
    if isinstance(call, BatchDeduct):
        known |= _of_batch(code, call, state)
    return error(**{field.name: known.get(field.name) for field in attrs.fields(error)})


def _of_batch(code: VaultErrorCode, call: BatchDeduct, state: State) -> dict[str, int]:
    """Return a batch's size, the item that failed, and the balance before that item."""
    known = {"size": len(call.items)}
    if state is None and code is VaultErrorCode.InsufficientBalance:
        return known
    balance = I128_MAX if state is None else state.balance
    for number, item in enumerate(call.items):
        if item.amount <= 0 or item.amount > balance:
            return known | {"item": number, "amount": item.amount, "balance": balance}
        balance -= item.amount
    return known
