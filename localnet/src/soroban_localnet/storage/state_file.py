"""The state file: a network that outlives its process.

Each change is one transaction of the file, written before it holds in memory: after a kill at any
moment the file has all that was answered, and a ledger whole or not at all. Only what changed is
written. Snapshots are of the process, not of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from sqlite3 import Connection

import attrs
import msgspec

from soroban_localnet.errors import FileError, FileMismatch
from soroban_localnet.history.closed_ledger import ClosedLedger
from soroban_localnet.history.record import Record
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger.store import UNWRITTEN, Entry, Held
from soroban_localnet.storage.database import Database, Kind
from soroban_localnet.transactions.set import BaseFees

_STATE = Kind(
    application=0x534C4E53,
    version=1,
    tables=(
        "CREATE TABLE about (only INTEGER PRIMARY KEY CHECK (only = 1), protocol INTEGER NOT NULL,"
        " passphrase TEXT NOT NULL, fork BLOB, time_offset INTEGER NOT NULL)",
        "CREATE TABLE entry (key BLOB PRIMARY KEY, xdr BLOB, live_until INTEGER,"
        " ttl_modified INTEGER NOT NULL)",
        "CREATE TABLE ledger (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    ),
)

_PUT_ENTRY = (
    "INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET xdr = excluded.xdr,"
    " live_until = excluded.live_until, ttl_modified = excluded.ttl_modified"
)


@attrs.frozen
class About:
    """What a state file is of: the network, the fork it began from, its clock.

    `fork` is Fork.identity, None where there is none; `time_offset` in seconds.
    """

    passphrase: str
    fork: bytes | None
    time_offset: int


class _Body(msgspec.Struct, array_like=True):
    """A closed ledger as the file holds it."""

    close_time: int
    header: bytes
    hash: bytes
    fee_pool: int
    records: tuple[Record, ...]
    base_fees: BaseFees
    evicted: tuple[bytes, ...]


_encode = msgspec.msgpack.Encoder().encode
_body = msgspec.msgpack.Decoder(_Body)


class State:
    """A state file, open; no other process can open it meanwhile.

    Arguments: `retention`, how many ledgers are kept.
    Raises FileInUse, FileMismatch where the file is not one of these, FileError.
    """

    def __init__(self, path: Path, retention: int) -> None:
        self.path = path
        self._retention = retention
        self.database = Database(path, _STATE, exclusive=True)
        try:
            self.about = None if self.database.is_new else self._read_about()
            self._ledgers = 0 if self.about is None else self._count()
        except BaseException:
            self.database.close()
            raise

    def _read_about(self) -> About:
        query = "SELECT protocol, passphrase, fork, time_offset FROM about"
        ((protocol, passphrase, fork, time_offset),) = self.database.rows(query)
        if protocol != PROTOCOL.version:
            reason = (
                f"is of protocol {protocol}, this version runs {PROTOCOL.version}; use another file"
            )
            raise FileMismatch(self.path, reason)
        return About(passphrase, fork, time_offset)

    def _count(self) -> int:
        ((count,),) = self.database.rows("SELECT count(*) FROM ledger")
        return int(count)

    def check(self, passphrase: str | None, fork: bytes | None) -> None:
        """Raise FileMismatch where the file is of another network or fork than is expected.

        Arguments: the passphrase, None for whatever the file has; Fork.identity, None for no fork.
        """
        known = self._known
        if passphrase not in (None, known.passphrase):
            reason = f'is of the network "{known.passphrase}", not "{passphrase}"; use another file'
            raise FileMismatch(self.path, reason)
        if known.fork == fork:
            return
        if fork is None:
            reason = "belongs to a fork; give the URL and the cache of that fork as well"
        elif known.fork is None:
            reason = "belongs to a network that is not a fork; use another file"
        else:
            reason = "belongs to another fork; use the cache of that fork, or another file"
        raise FileMismatch(self.path, reason)

    # -- reading -----------------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[bytes, Entry | None]]:
        """Yield what was written, by LedgerKey XDR; None where a fork's entry was removed."""
        query = "SELECT key, xdr, live_until, ttl_modified FROM entry"
        for key, xdr, live_until, ttl_modified in self.database.rows(query):
            yield key, None if xdr is None else Entry(xdr, live_until, ttl_modified)

    def ledgers(self) -> Iterator[ClosedLedger]:
        """Yield the closed ledgers, oldest first."""
        for sequence, encoded in self.database.rows("SELECT * FROM ledger ORDER BY sequence"):
            try:
                body = _body.decode(encoded)
            except msgspec.DecodeError as error:
                raise FileError(self.path, f"ledger {sequence} cannot be read: {error}") from error
            yield ClosedLedger(
                sequence=sequence,
                close_time=body.close_time,
                header=body.header,
                hash=body.hash,
                fee_pool=body.fee_pool,
                records=body.records,
                base_fees=body.base_fees,
                evicted=body.evicted,
            )

    # -- writing -----------------------------------------------------------------------------

    def begin(self, about: About, changed: Mapping[bytes, Held], ledger: ClosedLedger) -> None:
        """Make the file that of a new network. Raises FileInUse, FileError."""
        with self.database.transaction() as connection:
            row = (PROTOCOL.version, about.passphrase, about.fork, about.time_offset)
            connection.execute("INSERT INTO about VALUES (1, ?, ?, ?, ?)", row)
            self._put(connection, changed, about)
            _append(connection, ledger)
        self.about, self._ledgers = about, 1

    def save(
        self, changed: Mapping[bytes, Held], time_offset: int, ledger: ClosedLedger | None = None
    ) -> None:
        """Write changed entries, the clock, and a ledger where one was closed, or nothing.

        Raises FileInUse, FileError; what it raises leaves the file as it was.
        """
        about = attrs.evolve(self._known, time_offset=time_offset)
        kept = self._ledgers
        with self.database.transaction() as connection:
            self._put(connection, changed, about)
            if ledger is not None:
                _append(connection, ledger)
                kept += 1
            if kept > self._retention:
                kept -= _forget_first(connection, kept - self._retention)
        self.about, self._ledgers = about, kept

    def revert(self, changed: Mapping[bytes, Held], time_offset: int, ledger: ClosedLedger) -> None:
        """Write what was changed since, as it was, and forget the ledgers after `ledger`.

        Raises FileInUse, FileError; what it raises leaves the file as it was.
        """
        about = attrs.evolve(self._known, time_offset=time_offset)
        with self.database.transaction() as connection:
            self._put(connection, changed, about)
            after = connection.execute("DELETE FROM ledger WHERE sequence > ?", (ledger.sequence,))
            kept = self._ledgers - after.rowcount
            if not kept:
                _append(connection, ledger)
                kept = 1
        self.about, self._ledgers = about, kept

    @property
    def _known(self) -> About:
        if self.about is None:
            raise FileError(self.path, "holds no network yet")
        return self.about

    def _put(self, connection: Connection, changed: Mapping[bytes, Held], about: About) -> None:
        put: list[tuple[bytes, bytes | None, int | None, int]] = []
        gone: list[tuple[bytes]] = []
        for key, entry in changed.items():
            if entry is UNWRITTEN or (entry is None and about.fork is None):
                gone.append((key,))
            elif entry is None:
                put.append((key, None, None, 0))
            else:
                put.append((key, entry.xdr, entry.live_until, entry.ttl_modified))
        connection.executemany(_PUT_ENTRY, put)
        connection.executemany("DELETE FROM entry WHERE key = ?", gone)
        if about != self.about:
            connection.execute("UPDATE about SET time_offset = ?", (about.time_offset,))

    def close(self) -> None:
        """Close the file; another process may open it."""
        self.database.close()


def _append(connection: Connection, ledger: ClosedLedger) -> None:
    body = _Body(
        close_time=ledger.close_time,
        header=ledger.header,
        hash=ledger.hash,
        fee_pool=ledger.fee_pool,
        records=ledger.records,
        base_fees=ledger.base_fees,
        evicted=ledger.evicted,
    )
    connection.execute("INSERT INTO ledger VALUES (?, ?)", (ledger.sequence, _encode(body)))


def _forget_first(connection: Connection, count: int) -> int:
    """Forget the oldest ledgers; return how many."""
    statement = (
        "DELETE FROM ledger WHERE sequence IN"
        " (SELECT sequence FROM ledger ORDER BY sequence LIMIT ?)"
    )
    return connection.execute(statement, (count,)).rowcount
