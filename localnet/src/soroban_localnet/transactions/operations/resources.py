"""What Soroban operations are held to and pay for: declared resources, entry sizes, rent, events.

Source: CAP-46-07 (fees).
"""

from __future__ import annotations

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import LocalnetError
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.transactions.envelope import Operation, SorobanData, Transaction
from soroban_localnet.transactions.fees import resource_fee
from soroban_localnet.transactions.results import ErrorCode, ErrorType, diagnostic

_Invoke = stellar_xdr.InvokeHostFunctionResultCode
_Extend = stellar_xdr.ExtendFootprintTTLResultCode
_Restore = stellar_xdr.RestoreFootprintResultCode

_OUT_OF_RESOURCES = {
    stellar_xdr.OperationType.INVOKE_HOST_FUNCTION: (
        _Invoke.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED.value,
        _Invoke.INVOKE_HOST_FUNCTION_INSUFFICIENT_REFUNDABLE_FEE.value,
    ),
    stellar_xdr.OperationType.EXTEND_FOOTPRINT_TTL: (
        _Extend.EXTEND_FOOTPRINT_TTL_RESOURCE_LIMIT_EXCEEDED.value,
        _Extend.EXTEND_FOOTPRINT_TTL_INSUFFICIENT_REFUNDABLE_FEE.value,
    ),
    stellar_xdr.OperationType.RESTORE_FOOTPRINT: (
        _Restore.RESTORE_FOOTPRINT_RESOURCE_LIMIT_EXCEEDED.value,
        _Restore.RESTORE_FOOTPRINT_INSUFFICIENT_REFUNDABLE_FEE.value,
    ),
}


class ResourceFailure(LocalnetError):
    """Ends an operation with a result code and the event that explains it."""

    def __init__(self, code: int, *diagnostics: bytes) -> None:
        super().__init__(code)
        self.code = code
        self.diagnostics = diagnostics


def soroban_data(transaction: Transaction) -> SorobanData:
    """Return the Soroban data, which a valid Soroban transaction has."""
    assert transaction.soroban is not None  # noqa: S101 - validity has seen to it
    return transaction.soroban


def resource_limit(operation: Operation, message: str, used: int, limit: int) -> ResourceFailure:
    """Make the end of an operation that used more than a limit allows."""
    event = diagnostic(ErrorType.SCE_BUDGET, ErrorCode.SCEC_EXCEEDED_LIMIT, message, used, limit)
    return ResourceFailure(_OUT_OF_RESOURCES[operation.type][0], event)


def check_entry_size(operation: Operation, key: bytes, size: int, limits: Limits) -> None:
    """Raise ResourceFailure where code or data is larger (bytes) than the network takes."""
    kind = xdr.key_type(key)
    if kind == xdr.CONTRACT_CODE and size > limits.contract_bytes:
        message = "Wasm size exceeds network config maximum contract size"
        raise resource_limit(operation, message, size, limits.contract_bytes)
    if kind == xdr.CONTRACT_DATA and size > limits.data_entry_bytes:
        message = "ContractData size exceeds network config maximum size"
        raise resource_limit(operation, message, size, limits.data_entry_bytes)


def pay(
    operation: Operation,
    transaction: Transaction,
    environment: Environment,
    rent: int,
    event_bytes: int,
) -> int:
    """Return the fee for events in stroops, or fail where the refundable fee does not cover it."""
    data = soroban_data(transaction)
    fixed, events = resource_fee(transaction, data, event_bytes, environment.host)
    refundable = data.resource_fee - fixed
    if rent > refundable:
        message = (
            "refundable resource fee was not sufficient to cover the ledger storage rent: {} > {}"
        )
        used, limit = rent, refundable
    elif rent + events > refundable:
        message = (
            "refundable resource fee was not sufficient to cover the events fee after paying for "
            "ledger storage rent: {} > {}"
        )
        used, limit = events, refundable - rent
    else:
        return events
    event = diagnostic(ErrorType.SCE_BUDGET, ErrorCode.SCEC_EXCEEDED_LIMIT, message, used, limit)
    raise ResourceFailure(_OUT_OF_RESOURCES[operation.type][1], event)
