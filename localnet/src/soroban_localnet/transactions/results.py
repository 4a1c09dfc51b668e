"""Results of operations and transactions, and the diagnostic events that explain them.

Source: TransactionResult in Stellar-transaction.x, DiagnosticEvent in Stellar-ledger.x.
"""

from __future__ import annotations

import attrs
from stellar_sdk import scval
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import LocalnetError

Code = stellar_xdr.TransactionResultCode
OperationCode = stellar_xdr.OperationResultCode

ErrorType = stellar_xdr.SCErrorType
ErrorCode = stellar_xdr.SCErrorCode


def inner(operation: stellar_xdr.OperationType, code: int, value: bytes = b"") -> bytes:
    """Encode the OperationResult of an operation that was tried, with what its code carries."""
    return xdr.i32(0) + xdr.i32(operation) + xdr.i32(code) + value


def untried(code: stellar_xdr.OperationResultCode) -> bytes:
    """Encode the OperationResult of an operation that could not be tried."""
    return xdr.i32(code.value)


def transaction_result(
    fee_charged: int,
    code: stellar_xdr.TransactionResultCode,
    operations: tuple[bytes, ...],
    inner_hash: bytes | None = None,
) -> bytes:
    """Encode a TransactionResult.

    Arguments: `fee_charged` in stroops; `code` and `operations`, what came of the transaction;
    `inner_hash`, its hash where it was inside a fee bump, whose result then is around its own.
    """
    if inner_hash is not None:
        success = code == Code.txSUCCESS
        around = Code.txFEE_BUMP_INNER_SUCCESS if success else Code.txFEE_BUMP_INNER_FAILED
        body = inner_hash + transaction_result(0, code, operations)
        return xdr.i64(fee_charged) + xdr.i32(around) + body + xdr.ABSENT
    body = xdr.array(operations) if code in (Code.txSUCCESS, Code.txFAILED) else b""
    return xdr.i64(fee_charged) + xdr.i32(code) + body + xdr.ABSENT


def diagnostic(
    kind: stellar_xdr.SCErrorType,
    code: stellar_xdr.SCErrorCode,
    message: str,
    *values: int | stellar_xdr.SCVal,
) -> bytes:
    """Encode the DiagnosticEvent with which the network explains an error of its own."""
    error = stellar_xdr.SCVal(
        stellar_xdr.SCValType.SCV_ERROR, error=stellar_xdr.SCError(kind, code=code)
    )
    arguments = [scval.to_uint64(v) if isinstance(v, int) else v for v in values]
    text = scval.to_string(message)
    data = scval.to_vec([text, *arguments]) if arguments else text
    topics = [xdr.symbol("error"), error.to_xdr_bytes()]
    return (
        xdr.u32(0)  # not in a successful contract call
        + xdr.ABSENT
        + xdr.ABSENT  # no contract
        + xdr.u32(stellar_xdr.ContractEventType.DIAGNOSTIC.value)
        + xdr.ABSENT
        + xdr.array(topics)
        + data.to_xdr_bytes()
    )


@attrs.frozen
class Invalid:
    """A transaction that may not enter a ledger, or fails at its turn: its result code, and why.

    `fee_charged` in stroops is what the result names where it may not enter, though nothing is
    paid. `inner_hash` is set where the transaction inside a fee bump is to blame.
    """

    code: stellar_xdr.TransactionResultCode
    operations: tuple[bytes, ...] = ()
    diagnostics: tuple[bytes, ...] = ()
    fee_charged: int = 0
    inner_hash: bytes | None = None

    @property
    def uses_sequence(self) -> bool:
        """Tell whether it uses its sequence number up where it is in a ledger already."""
        return self.code not in (Code.txNO_ACCOUNT, Code.txBAD_SEQ)

    @property
    def result(self) -> bytes:
        """The TransactionResult as XDR."""
        return transaction_result(self.fee_charged, self.code, self.operations, self.inner_hash)


@attrs.frozen
class Refused:
    """An operation that is refused before it is tried: its OperationResult, and why."""

    result: bytes
    diagnostics: tuple[bytes, ...] = ()


def not_supported(what: str) -> Refused:
    """Refuse what this network does not do, by its name."""
    message = f"soroban-localnet does not support {what}"
    event = diagnostic(ErrorType.SCE_VALUE, ErrorCode.SCEC_INVALID_INPUT, message)
    return Refused(untried(OperationCode.opNOT_SUPPORTED), (event,))


@attrs.frozen
class OperationOutcome:
    """How one operation went: its result, what it emitted and what it used up.

    `rent_fee` and `event_fee` in stroops are to be paid from the refundable fee.
    """

    success: bool
    result: bytes
    events: tuple[bytes, ...] = ()
    diagnostics: tuple[bytes, ...] = ()
    return_value: bytes | None = None
    rent_fee: int = 0
    event_fee: int = 0
    internal_error: bool = False


class OperationFailed(LocalnetError):
    """Ends an operation with its OperationResult; what it changed until then is dropped."""

    def __init__(self, result: bytes) -> None:
        super().__init__(result)
        self.result = result


def failed(operation: stellar_xdr.OperationType, code: int) -> OperationFailed:
    """Make the end of an operation that was tried and failed with `code`."""
    return OperationFailed(inner(operation, code))


def succeeded(
    operation: stellar_xdr.OperationType, events: tuple[bytes, ...] = (), value: bytes = b""
) -> OperationOutcome:
    """Make the outcome of an operation without a fee of its own that went well."""
    return OperationOutcome(True, inner(operation, 0, value), events)
