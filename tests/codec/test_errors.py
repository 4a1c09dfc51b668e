import pytest
from stellar_sdk import scval, xdr
from tests.support.sdk_xdr import contract_error, diagnostic, host_error

from callora_vault.codec.errors import HostError, find_error
from callora_vault.model.errors import FactoryErrorCode, VaultErrorCode

ERROR = scval.to_symbol("error")
TRAP = host_error(xdr.SCErrorType.SCE_WASM_VM, xdr.SCErrorCode.SCEC_INVALID_ACTION)


@pytest.mark.parametrize("code", VaultErrorCode)
def test_every_error_number_is_found(code: VaultErrorCode) -> None:
    found = find_error([diagnostic(ERROR, contract_error(code))])
    assert found is not None
    assert found.vault_error is code
    assert found.factory_error is None


@pytest.mark.parametrize("code", FactoryErrorCode)
def test_every_error_number_of_the_factory_is_found(code: FactoryErrorCode) -> None:
    found = find_error([diagnostic(ERROR, contract_error(code))])
    assert found is not None
    assert found.factory_error is code
    assert found.vault_error is None


def test_a_number_that_no_vault_has_is_no_vault_error() -> None:
    found = find_error([diagnostic(ERROR, contract_error(77))])
    assert found == HostError(xdr.SCErrorType.SCE_CONTRACT, 77)
    assert found.vault_error is None
    assert str(found) == "Error(Contract, #77)"


def test_an_error_of_the_host_is_no_vault_error_whatever_its_code() -> None:
    limit = host_error(xdr.SCErrorType.SCE_AUTH, xdr.SCErrorCode.SCEC_EXCEEDED_LIMIT)
    found = find_error([diagnostic(ERROR, limit)])
    assert found == HostError(xdr.SCErrorType.SCE_AUTH, 5)
    assert (found.vault_error, found.factory_error) == (None, None)
    assert str(found) == "Error(Auth, ExceededLimit)"


def test_the_last_error_is_the_one_that_ended_the_call() -> None:
    found = find_error(
        [
            diagnostic(scval.to_symbol("fn_call"), scval.to_symbol("deposit")),
            diagnostic(ERROR, contract_error(1)),
            diagnostic(ERROR, TRAP),
            diagnostic(scval.to_symbol("core_metrics"), scval.to_symbol("cpu_insn")),
        ]
    )
    assert found == HostError(xdr.SCErrorType.SCE_WASM_VM, 6)


def test_a_successful_call_has_no_error() -> None:
    assert (
        find_error([diagnostic(scval.to_symbol("fn_return"), scval.to_symbol("deposit"))]) is None
    )
    assert find_error([diagnostic(ERROR)]) is None
    assert find_error([]) is None
