"""A Soroban network in this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
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

from soroban_localnet import settings as network_settings
from soroban_localnet import wire
from soroban_localnet.account import Account
from soroban_localnet.apply import apply
from soroban_localnet.envelope import Transaction, parse
from soroban_localnet.errors import FundingFailed
from soroban_localnet.history import (
    RETENTION_LEDGERS,
    TOTAL_COINS,
    ClosedLedger,
    History,
    Record,
    close,
)
from soroban_localnet.host import Host
from soroban_localnet.ledger import Changes, Entry, Ledger, Store
from soroban_localnet.pace import Pace
from soroban_localnet.pending import Queue, Verdict, Waiting, ready
from soroban_localnet.results import Invalid
from soroban_localnet.rpc import Dispatcher
from soroban_localnet.scene import Scene
from soroban_localnet.settings import PROTOCOL, NetworkSettings
from soroban_localnet.transaction_set import Room, TransactionSet, choose
from soroban_localnet.transport import InProcessClient

_log = logging.getLogger(__name__)

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

    A transaction that is sent gets a ledger at once, so its result is there when the sender asks.
    Where more are sent meanwhile, the next ledger takes them all. With a `close_time` they wait for
    the next tick, as on a real network; `close`, or the end of a `with` block, stops the ticking.
    One thread at a time works on the network; others wait.

    Arguments: `passphrase`; `settings`, the network's Soroban settings (default: those of the
    testnet); `start_time`, the close time of the first ledger in seconds since 1970 (default: now);
    `retention`, how many ledgers of history are kept; `close_time`, seconds from one ledger to the
    next (default: a ledger whenever a transaction comes).
    Raises SettingsError.
    """

    def __init__(
        self,
        passphrase: str = STANDALONE,
        *,
        settings: NetworkSettings | None = None,
        start_time: int | None = None,
        retention: int = RETENTION_LEDGERS,
        close_time: float | None = None,
    ) -> None:
        self.passphrase = passphrase
        self.network_id = wire.sha256(passphrase.encode())
        self.settings = settings or network_settings.load()
        self.lock = threading.RLock()
        self._ledger = Ledger()
        self._history = History(retention)
        self._marks: list[_Mark] = []
        self._arrivals: deque[Waiting] = deque()
        self._queue = Queue(self.settings.limits.ledger)
        self._room = Room.of(self.settings.limits.ledger)
        self._clock: Callable[[], int] = lambda: int(time.time())
        self._time_offset = 0 if start_time is None else start_time - self._clock()
        self._native_contract = StrKey.decode_contract(Asset.native().contract_id(passphrase))
        for key, entry in self.settings.entries:
            self._ledger.put(key, Entry(entry))
        self.host = Host([entry for _, entry in self.settings.entries], self._read)
        self._root = Keypair.from_raw_ed25519_seed(self.network_id)
        root = Account(self._root.raw_public_key(), TOTAL_COINS, 0)
        self._ledger.put(wire.account_key(root.public_key), Entry.of_account(root, 1))
        first = self._now() if start_time is None else start_time
        self._history.add(close(None, 1, first, ()))
        self._dispatcher = Dispatcher(self)
        # last, for it works on the network at once
        self._pace = None if close_time is None else Pace(close_time, self.close_ledgers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop closing ledgers at a pace; everything else goes on working."""
        if self._pace is not None:
            self._pace.stop()

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

        It is in a ledger when this returns, whatever the pace.
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
        if self._pace is None:
            outcome = self._submit(transaction)
            return Verdict.PENDING if isinstance(outcome, Record) else outcome
        with self.lock:
            if self._history.find(transaction.hash) is not None:
                return Verdict.DUPLICATE
            scene = self._scene(self._ledger, self.close_time, self.latest_ledger + 1)
            # as stellar-core: it has to be valid still after two more ledgers
            margin = max(self._now() - self.close_time, 0) + 2 * int(self._pace.seconds)
            return self._queue.admit(transaction, scene, margin)

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
        scene = self._scene(changes, self._next_close_time(), self.latest_ledger + ledgers)
        candidates = {w.transaction.hash: w for w in ready(waiting, scene, self._history)}
        chosen, fees = choose((w.transaction for w in candidates.values()), self._room)
        if not chosen:
            for stranded in candidates.values():  # no ledger is large enough
                stranded.outcome = Verdict.TRY_AGAIN_LATER
            if not even_empty:
                return
        previous = self._history.latest
        transactions = TransactionSet(previous.hash, chosen, fees)
        records = tuple(
            Record.of(transaction, applied, scene.sequence, scene.close_time, index)
            for index, (transaction, applied) in enumerate(apply(transactions, scene), 1)
        )
        ledger = close(previous, scene.sequence, scene.close_time, records, fees, transactions.hash)
        self._close(ledger, changes)
        for record in records:
            candidates[record.hash].outcome = record

    def _close(self, ledger: ClosedLedger, changes: Changes) -> None:
        """Make a ledger the latest, with what it changes; all but the first come through here."""
        changes.commit()
        self._history.add(ledger)

    def _scene(self, ledger: Store, close_time: int, sequence: int) -> Scene:
        return Scene(
            sequence=sequence,
            close_time=close_time,
            network_id=self.network_id,
            prng_seed=wire.sha256(self._history.latest.hash + wire.u64(0)),
            native_contract=self._native_contract,
            limits=self.settings.limits,
            host=self.host,
            ledger=ledger,
        )

    def current_scene(self) -> Scene:
        """Return what a simulation sees: the latest ledger, as it was closed."""
        return self._scene(self._ledger, self.close_time, self.latest_ledger)

    def _read(self, key: bytes) -> tuple[bytes, int | None] | None:
        entry = self._ledger.get(key)
        return None if entry is None else (entry.xdr, entry.live_until)

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
                self._time_offset += LEDGER_SECONDS
                self._close_waiting(even_empty=True)
                count -= 1
            if count:
                self._time_offset += count * LEDGER_SECONDS
                self._close_with((), even_empty=True, ledgers=count)

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
        """Go back to a mark: entries, ledgers, history and clock. What waits is forgotten.

        The mark stays usable; marks that were taken after it are gone. Raises UnknownSnapshot.
        """
        with self.lock:
            self._ledger.revert(snapshot)
            del self._marks[snapshot + 1 :]
            mark = self._marks[snapshot]
            self._history.revert(mark.ledger)
            self._time_offset = mark.time_offset
            self._queue.clear()

    # -- entries ---------------------------------------------------------------------------

    def lookup(self, key: bytes) -> Entry | None:
        """Return an entry, expired or not."""
        return self._ledger.get(key)

    def entry(self, key: bytes) -> tuple[bytes, int | None] | None:
        """Return an entry, expired or not, and the last ledger in which it lives.

        Arguments: `key`, the XDR of a LedgerKey.
        """
        return self._read(key)

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

    def __repr__(self) -> str:
        return f"<LocalNetwork {self.passphrase!r} at ledger {self.latest_ledger}>"


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
        if operation.tr is not None and operation.tr.create_account_result is not None:
            return operation.tr.create_account_result.code.name
    return result.code.name
