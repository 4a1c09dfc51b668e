"""A Soroban network in this process: the face of the node and of the RPC methods on top of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from stellar_sdk import Keypair, SorobanServer

from soroban_localnet.history.history import RETENTION_LEDGERS, History
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger.settings import NetworkSettings
from soroban_localnet.ledger.store import Entry
from soroban_localnet.node import faucet
from soroban_localnet.node.faucet import STARTING_STROOPS
from soroban_localnet.node.node import Node
from soroban_localnet.rpc import Dispatcher
from soroban_localnet.rpc.in_process import InProcessClient
from soroban_localnet.storage.fork import Fork


class LocalNetwork:
    """A Soroban network in this process: stellar's own host, a ledger, and the RPC methods.

    By default, a ledger closes for each transaction at once, so its result is there when the sender
    asks. The next ledger takes all transactions that other threads send meanwhile. With a
    `ledger_interval`, transactions wait for the next ledger, as on a real network; `close`, or the
    end of a `with` block, stops this. One thread at a time works on the network; others wait.

    Arguments: `passphrase` (default: that of the fork or of the state file, else that of standalone
    networks); `settings`, the network's Soroban settings (default: those of the testnet, of a fork
    those of its remote); `start_time`, the close time of the first ledger in seconds since 1970
    (default: now, of a fork that of its remote); `retention`, how many ledgers of history are kept;
    `ledger_interval`, seconds from one ledger to the next (default: a ledger for each transaction
    at once); `state`, a file that keeps all this: if it exists, the network continues from it and
    ignores `start_time`; `fork`, another network to start from; `clock`, which returns the
    time in seconds since 1970 (default: that of the machine).
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
        ledger_interval: float | None = None,
        state: Path | None = None,
        fork: Fork | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node = Node(
            passphrase,
            settings=settings,
            start_time=start_time,
            retention=retention,
            ledger_interval=ledger_interval,
            state=state,
            fork=fork,
            clock=clock,
        )
        self._dispatcher = Dispatcher(self._node)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop closing ledgers at an interval, and close the state file.

        Without a state file everything else still works; with one, nothing can change any more.
        """
        self._node.close()

    # -- identity --------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """The node below, for another dispatcher or a test."""
        return self._node

    @property
    def passphrase(self) -> str:
        """The network's passphrase."""
        return self._node.passphrase

    @property
    def network_id(self) -> bytes:
        """The SHA-256 of the passphrase."""
        return self._node.network_id

    @property
    def settings(self) -> NetworkSettings:
        """The network's Soroban settings."""
        return self._node.settings

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
        """The RPC methods, for a transport of another kind."""
        return self._dispatcher

    def fund(self, account_id: str, stroops: int = STARTING_STROOPS) -> str:
        """Give an account a balance, as friendbot does, and return the transaction's hash.

        A missing account is created; an account that has less is paid `stroops`. The
        transaction is in a ledger when this returns, with or without an interval.
        Arguments: `account_id` (G...); `stroops`, at least 1 lumen.
        Raises FundingFailed, and changes nothing, where the account has that much already, or the
        amount is below the reserve of an account.
        """
        return faucet.fund(self._node, account_id, stroops)

    # -- ledgers and time ------------------------------------------------------------------

    @property
    def history(self) -> History:
        """Closed ledgers and their transactions."""
        return self._node.history

    @property
    def latest_ledger(self) -> int:
        """The sequence of the ledger that was closed last."""
        return self._node.latest_ledger

    @property
    def close_time(self) -> int:
        """The close time of the latest ledger, in seconds since 1970."""
        return self._node.close_time

    @property
    def now(self) -> int:
        """The close time of a ledger that is closed now, in seconds since 1970."""
        return self._node.now

    def close_ledgers(self, count: int = 1) -> None:
        """Close `count` ledgers, the first of them with the waiting transactions."""
        self._node.close_ledgers(count)

    def advance_ledgers(self, count: int) -> None:
        """Jump `count` ledgers ahead, 5 seconds each; those in between are not kept.

        Waiting transactions go into the first of them.
        """
        self._node.advance_ledgers(count)

    def advance_time(self, seconds: int) -> None:
        """Move the clock ahead and close a ledger with the new time."""
        self._node.advance_time(seconds)

    def snapshot(self) -> int:
        """Take a snapshot of the present state, and return its number for `revert`."""
        return self._node.snapshot()

    def revert(self, snapshot: int) -> None:
        """Return to a snapshot: entries, ledgers, history and clock. The queue is emptied.

        It can be used again; later snapshots are removed. Raises UnknownSnapshot.
        """
        self._node.revert(snapshot)

    # -- entries ---------------------------------------------------------------------------

    def entries(self) -> dict[bytes, Entry]:
        """Return all entries, expired ones too, by the XDR of their LedgerKeys.

        Of a fork, those that were written here; `lookup` reads the others.
        """
        with self._node.lock:
            return dict(self._node.ledger)

    def lookup(self, *keys: bytes) -> list[Entry | None]:
        """Return entries, expired or not. Raises RemoteFailed, NeedsNewerProtocol on a fork."""
        return self._node.lookup(*keys)

    def entry(self, key: bytes) -> tuple[bytes, int | None] | None:
        """Return an entry, expired or not, and its live-until ledger.

        Arguments: `key`, the XDR of a LedgerKey.
        """
        (entry,) = self.lookup(key)
        return None if entry is None else (entry.xdr, entry.live_until)

    def set_entry(self, entry: bytes, live_until: int | None = None) -> None:
        """Store an entry without any check.

        Arguments: the XDR of a LedgerEntry; `live_until`, a ledger sequence, for Soroban entries.
        """
        self._node.set_entry(entry, live_until)

    def remove_entry(self, key: bytes) -> None:
        """Remove an entry without any check."""
        self._node.remove_entry(key)

    def impersonate(self, account_id: str) -> Keypair:
        """Add a signer to an account, here only, and return its key: it can sign for anything.

        On a fork this stands in for a key that must not be used here.
        Arguments: `account_id` (G...).
        Raises UnknownAccount.
        """
        return self._node.impersonate(account_id)

    def __repr__(self) -> str:
        return f"<LocalNetwork {self.passphrase!r} at ledger {self.latest_ledger}>"
