"""The journal's file: one SQLite database, safe for threads, processes, and after fork().

Theory of operation
===================

A `JournalFile` has one connection, and a lock around each use of it: threads take turns, and a
database transaction is of one thread from its first statement to its last. Other processes, and
other objects on the same file, are kept apart by SQLite's own locks.

A connection must not be used, nor be closed, on the other side of a fork(): its locks stay with the
parent, and the library of the child believes that it has them. So before a fork every connection is
closed, while its lock is held, and each side opens one of its own when it needs it.

SQLite's locks are POSIX locks: a process that opens and closes the file past SQLite loses all that
it has on it. So the file is opened by SQLite alone, and made before there is a connection.

Source: "How to corrupt an SQLite database file", sections 2.2 and 2.6; SQLite's documentation of
WAL and of `synchronous=FULL`, with which a transaction that was committed outlives a power cut.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from callora_vault.client.errors import JournalUnusable
from callora_vault.client.journal_schema import VERSION, prepare

_BUSY_SECONDS: Final = 30.0

_files: weakref.WeakSet[JournalFile] = weakref.WeakSet()
_files_lock = threading.Lock()
_turns: dict[tuple[str, ...], threading.Lock] = {}
_held = ExitStack()


class JournalFile:
    """The database in a file, which is made where there is none. Raises JournalUnusable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._closed = False
        with _files_lock:
            _make_private(path)
            _files.add(self)
        with self.reading():
            pass

    def close(self) -> None:
        """Close the file; whatever uses it afterwards raises JournalUnusable."""
        with self._lock:
            self._closed = True
            self._disconnect()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread. Raises JournalUnusable."""
        with self._lock:
            try:
                yield self._connected()
            except sqlite3.Error as error:
                raise JournalUnusable(
                    str(self.path),
                    str(error),
                    "check that its disk has room and that it is a journal",
                ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread for a transaction: all of it is done, or nothing.

        It is on the disk when the context ends. Raises JournalUnusable, sqlite3.IntegrityError.
        """
        refused: sqlite3.IntegrityError | None = None
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if not isinstance(error, sqlite3.IntegrityError):
                    raise
                refused = error
        if refused is not None:
            raise refused

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise JournalUnusable(str(self.path), "it was closed", "open it again")
        if self._process != os.getpid():  # forked past Python: what is inherited is left alone
            _inherited.append(self._connection)
            self._connection, self._process = None, os.getpid()
        if self._connection is None:
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = prepare(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if version > VERSION:
            raise JournalUnusable(
                str(self.path),
                f"its version is {version}, this program's {VERSION}",
                "use the program that wrote it, or a newer one",
            )

    def _disconnect(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
            self._connection = None

    def turn(self, *names: str) -> threading.Lock:
        """Return the lock of something that one thread of this process does at a time."""
        with _files_lock:
            return _turns.setdefault((os.path.realpath(self.path), *names), threading.Lock())

    # -- fork ------------------------------------------------------------------------------

    def before_fork(self, held: ExitStack) -> None:
        """Wait until no thread uses the connection, and close it."""
        held.enter_context(self._lock)
        self._disconnect()

    def after_fork(self) -> None:
        """In the child: no thread of the parent is here to give its lock back."""
        self._lock = threading.RLock()
        self._process = os.getpid()


_inherited: Final[list[sqlite3.Connection | None]] = []
"""Connections of a parent process: closing them here would disturb it."""


def _before_fork() -> None:
    _files_lock.acquire()
    for file in list(_files):
        file.before_fork(_held)


def _after_in_parent() -> None:
    _held.close()
    _files_lock.release()


def _after_in_child() -> None:
    global _files_lock, _held  # noqa: PLW0603 - the parent's threads are not here
    _held = ExitStack()
    _files_lock = threading.Lock()
    _turns.clear()
    for file in list(_files):
        file.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )


def _make_private(path: Path) -> None:
    """Create the file with mode 600, or check an existing one. Raises JournalUnusable."""
    real = os.path.realpath(path)
    try:
        try:
            os.close(os.open(real, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if Path(real).is_dir():
                raise IsADirectoryError(0, "Is a directory") from None
        status = Path(real).stat()
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "give the path of a file in a folder that you can write to"
        raise JournalUnusable(str(path), reason, remedy) from error
    if not stat.S_ISREG(status.st_mode):
        raise JournalUnusable(str(path), "it is not a plain file", "give the path of a file")
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(status.st_mode):o}"
        raise JournalUnusable(
            str(path), f"others can access it (mode {mode})", f"run: chmod 600 {path}"
        )
