"""The test contract of contracts/src/lib.rs: operations that use it, and keys of what it stores."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

import attrs
from localnet.tests.support.sender import Sender
from stellar_sdk import (
    Account,
    Address,
    InvokeHostFunction,
    Keypair,
    Network,
    StrKey,
    TransactionBuilder,
    scval,
    xdr,
)

CODE = (Path(__file__).parents[1] / "data" / "test_contract.wasm").read_bytes()
CODE_HASH = sha256(CODE).digest()


def code_key(code_hash: bytes) -> xdr.LedgerKey:
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_CODE,
        contract_code=xdr.LedgerKeyContractCode(xdr.Hash(code_hash)),
    )


CODE_KEY = code_key(CODE_HASH)
SALT = bytes(32)

Argument = xdr.SCVal | str | int


class Kind(IntEnum):
    """How long a counter is to last."""

    TEMPORARY = 0
    PERSISTENT = 1
    INSTANCE = 2


def _builder() -> TransactionBuilder:
    return TransactionBuilder(Account(Keypair.random().public_key, 0), "")


def _only(builder: TransactionBuilder) -> InvokeHostFunction:
    (operation,) = builder.operations
    assert isinstance(operation, InvokeHostFunction)
    return operation


def upload(code: bytes = CODE) -> InvokeHostFunction:
    return _only(_builder().append_upload_contract_wasm_op(code))


def create(creator: Sender, salt: bytes = SALT, code_hash: bytes = CODE_HASH) -> InvokeHostFunction:
    return _only(_builder().append_create_contract_op(code_hash, creator.id, salt=salt))


def _argument(value: Argument) -> xdr.SCVal:
    """Encode an argument: enums as u32, other integers as u64, strings as address or symbol."""
    if isinstance(value, xdr.SCVal):
        return value
    if isinstance(value, IntEnum):
        return scval.to_uint32(value)
    if isinstance(value, int):
        return scval.to_uint64(value)
    if StrKey.is_valid_ed25519_public_key(value) or StrKey.is_valid_contract(value):
        return scval.to_address(value)
    return scval.to_symbol(value)


@attrs.frozen
class Contract:
    """An instance of the test contract."""

    id: str

    def call(
        self,
        method: str,
        *arguments: Argument,
        auth: Sequence[xdr.SorobanAuthorizationEntry] = (),
        source: str | None = None,
    ) -> InvokeHostFunction:
        builder = _builder().append_invoke_contract_function_op(
            self.id, method, [_argument(a) for a in arguments], list(auth), source
        )
        return _only(builder)

    @property
    def address(self) -> xdr.SCAddress:
        return Address(self.id).to_xdr_sc_address()

    @property
    def instance(self) -> xdr.LedgerKey:
        key = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)
        return data_key(self.address, key, Kind.PERSISTENT)

    def entry(self, kind: Kind, name: str) -> xdr.LedgerKey:
        """Return the key of the entry that holds a counter."""
        if kind == Kind.INSTANCE:
            return self.instance
        return data_key(self.address, scval.to_symbol(name), kind)

    @property
    def code(self) -> list[xdr.LedgerKey]:
        """The keys that every call reads."""
        return [self.instance, CODE_KEY]


def data_key(holder: xdr.SCAddress, key: xdr.SCVal, kind: Kind) -> xdr.LedgerKey:
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            holder, key, xdr.ContractDataDurability(min(kind, Kind.PERSISTENT))
        ),
    )


def account_key(account_id: str) -> xdr.LedgerKey:
    return xdr.LedgerKey(
        xdr.LedgerEntryType.ACCOUNT,
        account=xdr.LedgerKeyAccount(Keypair.from_public_key(account_id).xdr_account_id()),
    )


def address_of(creator: Sender, salt: bytes = SALT) -> str:
    """Compute the address of a contract that `creator` makes."""
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            network_id=xdr.Hash(Network(creator.network.passphrase).network_id()),
            contract_id_preimage=xdr.ContractIDPreimage(
                xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
                from_address=xdr.ContractIDPreimageFromAddress(
                    Address(creator.id).to_xdr_sc_address(), xdr.Uint256(salt)
                ),
            ),
        ),
    )
    return StrKey.encode_contract(sha256(preimage.to_xdr_bytes()).digest())


def deploy(creator: Sender, salt: bytes = SALT, code_hash: bytes = CODE_HASH) -> Contract:
    """Create the contract, its code uploaded before."""
    sent = creator.invoke(create(creator, salt, code_hash))
    assert not sent.refused, sent.messages()
    return Contract(scval.from_address(sent.value).address)


def resources(
    read_only: Sequence[xdr.LedgerKey] = (),
    read_write: Sequence[xdr.LedgerKey] = (),
    *,
    instructions: int = 5_000_000,
    disk_read_bytes: int = 10_000,
    write_bytes: int = 10_000,
    fee: int = 5_000_000,
) -> xdr.SorobanTransactionData:
    """Declare resources that are generous where nothing else is said."""
    return xdr.SorobanTransactionData(
        ext=xdr.SorobanTransactionDataExt(0),
        resources=xdr.SorobanResources(
            footprint=xdr.LedgerFootprint(list(read_only), list(read_write)),
            instructions=xdr.Uint32(instructions),
            disk_read_bytes=xdr.Uint32(disk_read_bytes),
            write_bytes=xdr.Uint32(write_bytes),
        ),
        resource_fee=xdr.Int64(fee),
    )


def live_until(sender: Sender, key: xdr.LedgerKey) -> int:
    """Ask until which ledger an entry lives: 0 where it is archived."""
    found = sender.server.get_ledger_entries([key]).entries
    assert found
    assert found[0].live_until_ledger is not None
    return found[0].live_until_ledger


def ttl_data(key: xdr.LedgerKey, ledger: int) -> xdr.LedgerEntryData:
    """Make the TTL entry of `key`."""
    key_hash = xdr.Hash(sha256(key.to_xdr_bytes()).digest())
    return xdr.LedgerEntryData(
        xdr.LedgerEntryType.TTL, ttl=xdr.TTLEntry(key_hash, xdr.Uint32(ledger))
    )


def ttl_key(key: xdr.LedgerKey) -> xdr.LedgerKey:
    """Make the key of the TTL entry of `key`."""
    key_hash = xdr.Hash(sha256(key.to_xdr_bytes()).digest())
    return xdr.LedgerKey(xdr.LedgerEntryType.TTL, ttl=xdr.LedgerKeyTtl(key_hash))


def stored(sender: Sender, key: xdr.LedgerKey) -> xdr.LedgerEntryData | None:
    """Ask for an entry."""
    found = sender.server.get_ledger_entries([key]).entries
    return xdr.LedgerEntryData.from_xdr(found[0].xdr) if found else None


def counter(sender: Sender, contract: Contract, kind: Kind, name: str = "n") -> int | None:
    """Read a counter out of the stored entry."""
    data = stored(sender, contract.entry(kind, name))
    if data is None:
        return None
    assert data.contract_data is not None
    value = data.contract_data.val
    if kind != Kind.INSTANCE:
        return scval.from_uint64(value)
    assert value.instance is not None
    held = value.instance.storage.sc_map if value.instance.storage else []
    found = [item.val for item in held if item.key == scval.to_symbol(name)]
    return scval.from_uint64(found[0]) if found else None
