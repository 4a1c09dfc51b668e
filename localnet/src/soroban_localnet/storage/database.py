"""SQLite files of this package: recognised as such, with errors of one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from soroban_localnet.errors import FileError, FileInUse, FileMismatch

_WAIT_SECONDS = 10


@attrs.frozen
class Kind:
    """A kind of file: its number as an SQLite application, the version of its form, its tables."""

    application: int
    version: int
    tables: tuple[str, ...]


class Database:
    """A file of one kind, open; a file that is missing or empty becomes one with `create`.

    Arguments: `exclusive` keeps every other process out until it is closed.
    Raises FileInUse, FileMismatch where the file belongs to another program or version, FileError.
    """

    def __init__(self, path: Path, kind: Kind, *, exclusive: bool) -> None:
        self.path = path
        self._kind = kind
        with self._clear_errors():
            self.connection = sqlite3.connect(
                path,
                timeout=0 if exclusive else _WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._clear_errors():
                if exclusive:
                    self._one("PRAGMA locking_mode = EXCLUSIVE")
                self.is_new = self._recognise()
                if exclusive:
                    # one sequential write for each transaction; no write is half there after a kill
                    self._one("PRAGMA journal_mode = WAL")
                    self._one("PRAGMA synchronous = NORMAL")
        except BaseException:
            self.connection.close()
            raise

    def _one(self, statement: str) -> int:
        row = self.connection.execute(statement).fetchone()
        return row[0] if row else 0

    def _recognise(self) -> bool:
        """Tell whether the file is new. Raises FileMismatch where it is none of this kind."""
        tables = self._one("SELECT count(*) FROM sqlite_master")
        application = self._one("PRAGMA application_id")
        if not tables and not application:
            return True
        if application != self._kind.application:
            raise FileMismatch(self.path, "is a file of another kind; use another file")
        version = self._one("PRAGMA user_version")
        if version != self._kind.version:
            raise FileMismatch(
                self.path,
                f"has format {version}, this version of soroban-localnet reads format "
                f"{self._kind.version}; use another file, or the version that wrote it",
            )
        return False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing. Raises FileInUse, FileError."""
        with self._clear_errors():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                if self.is_new and self._recognise():
                    for table in self._kind.tables:
                        connection.execute(table)
                    connection.execute(f"PRAGMA application_id = {self._kind.application}")
                    connection.execute(f"PRAGMA user_version = {self._kind.version}")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self.is_new = False

    def rows(self, query: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query. Raises FileInUse, FileError."""
        with self._clear_errors():
            yield from self.connection.execute(query, parameters)

    def close(self) -> None:
        """Close the file; other processes may use it."""
        self.connection.close()

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_BUSY"):
                raise FileInUse(self.path) from error
            if name == "SQLITE_NOTADB":
                reason = "is a file of another kind; use another file"
                raise FileMismatch(self.path, reason) from error
            if name == "SQLITE_CANTOPEN":
                reason = f"{error}; check that its folder exists and can be written ({name})"
                raise FileError(self.path, reason) from error
            raise FileError(self.path, f"{error} ({name or type(error).__name__})") from error
