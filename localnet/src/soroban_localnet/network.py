"""A Soroban network in this process."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

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

from soroban_localnet import xdr
from soroban_localnet.errors import (
    FileMismatch,
    ForkError,
    FundingFailed,
    RemoteMismatch,
    UnknownAccount,
)
from soroban_localnet.history.closed_ledger import TOTAL_COINS, ClosedLedger, close, first_ledger
from soroban_localnet.history.history import RETENTION_LEDGERS, History
from soroban_localnet.history.record import Record
from soroban_localnet.host.host import Host
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger import settings as network_settings
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.environment import BASE_RESERVE, Environment
from soroban_localnet.ledger.settings import NetworkSettings
from soroban_localnet.ledger.store import Changes, Entry, Ledger, Store
from soroban_localnet.node.pace import Pace
from soroban_localnet.node.queue import Queue, Verdict, Waiting, ready
from soroban_localnet.rpc import Dispatcher
from soroban_localnet.rpc.in_process import InProcessClient
from soroban_localnet.storage.fork import Fork
from soroban_localnet.storage.state_file import About, State
from soroban_localnet.transactions.apply import apply
from soroban_localnet.transactions.envelope import Transaction, parse
from soroban_localnet.transactions.reserves import with_stand_in
from soroban_localnet.transactions.results import Invalid
from soroban_localnet.transactions.set import Room, TransactionSet, choose
from soroban_localnet.transactions.signatures import ed25519_signer

_log = logging.getLogger(__name__)

STANDALONE = "Standalone Network ; February 2017"
LEDGER_SECONDS = 5
EVICTION_LEDGERS = 720
"""How long an expired temporary entry stays: a real network's scan comes to it after a while."""
STARTING_STROOPS = 10_000 * 10_000_000


@attrs.frozen
class _Mark:
    entries: int
    ledger: ClosedLedger
    time_offset: int


class LocalNetwork:
    """A Soroban network in this process: stellar's own host, a ledger, and the RPC methods.

    A transaction that is sent gets a ledger at once, so its result is there when the sender asks.
    Where more are sent meanwhile, the next ledger takes them all. With a `close_time` they wait for
    the next tick, as on a real network; `close`, or the end of a `with` block, stops the ticking.
    One thread at a time works on the network; others wait.

    Arguments: `passphrase` (default: that of the fork or of the state file, else that of standalone
    networks); `settings`, the network's Soroban settings (default: those of the testnet, of a fork
    those of its remote); `start_time`, the close time of the first ledger in seconds since 1970
    (default: now, of a fork that of its remote); `retention`, how many ledgers of history are kept;
    `close_time`, seconds from one ledger to the next (default: a ledger whenever a transaction
    comes); `state`, a file that keeps all this: where it is there, the network goes on from it,
    whatever `start_time` says; `fork`, another network to go on from.
    Raises SettingsError, RemoteMismatch where the passphrase is not the fork's, FileInUse,
    FileMismatch where the state file is of another network, FileError.
    """

    def __init__(
        self,
        passphrase: str | None = None,
        *,
        settings: NetworkSettings | None = None,
        start_time: int | None = None,
        retention: int = RETENTION_LEDGERS,
        close_time: float | None = None,
        state: Path | None = None,
        fork: Fork | None = None,
    ) -> None:
        if fork is not None and passphrase not in (None, fork.passphrase):
            raise RemoteMismatch(fork.name, str(passphrase), fork.passphrase)
        if fork is not None and state is not None and not fork.is_kept:
            raise ForkError(fork.name, "a state file needs a cache of the fork beside it")
        self.lock = threading.RLock()
        self._fork = fork
        self._ledger = Ledger(fork)
        self._history = History(retention)
        self._marks: list[_Mark] = []
        self._arrivals: deque[Waiting] = deque()
        self._clock: Callable[[], int] = lambda: int(time.time())
        self._state = None if state is None else State(state, retention)
        try:
            self._set_up(passphrase, settings, start_time)
        except BaseException:
            if self._state is not None:
                self._state.close()
            raise
        self._queue = Queue(self.settings.limits.ledger)
        self._room = Room.of(self.settings.limits.ledger)
        self._dispatcher = Dispatcher(self)
        # last, for it works on the network at once
        self._pace = None if close_time is None else Pace(close_time, self.close_ledgers)

    def _set_up(
        self, passphrase: str | None, settings: NetworkSettings | None, start_time: int | None
    ) -> None:
        """Load the network from its state file, or begin it."""
        fork, state = self._fork, self._state
        saved = None if state is None else state.about
        if saved is not None and state is not None:
            expected = fork.passphrase if fork else passphrase
            state.check(expected, None if fork is None else fork.identity)
            passphrase, self.settings = saved.passphrase, self._load(state, settings)
        else:
            passphrase = fork.passphrase if fork else passphrase
            self.settings = settings or (fork.settings if fork else network_settings.load())
        self.passphrase = STANDALONE if passphrase is None else passphrase
        self.network_id = xdr.sha256(self.passphrase.encode())
        self._native_contract = StrKey.decode_contract(Asset.native().contract_id(self.passphrase))
        self.host = Host([entry for _, entry in self.settings.entries], self._read)
        # of a fork nobody's account on the remote
        seed = xdr.sha256(self.network_id + b"faucet") if fork else self.network_id
        self._root = Keypair.from_raw_ed25519_seed(seed)
        if saved is not None:
            self._time_offset = saved.time_offset
        else:
            self._begin(start_time)

    def _load(self, state: State, settings: NetworkSettings | None) -> NetworkSettings:
        """Take entries and ledgers over; return the settings among the entries."""
        with _collector_off():  # it would look through all that is loaded again and again
            for key, entry in state.entries():
                self._ledger.put(key, entry)
            for ledger in state.ledgers():
                self._history.add(ledger)
        kept = [(key, e.xdr) for key, e in self._ledger if xdr.key_type(key) == xdr.CONFIG_SETTING]
        if settings is not None and dict(settings.entries) != dict(kept):
            raise FileMismatch(state.path, "has other settings; name another file")
        return network_settings.of_entries(kept)

    def _begin(self, start_time: int | None) -> None:
        """Make the first ledger: the settings, and an account that has all lumens."""
        if self._fork is not None and start_time is None:
            start_time = self._fork.close_time
        self._time_offset = 0 if start_time is None else start_time - self._clock()
        if self._fork is None:
            first = first_ledger(1, self._now() if start_time is None else start_time)
        else:
            first = self._fork.first_ledger()
        for key, entry in self.settings.entries:
            self._ledger.put(key, Entry(entry))
        root = Account(self._root.raw_public_key(), TOTAL_COINS, 0)
        self._ledger.put(xdr.account_key(root.public_key), Entry.of_account(root, first.sequence))
        self._history.add(first)
        if self._state is not None:
            fork = None if self._fork is None else self._fork.identity
            about = About(self.passphrase, fork, self._time_offset)
            self._state.begin(about, dict(self._ledger), first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop closing ledgers at a pace, and close the state file.

        Without a state file everything else goes on working; with one, nothing changes any more.
        """
        if self._pace is not None:
            self._pace.stop()
        if self._state is not None:
            with self.lock:
                self._state.close()

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
        """Give an account a balance, as friendbot does, and return the transaction's hash.

        An account that is not there is created; one that has less is paid `stroops`. It is in a
        ledger when this returns, whatever the pace.
        Arguments: `account_id` (G...); `stroops`, at least 1 lumen.
        Raises FundingFailed, and changes nothing, where the account has that much already, or the
        amount is below the reserve of an account.
        """
        destination = Keypair.from_public_key(account_id).raw_public_key()
        with self.lock:
            self.lookup(xdr.account_key(destination))
            held = self._ledger.account(destination)
            if held is not None and held.balance >= stroops:
                raise FundingFailed(account_id, "CREATE_ACCOUNT_ALREADY_EXIST")
            if stroops < 2 * BASE_RESERVE:
                raise FundingFailed(account_id, "CREATE_ACCOUNT_LOW_RESERVE")
            root = self._ledger.account(self._root.raw_public_key())
            if root is None:
                raise FundingFailed(account_id, "the account that funds others is gone")
            builder = TransactionBuilder(
                SourceAccount(self._root.public_key, root.sequence), self.passphrase
            )
            amount = f"{stroops // 10**7}.{stroops % 10**7:07d}"
            if held is None:
                builder.append_create_account_op(account_id, amount)
            else:
                builder.append_payment_op(account_id, Asset.native(), amount)
            built = builder.add_time_bounds(0, 0).build()
            built.sign(self._root)
            sent = self._submit(parse(built.to_xdr_object().to_xdr_bytes(), self.network_id))
            if isinstance(sent, Invalid):
                raise FundingFailed(account_id, sent.code.name)
            assert isinstance(sent, Record)  # noqa: S101 - the sequence number is the root's next
            if not sent.applied.success:
                raise FundingFailed(account_id, _reason(sent))
            return sent.hash.hex()

    # -- transactions ----------------------------------------------------------------------

    def send(self, transaction: Transaction) -> Verdict | Invalid:
        """Take a transaction in, as sendTransaction does, or say why it may not enter a ledger.

        Without a pace it is in a ledger when this returns PENDING.
        """
        self.prepare(transaction)
        if self._pace is None:
            outcome = self._submit(transaction)
            return Verdict.PENDING if isinstance(outcome, Record) else outcome
        with self.lock:
            if self._history.find(transaction.hash) is not None:
                return Verdict.DUPLICATE
            environment = self._environment(self._ledger, self.close_time, self.latest_ledger + 1)
            # as stellar-core: it has to be valid still after two more ledgers
            margin = max(self._now() - self.close_time, 0) + 2 * int(self._pace.seconds)
            return self._queue.admit(transaction, environment, margin)

    def _submit(self, transaction: Transaction) -> Record | Invalid | Verdict:
        """Put a transaction into a ledger at once, with whatever else waits."""
        own = Waiting(transaction)
        self._arrivals.append(own)  # before the lock: who has it now takes this along
        with self.lock:
            while own.outcome is None:
                self._close_waiting()
        if isinstance(own.outcome, Exception):
            raise own.outcome
        return own.outcome

    def _close_waiting(self, *, even_empty: bool = False) -> None:
        """Close a ledger with what waits, as far as it fits."""
        arrived = [self._arrivals.popleft() for _ in range(len(self._arrivals))]
        waiting = [*arrived, *self._queue]
        try:
            self._close_with(waiting, even_empty=even_empty)
        except Exception:
            if not waiting:
                raise
            self._close_one_by_one(waiting)
        finally:
            self._arrivals.extendleft(w for w in reversed(arrived) if w.outcome is None)
        self._queue.settle(self.latest_ledger)

    def _close_one_by_one(self, waiting: Iterable[Waiting]) -> None:
        """Close a ledger for each: one of them made the shared one fail, and keeps its error."""
        for each in waiting:
            if each.outcome is None:
                try:
                    self._close_with([each])
                except Exception as error:
                    _log.exception("transaction %s is dropped", each.transaction.hash.hex())
                    each.outcome = error

    def _close_with(
        self, waiting: Iterable[Waiting], *, even_empty: bool = False, ledgers: int = 1
    ) -> None:
        """Close the ledger that is `ledgers` ahead with those that may be in it, if any may."""
        changes = Changes(self._ledger)
        environment = self._environment(changes, self.now, self.latest_ledger + ledgers)
        candidates = {w.transaction.hash: w for w in ready(waiting, environment, self._history)}
        chosen, fees = choose((w.transaction for w in candidates.values()), self._room)
        if not chosen:
            for stranded in candidates.values():  # no ledger is large enough
                stranded.outcome = Verdict.TRY_AGAIN_LATER
            if not even_empty:
                return
        previous = self._history.latest
        transactions = TransactionSet(previous.hash, chosen, fees)
        records = tuple(
            Record.of(transaction, applied, environment.sequence, environment.close_time, index)
            for index, (transaction, applied) in enumerate(apply(transactions, environment), 1)
        )
        ledger = close(
            previous,
            environment.sequence,
            environment.close_time,
            records,
            fees,
            transactions.hash,
            self._evict(changes, environment.sequence),
        )
        self._close(ledger, changes)
        for record in records:
            candidates[record.hash].outcome = record

    def _evict(self, changes: Changes, sequence: int) -> tuple[bytes, ...]:
        """Remove temporary entries that expired long ago; return their keys."""
        last = sequence - EVICTION_LEDGERS
        evicted = []
        for key in self._ledger.expired(last):
            entry = changes.get(key)
            if entry is not None and not entry.is_live(last):
                changes.put(key, None)
                evicted.append(key)
        return tuple(evicted)

    def _close(self, ledger: ClosedLedger, changes: Changes) -> None:
        """Make a ledger the latest, with what it changes; all but the first come through here."""
        self._keep(changes, ledger)
        self._history.add(ledger)

    def _keep(self, changes: Changes, ledger: ClosedLedger | None = None) -> None:
        """Keep changes, in the state file first: what fails there has not happened here either."""
        if self._state is not None:
            self._state.save(changes.written, self._time_offset, ledger)
        changes.commit()

    def _environment(self, ledger: Store, close_time: int, sequence: int) -> Environment:
        return Environment(
            sequence=sequence,
            close_time=close_time,
            network_id=self.network_id,
            prng_seed=xdr.sha256(self._history.latest.hash + xdr.u64(0)),
            native_contract=self._native_contract,
            limits=self.settings.limits,
            host=self.host,
            ledger=ledger,
        )

    def current_environment(self) -> Environment:
        """Return what a simulation sees: the latest ledger, as it was closed."""
        return self._environment(self._ledger, self.close_time, self.latest_ledger)

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
            with self.lock:
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

    @property
    def now(self) -> int:
        """The close time of a ledger that is closed now, in seconds since 1970."""
        return max(self._now(), self.close_time)

    def _now(self) -> int:
        return self._clock() + self._time_offset

    def close_ledgers(self, count: int = 1) -> None:
        """Close `count` ledgers, the first of them with what waits."""
        with self.lock:
            for _ in range(count):
                self._close_waiting(even_empty=True)

    def advance_ledgers(self, count: int) -> None:
        """Jump `count` ledgers ahead, 5 seconds each; those in between are not kept.

        What waits goes into the first of them.
        """
        if count < 1:
            raise ValueError("count: at least one ledger")
        with self.lock:
            if len(self._queue):
                with self._forward(LEDGER_SECONDS):
                    self._close_waiting(even_empty=True)
                count -= 1
            if count:
                with self._forward(count * LEDGER_SECONDS):
                    self._close_with((), even_empty=True, ledgers=count)

    def advance_time(self, seconds: int) -> None:
        """Move the clock ahead and close a ledger with the new time."""
        if seconds < 0:
            raise ValueError("seconds: the clock only goes forward")
        with self.lock, self._forward(seconds):
            self.close_ledgers()

    @contextmanager
    def _forward(self, seconds: int) -> Iterator[None]:
        """Move the clock for the ledger that is closed meanwhile, unless that fails."""
        self._time_offset += seconds
        try:
            yield
        except BaseException:
            self._time_offset -= seconds
            raise

    def snapshot(self) -> int:
        """Mark the present state and return the mark, for `revert`."""
        with self.lock:
            mark = _Mark(self._ledger.snapshot(), self._history.latest, self._time_offset)
            del self._marks[mark.entries :]
            self._marks.append(mark)
            return mark.entries

    def revert(self, snapshot: int) -> None:
        """Go back to a mark: entries, ledgers, history and clock. What waits is forgotten.

        The mark stays usable; marks that were taken after it are gone. Raises UnknownSnapshot.
        """
        with self.lock:
            changed = self._ledger.since(snapshot)
            mark = self._marks[snapshot]
            if self._state is not None:
                self._state.revert(changed, mark.time_offset, mark.ledger)
            self._ledger.revert(snapshot)
            del self._marks[snapshot + 1 :]
            self._history.revert(mark.ledger)
            self._time_offset = mark.time_offset
            self._queue.clear()

    # -- entries ---------------------------------------------------------------------------

    def lookup(self, *keys: bytes) -> list[Entry | None]:
        """Return entries, expired or not. Raises RemoteFailed, NeedsNewerProtocol on a fork."""
        with self.lock:
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
            changes = Changes(self._ledger)
            changes.put(_key_of(entry), Entry(entry, live_until, self.latest_ledger))
            self._keep(changes)

    def remove_entry(self, key: bytes) -> None:
        """Remove an entry, past all rules."""
        with self.lock:
            changes = Changes(self._ledger)
            changes.put(key, None)
            self._keep(changes)

    def impersonate(self, account_id: str) -> Keypair:
        """Give an account one more signer, here only, and return its key: it can sign for anything.

        On a fork this stands in for a key that must not be used here.
        Arguments: `account_id` (G...).
        Raises UnknownAccount.
        """
        with self.lock:
            changes = Changes(self._ledger)
            account = changes.account(StrKey.decode_ed25519_public_key(account_id))
            if account is None:
                raise UnknownAccount(account_id)
            key = Keypair.random()
            signer = ed25519_signer(key.raw_public_key())
            acting = with_stand_in(changes, account, signer, self.latest_ledger)
            changes.put_account(acting, self.latest_ledger)
            self._keep(changes)
            return key

    def __repr__(self) -> str:
        return f"<LocalNetwork {self.passphrase!r} at ledger {self.latest_ledger}>"


@contextmanager
def _collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _key_of(entry: bytes) -> bytes:
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
        raise ValueError(f"entries of type {data.type.name} cannot be set here")
    return key.to_xdr_bytes()


def _reason(record: Record) -> str:
    result = stellar_xdr.TransactionResult.from_xdr_bytes(record.applied.result).result
    for operation in result.results or ():
        if operation.tr is not None:
            inner = operation.tr.create_account_result or operation.tr.payment_result
            if inner is not None:
                return inner.code.name
    return result.code.name
