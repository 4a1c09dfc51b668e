import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Address, StrKey, scval, xdr
from tests.support.sdk_xdr import HASH, fields, instance
from tests.support.strategies import CONTRACT, OWNER, metas

from callora_vault.codec.entries import decode_meta, decode_stored, decode_successor, encode_meta
from callora_vault.codec.keys import code_key, instance_key, successor_key
from callora_vault.codec.values import CannotDecode
from callora_vault.model.layouts import (
    LAYOUTS,
    V0,
    V1,
    V2,
    Difference,
    Fault,
    Layout,
    UnknownLayout,
    VaultMeta,
)
from callora_vault.model.units import I128_MAX, BadValue

META = scval.to_symbol("meta")
NEW = StrKey.encode_contract(bytes(32))
MUXED = StrKey.encode_med25519_public_key(bytes(40))
OWNER_VALUE, ONE = scval.to_address(OWNER), scval.to_int128(1)


@given(metas, st.sampled_from(LAYOUTS))
def test_what_a_vault_stores_comes_back_with_its_layout(meta: VaultMeta, layout: Layout) -> None:
    raw = instance((META, encode_meta(meta, layout))).to_xdr_bytes()
    stored = decode_stored(xdr.LedgerEntryData.from_xdr_bytes(raw))
    kept = attrs.asdict(meta)
    kept = {field.name: kept[field.name] for field in layout.fields}
    assert (stored.layout, stored.meta, stored.extra) == (layout, VaultMeta(**kept), ())


@given(metas)
def test_a_stored_map_is_sorted_by_field_name(meta: VaultMeta) -> None:
    caller = meta.authorized_caller
    assert encode_meta(meta, V2) == scval.to_struct(
        {
            "owner": scval.to_address(meta.owner),
            "authorized_caller": scval.to_void() if caller is None else scval.to_address(caller),
            "balance": scval.to_int128(meta.balance),
            "min_deposit": scval.to_int128(meta.min_deposit),
        }
    )


@pytest.mark.parametrize("items", [(), ((scval.to_symbol("other"), ONE),)], ids=["bare", "other"])
def test_a_contract_before_init_has_no_meta(items: tuple[tuple[xdr.SCVal, xdr.SCVal], ...]) -> None:
    stored = decode_stored(instance(*items))
    assert (stored.layout, stored.meta) == (None, None)
    assert [(entry.key, entry.val) for entry in stored.extra] == list(items)


def test_other_instance_keys_are_reported() -> None:
    other = (scval.to_string("meta"), ONE)
    stored = decode_stored(instance((META, encode_meta(VaultMeta(OWNER, 1), V1)), other))
    assert stored.layout is V1
    assert [(entry.key, entry.val) for entry in stored.extra] == [other]


def test_the_executable_is_kept() -> None:
    executable = decode_stored(instance()).executable
    assert executable.wasm_hash is not None
    assert executable.wasm_hash.hash == HASH


@pytest.mark.parametrize(
    ("value", "closest", "difference"),
    [
        (
            fields(balance=ONE),
            V0,
            Difference("owner", Fault.MISSING, "Address", None),
        ),
        (
            fields(balance=ONE, fee=scval.to_void(), min_deposit=ONE, owner=OWNER_VALUE),
            V1,
            Difference("fee", Fault.EXTRA, None, "Void"),
        ),
        (
            fields(authorized_caller=ONE, balance=ONE, min_deposit=ONE, owner=OWNER_VALUE),
            V2,
            Difference("authorized_caller", Fault.WRONG_TYPE, "Address or Void", "I128"),
        ),
        (
            fields(balance=scval.to_uint128(1), min_deposit=ONE, owner=OWNER_VALUE),
            V1,
            Difference("balance", Fault.WRONG_TYPE, "I128", "U128"),
        ),
        (
            fields(
                balance=ONE,
                owner=scval.to_address(MUXED),
            ),
            V0,
            Difference("owner", Fault.WRONG_TYPE, "Address", "Address:muxed_account"),
        ),
        (
            fields(owner=OWNER_VALUE, balance=ONE),
            V0,
            Difference("owner", Fault.OUT_OF_ORDER, None, None),
        ),
        (ONE, None, Difference("meta", Fault.WRONG_TYPE, "Map", "I128")),
    ],
    ids=["missing", "extra", "no optional", "wrong type", "muxed owner", "out of order", "no map"],
)
def test_an_unknown_layout_is_named_field_by_field(
    value: xdr.SCVal, closest: Layout | None, difference: Difference
) -> None:
    with pytest.raises(UnknownLayout) as caught:
        decode_stored(instance((META, value)))
    assert caught.value.closest is closest
    assert caught.value.differences == (difference,)


def test_a_repeated_field_is_no_known_layout() -> None:
    once = encode_meta(VaultMeta(OWNER, 1), V1)
    assert once.map is not None
    entries = [*once.map.sc_map, once.map.sc_map[-1]]
    with pytest.raises(UnknownLayout, match="owner is repeated"):
        decode_meta(xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries)))


def test_a_key_that_is_no_symbol_is_an_extra_field() -> None:
    value = encode_meta(VaultMeta(OWNER, 1), V1)
    assert value.map is not None
    value.map.sc_map.append(xdr.SCMapEntry(scval.to_string("owner"), ONE))
    with pytest.raises(UnknownLayout) as caught:
        decode_meta(value)
    assert caught.value.differences == (
        Difference('{"string": "owner"}', Fault.EXTRA, None, "I128"),
    )


def test_what_no_vault_can_store_is_not_encoded() -> None:
    with pytest.raises(BadValue, match="balance"):
        encode_meta(VaultMeta(OWNER, I128_MAX + 1), V1)


def test_an_entry_that_is_no_instance_is_refused() -> None:
    entry = instance()
    assert entry.contract_data is not None
    entry.contract_data.val = ONE
    with pytest.raises(CannotDecode, match="expected ContractInstance, found I128"):
        decode_stored(entry)


def test_the_instance_key_is_the_entry_s_own() -> None:
    data = instance().contract_data
    key = instance_key(CONTRACT).contract_data
    assert data is not None
    assert key is not None
    assert (key.contract, key.key, key.durability) == (data.contract, data.key, data.durability)
    assert key.contract == Address(CONTRACT).to_xdr_sc_address()


def test_the_code_key_has_the_hash() -> None:
    key = xdr.LedgerKey.from_xdr_bytes(code_key(HASH).to_xdr_bytes())
    assert key.contract_code is not None
    assert key.contract_code.hash.hash == HASH


def test_a_successor_is_stored_under_the_old_vault() -> None:
    data = successor_key(NEW, CONTRACT).contract_data
    assert data is not None
    assert data.key == scval.to_vec([scval.to_symbol("Successor"), scval.to_address(CONTRACT)])
    entry = instance(contract_id=NEW)
    assert entry.contract_data is not None
    entry.contract_data.val = scval.to_address(CONTRACT)
    assert decode_successor(entry) == CONTRACT
    with pytest.raises(CannotDecode, match="the successor: expected Address, found ContractInst"):
        decode_successor(instance(contract_id=NEW))
