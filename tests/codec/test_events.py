import pytest
from hypothesis import given
from stellar_sdk import StrKey, scval, xdr
from tests.support.sdk_xdr import event
from tests.support.strategies import CONTRACT, OWNER, events

from callora_vault.codec.events import decode_event, decode_factory_event, encode_event
from callora_vault.codec.values import CannotDecode
from callora_vault.model.events import (
    CreateEvent,
    DeductEvent,
    DepositEvent,
    Event,
    FactoryEvent,
    InitEvent,
    MigrateEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    WithdrawToEvent,
)

OWNER_VALUE, CONTRACT_VALUE = scval.to_address(OWNER), scval.to_address(CONTRACT)
OTHER = StrKey.encode_contract(bytes(32))


def amounts(amount: int, balance: int) -> xdr.SCVal:
    return scval.to_vec([scval.to_int128(amount), scval.to_int128(balance)])


@given(events)
def test_an_event_comes_back_through_xdr(told: Event) -> None:
    raw = encode_event(told, CONTRACT).to_xdr_bytes()
    assert decode_event(xdr.ContractEvent.from_xdr_bytes(raw), CONTRACT) == told


@pytest.mark.parametrize(
    ("told", "topics", "data"),
    [
        (InitEvent(OWNER, 7), ["init", OWNER_VALUE], scval.to_int128(7)),
        (DepositEvent(1, 8), ["deposit"], amounts(1, 8)),
        (
            DeductEvent(OWNER, "r", 1, 7),
            ["deduct", OWNER_VALUE, scval.to_symbol("r")],
            amounts(1, 7),
        ),
        (WithdrawEvent(OWNER, 1, 6), ["withdraw", OWNER_VALUE], amounts(1, 6)),
        (
            WithdrawToEvent(OWNER, CONTRACT, 1, 5),
            ["withdraw_to", OWNER_VALUE, CONTRACT_VALUE],
            amounts(1, 5),
        ),
        (
            SetAuthorizedCallerEvent(OWNER, CONTRACT),
            ["set_authorized_caller", OWNER_VALUE],
            CONTRACT_VALUE,
        ),
        (
            SetAuthorizedCallerEvent(OWNER, None),
            ["set_authorized_caller", OWNER_VALUE],
            scval.to_void(),
        ),
        (CreateEvent(OWNER, CONTRACT), ["create", OWNER_VALUE], CONTRACT_VALUE),
        (
            MigrateEvent(OWNER, CONTRACT, OTHER, 5),
            ["migrate", OWNER_VALUE, CONTRACT_VALUE],
            scval.to_vec([scval.to_address(OTHER), scval.to_int128(5)]),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_has_the_topics_and_data_of_the_table(
    told: Event | FactoryEvent, topics: list[str | xdr.SCVal], data: xdr.SCVal
) -> None:
    values = [scval.to_symbol(topic) if isinstance(topic, str) else topic for topic in topics]
    assert encode_event(told, CONTRACT) == event(values, data)


@pytest.mark.parametrize(
    "told", [CreateEvent(OWNER, CONTRACT), MigrateEvent(OWNER, CONTRACT, OTHER, 5)]
)
def test_an_event_of_the_factory_is_none_of_a_vault(told: FactoryEvent) -> None:
    written = encode_event(told, CONTRACT)
    assert decode_factory_event(written, CONTRACT) == told
    with pytest.raises(CannotDecode, match="expected init, deposit"):
        decode_event(written, CONTRACT)
    with pytest.raises(CannotDecode, match="expected create, migrate, found 'deposit'"):
        decode_factory_event(encode_event(DepositEvent(1, 2), CONTRACT), CONTRACT)


DEPOSIT = [scval.to_symbol("deposit")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (event(DEPOSIT, amounts(1, 2), OTHER), f"contract: expected {CONTRACT}, found {OTHER}"),
        (event(DEPOSIT, amounts(1, 2), None), "found no contract"),
        (
            event(DEPOSIT, amounts(1, 2), kind=xdr.ContractEventType.SYSTEM),
            "expected CONTRACT, found SYSTEM",
        ),
        (event([scval.to_symbol("mint")], amounts(1, 2)), "found 'mint'"),
        (event([], amounts(1, 2)), "found ''"),
        (event([scval.to_string("deposit")], amounts(1, 2)), "expected Symbol, found String"),
        (event([*DEPOSIT, OWNER_VALUE], amounts(1, 2)), "expected 0 values, found 1 values"),
        (event(DEPOSIT, scval.to_int128(1)), "expected Vec, found I128"),
        (
            event(DEPOSIT, scval.to_vec([scval.to_int128(1)])),
            "expected 2 values, found 1 values",
        ),
        (
            event(DEPOSIT, scval.to_vec([scval.to_int128(1), scval.to_uint64(1)])),
            "balance in the data of deposit: expected I128, found U64",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_an_event_that_is_not_the_vault_s_says_why(wrong: xdr.ContractEvent, words: str) -> None:
    with pytest.raises(CannotDecode) as caught:
        decode_event(wrong, CONTRACT)
    assert words in str(caught.value)
