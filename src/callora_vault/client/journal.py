"""The journal: every signed transaction, on disk before it is sent, and its result.

Theory of operation
===================

A transaction can be applied although no answer came. So each is written here before it is sent, and
after a crash the client asks the network for its result instead of signing another one. The network
decides; the journal holds what to ask for.

States and their changes:

    (nothing) --add--> OPEN --settle--> APPLIED            it is in a ledger and succeeded
                         |------------> FAILED             it is in a ledger and failed
                         |------------> NEVER_APPLIED      it is in no ledger and never will be
                         |------------> APPLIED_BY_OTHERS  its signature was used elsewhere
                         `------------> UNKNOWN            the RPC no longer has its ledgers
                                           `--settle--> APPLIED, FAILED, NEVER_APPLIED, ...

`Transactions` (transactions.py) makes every change: `add` after signing and before sending,
`settle` after an answer of getTransaction. The only exception is a migration, which changes UNKNOWN
to NEVER_APPLIED if the ledger does not show the effect (migration/record.py). `settle` changes only
rows that are OPEN or UNKNOWN: the other states are final. `forget` deletes settled rows of a given
age, and never one that is OPEN, UNKNOWN or APPLIED_BY_OTHERS.

Guarantees, and the index that enforces each, for any number of processes on one file:

    one_per_key          a request key has at most one transaction that is not FAILED or
                         NEVER_APPLIED: a request is applied once, and free again after a refusal
    one_open_per_source  an account has at most one OPEN transaction: only its result decides the
                         next sequence number
    one_per_sequence     an account uses a sequence number once, unless it was never applied
    hash UNIQUE          a transaction has one row

`add` inserts in one database transaction. If another process was faster, an index rejects the row,
`Conflict` is raised, nothing was sent, and the caller starts again from the other process's row.

After a crash the file holds:

    before `add` returns      nothing, or an OPEN row as in the next line
    after it, before sending  an OPEN row that was never sent: settling it sends it, or finds it
                              NEVER_APPLIED after its max_time
    after sending             an OPEN row: settling it asks for its hash, and sends the same
                              envelope again while it can be applied; sent twice, applied once
    before `settle` returns   an OPEN row, although the network has decided: it is asked again
    after `settle` returned   the final state; the same request key returns the result

`add` and `settle` return when the row is on the disk (`synchronous=FULL`), so this also holds for a
power cut. The file holds no secret; only its owner can read it (mode 600).

Source: SQLite's documentation of WAL and of `synchronous=FULL`: a committed transaction survives a
power cut.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import attrs

from callora_vault.client.errors import JournalUnusable
from callora_vault.model.units import Address
from callora_vault.rpc.results import Failure, Success

_VERSION: Final = 1
_BUSY_SECONDS: Final = 30.0

_TABLE: Final = """
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    contract TEXT NOT NULL,
    request TEXT NOT NULL,
    source TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    envelope TEXT NOT NULL,
    signed_ledger INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    signer TEXT,
    nonce INTEGER,
    until_ledger INTEGER,
    state TEXT NOT NULL,
    result TEXT
);
CREATE UNIQUE INDEX one_per_key ON transactions (network, scope, key)
    WHERE state NOT IN ('failed', 'never applied');
CREATE UNIQUE INDEX one_open_per_source ON transactions (network, source) WHERE state = 'open';
CREATE UNIQUE INDEX one_per_sequence ON transactions (network, source, sequence)
    WHERE state IN ('open', 'applied', 'failed');
CREATE INDEX of_key ON transactions (network, scope, key);
"""


class State(Enum):
    """The state of a transaction. All but OPEN and UNKNOWN are final."""

    OPEN = "open"
    """It may be applied or not; it is sent again until that is known."""
    APPLIED = "applied"
    FAILED = "failed"
    """It is in a ledger, failed, and paid its fee."""
    NEVER_APPLIED = "never applied"
    """It is in no ledger and can no longer be applied."""
    UNKNOWN = "unknown"
    """The RPC no longer has its ledgers: a person must decide. It is never sent again."""
    APPLIED_BY_OTHERS = "applied by others"
    """Its signature was used in a transaction of somebody else. It is never sent again."""


@attrs.frozen
class NewTransaction:
    """A signed transaction before it is sent.

    `key` names the request within `scope`; `request` describes it in words, and two requests are
    the same if their words are. `signed_ledger` was closed before the signature, `max_time` is the
    last close time at which the transaction is valid, in seconds since 1970. With address
    credentials, `signer` signed with `nonce`, valid up to `until_ledger`.
    """

    network: str
    scope: str
    key: str
    contract: Address
    request: str
    source: Address
    sequence: int
    hash: str
    envelope: str = attrs.field(repr=False)
    signed_ledger: int
    max_time: int
    signer: Address | None
    nonce: int | None
    until_ledger: int | None


@attrs.frozen
class JournalEntry(NewTransaction):
    """A transaction of the journal; `result` is the network's, None until it is in a ledger."""

    id: int
    state: State
    result: Success | Failure | None


_COLUMNS: Final = tuple(field.name for field in attrs.fields(NewTransaction))
_ALL_COLUMNS: Final = tuple(field.name for field in attrs.fields(JournalEntry))
# statements hold only names of fields, never values
_INSERT: Final = (
    f"INSERT INTO transactions ({', '.join(_COLUMNS)}, state) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_COLUMNS))}, 'open') RETURNING id"
)
_SELECT: Final = f"SELECT {', '.join(_ALL_COLUMNS)} FROM transactions "  # noqa: S608


class Conflict(Exception):
    """Another process added a transaction with this key, account or sequence number first."""


class Journal:
    """The journal in a file, which is created if it does not exist.

    Several processes may use one file on one machine. Raises JournalUnusable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _make_private(path)
        with self._usable():
            self._database = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._make_table()

    def _make_table(self) -> None:
        with self._writing():
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _TABLE.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                raise JournalUnusable(
                    str(self.path),
                    f"its version is {version}, this program's {_VERSION}",
                    "use the program that wrote it",
                )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalUnusable(
                str(self.path), str(error), "check that its disk has room and that it is a journal"
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def add(self, transaction: NewTransaction) -> JournalEntry:
        """Add a transaction as open; it is on the disk when this returns.

        Raises Conflict, JournalUnusable; then it is not added.
        """
        values = attrs.asdict(transaction)
        with self._usable():
            try:
                with self._writing():
                    (identity,) = self._database.execute(_INSERT, tuple(values.values())).fetchone()
            except sqlite3.IntegrityError as error:
                raise Conflict(str(error)) from error
        return JournalEntry(**values, id=identity, state=State.OPEN, result=None)

    def settle(
        self, entry: JournalEntry, state: State, result: Success | Failure | None = None
    ) -> JournalEntry:
        """Store the result of a transaction that was open or unknown. Raises JournalUnusable."""
        text = None if result is None else json.dumps(result.to_json())
        with self._usable(), self._writing():
            self._database.execute(
                "UPDATE transactions SET state = ?, result = ? "
                "WHERE id = ? AND state IN ('open', 'unknown')",
                (state.value, text, entry.id),
            )
        return attrs.evolve(entry, state=state, result=result)

    def find(self, network: str, scope: str, key: str) -> JournalEntry | None:
        """Return the latest transaction of a request, or None."""
        return self._one(
            "WHERE network = ? AND scope = ? AND key = ? ORDER BY id DESC LIMIT 1",
            network,
            scope,
            key,
        )

    def open_of(self, network: str, source: Address) -> JournalEntry | None:
        """Return the open transaction of an account, or None."""
        return self._one("WHERE network = ? AND source = ? AND state = 'open'", network, source)

    def last_sequence(self, network: str, source: Address) -> int:
        """Return the highest sequence number of an account in this journal; 0 for none."""
        with self._usable():
            (highest,) = self._database.execute(
                "SELECT max(sequence) FROM transactions WHERE network = ? AND source = ? "
                "AND state IN ('open', 'applied', 'failed')",
                (network, source),
            ).fetchone()
        return highest or 0

    def listed(self, network: str, *states: State) -> tuple[JournalEntry, ...]:
        """List the transactions of a network in one of the states, oldest first."""
        marks = ", ".join("?" * len(states))
        return self._many(
            f"WHERE network = ? AND state IN ({marks}) ORDER BY id",
            network,
            *(state.value for state in states),
        )

    def for_the_operator(self, network: str) -> tuple[JournalEntry, ...]:
        """List what a person must settle: UNKNOWN and APPLIED_BY_OTHERS."""
        return self.listed(network, State.UNKNOWN, State.APPLIED_BY_OTHERS)

    def forget(self, network: str, before: int) -> int:
        """Delete settled transactions whose max_time is before `before`; return how many.

        Their keys are free again: a repeated request would be applied again.
        Arguments: `before`, in seconds since 1970.
        """
        with self._usable(), self._writing():
            done = self._database.execute(
                "DELETE FROM transactions WHERE network = ? AND max_time < ? "
                "AND state IN ('applied', 'failed', 'never applied')",
                (network, before),
            )
        return done.rowcount

    def _one(self, where: str, *values: str) -> JournalEntry | None:
        found = self._many(where, *values)
        return found[0] if found else None

    def _many(self, where: str, *values: str) -> tuple[JournalEntry, ...]:
        with self._usable():
            rows = self._database.execute(_SELECT + where, values).fetchall()
        return tuple(_entry(row) for row in rows)


def _entry(row: tuple[Any, ...]) -> JournalEntry:
    values: dict[str, Any] = dict(zip(_ALL_COLUMNS, row, strict=True))
    values["state"] = State(values["state"])
    if values["result"] is not None:
        document = json.loads(values["result"])
        values["result"] = (Failure if "code" in document else Success).from_json(document)
    return JournalEntry(**values)


def _make_private(path: Path) -> None:
    """Create the file with mode 600, or check an existing one. Raises JournalUnusable."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "give the path of a file in a folder that you can write to"
        raise JournalUnusable(str(path), reason, remedy) from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise JournalUnusable(str(path), "it is not a plain file", "give the path of a file")
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(status.st_mode):o}"
        raise JournalUnusable(
            str(path), f"others can access it (mode {mode})", f"run: chmod 600 {path}"
        )
