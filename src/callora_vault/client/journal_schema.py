"""The tables of the journal, and how a file of an earlier version becomes one of this."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Final

from stellar_sdk import TransactionEnvelope
from stellar_sdk.operation import InvokeHostFunction

from callora_vault.codec.calls import identity, request_ids_of

VERSION: Final = 2

_TABLES: Final = """
CREATE TABLE lives (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    begun INTEGER NOT NULL,
    first_sequence INTEGER, first_hash TEXT, first_closed INTEGER,
    last_sequence INTEGER, last_hash TEXT, last_closed INTEGER,
    ended INTEGER,
    why TEXT
);
CREATE UNIQUE INDEX one_goes_on ON lives (network) WHERE ended IS NULL;
CREATE TABLE sent (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    life INTEGER NOT NULL REFERENCES lives,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    contract TEXT NOT NULL,
    request TEXT NOT NULL,
    call TEXT NOT NULL,
    source TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    envelope TEXT NOT NULL,
    signed_ledger INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    signer TEXT,
    nonce INTEGER,
    until_ledger INTEGER,
    state TEXT NOT NULL,
    result TEXT,
    ledger INTEGER,
    ledger_hash TEXT,
    ledger_closed INTEGER
);
CREATE UNIQUE INDEX one_per_hash ON sent (life, hash);
CREATE UNIQUE INDEX one_per_key ON sent (life, scope, key)
    WHERE state NOT IN ('failed', 'never applied', 'reverted');
CREATE UNIQUE INDEX one_open_per_source ON sent (life, source) WHERE state = 'open';
CREATE UNIQUE INDEX one_per_sequence ON sent (life, source, sequence)
    WHERE state IN ('open', 'applied', 'failed');
CREATE INDEX of_key ON sent (life, scope, key);
CREATE INDEX of_ledger ON sent (life, ledger);
CREATE TABLE request_ids (
    life INTEGER NOT NULL REFERENCES lives,
    scope TEXT NOT NULL,
    contract TEXT NOT NULL,
    request_id TEXT NOT NULL,
    sent INTEGER NOT NULL REFERENCES sent ON DELETE CASCADE
);
CREATE UNIQUE INDEX one_per_id ON request_ids (life, scope, request_id);
CREATE UNIQUE INDEX one_per_id_of_vault ON request_ids (life, contract, request_id);
CREATE INDEX ids_of ON request_ids (sent);
"""

_OLD: Final = (
    "id, network, scope, key, contract, request, source, sequence, hash, envelope, signed_ledger, "
    "max_time, signer, nonce, until_ledger, state, result"
)


def prepare(connection: sqlite3.Connection) -> int:
    """Make the tables where there are none, or bring those of version 1 up; return the version.

    A newer version is left as it is. It is for the caller to begin and commit.
    """
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= VERSION:
        return version
    if version == 1:
        of_old = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        for (name,) in connection.execute(of_old).fetchall():
            connection.execute(f"DROP INDEX {name}")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    if version == 1:
        _take_over(connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    return VERSION


def _take_over(connection: sqlite3.Connection) -> None:
    """Move what a file of version 1 has into one life for each network.

    That version kept no hash of a ledger: the life's only anchor has a number and a time, the
    highest that were noted. A program of version 1 that still runs finds its table no more, and
    sends nothing.
    """
    for (network,) in connection.execute("SELECT DISTINCT network FROM transactions").fetchall():
        connection.execute(
            "INSERT INTO lives (network, begun, first_sequence, first_hash, first_closed, "
            "last_sequence, last_hash, last_closed) "
            "SELECT ?, ?, max(signed_ledger), '', max(max_time), max(signed_ledger), '', "
            "max(max_time) FROM transactions WHERE network = ?",
            (network, int(time.time()), network),
        )
    connection.execute(
        f"INSERT INTO sent ({_OLD}, life, call) "  # noqa: S608 - names of columns
        f"SELECT {_OLD}, (SELECT id FROM lives WHERE lives.network = transactions.network), '' "
        "FROM transactions"
    )
    rows = connection.execute(
        "SELECT id, network, envelope, result, state FROM sent ORDER BY id"
    ).fetchall()
    for row, network, envelope, result, state in rows:
        ledger = None if result is None else json.loads(result)["ledger"]
        call, ids = _call(envelope, network)
        connection.execute("UPDATE sent SET call = ?, ledger = ? WHERE id = ?", (call, ledger, row))
        if state not in ("failed", "never applied"):
            # an earlier program may have taken one id twice: the first of them counts
            connection.executemany(
                "INSERT OR IGNORE INTO request_ids (life, scope, contract, request_id, sent) "
                "SELECT life, scope, contract, ?, id FROM sent WHERE id = ?",
                [(request_id, row) for request_id in ids],
            )
    connection.execute("DROP TABLE transactions")


def _call(envelope: str, network: str) -> tuple[str, tuple[str, ...]]:
    """Return what a noted envelope calls, and the request ids in it."""
    functions = list(_functions(envelope, network))
    if len(functions) != 1:
        return "", ()
    return identity(functions[0].host_function), request_ids_of(functions[0].host_function)


def _functions(envelope: str, network: str) -> Iterator[InvokeHostFunction]:
    try:
        transaction = TransactionEnvelope.from_xdr(envelope, network).transaction
    except ValueError:  # noted by hand
        return
    for operation in transaction.operations:
        if isinstance(operation, InvokeHostFunction):
            yield operation
