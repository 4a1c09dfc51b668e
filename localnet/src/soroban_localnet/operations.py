"""The operations that this network knows, by type: their thresholds, checks and effects.

Everything else answers opNOT_SUPPORTED and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import classic, soroban
from soroban_localnet.account import HIGH, LOW, MEDIUM
from soroban_localnet.envelope import Operation, Transaction
from soroban_localnet.ledger import Changes
from soroban_localnet.results import OperationCode, OperationOutcome, Refused, inner, untried
from soroban_localnet.scene import Scene
from soroban_localnet.settings import Limits

_Type = stellar_xdr.OperationType

NOT_SUPPORTED = Refused(untried(OperationCode.opNOT_SUPPORTED))
BAD_AUTH = Refused(untried(OperationCode.opBAD_AUTH))
NO_ACCOUNT = untried(OperationCode.opNO_ACCOUNT)

Check = Callable[[Operation, bytes, Transaction, Limits], Refused | None]
Apply = Callable[[Operation, bytes, Transaction, Changes, Scene], OperationOutcome]


@attrs.frozen
class _Known:
    check: Check
    apply: Apply
    level: Callable[[Operation], int]


def _always(level: int) -> Callable[[Operation], int]:
    return lambda operation: level


_KNOWN: dict[stellar_xdr.OperationType, _Known] = {
    _Type.CREATE_ACCOUNT: _Known(
        classic.check_create_account, classic.create_account, _always(MEDIUM)
    ),
    _Type.PAYMENT: _Known(classic.check_payment, classic.payment, _always(MEDIUM)),
    _Type.SET_OPTIONS: _Known(
        classic.check_set_options,
        classic.set_options,
        lambda operation: HIGH if classic.changes_signers(operation) else MEDIUM,
    ),
    _Type.INVOKE_HOST_FUNCTION: _Known(soroban.check_invoke, soroban.invoke, _always(MEDIUM)),
    _Type.EXTEND_FOOTPRINT_TTL: _Known(soroban.check_extend, soroban.extend, _always(LOW)),
    _Type.RESTORE_FOOTPRINT: _Known(soroban.check_restore, soroban.restore, _always(LOW)),
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
    operation: Operation, transaction: Transaction, changes: Changes, scene: Scene
) -> OperationOutcome:
    """Run the operation; what it does goes into `changes`."""
    source = operation.source or transaction.source
    if changes.account(source) is None:
        return OperationOutcome(False, NO_ACCOUNT)
    return _KNOWN[operation.type].apply(operation, source, transaction, changes, scene)


def untouched(operation: Operation) -> bytes:
    """Encode the result that an operation keeps when another one made the transaction fail."""
    if not supported(operation):
        return NOT_SUPPORTED.result
    value = bytes(32) if operation.type == _Type.INVOKE_HOST_FUNCTION else b""
    return inner(operation.type, 0, value)
