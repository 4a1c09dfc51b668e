"""The outcome of a call, on either side, in short stable words.

`accepted`, `rejected:NAME`, `rejected:#N` for an unknown number, `unsigned`, `trap`,
`missing-method`. Any other end of a transaction (budget, footprint, archived entries, faults of the
host) says nothing about the contract and raises Inconclusive.
"""

from __future__ import annotations

from typing import Final

from stellar_sdk import xdr

from callora_vault.codec.errors import HostError
from callora_vault.model.errors import FactoryErrorCode, VaultErrorCode
from callora_vault.model.factory import Aborted, FactoryAccepted, FactoryOutcome, FactoryRejected
from callora_vault.model.vault import Accepted, Outcome, Rejected
from callora_vault.parity.errors import CannotRun, Inconclusive

ACCEPTED: Final = "accepted"
UNSIGNED: Final = "unsigned"
TRAP: Final = "trap"
MISSING_METHOD: Final = "missing-method"
REJECTED: Final = "rejected:"

_Type = xdr.SCErrorType
_Code = xdr.SCErrorCode
_OUTSIDE = {_Code.SCEC_INTERNAL_ERROR.value, _Code.SCEC_EXCEEDED_LIMIT.value}
"""Faults of the host, and its limits, such as an undeclared key. The contract causes any other
refusal by the host, such as re-entrance or a missing key.
"""


def rejected(code: VaultErrorCode | FactoryErrorCode) -> str:
    """Name the refusal with an error number."""
    return REJECTED + code.name


def of_model(outcome: Outcome | FactoryOutcome) -> str:
    """Name an outcome of the model."""
    match outcome:
        case Accepted() | FactoryAccepted():
            return ACCEPTED
        case Rejected(error):
            return rejected(error)
        case FactoryRejected(number):
            return rejected(number)
        case Aborted():
            return TRAP
    return UNSIGNED


def of_failure(error: HostError | None, context: str) -> str:
    """Name the failure of an invocation by the error that ended it.

    Arguments: `error`, from the diagnostic events; `context`, the result for the message.
    Raises Inconclusive if the contract did not cause the failure, CannotRun if the network does not
    name the error.
    """
    if error is None:
        raise CannotRun(
            f"the RPC returns {context} without diagnostic events",
            "use an RPC with diagnostic events enabled",
        )
    if error.type == _Type.SCE_CONTRACT:
        known = error.vault_error or error.factory_error
        return f"{REJECTED}#{error.code}" if known is None else rejected(known)
    if error.type == _Type.SCE_AUTH:
        return UNSIGNED
    if error.type == _Type.SCE_WASM_VM and error.code == _Code.SCEC_MISSING_VALUE.value:
        return MISSING_METHOD
    if error.type == _Type.SCE_BUDGET or error.code in _OUTSIDE:
        raise Inconclusive(f"{context}, {error}")
    return TRAP
