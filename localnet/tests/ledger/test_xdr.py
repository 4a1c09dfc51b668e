"""What xdr.py and the entries' values write is what stellar_sdk.xdr writes, and reads again."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import attrs
import pytest
import stellar_sdk
from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import StrKey, scval
from stellar_sdk import xdr as stellar_xdr
from xdrlib3 import Unpacker

from soroban_localnet import xdr
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.asset import Asset
from soroban_localnet.ledger.trustline import TrustLine

few = settings(max_examples=50)

raw32 = st.binary(min_size=32, max_size=32)
u32s = st.integers(0, 2**32 - 1)
u64s = st.integers(0, 2**64 - 1)
i64s = st.integers(-(2**63), 2**63 - 1)
i128s = st.integers(-(2**127), 2**127 - 1)


def account_id(public_key: bytes) -> stellar_xdr.AccountID:
    kind = stellar_xdr.PublicKeyType.PUBLIC_KEY_TYPE_ED25519
    return stellar_xdr.AccountID(stellar_xdr.PublicKey(kind, stellar_xdr.Uint256(public_key)))


def contract_address(identity: bytes) -> stellar_xdr.SCAddress:
    kind = stellar_xdr.SCAddressType.SC_ADDRESS_TYPE_CONTRACT
    return stellar_xdr.SCAddress(
        kind, contract_id=stellar_xdr.ContractID(stellar_xdr.Hash(identity))
    )


def data_key(identity: bytes, key: stellar_xdr.SCVal, durability: int) -> stellar_xdr.LedgerKey:
    return stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=stellar_xdr.LedgerKeyContractData(
            contract_address(identity), key, stellar_xdr.ContractDataDurability(durability)
        ),
    )


def code_key(code_hash: bytes) -> stellar_xdr.LedgerKey:
    return stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.CONTRACT_CODE,
        contract_code=stellar_xdr.LedgerKeyContractCode(stellar_xdr.Hash(code_hash)),
    )


def account_key(public_key: bytes) -> stellar_xdr.LedgerKey:
    return stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.ACCOUNT,
        account=stellar_xdr.LedgerKeyAccount(account_id(public_key)),
    )


# -- parts -----------------------------------------------------------------------------------


@few
@given(st.binary(max_size=40))
def test_opaque_data(data: bytes) -> None:
    assert xdr.opaque(data) == stellar_xdr.SCBytes(data).to_xdr_bytes()


@few
@given(st.lists(u32s, max_size=5))
def test_arrays(items: list[int]) -> None:
    unpacker = Unpacker(xdr.array(map(xdr.u32, items)))
    assert unpacker.unpack_array(unpacker.unpack_uint) == items
    unpacker.done()


@few
@given(st.none() | u32s)
def test_optional_items(item: int | None) -> None:
    unpacker = Unpacker(xdr.optional(None if item is None else xdr.u32(item)))
    assert (unpacker.unpack_uint() if unpacker.unpack_bool() else None) == item
    unpacker.done()


@few
@given(st.text(alphabet="abz_AZ09", max_size=32))
def test_symbols(text: str) -> None:
    assert xdr.symbol(text) == scval.to_symbol(text).to_xdr_bytes()


@few
@given(i128s)
def test_128_bit_integers(value: int) -> None:
    assert xdr.int128(value) == scval.to_int128(value).to_xdr_bytes()


@few
@given(st.binary(max_size=40), u64s, st.booleans())
def test_strings_bytes_numbers_and_booleans(data: bytes, number: int, flag: bool) -> None:
    text = stellar_xdr.SCVal(stellar_xdr.SCValType.SCV_STRING, str=stellar_xdr.SCString(data))
    assert xdr.string(data) == text.to_xdr_bytes()
    assert xdr.byte_string(data) == scval.to_bytes(data).to_xdr_bytes()
    assert xdr.uint64(number) == scval.to_uint64(number).to_xdr_bytes()
    assert xdr.boolean(flag) == scval.to_bool(flag).to_xdr_bytes()


@few
@given(i128s, u64s)
def test_maps_with_symbols_as_keys(amount: int, identity: int) -> None:
    values = {"amount": scval.to_int128(amount), "to_muxed_id": scval.to_uint64(identity)}
    written = xdr.symbol_map(**{name: value.to_xdr_bytes() for name, value in values.items()})
    expected = scval.to_map({scval.to_symbol(name): value for name, value in values.items()})
    assert written == expected.to_xdr_bytes()


@few
@given(raw32)
def test_addresses_of_accounts(public_key: bytes) -> None:
    address = stellar_xdr.SCAddress(
        stellar_xdr.SCAddressType.SC_ADDRESS_TYPE_ACCOUNT, account_id=account_id(public_key)
    )
    expected = stellar_xdr.SCVal(stellar_xdr.SCValType.SCV_ADDRESS, address=address)
    assert xdr.account_address(public_key) == expected.to_xdr_bytes()


@few
@given(raw32, st.lists(i128s, max_size=3), i128s)
def test_contract_events(identity: bytes, topics: list[int], data: int) -> None:
    event = stellar_xdr.ContractEvent(
        stellar_xdr.ExtensionPoint(0),
        stellar_xdr.ContractID(stellar_xdr.Hash(identity)),
        stellar_xdr.ContractEventType.CONTRACT,
        stellar_xdr.ContractEventBody(
            0,
            stellar_xdr.ContractEventV0(
                [scval.to_int128(t) for t in topics], scval.to_int128(data)
            ),
        ),
    )
    encoded = xdr.contract_event(identity, map(xdr.int128, topics), xdr.int128(data))
    assert encoded == event.to_xdr_bytes()


# -- keys ------------------------------------------------------------------------------------


@few
@given(raw32)
def test_ledger_keys(raw: bytes) -> None:
    instance = stellar_xdr.SCVal(stellar_xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)
    ttl = stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.TTL, ttl=stellar_xdr.LedgerKeyTtl(stellar_xdr.Hash(raw))
    )
    assert xdr.account_key(raw) == account_key(raw).to_xdr_bytes()
    assert xdr.contract_instance_key(raw) == data_key(raw, instance, 1).to_xdr_bytes()
    assert xdr.contract_code_key(raw) == code_key(raw).to_xdr_bytes()
    assert xdr.ttl_key(raw) == ttl.to_xdr_bytes()


@pytest.mark.parametrize("setting", stellar_xdr.ConfigSettingID)
def test_keys_of_settings(setting: stellar_xdr.ConfigSettingID) -> None:
    key = stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.CONFIG_SETTING,
        config_setting=stellar_xdr.LedgerKeyConfigSetting(setting),
    )
    assert xdr.config_setting_key(setting.value) == key.to_xdr_bytes()


@few
@given(raw32, i128s, st.sampled_from([0, 1]))
def test_data_keys_tell_their_durability(identity: bytes, name: int, durability: int) -> None:
    key = data_key(identity, scval.to_int128(name), durability).to_xdr_bytes()
    assert xdr.key_type(key) == stellar_xdr.LedgerEntryType.CONTRACT_DATA
    assert xdr.has_ttl(key)
    assert xdr.is_persistent(key) == (durability == 1)
    assert xdr.is_temporary(key) == (durability == 0)


@few
@given(raw32)
def test_code_is_persistent_and_accounts_have_no_life(raw: bytes) -> None:
    zeros = raw[:28] + bytes(4)  # an end that looks like a temporary entry's
    for hashed in (raw, zeros):
        assert xdr.is_persistent(code_key(hashed).to_xdr_bytes())
        account = account_key(hashed).to_xdr_bytes()
        assert not xdr.has_ttl(account)
        assert not xdr.is_persistent(account)
        assert not xdr.is_temporary(account)


# -- entries ---------------------------------------------------------------------------------


def ledger_entry(ledger: int, data: stellar_xdr.LedgerEntryData) -> stellar_xdr.LedgerEntry:
    return stellar_xdr.LedgerEntry(stellar_xdr.Uint32(ledger), data, stellar_xdr.LedgerEntryExt(0))


@few
@given(st.binary(max_size=40), u32s, u32s)
def test_ttl_entries(key: bytes, live_until: int, ledger: int) -> None:
    hashed = sha256(key).digest()
    ttl = stellar_xdr.TTLEntry(stellar_xdr.Hash(hashed), stellar_xdr.Uint32(live_until))
    expected = ledger_entry(
        ledger, stellar_xdr.LedgerEntryData(stellar_xdr.LedgerEntryType.TTL, ttl=ttl)
    )
    assert xdr.ttl_entry(xdr.sha256(key), live_until, ledger) == expected.to_xdr_bytes()


executables = st.one_of(
    raw32.map(
        lambda code: stellar_xdr.ContractExecutable(
            stellar_xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM,
            wasm_hash=stellar_xdr.Hash(code),
        )
    ),
    st.just(
        stellar_xdr.ContractExecutable(
            stellar_xdr.ContractExecutableType.CONTRACT_EXECUTABLE_STELLAR_ASSET
        )
    ),
)


@few
@given(raw32, executables, st.lists(i128s, max_size=3), u32s, u32s)
def test_entries_are_read_and_rewritten_in_place(
    identity: bytes,
    executable: stellar_xdr.ContractExecutable,
    values: list[int],
    ledger: int,
    later: int,
) -> None:
    held = [stellar_xdr.SCMapEntry(scval.to_int128(v), scval.to_void()) for v in values]
    storage = stellar_xdr.SCMap(held) if held else None
    instance = stellar_xdr.SCVal(
        stellar_xdr.SCValType.SCV_CONTRACT_INSTANCE,
        instance=stellar_xdr.SCContractInstance(executable, storage),
    )
    data = stellar_xdr.LedgerEntryData(
        stellar_xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=stellar_xdr.ContractDataEntry(
            stellar_xdr.ExtensionPoint(0),
            contract_address(identity),
            stellar_xdr.SCVal(stellar_xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE),
            stellar_xdr.ContractDataDurability.PERSISTENT,
            instance,
        ),
    )
    entry = ledger_entry(ledger, data).to_xdr_bytes()
    code = executable.wasm_hash
    assert xdr.executable_hash(entry) == (None if code is None else code.hash)
    assert xdr.last_modified(entry) == ledger
    assert xdr.with_last_modified(entry, later) == ledger_entry(later, data).to_xdr_bytes()


# -- accounts --------------------------------------------------------------------------------

signer_keys = st.one_of(
    raw32.map(
        lambda key: stellar_xdr.SignerKey(
            stellar_xdr.SignerKeyType.SIGNER_KEY_TYPE_ED25519, ed25519=stellar_xdr.Uint256(key)
        )
    ),
    raw32.map(
        lambda key: stellar_xdr.SignerKey(
            stellar_xdr.SignerKeyType.SIGNER_KEY_TYPE_HASH_X, hash_x=stellar_xdr.Uint256(key)
        )
    ),
).map(stellar_xdr.SignerKey.to_xdr_bytes)


extensions = st.one_of(
    st.just(stellar_xdr.LedgerEntryExt(0)),
    (st.none() | raw32.map(account_id)).map(
        lambda sponsor: stellar_xdr.LedgerEntryExt(
            1,
            v1=stellar_xdr.LedgerEntryExtensionV1(
                stellar_xdr.SponsorshipDescriptor(sponsor), stellar_xdr.LedgerEntryExtensionV1Ext(0)
            ),
        )
    ),
).map(stellar_xdr.LedgerEntryExt.to_xdr_bytes)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    signers = draw(st.lists(st.tuples(signer_keys, u32s), max_size=3))
    account = Account(
        public_key=draw(raw32),
        balance=draw(i64s),
        sequence=draw(i64s),
        subentries=draw(u32s),
        inflation_destination=draw(st.none() | raw32),
        flags=draw(u32s),
        home_domain=draw(st.binary(max_size=32)),
        thresholds=draw(st.binary(min_size=4, max_size=4)),
        signers=tuple(signers),
        extensions=draw(st.integers(0, 3)),
        extension=draw(extensions),
    )
    values: dict[str, Any] = {}
    if account.extensions >= 1:
        values |= {"buying_liabilities": draw(i64s), "selling_liabilities": draw(i64s)}
    if account.extensions >= 2:
        sponsors = draw(st.tuples(*[st.none() | raw32] * len(signers)))
        values |= {"sponsored": draw(u32s), "sponsoring": draw(u32s), "signer_sponsors": sponsors}
    if account.extensions == 3:
        values |= {"sequence_ledger": draw(u32s), "sequence_time": draw(u64s)}
    return attrs.evolve(account, **values)


@few
@given(accounts(), u32s)
def test_accounts_are_decoded_as_they_were_encoded(account: Account, ledger: int) -> None:
    entry = account.encode(ledger)
    assert stellar_xdr.LedgerEntry.from_xdr_bytes(entry).to_xdr_bytes() == entry
    assert Account.decode(entry) == account
    assert xdr.last_modified(entry) == ledger


def test_a_new_signer_of_a_sponsored_account_has_no_sponsor() -> None:
    key = xdr.u32(0) + bytes(32)
    account = Account(bytes(32), 1, 1, signers=((key, 1),), extensions=2)
    assert Account.decode(account.encode(1)).signer_sponsors == (None,)


# -- trustlines and data ---------------------------------------------------------------------


@st.composite
def assets(draw: st.DrawFn) -> Asset:
    letters = "AZaz09"
    code = draw(st.text(letters, min_size=1, max_size=12))
    issuer = StrKey.encode_ed25519_public_key(draw(raw32))
    return Asset(stellar_sdk.Asset(code, issuer).to_xdr_object().to_xdr_bytes())


@st.composite
def trustlines(draw: st.DrawFn) -> TrustLine:
    line = TrustLine(
        owner=draw(raw32),
        asset=draw(assets()),
        balance=draw(i64s),
        limit=draw(i64s),
        flags=draw(u32s),
        extensions=draw(st.integers(0, 2)),
        extension=draw(extensions),
    )
    values: dict[str, Any] = {}
    if line.extensions >= 1:
        values |= {"buying_liabilities": draw(i64s), "selling_liabilities": draw(i64s)}
    if line.extensions == 2:
        values |= {"pool_uses": draw(st.integers(-(2**31), 2**31 - 1))}
    return attrs.evolve(line, **values)


@few
@given(trustlines(), u32s)
def test_trustlines_are_decoded_as_they_were_encoded(line: TrustLine, ledger: int) -> None:
    entry = line.encode(ledger)
    decoded = stellar_xdr.LedgerEntry.from_xdr_bytes(entry)
    assert decoded.to_xdr_bytes() == entry
    assert TrustLine.decode(entry) == line
    assert decoded.data.trust_line is not None
    trusted = decoded.data.trust_line
    key = stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.TRUSTLINE,
        trust_line=stellar_xdr.LedgerKeyTrustLine(trusted.account_id, trusted.asset),
    )
    written = xdr.trustline_key(line.owner, line.asset.xdr)
    assert written == key.to_xdr_bytes()
    assert xdr.trustline_parts(written) == (line.owner, line.asset.xdr)


@few
@given(assets())
def test_an_asset_has_the_name_and_contract_that_the_sdk_gives_it(asset: Asset) -> None:
    known = stellar_sdk.Asset.from_xdr_object(stellar_xdr.Asset.from_xdr_bytes(asset.xdr))
    assert asset.is_valid
    assert asset.name.decode() == f"{known.code}:{known.issuer}"
    network_id = sha256(b"a network").digest()
    assert StrKey.encode_contract(asset.contract(network_id)) == known.contract_id("a network")


@few
@given(raw32, st.binary(max_size=64))
def test_keys_of_data(public_key: bytes, name: bytes) -> None:
    held = stellar_xdr.LedgerKeyData(account_id(public_key), stellar_xdr.String64(name))
    key = stellar_xdr.LedgerKey(stellar_xdr.LedgerEntryType.DATA, data=held)
    assert xdr.data_key(public_key, name) == key.to_xdr_bytes()


@few
@given(extensions)
def test_a_sponsor_is_read_from_the_extension(extension: bytes) -> None:
    decoded = stellar_xdr.LedgerEntryExt.from_xdr_bytes(extension)
    sponsor = None if decoded.v1 is None else decoded.v1.sponsoring_id.sponsorship_descriptor
    found = xdr.sponsor(extension)
    assert (None if found is None else account_id(found)) == sponsor
