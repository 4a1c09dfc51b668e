import pytest
from stellar_sdk import StrKey, scval, xdr
from tests.support.sdk_xdr import instance
from tests.support.strategies import CONTRACT, OWNER, STRANGER

from callora_vault.codec.addresses import vault_address
from callora_vault.codec.calls import encode_authorisation
from callora_vault.codec.entries import decode_successor
from callora_vault.codec.keys import successor_key
from callora_vault.codec.values import CannotDecode
from callora_vault.model.calls import Init, Migrate, Withdraw
from callora_vault.model.units import BadValue

SALT = bytes(32)
NEW = StrKey.encode_contract(bytes(32))
NETWORK = "Standalone Network ; February 2017"


def test_an_address_is_bound_to_factory_owner_salt_and_network() -> None:
    addresses = {
        vault_address(CONTRACT, OWNER, SALT, NETWORK),
        vault_address(NEW, OWNER, SALT, NETWORK),
        vault_address(CONTRACT, STRANGER, SALT, NETWORK),
        vault_address(CONTRACT, OWNER, bytes([1]) + SALT[1:], NETWORK),
        vault_address(CONTRACT, OWNER, SALT, "another network"),
    }
    assert len(addresses) == 5
    assert all(map(StrKey.is_valid_contract, addresses))


def test_a_salt_has_32_bytes() -> None:
    with pytest.raises(BadValue, match="salt: a hash or salt has 32 bytes, not 31"):
        vault_address(CONTRACT, OWNER, SALT[1:], NETWORK)


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


def test_what_is_signed_has_the_nested_calls_under_it() -> None:
    call = Migrate(CONTRACT, SALT, SALT, SALT)
    tree = encode_authorisation(NEW, call, [(CONTRACT, Withdraw(7)), (CONTRACT, Init(OWNER, 7, 2))])
    assert xdr.SorobanAuthorizedInvocation.from_xdr_bytes(tree.to_xdr_bytes()) == tree
    names = [
        invocation.function.contract_fn.function_name.sc_symbol
        for invocation in (tree, *tree.sub_invocations)
        if invocation.function.contract_fn is not None
    ]
    assert names == [b"migrate", b"withdraw", b"init"]
    assert not tree.sub_invocations[0].sub_invocations
