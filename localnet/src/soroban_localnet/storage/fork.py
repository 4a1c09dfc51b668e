"""A fork: the state of another network, read when it is first needed and never written there.

What was read once is kept, keys without an entry too; with a cache file also for the next process,
which then needs the remote only for what nobody has asked for yet. The remote is asked with
getNetwork, getLatestLedger, getLedgers and getLedgerEntries, nothing else.

A network that begins anew keeps its passphrase. By the hash of the ledger that was forked it is
told from the one that was, and entries of the two are never mixed.

Source: stellar-rpc's getLedgerEntries: an archived entry has 0 for the ledger it lives until.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stellar_sdk import Address, StrKey
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.client.base_sync_client import BaseSyncClient
from stellar_sdk.exceptions import SdkError
from stellar_sdk.sep.contract_info import ContractInfo

from soroban_localnet import xdr
from soroban_localnet.errors import (
    ForkError,
    NeedsNewerProtocol,
    RemoteBeganAnew,
    RemoteFailed,
    RemoteMismatch,
)
from soroban_localnet.history.closed_ledger import ClosedLedger, first_ledger
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger import settings
from soroban_localnet.ledger.parameters import BASE_FEE, BASE_RESERVE
from soroban_localnet.ledger.settings import NetworkSettings
from soroban_localnet.ledger.store import Entry, Ledger
from soroban_localnet.storage.fork_cache import ForkCache, Origin
from soroban_localnet.storage.remote import MAX_KEYS, Remote, SentEntry
from soroban_localnet.transactions.envelope import InvokeBody, Transaction
from soroban_localnet.transactions.set import BaseFees

REAL_KEYS_WARNING = (
    "This network has the passphrase of the one it was forked from: what is signed here with a "
    "real key is valid there, too. Sign with throw-away keys."
)
"""A warning for users of a fork, before they use a key."""

TIMEOUT_SECONDS = 10.0


class Fork:
    """The state of another network at its latest ledger, for a LocalNetwork to start from.

    Make one with `connect`. Entries are read when they are first needed, so those read later are as
    the remote has them then. A network keeps what it writes to itself.
    """

    def __init__(
        self, origin: Origin, remote: Remote | None, cache: ForkCache | None, *, verified: bool
    ) -> None:
        self._origin = origin
        self._remote = remote
        self._cache = cache
        self._verified = verified
        self._entries: dict[bytes, Entry | None] = {}
        self._newer: dict[bytes, int] = {}
        self._settings, self._left = settings.taken_over(origin.settings)
        self._remarks = self._remark()

    @classmethod
    def connect(
        cls,
        url: str | None,
        *,
        client: BaseSyncClient | None = None,
        cache: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Fork:
        """Begin a fork, or continue the one that a cache file holds.

        Arguments: `url` of a Stellar RPC, None to use the cache only; `client`, a transport of
        stellar-sdk to use; `cache`, a file that keeps what is read: if it exists, the fork
        begins at its ledger, and the remote need not be reachable; `timeout`, seconds that the
        remote has for an answer.
        Raises RemoteFailed, RemoteMismatch if the cache is of another network, RemoteBeganAnew
        if the remote began anew since the cache was written, FileError.
        """
        remote = None if url is None else Remote(url, client, timeout)
        kept = None if cache is None or not cache.exists() else ForkCache(cache)
        try:
            origin = None if kept is None else kept.origin()
            if origin is not None:
                return cls(origin, remote, kept, verified=_is_verified(origin, remote))
            if remote is None:
                name = "an unknown network" if cache is None else str(cache)
                reason = "give the URL of a Stellar RPC, or a cache that an earlier fork filled"
                raise ForkError(name, reason)
            origin = _ask_origin(remote)
            if cache is not None:
                kept = kept or ForkCache(cache)
                origin = kept.begin(origin)
            return cls(origin, remote, kept, verified=True)
        except BaseException:
            if kept is not None:
                kept.database.close()
            if remote is not None:
                remote.close()
            raise

    def close(self) -> None:
        """Close the cache file and the connection to the remote."""
        if self._cache is not None:
            self._cache.database.close()
        if self._remote is not None:
            self._remote.close()

    def __enter__(self) -> Fork:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Fork of {self.name} at ledger {self._origin.sequence}>"

    # -- what the remote is ------------------------------------------------------------------

    @property
    def passphrase(self) -> str:
        """The remote's passphrase."""
        return self._origin.passphrase

    @property
    def protocol_version(self) -> int:
        """The protocol version that the remote ran when it was forked."""
        return self._origin.protocol_version

    @property
    def close_time(self) -> int:
        """The close time of the ledger that was forked, in seconds since 1970."""
        return self._origin.close_time

    @property
    def settings(self) -> NetworkSettings:
        """The remote's settings; what the embedded host cannot read has its default."""
        return self._settings

    @property
    def name(self) -> str:
        """The remote's scheme, host and port."""
        return "a cache" if self._remote is None else self._remote.name

    @property
    def is_kept(self) -> bool:
        """Tell whether a cache file keeps what is read."""
        return self._cache is not None

    @property
    def identity(self) -> bytes:
        """What tells this fork from others: the hash of the ledger where it begins."""
        return self._origin.hash

    @property
    def remarks(self) -> tuple[str, ...]:
        """The differences from the remote, a line each."""
        return self._remarks

    def _remark(self) -> tuple[str, ...]:
        lines = []
        if self.protocol_version != PROTOCOL.version:
            lines.append(
                f"the remote runs protocol {self.protocol_version}, this network runs "
                f"{PROTOCOL.version}"
            )
        lines += [f"default setting: {left}" for left in self._left]
        header = _header(self._origin)
        if header is None:
            lines.append(
                "the header of the first ledger is a substitute: the remote's cannot be read"
            )
        elif (header.base_fee.uint32, header.base_reserve.uint32) != (BASE_FEE, BASE_RESERVE):
            lines.append(
                f"base fee {BASE_FEE} and base reserve {BASE_RESERVE} stroops, the remote has "
                f"{header.base_fee.uint32} and {header.base_reserve.uint32}"
            )
        if self._remote is None:
            lines.append("no remote: entries that the cache lacks cannot be read")
        elif not self._verified:
            lines.append(
                f"{self.name} does not answer: entries that the cache lacks cannot be read"
            )
        return tuple(lines)

    def first_ledger(self) -> ClosedLedger:
        """Return the ledger that was forked, without its transactions."""
        origin = self._origin
        header = _header(origin)
        if header is None:
            return first_ledger(origin.sequence, origin.close_time)
        return ClosedLedger(
            sequence=origin.sequence,
            close_time=origin.close_time,
            header=origin.header,
            hash=origin.hash,
            fee_pool=header.fee_pool.int64,
            records=(),
            base_fees=BaseFees(),
        )

    # -- its entries -------------------------------------------------------------------------

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, archived or not, or None. Raises RemoteFailed, NeedsNewerProtocol."""
        if key not in self._entries:
            self.fetch((key,))
        return self._entries[key]

    def fetch(self, keys: Iterable[bytes]) -> None:
        """Read entries in as few requests as can be. Raises RemoteFailed, NeedsNewerProtocol."""
        wanted = [key for key in dict.fromkeys(keys) if not self._recall(key)]
        for start in range(0, len(wanted), MAX_KEYS):
            self._read(wanted[start : start + MAX_KEYS])

    def _recall(self, key: bytes) -> bool:
        """Tell whether the key was asked for before, by this process or an earlier one."""
        if xdr.key_type(key) == xdr.TTL:
            self._entries[key] = None  # no RPC returns those
        if key not in self._entries and self._cache is not None:
            row = self._cache.get(key)
            if row is not None:
                self._entries[key] = None if row[0] is None else _entry(row[0], row[1])
        return key in self._entries

    def _read(self, keys: list[bytes]) -> None:
        if self._remote is None:
            what = ", ".join(_describe(key) for key in keys[:3])
            raise RemoteFailed(self.name, f"it lacks {what}; give the URL of the remote as well")
        if not self._verified:
            _check_network(self._origin, self._remote)
            self._verified = True
        found, latest = self._remote.entries(keys)
        if latest < self._origin.sequence:
            _check_network(self._origin, self._remote)
        entries = {key: self._check(key, found.get(key)) for key in keys}
        if self._cache is None:
            self._entries.update(entries)
            return
        self._cache.add(entries)
        for key in keys:
            self._recall(key)

    def _check(self, key: bytes, sent: SentEntry | None) -> Entry | None:
        """Make an entry of what the remote sent. Raises RemoteFailed, NeedsNewerProtocol."""
        if sent is None:
            return None
        try:
            decoded = stellar_xdr.LedgerEntry.from_xdr_bytes(sent.entry)
            if decoded.to_xdr_bytes() != sent.entry:
                raise ValueError("not canonical")
        except Exception:  # the decoder raises whatever Python raises on bad input
            if self.protocol_version > PROTOCOL.version:
                raise self._needs(_describe(key), self.protocol_version) from None
            reason = f"the XDR of {_describe(key)} cannot be read"
            raise RemoteFailed(self.name, reason) from None
        if not _holds(key, decoded.data):
            raise RemoteFailed(self.name, f"it sent another entry than {_describe(key)}")
        if not xdr.has_ttl(key):
            return _entry(sent.entry, None)
        if sent.live_until_ledger_seq is None or decoded.ext.v != 0:
            raise RemoteFailed(self.name, f"it sent {_describe(key)} without a TTL")
        return _entry(sent.entry, sent.live_until_ledger_seq)

    # -- what transactions need --------------------------------------------------------------

    def prepare(self, transaction: Transaction, ledger: Ledger) -> None:
        """Read what a transaction names in one request, or two where it calls a contract.

        Arguments: `ledger`, which is on top of this fork.
        Raises RemoteFailed, NeedsNewerProtocol where code would have to be run that needs it.
        """
        sources = [op.source for op in transaction.operations if op.source]
        sources += [transaction.fee_source, transaction.source]
        keys = [xdr.account_key(source) for source in sources]
        if transaction.soroban is not None:
            keys += transaction.soroban.read_only + transaction.soroban.read_write
        called = [op.body.contract for op in transaction.operations if _is_call(op.body)]
        instances = [xdr.contract_instance_key(contract) for contract in called]
        ledger.prefetch(keys + instances)
        held = [entry for key in instances if (entry := ledger.get(key)) is not None]
        hashes = [code for entry in held if (code := xdr.executable_hash(entry.xdr)) is not None]
        codes = [xdr.contract_code_key(code) for code in hashes]
        ledger.prefetch(codes)
        for key in keys + codes:
            self.check_code(key)

    def check_code(self, key: bytes) -> None:
        """Raise NeedsNewerProtocol where the key is that of code that the host cannot run."""
        if self.protocol_version <= PROTOCOL.version or xdr.key_type(key) != xdr.CONTRACT_CODE:
            return
        entry = self._entries.get(key)
        if entry is None:
            return
        if key not in self._newer:
            self._newer[key] = _code_protocol(entry.xdr)
        if self._newer[key] > PROTOCOL.version:
            raise self._needs(_describe(key), self._newer[key])

    def _needs(self, subject: str, protocol: int) -> NeedsNewerProtocol:
        return NeedsNewerProtocol(self.name, subject, protocol, PROTOCOL.version)


# -- asking the remote -------------------------------------------------------------------------


def _is_verified(origin: Origin, remote: Remote | None) -> bool:
    """Tell whether the remote is there and of the cache's network.

    Raises RemoteMismatch, RemoteBeganAnew.
    """
    if remote is None:
        return False
    try:
        _check_network(origin, remote)
    except RemoteFailed:
        return False
    return True


def _check_network(origin: Origin, remote: Remote) -> None:
    passphrase = remote.network().passphrase
    if passphrase != origin.passphrase:
        raise RemoteMismatch(remote.name, origin.passphrase, passphrase)
    latest = remote.latest_ledger()
    if latest.sequence < origin.sequence:
        if _seconds(remote, latest.close_time) > origin.close_time:
            raise RemoteBeganAnew(remote.name, origin.sequence)
        reason = f"it is behind, at ledger {latest.sequence}; {origin.sequence} was forked"
        raise RemoteFailed(remote.name, reason)
    try:
        found = remote.ledgers(origin.sequence)
    except RemoteFailed:  # it has dropped that ledger: its oldest one has to be a later one
        found = remote.ledgers(latest.sequence)
        if _seconds(remote, found.oldest_ledger_close_time) < origin.close_time:
            raise RemoteBeganAnew(remote.name, origin.sequence) from None
        return
    forked = (origin.sequence, origin.hash.hex())
    if [(ledger.sequence, ledger.hash) for ledger in found.ledgers[:1]] != [forked]:
        raise RemoteBeganAnew(remote.name, origin.sequence)


def _seconds(remote: Remote, time: int | str) -> int:
    try:
        return int(time)
    except ValueError:
        raise RemoteFailed(remote.name, f"a close time that cannot be read ({time})") from None


def _ask_origin(remote: Remote) -> Origin:
    network = remote.network()
    latest = remote.latest_ledger()
    found, _ = remote.entries([key for key, _ in settings.load().entries])
    try:
        return Origin(
            passphrase=network.passphrase,
            protocol_version=network.protocol_version,
            sequence=latest.sequence,
            close_time=int(latest.close_time),
            hash=bytes.fromhex(latest.id),
            header=b64decode(latest.header_xdr),
            settings={key: sent.entry for key, sent in found.items()},
        )
    except ValueError as error:
        reason = f"getLatestLedger: the answer cannot be read ({error})"
        raise RemoteFailed(remote.name, reason) from None


# -- reading what it sent ----------------------------------------------------------------------


def _header(origin: Origin) -> stellar_xdr.LedgerHeader | None:
    """Return the header of the first ledger where it can be read and is the one of its hash."""
    try:
        header = stellar_xdr.LedgerHeader.from_xdr_bytes(origin.header)
    except Exception:  # the decoder raises whatever Python raises on bad input
        return None
    if xdr.sha256(origin.header) != origin.hash or header.ledger_seq.uint32 != origin.sequence:
        return None
    return header


def _entry(entry: bytes, live_until: int | None) -> Entry:
    return Entry(entry, live_until, xdr.last_modified(entry))


def _holds(key: bytes, data: stellar_xdr.LedgerEntryData) -> bool:
    """Tell whether the entry is that of the key: most begin with what identifies them."""
    if data.contract_code is not None:
        return key == xdr.contract_code_key(data.contract_code.hash.hash)
    encoded = data.to_xdr_bytes()
    if data.contract_data is not None:
        return key[:4] == encoded[:4] and encoded[8:].startswith(key[4:])
    return encoded.startswith(key)


def _is_call(body: Any) -> bool:
    return isinstance(body, InvokeBody) and body.contract is not None


def _code_protocol(entry: bytes) -> int:
    """Return the protocol version that a contract's code was built for, 0 where it says none."""
    code = stellar_xdr.LedgerEntry.from_xdr_bytes(entry).data.contract_code
    assert code is not None  # noqa: S101 - the caller has the key of code
    try:
        versions = [meta.interface_version for meta in ContractInfo.from_wasm(code.code).env_meta]
    except SdkError:
        return 0
    return max((v.protocol.uint32 for v in versions if v is not None), default=0)


def _describe(key: bytes) -> str:
    """Name a ledger key in a few words."""
    decoded = stellar_xdr.LedgerKey.from_xdr_bytes(key)
    if decoded.account is not None:
        return f"account {StrKey.encode_ed25519_public_key(key[8:])}"
    if decoded.contract_code is not None:
        return f"contract code {key[4:].hex()}"
    if decoded.contract_data is not None:
        holder = Address.from_xdr_sc_address(decoded.contract_data.contract).address
        return f"an entry of {holder}"
    return f"an entry of type {decoded.type.name}"
