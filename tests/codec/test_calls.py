import pytest
from hypothesis import given
from stellar_sdk import StrKey, scval, xdr
from tests.support.sdk_xdr import fields
from tests.support.strategies import CONTRACT, OWNER, calls, i128s, metas

from callora_vault.codec.calls import (
    decode_factory_returned,
    decode_returned,
    encode_authorisation,
    encode_call,
    encode_returned,
)
from callora_vault.codec.entries import encode_meta
from callora_vault.codec.values import CannotDecode, decode_i128, encode_i128
from callora_vault.model.calls import (
    Balance,
    BatchDeduct,
    Call,
    Create,
    Deduct,
    DeductItem,
    Deposit,
    FactoryCall,
    GetMeta,
    Init,
    Migrate,
    SetAuthorizedCaller,
    Successor,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.layouts import V0, V1, V2, UnknownLayout, VaultMeta

OWNER_VALUE, CONTRACT_VALUE = scval.to_address(OWNER), scval.to_address(CONTRACT)
VOID = scval.to_void()
ONE, TWO, THREE = (bytes([n]) * 32 for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("call", "method", "arguments"),
    [
        (Init(OWNER), "init", [OWNER_VALUE, VOID, VOID]),
        (Init(OWNER, 0, -1), "init", [OWNER_VALUE, scval.to_int128(0), scval.to_int128(-1)]),
        (GetMeta(), "get_meta", []),
        (Balance(), "balance", []),
        (Deposit(2**100), "deposit", [scval.to_int128(2**100)]),
        (Deduct(CONTRACT, 1), "deduct", [CONTRACT_VALUE, scval.to_int128(1), VOID]),
        (
            Deduct(OWNER, 1, ""),
            "deduct",
            [OWNER_VALUE, scval.to_int128(1), scval.to_symbol("")],
        ),
        (Withdraw(5), "withdraw", [scval.to_int128(5)]),
        (WithdrawTo(CONTRACT, 5), "withdraw_to", [CONTRACT_VALUE, scval.to_int128(5)]),
        (
            BatchDeduct(OWNER, [DeductItem(1, "r"), DeductItem(-2)]),
            "batch_deduct",
            [
                OWNER_VALUE,
                scval.to_vec(
                    [
                        fields(amount=scval.to_int128(1), request_id=scval.to_symbol("r")),
                        fields(amount=scval.to_int128(-2), request_id=VOID),
                    ]
                ),
            ],
        ),
        (SetAuthorizedCaller(CONTRACT), "set_authorized_caller", [CONTRACT_VALUE]),
        (SetAuthorizedCaller(None), "set_authorized_caller", [VOID]),
        (
            Create(OWNER, ONE, TWO, 5),
            "create",
            [OWNER_VALUE, scval.to_bytes(ONE), scval.to_bytes(TWO), scval.to_int128(5), VOID],
        ),
        (
            Migrate(CONTRACT, ONE, TWO, THREE),
            "migrate",
            [CONTRACT_VALUE, *map(scval.to_bytes, (ONE, TWO, THREE))],
        ),
        (Successor(CONTRACT), "successor", [CONTRACT_VALUE]),
    ],
)
def test_a_call_becomes_its_method_and_arguments(
    call: Call | FactoryCall, method: str, arguments: list[xdr.SCVal]
) -> None:
    assert encode_call(call) == (method, arguments)


@given(calls)
def test_every_call_that_can_be_built_can_be_encoded(call: Call) -> None:
    _, arguments = encode_call(call)
    for argument in arguments:
        assert xdr.SCVal.from_xdr_bytes(argument.to_xdr_bytes()) == argument


@given(i128s)
def test_an_amount_is_exact(amount: int) -> None:
    value = encode_i128(amount)
    assert scval.from_int128(value) == amount
    assert decode_i128(value, "amount") == amount


@given(metas, i128s)
def test_a_returned_value_comes_back(meta: VaultMeta, amount: int) -> None:
    assert decode_returned(GetMeta(), encode_returned(meta, V2), V2) == meta
    assert decode_returned(Balance(), encode_returned(amount, V2), V2) == amount
    assert decode_returned(SetAuthorizedCaller(None), encode_returned(None, V2), V2) is None


def test_a_returned_address_of_the_factory_comes_back() -> None:
    assert decode_factory_returned(Create(OWNER, ONE, TWO), CONTRACT_VALUE) == CONTRACT
    assert decode_factory_returned(Successor(OWNER), CONTRACT_VALUE) == CONTRACT
    assert decode_factory_returned(Successor(OWNER), VOID) is None
    with pytest.raises(CannotDecode, match="create: expected Address, found Void"):
        decode_factory_returned(Create(OWNER, ONE, TWO), VOID)


def test_a_returned_value_of_another_type_is_refused_by_the_method_s_name() -> None:
    with pytest.raises(CannotDecode, match="deposit: expected I128, found U64"):
        decode_returned(Deposit(1), scval.to_uint64(1))
    with pytest.raises(CannotDecode, match="set_authorized_caller: expected Void, found I128"):
        decode_returned(SetAuthorizedCaller(None), scval.to_int128(1))


def test_get_meta_of_another_layout_is_not_taken_for_v1() -> None:
    v0 = encode_meta(VaultMeta(OWNER, 1), V0)
    with pytest.raises(CannotDecode, match="expected layout v1, found layout v0"):
        decode_returned(GetMeta(), v0, V1)
    assert decode_returned(GetMeta(), v0) == VaultMeta(OWNER, 1)


def test_get_meta_of_an_unknown_layout_is_refused() -> None:
    with pytest.raises(UnknownLayout):
        decode_returned(GetMeta(), fields(owner=OWNER_VALUE))


def test_what_is_signed_has_the_nested_calls_under_it() -> None:
    call = Migrate(CONTRACT, *[bytes(32)] * 3)
    tree = encode_authorisation(
        StrKey.encode_contract(bytes(32)),
        call,
        [(CONTRACT, Withdraw(7)), (CONTRACT, Init(OWNER, 7, 2))],
    )
    assert xdr.SorobanAuthorizedInvocation.from_xdr_bytes(tree.to_xdr_bytes()) == tree
    names = [
        invocation.function.contract_fn.function_name.sc_symbol
        for invocation in (tree, *tree.sub_invocations)
        if invocation.function.contract_fn is not None
    ]
    assert names == [b"migrate", b"withdraw", b"init"]
    assert not tree.sub_invocations[0].sub_invocations
