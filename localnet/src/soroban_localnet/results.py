"""Results of operations and transactions, and the diagnostic events that explain them.

Source: TransactionResult in Stellar-transaction.x, DiagnosticEvent in Stellar-ledger.x.
"""

from __future__ import annotations

import attrs
from stellar_sdk import scval
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import wire

Code = stellar_xdr.TransactionResultCode
OperationCode = stellar_xdr.OperationResultCode

ErrorType = stellar_xdr.SCErrorType
ErrorCode = stellar_xdr.SCErrorCode


def inner(operation: stellar_xdr.OperationType, code: int, value: bytes = b"") -> bytes:
    """Encode the OperationResult of an operation that was tried, with what its code carries."""
    return wire.i32(0) + wire.i32(operation.value) + wire.i32(code) + value


def untried(code: stellar_xdr.OperationResultCode) -> bytes:
    """Encode the OperationResult of an operation that could not be tried."""
    return wire.i32(code.value)


def transaction_result(
    fee_charged: int, code: stellar_xdr.TransactionResultCode, operations: tuple[bytes, ...]
) -> bytes:
    """Encode a TransactionResult. `fee_charged` in stroops."""
    body = wire.array(operations) if code in (Code.txSUCCESS, Code.txFAILED) else b""
    return wire.i64(fee_charged) + wire.i32(code.value) + body + wire.ABSENT


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
    topics = [wire.symbol("error"), error.to_xdr_bytes()]
    return (
        wire.u32(0)  # not in a successful contract call
        + wire.ABSENT
        + wire.ABSENT  # no contract
        + wire.u32(stellar_xdr.ContractEventType.DIAGNOSTIC.value)
        + wire.ABSENT
        + wire.array(topics)
        + data.to_xdr_bytes()
    )


@attrs.frozen
class Invalid:
    """A transaction that may not enter a ledger, or fails at its turn: result code, and why.

    `fee`, what its result names as charged where it did not enter, in stroops: what the network
    asks at least.
    """

    code: stellar_xdr.TransactionResultCode
    operations: tuple[bytes, ...] = ()
    diagnostics: tuple[bytes, ...] = ()
    fee: int = 0

    @property
    def uses_sequence(self) -> bool:
        """Tell whether it uses its sequence number up where it is in a ledger already."""
        return self.code not in (Code.txNO_ACCOUNT, Code.txBAD_SEQ)


@attrs.frozen
class Refused:
    """An operation that is refused before it is tried: its OperationResult, and why."""

    result: bytes
    diagnostics: tuple[bytes, ...] = ()


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
