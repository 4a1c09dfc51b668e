"""A fork's cache: what was read of another network, in a file that several processes may share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import msgspec

from soroban_localnet.ledger.store import Entry
from soroban_localnet.storage.database import Database, Kind

_CACHE = Kind(
    application=0x534C4E46,
    version=1,
    tables=(
        "CREATE TABLE origin (only INTEGER PRIMARY KEY CHECK (only = 1), value BLOB NOT NULL)",
        "CREATE TABLE entry (key BLOB PRIMARY KEY, xdr BLOB, live_until INTEGER)",
    ),
)


@attrs.frozen
class Origin:
    """Where a fork begins: the remote's latest ledger when it was first asked.

    `close_time` in seconds since 1970; `header` and `settings` as XDR, those that it sent.
    """

    passphrase: str
    protocol_version: int
    sequence: int
    close_time: int
    hash: bytes
    header: bytes
    settings: dict[bytes, bytes]


class ForkCache:
    """What was read of one network, in a file that several processes may share."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, _CACHE, exclusive=False)

    def origin(self) -> Origin | None:
        """Return where the fork began that fills this file, or None where it is new."""
        if self.database.is_new:
            return None
        ((value,),) = self.database.rows("SELECT value FROM origin")
        origin: Origin = msgspec.msgpack.decode(value, type=Origin)
        return origin

    def begin(self, origin: Origin) -> Origin:
        """Note where the fork begins, unless another process just did; return what is noted."""
        with self.database.transaction() as connection:
            encoded = msgspec.msgpack.encode(origin)
            connection.execute("INSERT OR IGNORE INTO origin VALUES (1, ?)", (encoded,))
        return self.origin() or origin

    def get(self, key: bytes) -> tuple[bytes | None, int | None] | None:
        """Return XDR (None where the remote had no entry) and live-until ledger, or None."""
        query = "SELECT xdr, live_until FROM entry WHERE key = ?"
        return next(self.database.rows(query, (key,)), None)

    def add(self, found: Mapping[bytes, Entry | None]) -> None:
        """Keep what was found, unless another process found it first."""
        rows = [
            (key, None, None) if entry is None else (key, entry.xdr, entry.live_until)
            for key, entry in found.items()
        ]
        with self.database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", rows)
