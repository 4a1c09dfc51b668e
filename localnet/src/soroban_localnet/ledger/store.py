"""The state of the network: entries by key, and snapshots of them.

A snapshot keeps, for each key that changes after it, the entry as it was before. Taking one costs
nothing, going back costs as much as was changed, and no ledger is ever copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from heapq import heappop, heappush
from typing import Literal, Protocol

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import UnknownSnapshot
from soroban_localnet.ledger.account import Account


@attrs.define(slots=True, eq=False)
class Entry:
    """A ledger entry: its XDR, and for Soroban entries the live-until ledger.

    `ttl_modified` is the ledger in which `live_until` last changed.
    """

    xdr: bytes
    live_until: int | None = None
    ttl_modified: int = 0
    _account: Account | None = None

    @property
    def account(self) -> Account:
        """The entry as an account; decoded once."""
        if self._account is None:
            self._account = Account.decode(self.xdr)
        return self._account

    @property
    def extension(self) -> bytes:
        """The LedgerEntryExt, which names the sponsor of a classic entry that has one."""
        if self.live_until is not None:
            return xdr.ABSENT
        if self._account is not None:
            return self._account.extension
        return stellar_xdr.LedgerEntry.from_xdr_bytes(self.xdr).ext.to_xdr_bytes()

    @classmethod
    def of_account(cls, account: Account, ledger: int) -> Entry:
        """Make the entry of `account`, last modified in `ledger`."""
        return cls(account.encode(ledger), account=account)

    def is_live(self, ledger: int) -> bool:
        """Tell whether the entry lives in `ledger`; entries without a TTL always do."""
        return self.live_until is None or self.live_until >= ledger


class _Ends:
    """Keys of temporary entries by their live-until ledgers."""

    def __init__(self) -> None:
        self._keys: dict[int, set[bytes]] = {}
        self._ledgers: list[int] = []  # those of `_keys`, as a heap

    def move(self, key: bytes, before: Held, after: Held) -> None:
        """Note that an entry took the place of another."""
        old = before.live_until if isinstance(before, Entry) else None
        new = after.live_until if isinstance(after, Entry) else None
        if old == new or not xdr.is_temporary(key):
            return
        if old is not None and old in self._keys:
            self._keys[old].discard(key)
        if new is not None:
            if new not in self._keys:
                self._keys[new] = set()
                heappush(self._ledgers, new)
            self._keys[new].add(key)

    def keys(self) -> set[bytes]:
        """Return the keys whose ends are still awaited."""
        return set().union(*self._keys.values())

    def take(self, ledger: int) -> list[bytes]:
        """Return what does not live in `ledger` any more, in order, and forget it."""
        taken: list[bytes] = []
        while self._ledgers and self._ledgers[0] < ledger:
            taken += sorted(self._keys.pop(heappop(self._ledgers)))
        return taken


class Below(Protocol):
    """Entries of another network, for keys that were never written here."""

    def get(self, key: bytes) -> Entry | None:
        """Return the entry, expired or not, or None where there is none."""

    def fetch(self, keys: Iterable[bytes]) -> None:
        """Make `get` quick for these keys."""


class Unwritten(Enum):
    """Says of a key that it was never written here: what is below holds."""

    UNWRITTEN = 0


UNWRITTEN = Unwritten.UNWRITTEN

Held = Entry | Literal[Unwritten.UNWRITTEN] | None
"""What a ledger holds under a key: an entry, None where it was removed, or UNWRITTEN."""


class Ledger:
    """Entries by LedgerKey XDR, with snapshots to go back to.

    Arguments: `below`, where entries are that were never written here.
    """

    def __init__(self, below: Below | None = None) -> None:
        self._entries: dict[bytes, Entry | None] = {}
        self._below = below
        self._layers: list[dict[bytes, Held]] = []
        self._ends = _Ends()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[bytes, Entry]]:
        return ((key, entry) for key, entry in self._entries.items() if entry is not None)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry, expired or not, or None."""
        entry = self._entries.get(key)
        if entry is None and self._below is not None and key not in self._entries:
            return self._below.get(key)
        return entry

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Read what will be needed from below in one go."""
        if self._below is not None:
            self._below.fetch(key for key in keys if key not in self._entries)

    def account(self, public_key: bytes) -> Account | None:
        """Return the account, or None."""
        entry = self.get(xdr.account_key(public_key))
        return None if entry is None else entry.account

    def put(self, key: bytes, entry: Entry | None) -> None:
        """Store an entry, or remove it with None."""
        if self._layers:
            self._layers[-1].setdefault(key, self._entries.get(key, UNWRITTEN))
        self._set(key, UNWRITTEN if entry is None and self._below is None else entry)

    def _set(self, key: bytes, entry: Held) -> None:
        self._ends.move(key, self._entries.get(key), entry)
        if entry is UNWRITTEN:
            self._entries.pop(key, None)
        else:
            self._entries[key] = entry

    @property
    def watched(self) -> set[bytes]:
        """The keys of temporary entries that `expired` will return one day."""
        return self._ends.keys()

    def expired(self, ledger: int) -> list[bytes]:
        """Return the keys of temporary entries whose TTLs ended before `ledger`, each once."""
        return self._ends.take(ledger)

    def snapshot(self) -> int:
        """Take a snapshot of the present state and return its number."""
        self._layers.append({})
        return len(self._layers) - 1

    def since(self, snapshot: int) -> dict[bytes, Held]:
        """Return what was changed after a snapshot, as it was then. Raises UnknownSnapshot."""
        if not 0 <= snapshot < len(self._layers):
            raise UnknownSnapshot(snapshot)
        before: dict[bytes, Held] = {}
        for layer in reversed(self._layers[snapshot:]):
            before.update(layer)
        return before

    def revert(self, snapshot: int) -> None:
        """Return to a snapshot. It can be used again; later ones are removed.

        Raises UnknownSnapshot.
        """
        for key, entry in self.since(snapshot).items():
            self._set(key, entry)
        self._layers[snapshot:] = [{}]


class Store(Protocol):
    """Entries that can be read and written: the ledger, or changes to it."""

    def get(self, key: bytes) -> Entry | None:
        """Return the entry, or None."""

    def account(self, public_key: bytes) -> Account | None:
        """Return the account, or None."""

    def put(self, key: bytes, entry: Entry | None) -> None:
        """Store an entry, or remove it with None."""


class Changes:
    """What is about to change: reads fall through to what is below, writes stay here.

    A ledger is made in one of these, a transaction in one on top of it, an operation in a third.
    """

    def __init__(self, ledger: Store) -> None:
        self._ledger = ledger
        self._entries: dict[bytes, Entry | None] = {}
        self.restored: set[bytes] = set()

    def get(self, key: bytes) -> Entry | None:
        """Return the entry as changed so far, or None."""
        if key in self._entries:
            return self._entries[key]
        return self._ledger.get(key)

    def account(self, public_key: bytes) -> Account | None:
        """Return the account as changed so far, or None."""
        entry = self.get(xdr.account_key(public_key))
        return None if entry is None else entry.account

    def put(self, key: bytes, entry: Entry | None) -> None:
        """Note an entry to be stored, or with None to be removed."""
        self._entries[key] = entry

    def put_account(self, account: Account, ledger: int) -> None:
        """Note an account as modified in `ledger`."""
        self._entries[xdr.account_key(account.public_key)] = Entry.of_account(account, ledger)

    def take(self, key: bytes) -> Entry | None:
        """Return what was noted for the key, and note it no longer."""
        return self._entries.pop(key, None)

    @property
    def written(self) -> Mapping[bytes, Entry | None]:
        """What is noted, by key."""
        return self._entries

    def items(self) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
        """Yield key, entry before, entry after."""
        for key, entry in self._entries.items():
            yield key, self._ledger.get(key), entry

    def commit(self) -> None:
        """Write everything to what is below."""
        for key, entry in self._entries.items():
            self._ledger.put(key, entry)
        self._entries.clear()
        self.restored.clear()


def key_of(entry: bytes) -> bytes:
    """Return the LedgerKey of a LedgerEntry, both as XDR. Raises ValueError for other types."""
    data = stellar_xdr.LedgerEntry.from_xdr_bytes(entry).data
    kind = stellar_xdr.LedgerEntryType
    if data.account is not None:
        key = stellar_xdr.LedgerKey(
            kind.ACCOUNT, account=stellar_xdr.LedgerKeyAccount(data.account.account_id)
        )
    elif data.contract_data is not None:
        held = data.contract_data
        key = stellar_xdr.LedgerKey(
            kind.CONTRACT_DATA,
            contract_data=stellar_xdr.LedgerKeyContractData(
                held.contract, held.key, held.durability
            ),
        )
    elif data.contract_code is not None:
        key = stellar_xdr.LedgerKey(
            kind.CONTRACT_CODE,
            contract_code=stellar_xdr.LedgerKeyContractCode(data.contract_code.hash),
        )
    elif data.trust_line is not None:
        line = data.trust_line
        key = stellar_xdr.LedgerKey(
            kind.TRUSTLINE, trust_line=stellar_xdr.LedgerKeyTrustLine(line.account_id, line.asset)
        )
    elif data.data is not None:
        key = stellar_xdr.LedgerKey(
            kind.DATA, data=stellar_xdr.LedgerKeyData(data.data.account_id, data.data.data_name)
        )
    else:
        raise ValueError(f"entries of type {data.type.name} cannot be set")
    return key.to_xdr_bytes()
