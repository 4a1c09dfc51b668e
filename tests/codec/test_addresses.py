import pytest
from stellar_sdk import StrKey
from tests.support.strategies import CONTRACT, OWNER, STRANGER

from callora_vault.codec.addresses import vault_address
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
