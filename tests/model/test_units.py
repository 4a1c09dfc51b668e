import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Keypair, MuxedAccount, StrKey
from tests.support.strategies import CONTRACT, OWNER, i128s, symbols

from callora_vault.model import units
from callora_vault.model.units import I128_MAX, I128_MIN, BadValue

keys = st.binary(min_size=32, max_size=32)


@given(keys)
def test_an_account_or_contract_of_any_key_is_an_address(key: bytes) -> None:
    for value in (StrKey.encode_ed25519_public_key(key), StrKey.encode_contract(key)):
        assert units.address(value, "owner") == value


@given(st.sampled_from((OWNER, CONTRACT)), st.integers(0, 55), st.sampled_from("ABCGM27"))
def test_an_address_with_one_changed_character_is_refused(
    value: str, position: int, character: str
) -> None:
    changed = value[:position] + character + value[position + 1 :]
    if changed != value:
        with pytest.raises(BadValue, match=r"^owner: "):
            units.address(changed, "owner")


@given(st.text(max_size=60).filter(lambda text: text not in (OWNER, CONTRACT)))
def test_any_other_text_is_refused_as_an_address(text: str) -> None:
    with pytest.raises(BadValue, match=r"^owner: "):
        units.address(text, "owner")


@pytest.mark.parametrize(
    "value",
    ["", "G", OWNER[:-1], OWNER + "A", OWNER.lower(), OWNER + "\n", OWNER[:50] + "======"],
    ids=["empty", "letter", "short", "long", "lower case", "newline", "padding"],
)
def test_an_address_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match=r"^to: "):
        units.address(value, "to")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (MuxedAccount(OWNER, 7).account_muxed, "muxed account"),
        (StrKey.encode_claimable_balance(b"\0" * 33), "claimable balance"),
        (StrKey.encode_liquidity_pool(b"\0" * 32), "liquidity pool"),
        (StrKey.encode_sha256_hash(b"\0" * 32), "starts with G or C"),
        (None, "not NoneType"),
        (OWNER.encode(), "not bytes"),
    ],
)
def test_what_a_contract_takes_for_no_address_is_refused_by_its_kind(
    value: str, reason: str
) -> None:
    with pytest.raises(BadValue, match=reason):
        units.address(value, "owner")


@pytest.mark.parametrize("version", [(6 << 3) + 1, (2 << 3) + 7], ids=["G", "C"])
def test_an_address_of_another_algorithm_is_refused_with_its_checksum_right(version: int) -> None:
    payload = bytes((version, *range(32)))
    checksum = binascii.crc_hqx(payload, 0).to_bytes(2, "little")
    with pytest.raises(BadValue, match="not a valid address"):
        units.address(base64.b32encode(payload + checksum).decode(), "owner")


def test_a_secret_seed_is_refused_and_not_repeated() -> None:
    seed = Keypair.random().secret
    with pytest.raises(BadValue, match="secret seed") as caught:
        units.address(seed, "owner")
    assert seed not in repr(caught.value) + str(caught.value)


@given(i128s)
def test_an_amount_within_i128_passes(value: int) -> None:
    assert units.amount(value, "amount") == value


@given(st.integers(min_value=I128_MAX + 1) | st.integers(max_value=I128_MIN - 1))
def test_an_amount_outside_i128_is_refused(value: int) -> None:
    with pytest.raises(BadValue, match=r"^amount: the amount is outside i128"):
        units.amount(value, "amount")


@pytest.mark.parametrize("value", [True, 1.0, "1", None], ids=repr)
def test_only_an_int_is_an_amount(value: int) -> None:
    with pytest.raises(BadValue, match=f"not {type(value).__name__}"):
        units.amount(value, "amount")


@given(symbols)
def test_a_symbol_within_the_rules_passes(value: str) -> None:
    assert units.symbol(value, "request_id") == value


@pytest.mark.parametrize("value", ["_" * 33, "a-b", "a b", "é", "a\n", None, 5], ids=repr)
def test_a_symbol_outside_the_rules_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match=r"^request_id: a symbol"):
        units.symbol(value, "request_id")


def test_a_bad_value_is_one_line() -> None:
    with pytest.raises(BadValue) as caught:
        units.symbol("\n" * 40, "request_id")
    assert str(caught.value) == "request_id: a symbol has at most 32 characters, not 40"
