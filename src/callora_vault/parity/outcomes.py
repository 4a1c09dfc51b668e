"""What a call came to, on either side, in short stable words.

`accepted`, `rejected:NAME`, `rejected:#N` for a number that no vault returns, `unauthorised`,
`trap`, `missing-method`. Whatever else ends a transaction says nothing of the contract: budget,
archived entries, sequence numbers, transport. It raises CannotRun.
"""

from __future__ import annotations

from typing import Final

from stellar_sdk import xdr

from callora_vault.codec import HostError
from callora_vault.errors import VaultErrorCode
from callora_vault.parity.errors import CannotRun
from callora_vault.transition import Accepted, Outcome, Rejected

ACCEPTED: Final = "accepted"
UNAUTHORISED: Final = "unauthorised"
TRAP: Final = "trap"
MISSING_METHOD: Final = "missing-method"

_Type = xdr.SCErrorType
_Code = xdr.SCErrorCode
_INSIDE = {_Type.SCE_WASM_VM, _Type.SCE_VALUE, _Type.SCE_OBJECT}


def rejected(code: VaultErrorCode) -> str:
    """Name the refusal with an error number of the vault."""
    return f"rejected:{code.name}"


def of_model(outcome: Outcome) -> str:
    """Name an outcome of the model."""
    match outcome:
        case Accepted():
            return ACCEPTED
        case Rejected(error):
            return rejected(error)
    return UNAUTHORISED


def of_failure(error: HostError | None, context: str) -> str:
    """Name the failure of an invocation by the error that ended it.

    Arguments: `error`, from the diagnostic events; `context`, the result for the message.
    Raises CannotRun where the failure is none of the contract's.
    """
    if error is None:
        raise CannotRun(
            f"the network says {context} and gives no diagnostic events",
            "use an RPC that has them switched on",
        )
    if error.type == _Type.SCE_CONTRACT:
        known = error.vault_error
        return f"rejected:#{error.code}" if known is None else rejected(known)
    if error.type == _Type.SCE_AUTH:
        return UNAUTHORISED
    if error.type == _Type.SCE_WASM_VM and error.code == _Code.SCEC_MISSING_VALUE.value:
        return MISSING_METHOD
    if error.type in _INSIDE:
        return TRAP
    raise CannotRun(
        f"a call ended in a way that says nothing of the contract: {context}, {error}",
        "run again, and if it stays look at the network",
    )
