import attrs
from hypothesis import given
from hypothesis import strategies as st
from tests.support.strategies import (
    CONTRACT,
    OWNER,
    STRANGER,
    addresses,
    calls,
    metas,
    signers,
    states,
    valid_metas,
)

from callora_vault.model.calls import (
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import ERRORS, VaultErrorCode
from callora_vault.model.events import (
    DeductEvent,
    DepositEvent,
    Event,
    InitEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    WithdrawToEvent,
)
from callora_vault.model.layouts import VaultMeta, check_meta
from callora_vault.model.vault import (
    Accepted,
    Rejected,
    Signers,
    State,
    Unsigned,
    transition,
)

BOTH = frozenset((OWNER, STRANGER))


@given(states, calls, signers)
def test_every_call_in_every_state_has_an_outcome(
    state: State, call: Call, signed: Signers
) -> None:
    outcome = transition(state, call, signed)
    assert isinstance(outcome, Accepted | Rejected | Unsigned)
    if isinstance(outcome, Accepted) and outcome.state is not None:
        check_meta(outcome.state)


@given(states, calls, signers)
def test_an_outcome_depends_on_the_inputs_alone(state: State, call: Call, signed: Signers) -> None:
    assert transition(state, call, signed) == transition(state, call, signed)


@given(states, calls, signers)
def test_an_error_comes_only_from_the_methods_that_the_table_lists(
    state: State, call: Call, signed: Signers
) -> None:
    outcome = transition(state, call, signed)
    if isinstance(outcome, Rejected):
        assert call.method in ERRORS[outcome.error].methods


@given(valid_metas, calls, signers)
def test_the_balance_of_a_vault_stays_within_0_and_i128(
    state: VaultMeta, call: Call, signed: Signers
) -> None:
    outcome = transition(state, call, signed)
    if isinstance(outcome, Accepted):
        after = outcome.state
        assert after is not None
        assert after.balance >= 0
        check_meta(after)


@given(metas, calls, signers)
def test_owner_and_min_deposit_never_change(state: VaultMeta, call: Call, signed: Signers) -> None:
    outcome = transition(state, call, signed)
    if isinstance(outcome, Accepted):
        after = outcome.state
        assert after is not None
        assert (after.owner, after.min_deposit) == (state.owner, state.min_deposit)


@given(metas, calls, signers)
def test_the_authorised_caller_changes_by_its_own_call_alone(
    state: VaultMeta, call: Call, signed: Signers
) -> None:
    outcome = transition(state, call, signed)
    if isinstance(outcome, Accepted):
        assert outcome.state is not None
        expected = call.caller if isinstance(call, SetAuthorizedCaller) else state.authorized_caller
        assert outcome.state.authorized_caller == expected


@given(metas, calls, signers)
def test_the_last_balance_that_an_event_tells_is_the_stored_one(
    state: VaultMeta, call: Call, signed: Signers
) -> None:
    outcome = transition(state, call, signed)
    if isinstance(outcome, Accepted) and outcome.state != state:
        assert outcome.state is not None
        (*_, last) = outcome.events
        if not isinstance(last, SetAuthorizedCallerEvent):
            assert last.balance == outcome.state.balance


@given(metas, signers, st.sampled_from((GetMeta(), Balance())))
def test_a_read_needs_no_signature_and_leaves_no_trace(
    state: VaultMeta, signed: Signers, call: Call
) -> None:
    returned = state if isinstance(call, GetMeta) else state.balance
    assert transition(state, call, signed) == Accepted(state, returned, ())


@given(states, calls, signers, addresses)
def test_more_signatures_than_needed_change_nothing(
    state: State, call: Call, signed: Signers, another: str
) -> None:
    outcome = transition(state, call, signed)
    if outcome != Unsigned(another):
        assert transition(state, call, signed | {another}) == outcome


@given(states, calls)
def test_a_call_needs_at_most_one_signature(state: State, call: Call) -> None:
    unsigned = transition(state, call, frozenset())
    if isinstance(unsigned, Unsigned):
        signed = transition(state, call, frozenset((unsigned.address,)))
        assert not isinstance(signed, Unsigned)


def test_init_stores_what_it_is_given() -> None:
    stored = VaultMeta(OWNER, 7, 2)
    assert transition(None, Init(OWNER, 7, 2), BOTH) == Accepted(
        stored, stored, (InitEvent(OWNER, 7),)
    )


def test_init_takes_none_for_0() -> None:
    stored = VaultMeta(OWNER, 0, 0)
    assert transition(None, Init(OWNER), BOTH) == Accepted(stored, stored, (InitEvent(OWNER, 0),))


def test_deposit_adds() -> None:
    assert transition(VaultMeta(OWNER, 7, 2), Deposit(2), BOTH) == Accepted(
        VaultMeta(OWNER, 9, 2), 9, (DepositEvent(2, 9),)
    )


def test_deduct_takes_and_names_the_request() -> None:
    assert transition(VaultMeta(OWNER, 7, 2), Deduct(OWNER, 7, "r_1"), BOTH) == Accepted(
        VaultMeta(OWNER, 0, 2), 0, (DeductEvent(OWNER, "r_1", 7, 0),)
    )


def test_deduct_without_a_request_id_tells_an_empty_one() -> None:
    assert transition(VaultMeta(OWNER, 7, 2), Deduct(OWNER, 1), BOTH) == transition(
        VaultMeta(OWNER, 7, 2), Deduct(OWNER, 1, ""), BOTH
    )


def test_withdraw_takes_for_the_owner() -> None:
    assert transition(VaultMeta(OWNER, 7, 2), Withdraw(3), BOTH) == Accepted(
        VaultMeta(OWNER, 4, 2), 4, (WithdrawEvent(OWNER, 3, 4),)
    )


def test_withdraw_to_names_who_gets_it() -> None:
    assert transition(VaultMeta(OWNER, 7, 2), WithdrawTo(CONTRACT, 3), BOTH) == Accepted(
        VaultMeta(OWNER, 4, 2), 4, (WithdrawToEvent(OWNER, CONTRACT, 3, 4),)
    )


ALL = frozenset((OWNER, STRANGER, CONTRACT))
AUTHORISED = VaultMeta(OWNER, 7, 2, STRANGER)


def test_owner_and_authorised_caller_may_deduct_and_nobody_else() -> None:
    for caller in (OWNER, STRANGER):
        assert transition(AUTHORISED, Deduct(caller, 3), ALL) == Accepted(
            VaultMeta(OWNER, 4, 2, STRANGER), 4, (DeductEvent(caller, "", 3, 4),)
        )
    unauthorized = Rejected(VaultErrorCode.Unauthorized)
    assert transition(AUTHORISED, Deduct(CONTRACT, 3), ALL) == unauthorized
    assert transition(AUTHORISED, BatchDeduct(CONTRACT, [DeductItem(3)]), ALL) == unauthorized


def test_the_authorised_caller_may_do_nothing_else() -> None:
    signed = frozenset((STRANGER,))
    for call in (Deposit(2), Withdraw(1), WithdrawTo(STRANGER, 1), SetAuthorizedCaller(STRANGER)):
        assert transition(AUTHORISED, call, signed) == Unsigned(OWNER)


def test_the_owner_authorises_one_caller_at_a_time() -> None:
    for caller in (CONTRACT, None):
        assert transition(AUTHORISED, SetAuthorizedCaller(caller), ALL) == Accepted(
            VaultMeta(OWNER, 7, 2, caller), None, (SetAuthorizedCallerEvent(OWNER, caller),)
        )


def test_a_batch_takes_each_item_and_tells_the_running_balance() -> None:
    batch = BatchDeduct(STRANGER, [DeductItem(3, "a"), DeductItem(4), DeductItem(0)])
    taken = attrs.evolve(batch, items=batch.items[:2])
    assert transition(AUTHORISED, taken, ALL) == Accepted(
        VaultMeta(OWNER, 0, 2, STRANGER),
        0,
        (DeductEvent(STRANGER, "a", 3, 4), DeductEvent(STRANGER, "", 4, 0)),
    )
    assert transition(AUTHORISED, batch, ALL) == Rejected(VaultErrorCode.AmountNotPositive)


@given(valid_metas, calls, signers)
def test_a_batch_is_its_items_one_by_one_or_nothing(
    state: VaultMeta, call: Call, signed: Signers
) -> None:
    if not isinstance(call, BatchDeduct) or not call.items:
        return
    whole = transition(state, call, signed)
    events: list[Event] = []
    for item in call.items:
        one = transition(state, Deduct(call.caller, item.amount, item.request_id), signed)
        if not isinstance(one, Accepted):
            assert whole == one
            return
        assert one.state is not None
        state, events = one.state, [*events, *one.events]
    assert whole == Accepted(state, state.balance, tuple(events))
