from collections.abc import Callable

import attrs
import pytest
from tests.model.values import OWNER

from callora_vault.calls import CALLS, Call, Deduct, Deposit, Init, Withdraw, WithdrawTo
from callora_vault.units import I128_MAX, BadValue

TOO_MUCH = I128_MAX + 1

UNSENDABLE: list[tuple[Callable[[], Call], str]] = [
    (lambda: Init("owner"), "owner"),
    (lambda: Init(OWNER, TOO_MUCH), "initial_balance"),
    (lambda: Init(OWNER, True), "initial_balance"),
    (lambda: Init(OWNER, None, -TOO_MUCH - 1), "min_deposit"),
    (lambda: Deposit(TOO_MUCH), "amount"),
    (lambda: Deposit(True), "amount"),
    (lambda: Deduct("", 1), "caller"),
    (lambda: Deduct(OWNER, TOO_MUCH), "amount"),
    (lambda: Deduct(OWNER, 1, "a" * 33), "request_id"),
    (lambda: Deduct(OWNER, 1, "a-b"), "request_id"),
    (lambda: Withdraw(-TOO_MUCH - 1), "amount"),
    (lambda: WithdrawTo(OWNER[:-1], 1), "to"),
    (lambda: WithdrawTo(OWNER, TOO_MUCH), "amount"),
]


@pytest.mark.parametrize(("build", "field"), UNSENDABLE)
def test_a_call_that_cannot_be_sent_is_refused_with_the_field_s_name(
    build: Callable[[], Call], field: str
) -> None:
    with pytest.raises(BadValue) as caught:
        build()
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_every_argument_of_every_call_has_a_refusal_in_the_table() -> None:
    arguments = {field.name for call in CALLS for field in attrs.fields(call)}
    assert {field for _, field in UNSENDABLE} == arguments


def test_a_call_does_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Deposit(1).amount = 2  # type: ignore[misc]


def test_the_methods_are_those_of_the_v1_abi() -> None:
    assert [call.method for call in CALLS] == [
        "init",
        "get_meta",
        "balance",
        "deposit",
        "deduct",
        "withdraw",
        "withdraw_to",
    ]
