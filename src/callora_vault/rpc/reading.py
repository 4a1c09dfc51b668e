"""Reading a contract from the ledger: its instance entry, and its events.

Nothing here calls the contract. Reading an entry and decoding it are separate, because some callers
need only the code's hash or the raw entry.
"""

from __future__ import annotations

from typing import Final

import attrs
from stellar_sdk import xdr

from callora_vault.codec.entries import StoredVault, decode_vault
from callora_vault.codec.events import decode_event_body
from callora_vault.codec.keys import instance_key
from callora_vault.codec.values import CannotDecode, decode_i128, decode_symbol, encode_symbol
from callora_vault.model.events import EVENTS, Event
from callora_vault.model.units import Address
from callora_vault.rpc.answers import Entries, EventRecord
from callora_vault.rpc.errors import NoVault
from callora_vault.rpc.network import Network

_NAMES: Final = frozenset(event.shape.name for event in EVENTS)
_BALANCE: Final = encode_symbol("balance")
_AMOUNT_AND_BALANCE: Final = 2


@attrs.frozen
class Instance:
    """The instance entry of `contract` as of `ledger`.

    `raw` is the entry as base64 XDR of LedgerEntryData, `modified` the ledger of its last change,
    `live_until` its live-until ledger, None if the RPC names none.
    """

    contract: Address
    ledger: int
    modified: int
    live_until: int | None
    raw: str = attrs.field(repr=False)

    @property
    def entry(self) -> xdr.LedgerEntryData:
        """The raw entry."""
        return xdr.LedgerEntryData.from_xdr(self.raw)

    @property
    def executable(self) -> xdr.ContractExecutable:
        """What the contract runs. Raises CannotDecode if the entry is not an instance."""
        data = self.entry.contract_data
        instance = None if data is None else data.val.instance
        if instance is None:
            raise CannotDecode("the entry", "ContractInstance", self.entry.type.name)
        return instance.executable

    @property
    def code_hash(self) -> bytes | None:
        """The SHA-256 of the contract's own code, None if it has none."""
        data = self.entry.contract_data
        instance = None if data is None else data.val.instance
        hashed = None if instance is None else instance.executable.wasm_hash
        return None if hashed is None else hashed.hash

    def vault(self) -> StoredVault:
        """Decode the entry as a vault's. Raises UnknownLayout, CannotDecode."""
        return decode_vault(self.entry)


def instance_in(entries: Entries, contract: Address) -> Instance | None:
    """Find a contract's instance among entries; None if the ledger has none."""
    found = entries.get(instance_key(contract))
    if found is None:
        return None
    return Instance(
        contract,
        entries.ledger,
        found.last_modified_ledger,
        found.live_until_ledger,
        found.xdr,
    )


def read_instance(network: Network, contract: Address, until: float) -> Instance:
    """Read a contract's instance. Raises NoVault if it does not exist, and what Network raises.

    Arguments: `until`, a moment of the network's clock.
    """
    found = instance_in(network.entries([instance_key(contract)], until), contract)
    if found is None:
        raise NoVault(contract)
    return found


def read_event(record: EventRecord) -> Event:
    """Decode an event of a vault.

    Raises CannotDecode if it is not a vault's, ValueError if it is not XDR.
    """
    topics = [xdr.SCVal.from_xdr(topic) for topic in record.topics]
    return decode_event_body(topics, xdr.SCVal.from_xdr(record.data))


def read_balance(record: EventRecord) -> tuple[str, int | None]:
    """Read name and balance of an event that `read_event` cannot decode.

    The balance is the second of two amounts, or the field of that name; None if the
    event's name is not one of a vault's, or if it has no balance. The name is "" if it has none.
    """
    try:
        topics = [xdr.SCVal.from_xdr(topic) for topic in record.topics]
        data = xdr.SCVal.from_xdr(record.data)
        name = decode_symbol(topics[0], "the event's name") if topics else ""
        told = None
        if data.map is not None:
            told = next((e.val for e in data.map.sc_map if e.key == _BALANCE), None)
        elif data.vec is not None and len(data.vec.sc_vec) == _AMOUNT_AND_BALANCE:
            told = data.vec.sc_vec[1]
        if told is None or name not in _NAMES:
            return name, None
        return name, decode_i128(told, "balance")
    except (CannotDecode, ValueError):
        return "", None
