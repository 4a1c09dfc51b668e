from collections.abc import Callable

import attrs
import pytest
from tests.support.strategies import OWNER

from callora_vault.model.calls import (
    CALLS,
    FACTORY_CALLS,
    BatchDeduct,
    Create,
    Deduct,
    DeductItem,
    Deposit,
    Init,
    Migrate,
    SetAuthorizedCaller,
    Successor,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.units import I128_MAX, BadValue
from callora_vault.model.versions import ABIS, VAULT_V1, VAULT_V2

TOO_MUCH = I128_MAX + 1

HASH = bytes(32)

UNSENDABLE: list[tuple[Callable[[], object], str]] = [
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
    (lambda: BatchDeduct("", [DeductItem(1)]), "caller"),
    (lambda: BatchDeduct(OWNER, [1]), "items"),  # type: ignore[list-item]
    (lambda: DeductItem(TOO_MUCH), "amount"),
    (lambda: DeductItem(1, "a" * 33), "request_id"),
    (lambda: SetAuthorizedCaller(""), "caller"),
    (lambda: Create("", HASH, HASH), "owner"),
    (lambda: Create(OWNER, HASH.hex(), HASH), "wasm_hash"),  # type: ignore[arg-type]
    (lambda: Create(OWNER, HASH, HASH[:31]), "salt"),
    (lambda: Create(OWNER, HASH, HASH, TOO_MUCH), "initial_balance"),
    (lambda: Create(OWNER, HASH, HASH, 0, TOO_MUCH), "min_deposit"),
    (lambda: Migrate("", HASH, HASH, HASH), "old"),
    (lambda: Migrate(OWNER, HASH + HASH, HASH, HASH), "old_wasm_hash"),
    (lambda: Migrate(OWNER, HASH, b"", HASH), "wasm_hash"),
    (lambda: Migrate(OWNER, HASH, HASH, b""), "salt"),
    (lambda: Successor(""), "old"),
]


@pytest.mark.parametrize(("build", "field"), UNSENDABLE)
def test_a_call_that_cannot_be_sent_is_refused_with_the_field_s_name(
    build: Callable[[], object], field: str
) -> None:
    with pytest.raises(BadValue) as caught:
        build()
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_every_argument_of_every_call_has_a_refusal_in_the_table() -> None:
    kinds = (*CALLS, *FACTORY_CALLS, DeductItem)
    arguments = {field.name for kind in kinds for field in attrs.fields(kind)}
    assert {field for _, field in UNSENDABLE} == arguments


def test_a_call_does_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Deposit(1).amount = 2  # type: ignore[misc]


def test_a_batch_is_made_of_any_items_and_keeps_their_order() -> None:
    items = (DeductItem(2, "b"), DeductItem(1), DeductItem(2, "b"))
    assert BatchDeduct(OWNER, iter(items)).items == items


def test_the_methods_are_those_of_the_versions() -> None:
    v1 = ("init", "get_meta", "balance", "deposit", "deduct", "withdraw", "withdraw_to")
    assert VAULT_V1.methods == v1
    assert VAULT_V2.methods == (*v1, "batch_deduct", "set_authorized_caller")
    assert (VAULT_V1.authorises, VAULT_V2.authorises) == (False, True)


def test_a_version_stores_the_layout_of_its_name() -> None:
    assert {abi.name: abi.layout.name for abi in ABIS.values()} == {"v1": "v1", "v2": "v2"}


def test_the_methods_of_the_factory_are_those_of_its_table() -> None:
    assert [call.method for call in FACTORY_CALLS] == ["create", "migrate", "successor"]
