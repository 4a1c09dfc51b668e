"""The journal: every signed transaction, on disk before it is sent, and what became of it.

Theory of operation
===================

A transaction that was sent may be applied although no answer came. So each is written here before
it is sent, and whoever comes back after a crash asks the network what became of it, instead of
signing another one. The network decides; the journal remembers what to ask for.

States, and who moves a transaction on:

    (nothing) --add--> OPEN --settle--> APPLIED            it is in a ledger and succeeded
                         |------------> FAILED             it is in a ledger and failed
                         |------------> NEVER_APPLIED      it is in none, and none will take it
                         |------------> APPLIED_BY_OTHERS  its signature was used elsewhere
                         `------------> UNKNOWN            the network forgot
                                           `--settle--> APPLIED, FAILED, NEVER_APPLIED, ...
    APPLIED, FAILED --revert--> REVERTED                   the network went back before its ledger

`Settler` (settlement.py) makes every move: `settle` after an answer of getTransaction. Only a
migration settles otherwise: it moves UNKNOWN to NEVER_APPLIED where the ledger shows that the
effect is missing (migration/record.py). `settle` changes rows that are OPEN or UNKNOWN and no
others: the remaining states are final, and what is applied is never asked about again.

Each transaction is of one *life* of its network (lives.py). Whoever finds that a network began anew
ends its life and begins another (recognition.py): the transactions of an ended life stay as they
are, are listed, and are never sent. Methods that take a network mean the life that goes on.

Promises, and the index that holds each, within a life, for any number of processes on one file:

    one_per_key          a request key has one transaction at most that is none of FAILED,
                         NEVER_APPLIED, REVERTED: a request is applied once, and free after a
                         refusal
    one_per_id           a request id, of a deduct or of an item of a batch, is in one such
                         transaction at most, by the name of its vault and by its contract
    one_open_per_source  an account has one OPEN transaction at most: the next sequence number is
                         known only once that is settled
    one_per_sequence     an account uses a sequence number once, as far as it may be in a ledger
    one_per_hash         a transaction has one row

`add` inserts in one database transaction; where another process was faster an index refuses the
row, `Conflict` is raised, nothing was sent, and the caller begins again with what is there.

What a crash leaves:

    before `add` returns      nothing, or an OPEN row as in the next line
    after it, before sending  an OPEN row that was never sent: settling it sends it, or finds it
                              NEVER_APPLIED once its max_time is past
    after sending             an OPEN row: settling it asks for its hash, and sends the same
                              envelope again while it can be applied; sent twice, applied once
    before `settle` returns   an OPEN row, although the network has decided: it is asked again
    after `settle` returned   the final state; the same request key returns the result

`add` and `settle` return when the row is on the disk, so this holds for a power cut, too
(journal_file.py). The file holds no secret and is the owner's alone (mode 600).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import attrs

from callora_vault.client.entries import FREE, Conflict, JournalEntry, Life, NewTransaction, State
from callora_vault.client.errors import JournalUnusable, StillOpen
from callora_vault.client.journal_file import JournalFile
from callora_vault.model.units import Address, Symbol
from callora_vault.rpc.answers import Anchor
from callora_vault.rpc.results import Failure, Success, Unread

_COLUMNS: Final = tuple(field.name for field in attrs.fields(NewTransaction))
_ALL_COLUMNS: Final = (*_COLUMNS, "id", "state", "result", "ledger", "ledger_hash", "ledger_closed")
# only names of fields are put into statements, never values
_INSERT: Final = (
    f"INSERT INTO sent ({', '.join(_COLUMNS)}, state) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_COLUMNS))}, 'open') RETURNING id"
)
_SELECT: Final = f"SELECT {', '.join(f'sent.{name}' for name in _ALL_COLUMNS)} FROM sent "  # noqa: S608
_LIVES: Final = (
    "SELECT id, network, begun, first_sequence, first_hash, first_closed, "
    "last_sequence, last_hash, last_closed, ended, why FROM lives "
)
_FREE_STATES: Final = ", ".join(f"'{state.value}'" for state in FREE)


class Journal:
    """The journal in a file, which is made where there is none.

    Any number of threads and processes on one machine may use one file, each through a Journal of
    its own or through one that they share, after fork() too. Raises JournalUnusable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = JournalFile(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def turn(self, network: str, source: Address) -> threading.Lock:
        """Return what one thread of this process holds while it signs with an account."""
        return self._file.turn(network, source)

    # -- the lives of a network --------------------------------------------------------------

    def life(self, network: str) -> Life:
        """Return the life of a network that goes on; it begins where there is none."""
        with self._file.reading() as connection:
            where = "WHERE network = ? AND ended IS NULL"
            found = connection.execute(_LIVES + where, (network,)).fetchone()
            if found is None:
                with self._file.writing() as writing:
                    writing.execute(
                        "INSERT OR IGNORE INTO lives (network, begun) VALUES (?, ?)",
                        (network, int(time.time())),
                    )
                found = connection.execute(_LIVES + where, (network,)).fetchone()
        return _life(found)

    def lives(self, network: str | None = None) -> tuple[Life, ...]:
        """List the lives of a network, or of all of them, oldest first."""
        with self._file.reading() as connection:
            rows = connection.execute(
                _LIVES + "WHERE network = ifnull(?, network) ORDER BY id", (network,)
            ).fetchall()
        return tuple(map(_life, rows))

    def end_life(self, life: Life, why: str, resumed: Life | None = None) -> Life:
        """End a life and begin another, or go on with one that ended; return that.

        Where another process was faster, what it began is returned.
        """
        now = int(time.time())
        with self._file.writing() as connection:
            ended = connection.execute(
                "UPDATE lives SET ended = ?, why = ? WHERE id = ? AND ended IS NULL",
                (now, why, life.id),
            )
            if ended.rowcount and resumed is None:
                connection.execute(
                    "INSERT INTO lives (network, begun) VALUES (?, ?)", (life.network, now)
                )
            elif ended.rowcount and resumed is not None:
                connection.execute(
                    "UPDATE lives SET ended = NULL, why = NULL WHERE id = ?", (resumed.id,)
                )
        return self.life(life.network)

    def see(self, life: Life, *anchors: Anchor) -> None:
        """Note ledgers of a life that were seen: its first and its last are kept."""
        with self._file.writing() as connection:
            for anchor in anchors:
                _see(connection, life.id, anchor)

    def anchors(self, life: Life) -> tuple[Anchor, ...]:
        """Return every ledger that is known of a life: first, last, and those of transactions."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT ledger, ledger_hash, ledger_closed FROM sent "
                "WHERE life = ? AND ledger_hash IS NOT NULL AND state != ?",
                (life.id, State.REVERTED.value),
            ).fetchall()
        ends = (anchor for anchor in (life.first, life.last) if anchor is not None)
        return (*ends, *(Anchor(*row) for row in rows))

    def used_sequences(self, life: Life, through: int) -> dict[Address, int]:
        """Return the highest sequence number that each account has used up to a ledger."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT source, max(sequence) FROM sent WHERE life = ? "
                "AND state IN ('applied', 'failed') AND ledger <= ? GROUP BY source",
                (life.id, through),
            ).fetchall()
        return dict(rows)

    def revert(self, life: Life, through: Anchor, broken: int) -> int:
        """Note that a network went back to `through`; return how many transactions were undone.

        Arguments: `broken`, the first ledger that is known to be another now.
        """
        with self._file.writing() as connection:
            undone = connection.execute(
                "UPDATE sent SET state = ? WHERE life = ? AND ledger >= ? "
                "AND state IN ('applied', 'failed')",
                (State.REVERTED.value, life.id, broken),
            )
            connection.execute(
                "DELETE FROM request_ids WHERE sent IN "
                "(SELECT id FROM sent WHERE life = ? AND state = ?)",
                (life.id, State.REVERTED.value),
            )
            connection.execute(
                "UPDATE lives SET last_sequence = ?, last_hash = ?, last_closed = ? WHERE id = ?",
                (through.sequence, through.hash, through.close_time, life.id),
            )
        return undone.rowcount

    def doubt(self, life: Life, tip: Anchor) -> int:
        """Note that nothing shows whether a life goes on; return how many open ones are unknown."""
        with self._file.writing() as connection:
            doubted = connection.execute(
                "UPDATE sent SET state = 'unknown' WHERE life = ? AND state = 'open'", (life.id,)
            )
            _see(connection, life.id, tip)
        return doubted.rowcount

    # -- transactions ------------------------------------------------------------------------

    def add(self, transaction: NewTransaction, request_ids: Iterable[Symbol] = ()) -> JournalEntry:
        """Note a transaction as open; it is on the disk when this returns.

        Arguments: `request_ids`, of a deduct or of the items of a batch.
        Raises Conflict, JournalUnusable; then it is not noted.
        """
        values = attrs.asdict(transaction)
        about = transaction.life, transaction.scope, transaction.contract
        try:
            with self._file.writing() as connection:
                (identity,) = connection.execute(_INSERT, tuple(values.values())).fetchone()
                connection.executemany(
                    "INSERT INTO request_ids (life, scope, contract, request_id, sent) "
                    "VALUES (?, ?, ?, ?, ?)",
                    [(*about, request_id, identity) for request_id in request_ids],
                )
        except sqlite3.IntegrityError as error:
            raise Conflict(str(error)) from error
        return JournalEntry(**values, id=identity, state=State.OPEN, result=None, closed=None)

    def settle(
        self,
        entry: JournalEntry,
        state: State,
        result: Success | Unread | Failure | None = None,
        closed: Anchor | None = None,
    ) -> JournalEntry:
        """Note what became of a transaction that was open or unknown; return what is noted.

        A final state that another thread or process noted stays. Arguments: `closed`, the ledger
        that it is in, where the RPC showed it. Raises JournalUnusable.
        """
        text = None if result is None else json.dumps(result.to_json())
        ledger = None if result is None else result.ledger
        hashed, closed_at = (None, None) if closed is None else (closed.hash, closed.close_time)
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE sent SET state = ?, result = ?, ledger = ?, ledger_hash = ?, "
                "ledger_closed = ? WHERE id = ? AND state IN ('open', 'unknown')",
                (state.value, text, ledger, hashed, closed_at, entry.id),
            )
            if changed.rowcount and state in FREE:
                connection.execute("DELETE FROM request_ids WHERE sent = ?", (entry.id,))
            if changed.rowcount and closed is not None:
                _see(connection, entry.life, closed)
        noted = self._one("WHERE id = ?", entry.id)
        # None where it was forgotten meanwhile
        return noted or attrs.evolve(entry, state=state, result=result, closed=closed)

    def move(self, entry: JournalEntry, life: Life) -> JournalEntry:
        """Note that an open transaction went to another life of its network. Raises Conflict."""
        try:
            with self._file.writing() as connection:
                for table, column in (("sent", "id"), ("request_ids", "sent")):
                    connection.execute(
                        f"UPDATE {table} SET life = ? WHERE {column} = ?",  # noqa: S608
                        (life.id, entry.id),
                    )
        except sqlite3.IntegrityError as error:
            raise Conflict(str(error)) from error
        return attrs.evolve(entry, life=life.id)

    def find(self, network: str, scope: str, key: str) -> JournalEntry | None:
        """Return the latest transaction of a request, or None."""
        return self.find_in(self.life(network), scope, key)

    def find_in(self, life: Life, scope: str, key: str) -> JournalEntry | None:
        """Return the latest transaction of a request in a life, or None."""
        return self._one(
            "WHERE life = ? AND scope = ? AND key = ? ORDER BY id DESC LIMIT 1",
            life.id,
            scope,
            key,
        )

    def holders(
        self, life: Life, scope: str, contract: Address | None, request_ids: Iterable[Symbol]
    ) -> dict[Symbol, JournalEntry]:
        """Return which of these request ids have a transaction that is not refused, and which.

        Arguments: `scope` and `contract`, either of which makes the vault the same.
        """
        found: dict[Symbol, JournalEntry] = {}
        for request_id in request_ids:
            entry = self._one(
                "JOIN request_ids ON request_ids.sent = sent.id WHERE request_ids.life = ? "
                "AND (request_ids.scope = ? OR request_ids.contract = ?) AND request_id = ?",
                life.id,
                scope,
                contract,
                request_id,
            )
            if entry is not None:
                found[request_id] = entry
        return found

    def open_of(self, life: Life, source: Address) -> JournalEntry | None:
        """Return the open transaction of an account, or None."""
        return self._one("WHERE life = ? AND source = ? AND state = 'open'", life.id, source)

    def last_sequence(self, life: Life, source: Address) -> int:
        """Return the highest sequence number that an account is known to have used; 0 for none."""
        with self._file.reading() as connection:
            (highest,) = connection.execute(
                "SELECT max(sequence) FROM sent WHERE life = ? AND source = ? "
                "AND state IN ('open', 'applied', 'failed')",
                (life.id, source),
            ).fetchone()
        return highest or 0

    def listed(
        self, network: str, *states: State, life: Life | None = None
    ) -> tuple[JournalEntry, ...]:
        """List the transactions of a life that are in one of the states, oldest first.

        Arguments: `life`, the one of the network that goes on where nothing else is said.
        """
        marks = ", ".join("?" * len(states))
        return self._many(
            f"WHERE life = ? AND state IN ({marks}) ORDER BY id",
            (life or self.life(network)).id,
            *(state.value for state in states),
        )

    def named(self, name: str) -> tuple[JournalEntry, ...]:
        """List the transactions, of any network and life, with this hash or request key."""
        return self._many("WHERE hash = ? OR key = ? ORDER BY id", name, name)

    def for_the_operator(self, network: str) -> tuple[JournalEntry, ...]:
        """List what the program cannot settle: UNKNOWN, and APPLIED_BY_OTHERS."""
        return self.listed(network, State.UNKNOWN, State.APPLIED_BY_OTHERS)

    def forget(self, network: str, before: int) -> int:
        """Drop settled transactions that were valid up to a time before `before`; return how many.

        Their keys and request ids are free again: a repeated request of that age would be applied
        again. Arguments: `before`, in seconds since 1970.
        """
        with self._file.writing() as connection:
            done = connection.execute(
                f"DELETE FROM sent WHERE network = ? AND max_time < ? "  # noqa: S608 - states
                f"AND state IN ('applied', {_FREE_STATES})",
                (network, before),
            )
        return done.rowcount

    def drop(self, entry: JournalEntry) -> None:
        """Drop one transaction, whose request key and ids are free then. Raises StillOpen."""
        with self._file.writing() as connection:
            done = connection.execute(
                "DELETE FROM sent WHERE id = ? AND state != 'open'", (entry.id,)
            )
        if not done.rowcount and self._one("WHERE id = ?", entry.id) is not None:
            raise StillOpen(entry.key, entry.contract, entry.hash, entry.max_time)

    def _one(self, where: str, *values: object) -> JournalEntry | None:
        found = self._many(where, *values)
        return found[0] if found else None

    def _many(self, where: str, *values: object) -> tuple[JournalEntry, ...]:
        with self._file.reading() as connection:
            rows = connection.execute(_SELECT + where, values).fetchall()
        try:
            return tuple(map(_entry, rows))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalUnusable(
                str(self.path),
                f"it has what this program does not know ({error})",
                "use the program that wrote it, or a newer one",
            ) from error


def _see(connection: sqlite3.Connection, life: int, anchor: Anchor) -> None:
    for end, further in (("first", "<"), ("last", ">")):
        connection.execute(
            f"UPDATE lives SET {end}_sequence = ?, {end}_hash = ?, {end}_closed = ? "  # noqa: S608
            f"WHERE id = ? AND ({end}_sequence IS NULL OR {end}_hash = '' "
            f"OR ? {further} {end}_sequence)",
            (anchor.sequence, anchor.hash, anchor.close_time, life, anchor.sequence),
        )


def _life(row: tuple[Any, ...]) -> Life:
    identity, network, begun = row[:3]
    first, last = (Anchor(*row[at : at + 3]) if row[at] is not None else None for at in (3, 6))
    return Life(identity, network, begun, first, last, row[9], row[10])


def _entry(row: tuple[Any, ...]) -> JournalEntry:
    values: dict[str, Any] = dict(zip(_ALL_COLUMNS, row, strict=True))
    values["state"] = State(values["state"])
    closed = (values.pop(name) for name in ("ledger", "ledger_hash", "ledger_closed"))
    sequence, hashed, closed_at = closed
    values["closed"] = None if hashed is None else Anchor(sequence, hashed, closed_at)
    if values["result"] is not None:
        values["result"] = _result(json.loads(values["result"]))
    return JournalEntry(**values)


def _result(document: dict[str, Any]) -> Success | Unread | Failure:
    if "code" in document:
        return Failure.from_json(document)
    return Unread.from_json(document) if "meta" in document else Success.from_json(document)
