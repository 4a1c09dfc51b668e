import copy

import pytest
from tests.support.strategies import OWNER

from callora_vault.model.calls import CALLS, FACTORY_CALLS
from callora_vault.model.errors import (
    ERRORS,
    FACTORY_ERRORS,
    FactoryError,
    FactoryErrorCode,
    InsufficientBalance,
    MissingSignature,
    NotInitialized,
    VaultError,
    VaultErrorCode,
)
from callora_vault.model.units import BadValue

NUMBERS = {
    "AlreadyInitialized": 1,
    "NotInitialized": 2,
    "NegativeInitialBalance": 3,
    "NegativeMinDeposit": 4,
    "AmountNotPositive": 5,
    "BelowMinDeposit": 6,
    "InsufficientBalance": 7,
    "BalanceOverflow": 8,
    "Unauthorized": 9,
    "EmptyBatch": 10,
    "BatchTooLarge": 11,
}
FACTORY_NUMBERS = {
    "AlreadyMigrated": 101,
    "CodeChanged": 102,
    "UnknownLayout": 103,
    "NegativeBalance": 104,
    "NegativeMinDeposit": 105,
    "NotDrained": 106,
    "AddressTaken": 107,
    "AuthorizedCallerUnsupported": 108,
}


def test_the_numbers_never_change() -> None:
    assert {code.name: code.value for code in VaultErrorCode} == NUMBERS
    assert {code.name: code.value for code in FactoryErrorCode} == FACTORY_NUMBERS


def test_every_number_of_the_factory_has_a_meaning_and_a_method() -> None:
    methods = {call.method for call in FACTORY_CALLS}
    assert list(FACTORY_ERRORS) == list(FactoryErrorCode)
    for code, entry in FACTORY_ERRORS.items():
        assert str(FactoryError(code)) == entry.meaning
        assert methods >= set(entry.methods) > set()


def test_every_number_has_one_exception_of_its_name() -> None:
    assert {error.__name__: error.code.value for error in ERRORS.values()} == NUMBERS
    assert list(ERRORS) == list(VaultErrorCode)


def test_every_exception_is_in_the_table() -> None:
    assert set(VaultError.__subclasses__()) == set(ERRORS.values())


def test_the_methods_that_return_an_error_exist() -> None:
    methods = {call.method for call in CALLS}
    assert {name for error in ERRORS.values() for name in error.methods} == methods


def test_an_error_says_the_values_that_explain_it() -> None:
    error = InsufficientBalance(10, 3)
    assert (error.amount, error.balance) == (10, 3)
    assert str(error) == "the amount exceeds the balance: amount 10, balance 3"


def test_an_error_leaves_out_what_nobody_knows() -> None:
    assert str(InsufficientBalance(10)) == "the amount exceeds the balance: amount 10"
    assert str(NotInitialized()) == "the vault is not initialised"


@pytest.mark.parametrize(
    "error", [InsufficientBalance(10, 3), MissingSignature(OWNER), BadValue("to", "bad")], ids=repr
)
def test_an_error_is_copied_and_pickled_with_its_values(error: Exception) -> None:
    made = copy.copy(error)
    assert (type(made), str(made), repr(made)) == (type(error), str(error), repr(error))


def test_an_error_can_be_raised_from_another() -> None:
    with pytest.raises(InsufficientBalance) as caught:
        raise InsufficientBalance(1) from ValueError("cause")
    assert isinstance(caught.value.__cause__, ValueError)
