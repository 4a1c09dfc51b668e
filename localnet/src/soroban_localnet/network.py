"""A Soroban network in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import attrs
from stellar_sdk import (
    Account as SourceAccount,
)
from stellar_sdk import (
    Asset,
    Keypair,
    SorobanServer,
    StrKey,
    TransactionBuilder,
)
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import settings as network_settings
from soroban_localnet import validity, wire
from soroban_localnet.account import Account
from soroban_localnet.apply import apply
from soroban_localnet.envelope import Transaction, parse
from soroban_localnet.errors import FundingFailed, RemoteMismatch, UnknownAccount
from soroban_localnet.fork import Fork
from soroban_localnet.history import (
    RETENTION_LEDGERS,
    TOTAL_COINS,
    ClosedLedger,
    History,
    Record,
    close,
)
from soroban_localnet.host import Host
from soroban_localnet.ledger import Entry, Ledger
from soroban_localnet.results import Invalid
from soroban_localnet.rpc import Dispatcher
from soroban_localnet.scene import BASE_RESERVE, Scene
from soroban_localnet.settings import PROTOCOL, NetworkSettings
from soroban_localnet.signatures import with_full_signer
from soroban_localnet.transport import InProcessClient

STANDALONE = "Standalone Network ; February 2017"
LEDGER_SECONDS = 5
STARTING_STROOPS = 10_000 * 10_000_000


@attrs.frozen
class _Mark:
    entries: int
    ledger: ClosedLedger
    time_offset: int


class LocalNetwork:
    """A Soroban network in this process: stellar's own host, a ledger, and the RPC methods.

    A transaction that is sent gets a ledger of its own at once, so its result is there when the
    sender asks. One thread at a time works on the network; others wait.

    Arguments: `passphrase`; `settings`, the network's Soroban settings (default: those of the
    testnet, of a fork those of its remote); `start_time`, the close time of the first ledger in
    seconds since 1970 (default: now, of a fork that of its remote); `retention`, how many ledgers
    of history are kept; `fork`, another network to go on from, whose passphrase it takes.
    Raises SettingsError, RemoteMismatch where the passphrase is not the fork's.
    """

    def __init__(
        self,
        passphrase: str | None = None,
        *,
        settings: NetworkSettings | None = None,
        start_time: int | None = None,
        retention: int = RETENTION_LEDGERS,
        fork: Fork | None = None,
    ) -> None:
        if fork is not None:
            if passphrase not in (None, fork.passphrase):
                raise RemoteMismatch(fork.name, str(passphrase), fork.passphrase)
            passphrase, settings = fork.passphrase, settings or fork.settings
        self.passphrase = STANDALONE if passphrase is None else passphrase
        self.network_id = wire.sha256(self.passphrase.encode())
        self.settings = settings or network_settings.load()
        self.lock = threading.RLock()
        self._fork = fork
        self._ledger = Ledger(fork)
        self._history = History(retention)
        self._marks: list[_Mark] = []
        self._clock: Callable[[], int] = lambda: int(time.time())
        if fork is not None and start_time is None:
            start_time = fork.close_time
        self._time_offset = 0 if start_time is None else start_time - self._clock()
        self._native_contract = StrKey.decode_contract(Asset.native().contract_id(self.passphrase))
        for key, entry in self.settings.entries:
            self._ledger.put(key, Entry(entry))
        self.host = Host([entry for _, entry in self.settings.entries], self._read)
        if fork is None:
            first = close(None, 1, self._now() if start_time is None else start_time, ())
            seed = self.network_id
        else:
            first = fork.first_ledger()
            seed = wire.sha256(self.network_id + b"faucet")  # nobody's account on the remote
        self._root = Keypair.from_raw_ed25519_seed(seed)
        root = Account(self._root.raw_public_key(), TOTAL_COINS, 0)
        self._ledger.put(wire.account_key(root.public_key), Entry.of_account(root, first.sequence))
        self._history.add(first)
        self._dispatcher = Dispatcher(self)

    # -- what clients use ------------------------------------------------------------------

    @property
    def protocol_version(self) -> int:
        """The protocol version that the host runs."""
        return PROTOCOL.version

    def client(self) -> InProcessClient:
        """Return a transport for stellar-sdk that ends in this network, without a socket."""
        return InProcessClient(self._dispatcher)

    def server(self) -> SorobanServer:
        """Return stellar-sdk's server object on top of `client`."""
        return SorobanServer("http://localnet.invalid", self.client())

    @property
    def dispatcher(self) -> Dispatcher:
        """The RPC methods, for a door of another kind."""
        return self._dispatcher

    def fund(self, account_id: str, stroops: int = STARTING_STROOPS) -> str:
        """Create an account with a balance, as friendbot does, and return the transaction's hash.

        Arguments: `account_id` (G...); `stroops`, its starting balance.
        Raises FundingFailed, where the account exists already or the balance is too low.
        """
        with self.lock:
            root = self._ledger.account(self._root.raw_public_key())
            assert root is not None  # noqa: S101 - the root account is never merged
            builder = TransactionBuilder(
                SourceAccount(self._root.public_key, root.sequence), self.passphrase
            )
            balance = f"{stroops // 10**7}.{stroops % 10**7:07d}"
            builder.append_create_account_op(account_id, balance).add_time_bounds(0, 0)
            built = builder.build()
            built.sign(self._root)
            sent = self.submit(parse(built.to_xdr_object().to_xdr_bytes(), self.network_id))
            if isinstance(sent, Invalid):
                raise FundingFailed(account_id, sent.code.name)
            if not sent.applied.success:
                raise FundingFailed(account_id, _reason(sent))
            return sent.transaction.hash.hex()

    # -- transactions ----------------------------------------------------------------------

    def submit(self, transaction: Transaction) -> Record | Invalid:
        """Check a transaction and put it into a ledger of its own, or say why it may not enter."""
        with self.lock:
            self.prepare(transaction)
            scene = self._scene(self.latest_ledger + 1, self._next_close_time(), transaction)
            refused = validity.check(transaction, scene)
            if refused is not None:
                return refused
            applied = apply(transaction, scene)
            record = Record(transaction, applied, scene.sequence, scene.close_time, 1)
            self._close(scene.sequence, scene.close_time, (record,))
            return record

    def _close(self, sequence: int, close_time: int, records: tuple[Record, ...] = ()) -> None:
        """Close a ledger whose transactions are applied; every ledger after the first ends here."""
        self._history.add(close(self._history.latest, sequence, close_time, records))

    def _scene(self, sequence: int, close_time: int, transaction: Transaction | None) -> Scene:
        previous = self._history.latest.hash
        seed = previous if transaction is None else wire.sha256(previous + transaction.hash)
        return Scene(
            sequence=sequence,
            close_time=close_time,
            network_id=self.network_id,
            prng_seed=wire.sha256(seed + wire.u64(0)),
            native_contract=self._native_contract,
            limits=self.settings.limits,
            host=self.host,
            ledger=self._ledger,
        )

    def current_scene(self) -> Scene:
        """Return what a simulation sees: the latest ledger, as it was closed."""
        latest = self._history.latest
        return self._scene(latest.sequence, latest.close_time, None)

    def _read(self, key: bytes) -> tuple[bytes, int | None] | None:
        entry = self._ledger.get(key)
        if self._fork is not None:
            self._fork.check_code(key)
        return None if entry is None else (entry.xdr, entry.live_until)

    def prepare(self, transaction: Transaction) -> None:
        """Read what a transaction names from the fork's remote, together and before it is needed.

        Raises RemoteFailed, NeedsNewerProtocol where it needs code that the host cannot run.
        """
        if self._fork is not None:
            self._fork.prepare(transaction, self._ledger)

    # -- ledgers and time ------------------------------------------------------------------

    @property
    def history(self) -> History:
        """Closed ledgers and their transactions."""
        return self._history

    @property
    def latest_ledger(self) -> int:
        """The sequence of the ledger that was closed last."""
        return self._history.latest.sequence

    @property
    def close_time(self) -> int:
        """The close time of the latest ledger, in seconds since 1970."""
        return self._history.latest.close_time

    def _now(self) -> int:
        return self._clock() + self._time_offset

    def _next_close_time(self) -> int:
        return max(self._now(), self.close_time)

    def close_ledgers(self, count: int = 1) -> None:
        """Close `count` empty ledgers."""
        with self.lock:
            for _ in range(count):
                self._close(self.latest_ledger + 1, self._next_close_time())

    def advance_ledgers(self, count: int) -> None:
        """Jump `count` ledgers ahead, 5 seconds each; those in between are not kept."""
        if count < 1:
            raise ValueError("count: at least one ledger")
        with self.lock:
            self._time_offset += count * LEDGER_SECONDS
            self._close(self.latest_ledger + count, self._next_close_time())

    def advance_time(self, seconds: int) -> None:
        """Move the clock ahead and close a ledger with the new time."""
        if seconds < 0:
            raise ValueError("seconds: the clock only goes forward")
        with self.lock:
            self._time_offset += seconds
            self.close_ledgers()

    def snapshot(self) -> int:
        """Mark the present state and return the mark, for `revert`."""
        with self.lock:
            mark = _Mark(self._ledger.snapshot(), self._history.latest, self._time_offset)
            del self._marks[mark.entries :]
            self._marks.append(mark)
            return mark.entries

    def revert(self, snapshot: int) -> None:
        """Go back to a mark: entries, ledgers, history and clock.

        The mark stays usable; marks that were taken after it are gone. Raises UnknownSnapshot.
        """
        with self.lock:
            self._ledger.revert(snapshot)
            del self._marks[snapshot + 1 :]
            mark = self._marks[snapshot]
            self._history.revert(mark.ledger)
            self._time_offset = mark.time_offset

    # -- entries ---------------------------------------------------------------------------

    def lookup(self, *keys: bytes) -> list[Entry | None]:
        """Return entries, expired or not. Raises RemoteFailed, NeedsNewerProtocol on a fork."""
        self._ledger.prefetch(keys)
        return [self._ledger.get(key) for key in keys]

    def entry(self, key: bytes) -> tuple[bytes, int | None] | None:
        """Return an entry, expired or not, and the last ledger in which it lives.

        Arguments: `key`, the XDR of a LedgerKey.
        """
        (entry,) = self.lookup(key)
        return None if entry is None else (entry.xdr, entry.live_until)

    def set_entry(self, entry: bytes, live_until: int | None = None) -> None:
        """Store an entry as it is, past all rules.

        Arguments: the XDR of a LedgerEntry; `live_until`, a ledger sequence, for Soroban entries.
        """
        with self.lock:
            self._ledger.put(_key_of(entry), Entry(entry, live_until, self.latest_ledger))

    def remove_entry(self, key: bytes) -> None:
        """Remove an entry, past all rules."""
        with self.lock:
            self._ledger.put(key, None)

    def impersonate(self, account_id: str) -> Keypair:
        """Give an account one more signer, here only, and return its key: it can sign for anything.

        On a fork this stands in for a key that must not be used here.
        Arguments: `account_id` (G...).
        Raises UnknownAccount.
        """
        with self.lock:
            account = self._ledger.account(StrKey.decode_ed25519_public_key(account_id))
            if account is None:
                raise UnknownAccount(account_id)
            key = Keypair.random()
            acting = with_full_signer(account, key.raw_public_key(), BASE_RESERVE)
            self.set_entry(Entry.of_account(acting, self.latest_ledger).xdr)
            return key

    def __repr__(self) -> str:
        return f"<LocalNetwork {self.passphrase!r} at ledger {self.latest_ledger}>"


def _key_of(entry: bytes) -> bytes:
    decoded = stellar_xdr.LedgerEntry.from_xdr_bytes(entry)
    if decoded.ext.v != 0:
        raise ValueError("entries with a sponsor cannot be set here")
    data = decoded.data
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
    else:
        raise ValueError(f"entries of type {data.type.name} cannot be set here")
    return key.to_xdr_bytes()


def _reason(record: Record) -> str:
    result = stellar_xdr.TransactionResult.from_xdr_bytes(record.applied.result).result
    for operation in result.results or ():
        if operation.tr is not None and operation.tr.create_account_result is not None:
            return operation.tr.create_account_result.code.name
    return result.code.name
