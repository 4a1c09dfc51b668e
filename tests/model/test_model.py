from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.strategies import OWNER, STRANGER, calls, signers, states

from callora_vault import (
    VAULT_V1,
    AmountNotPositive,
    BadValue,
    BatchTooLarge,
    BelowMinDeposit,
    CallRefused,
    DeductItem,
    EmptyBatch,
    InsufficientBalance,
    MissingMethod,
    MissingSignature,
    NegativeMinDeposit,
    NotInitialized,
    Unauthorized,
    VaultError,
    VaultErrorCode,
    VaultMeta,
    VaultModel,
)
from callora_vault.model.calls import (
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import ERRORS, BalanceOverflow
from callora_vault.model.events import DeductEvent, DepositEvent, Event
from callora_vault.model.refusals import vault_error
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Accepted, Signers, State, Unsigned, transition


def by_method(vault: VaultModel, call: Call, signed: Signers) -> VaultMeta | int | None:
    """Make a call through the method of its name."""
    match call:
        case Init(owner, balance, least):
            return vault.init(owner, balance, least, signers=signed)
        case GetMeta():
            return vault.get_meta()
        case Balance():
            return vault.balance()
        case Deposit(amount):
            return vault.deposit(amount, signers=signed)
        case Deduct(caller, amount, request_id):
            return vault.deduct(caller, amount, request_id, signers=signed)
        case Withdraw(amount):
            return vault.withdraw(amount, signers=signed)
        case WithdrawTo(to, amount):
            return vault.withdraw_to(to, amount, signers=signed)
        case BatchDeduct(caller, items):
            return vault.batch_deduct(caller, items, signers=signed)
        case SetAuthorizedCaller(authorized):
            vault.set_authorized_caller(authorized, signers=signed)
    return None


@given(states, st.lists(st.tuples(calls, signers), max_size=8))
def test_the_methods_do_what_the_transition_says(
    state: State, made: list[tuple[Call, Signers]]
) -> None:
    vault = VaultModel(state)
    heard: list[Event] = []
    for call, signed in made:
        outcome = transition(state, call, signed)
        if isinstance(outcome, Accepted):
            state = outcome.state
            heard += outcome.events
            assert by_method(vault, call, signed) == outcome.returned
        else:
            with pytest.raises(CallRefused) as caught:
                by_method(vault, call, signed)
            if isinstance(outcome, Unsigned):
                assert isinstance(caught.value, MissingSignature)
                assert caught.value.address == outcome.address
            else:
                assert type(caught.value) is ERRORS[outcome.error]
        assert vault.meta == state
        assert vault.events == tuple(heard)


@given(states, calls)
def test_whoever_must_sign_does_when_nobody_says_who_signs(state: State, call: Call) -> None:
    try:
        VaultModel(state).call(call)
    except MissingSignature:
        pytest.fail("a signature is missing")
    except VaultError as refused:
        assert refused.code in ERRORS


def test_a_vault_can_be_told_whose_keys_are_at_hand() -> None:
    vault = VaultModel(VaultMeta(OWNER, 5), signers=[STRANGER])
    with pytest.raises(MissingSignature) as caught:
        vault.withdraw(1)
    assert caught.value.address == OWNER


def test_a_call_can_be_told_who_signs_it() -> None:
    vault = VaultModel(VaultMeta(OWNER, 5), signers=[STRANGER])
    assert vault.withdraw(1, signers=[OWNER]) == 4
    with pytest.raises(MissingSignature):
        vault.withdraw(1)


def test_events_are_kept_in_order() -> None:
    vault = VaultModel(VaultMeta(OWNER, 5))
    vault.deposit(2)
    vault.deduct(OWNER, 3, "r_1")
    assert vault.events == (DepositEvent(2, 7), DeductEvent(OWNER, "r_1", 3, 4))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda vault: vault.deposit(1), BelowMinDeposit(1, 2)),
        (lambda vault: vault.deposit(I128_MAX), BalanceOverflow(I128_MAX, 5)),
        (lambda vault: vault.withdraw(6), InsufficientBalance(6, 5)),
        (lambda vault: vault.withdraw(0), AmountNotPositive(0)),
        (lambda vault: vault.deduct(STRANGER, 1), Unauthorized(STRANGER)),
        (lambda vault: vault.batch_deduct(OWNER, []), EmptyBatch()),
        (lambda vault: vault.batch_deduct(OWNER, [DeductItem(1)] * 51), BatchTooLarge(51)),
        (
            lambda vault: vault.batch_deduct(OWNER, [DeductItem(1), DeductItem(0), DeductItem(9)]),
            AmountNotPositive(0, item=1),
        ),
        (
            lambda vault: vault.batch_deduct(OWNER, [DeductItem(3), DeductItem(2), DeductItem(1)]),
            InsufficientBalance(1, 0, item=2),
        ),
    ],
)
def test_a_refusal_carries_the_values_that_explain_it(
    call: Callable[[VaultModel], object], error: VaultError
) -> None:
    with pytest.raises(type(error)) as caught:
        call(VaultModel(VaultMeta(OWNER, 5, 2)))
    assert repr(caught.value) == repr(error)


def test_init_refused_carries_its_argument() -> None:
    with pytest.raises(NegativeMinDeposit) as caught:
        VaultModel().init(OWNER, 0, -3)
    assert caught.value.min_deposit == -3


def test_a_vault_before_init_stores_nothing_and_refuses_reads() -> None:
    vault = VaultModel()
    assert vault.meta is None
    with pytest.raises(NotInitialized):
        vault.balance()


def test_an_error_of_a_vault_that_nobody_read_leaves_its_balance_out() -> None:
    error = vault_error(InsufficientBalance.code, Withdraw(6))
    assert repr(error) == repr(InsufficientBalance(6, None))
    batch = BatchDeduct(OWNER, [DeductItem(1), DeductItem(0)])
    assert repr(vault_error(InsufficientBalance.code, batch)) == repr(InsufficientBalance())
    assert repr(vault_error(AmountNotPositive.code, batch)) == repr(AmountNotPositive(0, item=1))


@pytest.mark.parametrize("code", ERRORS)
def test_any_number_for_any_call_has_its_exception(code: VaultErrorCode) -> None:
    for call in (Init(OWNER), GetMeta(), Deposit(1)):
        assert vault_error(code, call).code is code


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        (VaultMeta("owner", 0), "owner"),
        (VaultMeta(OWNER, I128_MAX + 1), "balance"),
        (VaultMeta(OWNER, 0, True), "min_deposit"),
        (VaultMeta(OWNER, 0, 0, "caller"), "authorized_caller"),
    ],
)
def test_a_state_that_no_vault_can_store_is_refused(meta: VaultMeta, field: str) -> None:
    with pytest.raises(BadValue) as caught:
        VaultModel(meta)
    assert caught.value.field == field


def test_a_vault_of_v1_lacks_what_v2_adds() -> None:
    vault = VaultModel(VaultMeta(OWNER, 5), abi=VAULT_V1)
    with pytest.raises(MissingMethod, match="a vault of v1 has no method batch_deduct"):
        vault.batch_deduct(OWNER, [DeductItem(1)])
    with pytest.raises(MissingMethod):
        vault.set_authorized_caller(STRANGER)
    with pytest.raises(BadValue, match="authorized_caller: a vault of v1 has none"):
        VaultModel(VaultMeta(OWNER, 5, 0, STRANGER), abi=VAULT_V1)
    assert (vault.deduct(OWNER, 5), vault.meta) == (0, VaultMeta(OWNER, 0))
