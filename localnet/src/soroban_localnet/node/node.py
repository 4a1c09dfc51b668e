"""The node: one network's ledger, host, history and files, and the closing of ledgers.

Every change of a network comes through here, one thread at a time. Nothing in this package knows of
RPC or HTTP: those use the node.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
from stellar_sdk import Keypair, StrKey

from soroban_localnet import xdr
from soroban_localnet.errors import FileMismatch, ForkError, RemoteMismatch, UnknownAccount
from soroban_localnet.history.closed_ledger import ClosedLedger, close, first_ledger
from soroban_localnet.history.history import RETENTION_LEDGERS, History
from soroban_localnet.history.record import Record
from soroban_localnet.host.host import Host
from soroban_localnet.ledger import settings as network_settings
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.asset import NATIVE
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.parameters import LEDGER_SECONDS, STANDALONE, TOTAL_COINS
from soroban_localnet.ledger.settings import NetworkSettings
from soroban_localnet.ledger.store import Changes, Entry, Ledger, Store, key_of
from soroban_localnet.node.pace import Pace
from soroban_localnet.node.queue import Queue, Verdict, Waiting, ready
from soroban_localnet.storage.fork import Fork
from soroban_localnet.storage.state_file import About, State
from soroban_localnet.transactions.apply import apply
from soroban_localnet.transactions.envelope import Transaction
from soroban_localnet.transactions.reserves import with_stand_in
from soroban_localnet.transactions.results import Invalid
from soroban_localnet.transactions.set import Room, TransactionSet, choose
from soroban_localnet.transactions.signatures import ed25519_signer

_log = logging.getLogger(__name__)

EVICTION_LEDGERS = 720
"""How long an expired temporary entry stays: a real network's scan comes to it after a while."""


@attrs.frozen
class _Snapshot:
    entries: int
    ledger: ClosedLedger
    time_offset: int


class Node:
    """A network's ledger, host, history and files. One thread at a time works on them.

    `lock` is held meanwhile; whoever needs several answers of one moment takes it. `arrivals` are
    transactions that were sent and that no ledger has taken up yet. `root` is the key of the
    account that has all lumens at first; `native_contract`, the id of the contract of lumens;
    `time_offset`, by how many seconds the clock is ahead of `clock`.

    Arguments and errors are those of LocalNetwork.
    """

    def __init__(
        self,
        passphrase: str | None = None,
        *,
        settings: NetworkSettings | None = None,
        start_time: int | None = None,
        retention: int = RETENTION_LEDGERS,
        ledger_interval: float | None = None,
        state: Path | None = None,
        fork: Fork | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if fork is not None and passphrase not in (None, fork.passphrase):
            raise RemoteMismatch(fork.name, str(passphrase), fork.passphrase)
        if fork is not None and state is not None and not fork.is_kept:
            raise ForkError(fork.name, "a state file of a fork needs a cache file as well")
        self.lock = threading.RLock()
        self.fork = fork
        self.ledger = Ledger(fork)
        self.history = History(retention)
        self._snapshots: list[_Snapshot] = []
        self.arrivals: deque[Waiting] = deque()
        self._clock = clock
        self.state = None if state is None else State(state, retention)
        try:
            self._set_up(passphrase, settings, start_time)
        except BaseException:
            if self.state is not None:
                self.state.close()
            raise
        self._queue = Queue(self.settings.limits.ledger)
        self._room = Room.of(self.settings.limits.ledger)
        # last, for it works on the network at once
        self._pace = None if ledger_interval is None else Pace(ledger_interval, self.close_ledgers)

    def _set_up(
        self, passphrase: str | None, settings: NetworkSettings | None, start_time: int | None
    ) -> None:
        """Load the network from its state file, or begin it."""
        fork, state = self.fork, self.state
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
        self.native_contract = NATIVE.contract(self.network_id)
        self.host = Host([entry for _, entry in self.settings.entries], self._read)
        # of a fork nobody's account on the remote
        seed = xdr.sha256(self.network_id + b"faucet") if fork else self.network_id
        self.root = Keypair.from_raw_ed25519_seed(seed)
        if saved is not None:
            self.time_offset = saved.time_offset
        else:
            self._begin(start_time)

    def _load(self, state: State, settings: NetworkSettings | None) -> NetworkSettings:
        """Take entries and ledgers over; return the settings among the entries."""
        with _collector_off():  # it would look through all that is loaded again and again
            for key, entry in state.entries():
                self.ledger.put(key, entry)
            for ledger in state.ledgers():
                self.history.add(ledger)
        kept = [(key, e.xdr) for key, e in self.ledger if xdr.key_type(key) == xdr.CONFIG_SETTING]
        if settings is not None and dict(settings.entries) != dict(kept):
            raise FileMismatch(state.path, "has other settings; use another file")
        return network_settings.of_entries(kept)

    def _begin(self, start_time: int | None) -> None:
        """Make the first ledger: the settings, and an account that has all lumens."""
        if self.fork is not None and start_time is None:
            start_time = self.fork.close_time
        self.time_offset = 0 if start_time is None else start_time - int(self._clock())
        if self.fork is None:
            first = first_ledger(1, self._now() if start_time is None else start_time)
        else:
            first = self.fork.first_ledger()
        for key, entry in self.settings.entries:
            self.ledger.put(key, Entry(entry))
        root = Account(self.root.raw_public_key(), TOTAL_COINS, 0)
        self.ledger.put(xdr.account_key(root.public_key), Entry.of_account(root, first.sequence))
        self.history.add(first)
        if self.state is not None:
            fork = None if self.fork is None else self.fork.identity
            about = About(self.passphrase, fork, self.time_offset)
            self.state.begin(about, dict(self.ledger), first)

    def close(self) -> None:
        """Stop closing ledgers at an interval, and close the state file.

        Without a state file everything else still works; with one, nothing can change any more.
        """
        if self._pace is not None:
            self._pace.stop()
        if self.state is not None:
            with self.lock:
                self.state.close()

    # -- transactions ----------------------------------------------------------------------

    def send(self, transaction: Transaction) -> Verdict | Invalid:
        """Take a transaction in, as sendTransaction does, or say why it may not enter a ledger.

        Without an interval it is in a ledger when this returns PENDING.
        """
        self.prepare(transaction)
        if self._pace is None:
            outcome = self.submit(transaction)
            return Verdict.PENDING if isinstance(outcome, Record) else outcome
        with self.lock:
            if self.history.find(transaction.hash) is not None:
                return Verdict.DUPLICATE
            environment = self._environment(self.ledger, self.close_time, self.latest_ledger + 1)
            # as stellar-core: it has to be valid still after two more ledgers
            margin = max(self._now() - self.close_time, 0) + 2 * int(self._pace.seconds)
            return self._queue.admit(transaction, environment, margin)

    def submit(self, transaction: Transaction) -> Record | Invalid | Verdict:
        """Put a transaction into a ledger at once, with whatever else waits."""
        own = Waiting(transaction)
        self.arrivals.append(own)  # before the lock: who has it now takes this along
        with self.lock:
            while own.outcome is None:
                self._close_waiting()
        if isinstance(own.outcome, Exception):
            raise own.outcome
        return own.outcome

    def _close_waiting(self, *, even_empty: bool = False) -> None:
        """Close a ledger with what waits, as far as it fits."""
        arrived = [self.arrivals.popleft() for _ in range(len(self.arrivals))]
        waiting = [*arrived, *self._queue]
        try:
            self._close_with(waiting, even_empty=even_empty)
        except Exception:
            if not waiting:
                raise
            self._close_one_by_one(waiting)
        finally:
            self.arrivals.extendleft(w for w in reversed(arrived) if w.outcome is None)
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
        changes = Changes(self.ledger)
        environment = self._environment(changes, self.now, self.latest_ledger + ledgers)
        candidates = {w.transaction.hash: w for w in ready(waiting, environment, self.history)}
        chosen, fees = choose((w.transaction for w in candidates.values()), self._room)
        if not chosen:
            for stranded in candidates.values():  # no ledger is large enough
                stranded.outcome = Verdict.TRY_AGAIN_LATER
            if not even_empty:
                return
        previous = self.history.latest
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
        for key in self.ledger.expired(last):
            entry = changes.get(key)
            if entry is not None and not entry.is_live(last):
                changes.put(key, None)
                evicted.append(key)
        return tuple(evicted)

    def _close(self, ledger: ClosedLedger, changes: Changes) -> None:
        """Make a ledger the latest, with what it changes; all but the first come through here."""
        self._keep(changes, ledger)
        self.history.add(ledger)

    def _keep(self, changes: Changes, ledger: ClosedLedger | None = None) -> None:
        """Keep changes, in the state file first: what fails there has not happened here either."""
        if self.state is not None:
            self.state.save(changes.written, self.time_offset, ledger)
        changes.commit()

    def _environment(self, ledger: Store, close_time: int, sequence: int) -> Environment:
        return Environment(
            sequence=sequence,
            close_time=close_time,
            network_id=self.network_id,
            prng_seed=xdr.sha256(self.history.latest.hash + xdr.u64(0)),
            native_contract=self.native_contract,
            limits=self.settings.limits,
            host=self.host,
            ledger=ledger,
        )

    def current_environment(self) -> Environment:
        """Return what a simulation sees: the latest ledger, as it was closed."""
        return self._environment(self.ledger, self.close_time, self.latest_ledger)

    def _read(self, key: bytes) -> tuple[bytes, int | None] | None:
        entry = self.ledger.get(key)
        if self.fork is not None:
            self.fork.check_code(key)
        return None if entry is None else (entry.xdr, entry.live_until)

    def prepare(self, transaction: Transaction) -> None:
        """Read what a transaction names from the fork's remote, together and before it is needed.

        Raises RemoteFailed, NeedsNewerProtocol where it needs code that the host cannot run.
        """
        if self.fork is not None:
            with self.lock:
                self.fork.prepare(transaction, self.ledger)

    # -- ledgers and time ------------------------------------------------------------------

    @property
    def latest_ledger(self) -> int:
        """The sequence of the ledger that was closed last."""
        return self.history.latest.sequence

    @property
    def close_time(self) -> int:
        """The close time of the latest ledger, in seconds since 1970."""
        return self.history.latest.close_time

    @property
    def now(self) -> int:
        """The close time of a ledger that is closed now, in seconds since 1970."""
        return max(self._now(), self.close_time)

    def _now(self) -> int:
        return int(self._clock()) + self.time_offset

    def close_ledgers(self, count: int = 1) -> None:
        """Close `count` ledgers, the first of them with the waiting transactions."""
        with self.lock:
            for _ in range(count):
                self._close_waiting(even_empty=True)

    def advance_ledgers(self, count: int) -> None:
        """Jump `count` ledgers ahead, 5 seconds each; those in between are not kept.

        Waiting transactions go into the first of them.
        """
        if count < 1:
            raise ValueError("count: must be 1 or more")
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
            raise ValueError("seconds: must not be negative")
        with self.lock, self._forward(seconds):
            self.close_ledgers()

    @contextmanager
    def _forward(self, seconds: int) -> Iterator[None]:
        """Move the clock for the ledger that is closed meanwhile, unless that fails."""
        self.time_offset += seconds
        try:
            yield
        except BaseException:
            self.time_offset -= seconds
            raise

    def snapshot(self) -> int:
        """Take a snapshot of the present state, and return its number for `revert`."""
        with self.lock:
            taken = _Snapshot(self.ledger.snapshot(), self.history.latest, self.time_offset)
            del self._snapshots[taken.entries :]
            self._snapshots.append(taken)
            return taken.entries

    def revert(self, snapshot: int) -> None:
        """Return to a snapshot: entries, ledgers, history and clock. The queue is emptied.

        It can be used again; later snapshots are removed. Raises UnknownSnapshot.
        """
        with self.lock:
            changed = self.ledger.since(snapshot)
            taken = self._snapshots[snapshot]
            if self.state is not None:
                self.state.revert(changed, taken.time_offset, taken.ledger)
            self.ledger.revert(snapshot)
            del self._snapshots[snapshot + 1 :]
            self.history.revert(taken.ledger)
            self.time_offset = taken.time_offset
            self._queue.clear()

    # -- entries ---------------------------------------------------------------------------

    def lookup(self, *keys: bytes) -> list[Entry | None]:
        """Return entries, expired or not. Raises RemoteFailed, NeedsNewerProtocol on a fork."""
        with self.lock:
            self.ledger.prefetch(keys)
            return [self.ledger.get(key) for key in keys]

    def set_entry(self, entry: bytes, live_until: int | None = None) -> None:
        """Store an entry without any check.

        Arguments: the XDR of a LedgerEntry; `live_until`, a ledger sequence, for Soroban entries.
        """
        with self.lock:
            changes = Changes(self.ledger)
            changes.put(key_of(entry), Entry(entry, live_until, self.latest_ledger))
            self._keep(changes)

    def remove_entry(self, key: bytes) -> None:
        """Remove an entry without any check."""
        with self.lock:
            changes = Changes(self.ledger)
            changes.put(key, None)
            self._keep(changes)

    def impersonate(self, account_id: str) -> Keypair:
        """Add a signer to an account, here only, and return its key: it can sign for anything.

        On a fork this stands in for a key that must not be used here.
        Arguments: `account_id` (G...).
        Raises UnknownAccount.
        """
        with self.lock:
            changes = Changes(self.ledger)
            account = changes.account(StrKey.decode_ed25519_public_key(account_id))
            if account is None:
                raise UnknownAccount(account_id)
            key = Keypair.random()
            signer = ed25519_signer(key.raw_public_key())
            acting = with_stand_in(changes, account, signer, self.latest_ledger)
            changes.put_account(acting, self.latest_ledger)
            self._keep(changes)
            return key


@contextmanager
def _collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
