"""The meaning of a failed simulation or transaction: a refusal by the contract, or a failure."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Final

from stellar_sdk import xdr

from callora_vault.client.entries import JournalEntry
from callora_vault.client.errors import CallFailed
from callora_vault.codec.entries import StoredVault
from callora_vault.codec.errors import HostError
from callora_vault.codec.values import CannotDecode
from callora_vault.model.calls import Call
from callora_vault.model.errors import CallRefused, MissingMethod, VaultErrorCode
from callora_vault.model.layouts import UnknownLayout
from callora_vault.model.refusals import vault_error
from callora_vault.model.units import Address
from callora_vault.model.vault import Rejected, transition
from callora_vault.rpc.errors import Unreachable
from callora_vault.rpc.results import Failure

_NO_METHOD: Final = HostError(xdr.SCErrorType.SCE_WASM_VM, xdr.SCErrorCode.SCEC_MISSING_VALUE.value)


def contract_refusal(
    call: Call, error: HostError | None, stored: Callable[[], StoredVault], signers: Set[Address]
) -> tuple[CallRefused | None, bool]:
    """Return the exception for an error of the contract, with the values that explain it.

    The second value is whether the present state explains it: others may have changed the vault.
    None stands for an error that is not the contract's.

    Arguments: `stored`, which reads what the vault stores; `signers`, who signs the call.
    Raises NoVault, RpcRefused, WrongNetwork; UnknownLayout if the contract answers that it is not
    initialised, but its stored entry is not a vault's.
    """
    code = None if error is None else error.vault_error
    if code is None and error != _NO_METHOD:
        return None, True
    try:
        found = stored()
    except UnknownLayout:
        if code is VaultErrorCode.NotInitialized:
            raise
        found = None
    except (CannotDecode, Unreachable):
        found = None
    if code is None:
        layout = None if found is None else found.layout
        return MissingMethod(call.method, "this code" if layout is None else layout.name), True
    if found is None:
        return vault_error(code, call), True
    explained = transition(found.meta, call, frozenset(signers)) == Rejected(code)
    return vault_error(code, call, found.meta), explained


def failed(entry: JournalEntry) -> CallFailed:
    """Build the exception for a transaction that failed in a ledger."""
    assert isinstance(entry.result, Failure)  # noqa: S101 - it failed in a ledger
    result = entry.result
    return CallFailed(entry.key, entry.contract, entry.hash, result.code, result.error)


def lacks_a_signature(error: HostError | None) -> bool:
    """Return whether a call failed because its signature does not count."""
    return error is not None and error.type == xdr.SCErrorType.SCE_AUTH
