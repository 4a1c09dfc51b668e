"""The operations that this network knows, by type: their thresholds, checks and effects.

Everything else answers opNOT_SUPPORTED and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.account import HIGH, LOW, MEDIUM
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.ledger.store import Changes
from soroban_localnet.transactions.envelope import Operation, Transaction
from soroban_localnet.transactions.operations import (
    account_options,
    contracts,
    payments,
    trustlines,
)
from soroban_localnet.transactions.results import (
    OperationCode,
    OperationFailed,
    OperationOutcome,
    Refused,
    inner,
    untried,
)

_Type = stellar_xdr.OperationType

BAD_AUTH = Refused(untried(OperationCode.opBAD_AUTH))
NO_ACCOUNT = untried(OperationCode.opNO_ACCOUNT)

Check = Callable[[Operation, bytes, Transaction, Limits], Refused | None]
Apply = Callable[[Operation, bytes, Transaction, Changes, Environment], OperationOutcome]


@attrs.frozen
class _Known:
    check: Check
    apply: Apply
    level: Callable[[Operation], int]


def _always(level: int) -> Callable[[Operation], int]:
    return lambda operation: level


_KNOWN: dict[stellar_xdr.OperationType, _Known] = {
    _Type.CREATE_ACCOUNT: _Known(
        payments.check_create_account, payments.create_account, _always(MEDIUM)
    ),
    _Type.PAYMENT: _Known(payments.check_payment, payments.payment, _always(MEDIUM)),
    _Type.ACCOUNT_MERGE: _Known(payments.check_merge, payments.merge, _always(HIGH)),
    _Type.SET_OPTIONS: _Known(
        account_options.check_set_options,
        account_options.set_options,
        lambda operation: HIGH if account_options.changes_signers(operation) else MEDIUM,
    ),
    _Type.MANAGE_DATA: _Known(
        account_options.check_manage_data, account_options.manage_data, _always(MEDIUM)
    ),
    _Type.BUMP_SEQUENCE: _Known(
        account_options.check_bump_sequence, account_options.bump_sequence, _always(LOW)
    ),
    _Type.CHANGE_TRUST: _Known(
        trustlines.check_change_trust, trustlines.change_trust, _always(MEDIUM)
    ),
    _Type.SET_TRUST_LINE_FLAGS: _Known(
        trustlines.check_trustline_flags, trustlines.set_trustline_flags, _always(LOW)
    ),
    _Type.INVOKE_HOST_FUNCTION: _Known(contracts.check_invoke, contracts.invoke, _always(MEDIUM)),
    _Type.EXTEND_FOOTPRINT_TTL: _Known(contracts.check_extend, contracts.extend, _always(LOW)),
    _Type.RESTORE_FOOTPRINT: _Known(contracts.check_restore, contracts.restore, _always(LOW)),
}

# what a result of success carries, for an operation that was not tried yet
_NOTHING_YET = {
    _Type.INVOKE_HOST_FUNCTION: bytes(32),
    _Type.ACCOUNT_MERGE: xdr.i64(0),
}


def supported(operation: Operation) -> bool:
    """Tell whether this network can run the operation."""
    return operation.type in _KNOWN


def threshold_level(operation: Operation) -> int:
    """Return which of the account's thresholds its signatures have to meet."""
    return _KNOWN[operation.type].level(operation)


def check(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Tell why the operation is refused whatever the ledger holds, or None."""
    return _KNOWN[operation.type].check(operation, source, transaction, limits)


def apply(
    operation: Operation, transaction: Transaction, changes: Changes, environment: Environment
) -> OperationOutcome:
    """Run the operation; what it does goes into `changes`."""
    source = operation.source or transaction.source
    if changes.account(source) is None:
        return OperationOutcome(False, NO_ACCOUNT)
    try:
        return _KNOWN[operation.type].apply(operation, source, transaction, changes, environment)
    except OperationFailed as failure:
        return OperationOutcome(False, failure.result)


def untouched(operation: Operation) -> bytes:
    """Encode the result that an operation keeps when another one made the transaction fail."""
    if not supported(operation):
        return untried(OperationCode.opNOT_SUPPORTED)
    return inner(operation.type, 0, _NOTHING_YET.get(operation.type, b""))
