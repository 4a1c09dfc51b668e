"""What type checkers see of the public face; mypy checks the assertions, pytest runs them."""

from typing import assert_type

from tests.support.strategies import OWNER

from callora_vault import DeductItem, Vault, VaultMeta, VaultModel
from callora_vault.model.calls import Deposit, GetMeta, Init
from callora_vault.model.events import Event


def spend(vault: Vault) -> int:
    """A backend's function, written for any vault."""
    return vault.deduct(OWNER, 1, "request_1")


def test_the_model_is_a_vault() -> None:
    vault: Vault = VaultModel(VaultMeta(OWNER, 5))
    assert_type(spend(vault), int)
    assert_type(vault.get_meta(), VaultMeta)
    assert_type(vault.batch_deduct(OWNER, [DeductItem(1)]), int)
    vault.set_authorized_caller(None)


def test_each_call_has_the_type_that_it_returns() -> None:
    vault = VaultModel()
    assert_type(vault.call(Init(OWNER)), VaultMeta)
    assert_type(vault.call(GetMeta()), VaultMeta)
    assert_type(vault.call(Deposit(1)), int)
    assert_type(vault.meta, VaultMeta | None)
    assert_type(vault.events, tuple[Event, ...])
