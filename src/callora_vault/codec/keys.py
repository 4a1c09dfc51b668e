"""Keys of ledger entries."""

from functools import lru_cache
from typing import Final

from stellar_sdk import Address as StellarAddress
from stellar_sdk import Keypair, scval, xdr

from callora_vault.codec.values import encode_address, encode_symbol
from callora_vault.model.units import Address


@lru_cache(maxsize=1024)
def instance_key(contract_id: Address) -> xdr.LedgerKey:
    """Build the key of a contract's instance entry."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            contract=StellarAddress(contract_id).to_xdr_sc_address(),
            key=xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE),
            durability=xdr.ContractDataDurability.PERSISTENT,
        ),
    )


@lru_cache(maxsize=1024)
def code_key(wasm_hash: bytes) -> xdr.LedgerKey:
    """Build the key of the code entry with this SHA-256."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_CODE,
        contract_code=xdr.LedgerKeyContractCode(xdr.Hash(wasm_hash)),
    )


@lru_cache(maxsize=1024)
def account_key(account: Address) -> xdr.LedgerKey:
    """Build the key of an account's entry (G...)."""
    account_id = Keypair.from_public_key(account).xdr_account_id()
    return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=xdr.LedgerKeyAccount(account_id))


def nonce_key(signer: Address, nonce: int) -> xdr.LedgerKey:
    """Build the key of the entry that marks a signer's nonce as used."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            contract=StellarAddress(signer).to_xdr_sc_address(),
            key=xdr.SCVal(
                xdr.SCValType.SCV_LEDGER_KEY_NONCE,
                nonce_key=xdr.SCNonceKey(xdr.Int64(nonce)),
            ),
            durability=xdr.ContractDataDurability.TEMPORARY,
        ),
    )


def is_nonce(key: xdr.LedgerKey) -> bool:
    """Return whether a key is one of `nonce_key`."""
    data = key.contract_data
    return data is not None and data.key.type == xdr.SCValType.SCV_LEDGER_KEY_NONCE


def setting_key(setting: xdr.ConfigSettingID) -> xdr.LedgerKey:
    """Build the key of a network setting."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONFIG_SETTING, config_setting=xdr.LedgerKeyConfigSetting(setting)
    )


SUCCESSOR_KEY: Final = "Successor"
"""The first item of the key under which a factory stores the successor of a vault."""


def successor_key(factory: Address, old: Address) -> xdr.LedgerKey:
    """Build the key of the entry in which a factory stores the successor of `old`."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            contract=StellarAddress(factory).to_xdr_sc_address(),
            key=scval.to_vec([encode_symbol(SUCCESSOR_KEY), encode_address(old)]),
            durability=xdr.ContractDataDurability.PERSISTENT,
        ),
    )
