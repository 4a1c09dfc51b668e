"""Reading a contract from the ledger: its instance entry, and its events.

Nothing here calls the contract. Reading an entry and decoding it are separate, because some callers
need only the code's hash or the raw entry.
"""

from __future__ import annotations

import attrs
from stellar_sdk import xdr

from callora_vault.codec.entries import StoredVault, decode_stored
from callora_vault.codec.events import decode_event_body
from callora_vault.codec.keys import instance_key
from callora_vault.model.events import Event
from callora_vault.model.units import Address
from callora_vault.rpc.answers import Entries, EventRecord
from callora_vault.rpc.errors import NoVault
from callora_vault.rpc.network import Network


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
    def code_hash(self) -> bytes | None:
        """The SHA-256 of the contract's own code, None if it has none."""
        data = self.entry.contract_data
        instance = None if data is None else data.val.instance
        hashed = None if instance is None else instance.executable.wasm_hash
        return None if hashed is None else hashed.hash

    def vault(self) -> StoredVault:
        """Decode the entry as a vault's. Raises UnknownLayout, CannotDecode."""
        return decode_stored(self.entry)


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
