"""The error that ended an invocation: an ScError, and the diagnostic event that names it."""

from collections.abc import Iterable
from typing import Final

import attrs
from stellar_sdk import xdr

from callora_vault.codec.values import CannotDecode, encode_symbol, words
from callora_vault.model.errors import ERRORS, FACTORY_ERRORS, FactoryErrorCode, VaultErrorCode


@attrs.frozen
class HostError:
    """The error that ended an invocation.

    `code` is the contract's own number if `type` is SCE_CONTRACT, else an SCErrorCode.
    """

    type: xdr.SCErrorType
    code: int

    @property
    def vault_error(self) -> VaultErrorCode | None:
        """The vault's error number; None for the host's errors and for unknown numbers."""
        if self.type != xdr.SCErrorType.SCE_CONTRACT or self.code not in ERRORS:
            return None
        return VaultErrorCode(self.code)

    @property
    def factory_error(self) -> FactoryErrorCode | None:
        """The factory's error number; None for the host's errors and for other numbers."""
        if self.type != xdr.SCErrorType.SCE_CONTRACT or self.code not in FACTORY_ERRORS:
            return None
        return FactoryErrorCode(self.code)

    def __str__(self) -> str:
        kind = words(self.type.name.removeprefix("SCE_"))
        if self.type == xdr.SCErrorType.SCE_CONTRACT:
            return f"Error({kind}, #{self.code})"
        return f"Error({kind}, {words(xdr.SCErrorCode(self.code).name.removeprefix('SCEC_'))})"


def decode_error(error: xdr.SCError) -> HostError:
    """Decode an ScError."""
    if error.contract_code is not None:
        return HostError(error.type, error.contract_code.uint32)
    if error.code is None:
        raise CannotDecode("the error", "a code", "none")
    return HostError(error.type, error.code.value)


def find_error(diagnostics: Iterable[xdr.DiagnosticEvent]) -> HostError | None:
    """Find the error that ended an invocation: the last one that its diagnostic events name.

    Earlier ones belong to nested calls, or are causes of the last one.
    """
    found = None
    for diagnostic in diagnostics:
        body = diagnostic.event.body.v0
        topics = [] if body is None else body.topics
        if len(topics) > 1 and topics[0] == _ERROR_TOPIC and topics[1].error is not None:
            found = topics[1].error
    return None if found is None else decode_error(found)


_ERROR_TOPIC: Final = encode_symbol("error")
