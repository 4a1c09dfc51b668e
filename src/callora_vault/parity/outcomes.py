"""What a call came to, on either side, in short stable words.

`accepted`, `rejected:NAME`, `rejected:#N` for a number that nobody returns, `unsigned`,
`trap`, `missing-method`. Whatever else ends a transaction says nothing of the contract: budget,
footprint, archived entries, faults of the host. It raises Inconclusive.
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
"""Faults of the host; limits, an undeclared key among them. Whatever else the host refuses, from
re-entrance to a key that is not there, the contract has asked for.
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
    Raises Inconclusive where the failure is none of the contract's, CannotRun where the network
    does not tell.
    """
    if error is None:
        raise CannotRun(
            f"the network says {context} and gives no diagnostic events",
            "use an RPC that has them switched on",
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
