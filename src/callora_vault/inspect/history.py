"""A contract's events in a file that outlives the RPC's retention: JSON Lines, only ever appended.

Each line carries the SHA-256 of the digest before it and of itself, so that the last digest stands
for the whole file. Lines are of these kinds, told by `kind`:

    contract  the first: format, network (passphrase), contract
    event     one event, as the RPC hands it out
    seen      all events of the ledgers `from` to `through` are in the lines above
    lost      the RPC had the ledgers `from` to `through` no more when they were asked for
    state     the raw instance entry (LedgerEntryData, base64), as it is in `ledger`
    anchor    a ledger: `sequence`, `hash`, `close_time`; another hash means another network

A network that begins anew keeps its passphrase, so a history is compared with the network by its
anchors before anything is added to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs
from filelock import FileLock, Timeout

from callora_vault.errors import CalloraError
from callora_vault.model import units
from callora_vault.model.units import Address
from callora_vault.rpc.anchors import Anchor, Life, judge, within
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.errors import Behind, RpcRefused
from callora_vault.rpc.following import follow
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import read_instance

FORMAT: Final = 2
_READABLE: Final = (1, FORMAT)
"""Formats that are read; files of the first have no anchors."""
_START: Final = bytes(32).hex()


@attrs.frozen
class HistoryUnusable(CalloraError):
    """The file `path` cannot be used, for `reason`."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"the history {self.path}: {self.reason}"


@attrs.frozen
class Span:
    """Ledgers `first` to `last`, both included."""

    first: int
    last: int


@attrs.frozen
class StoredEntry:
    """The raw instance entry, as base64 XDR of LedgerEntryData, as it is in `ledger`."""

    ledger: int
    entry: str = attrs.field(repr=False)


@attrs.define
class History:
    """What a history file holds. `digest` stands for all of it.

    `seen` are the ledgers whose events are all here, in order and without overlap; `lost` those
    between them that nobody could read any more. `anchors` tell the network from one that began
    anew.
    """

    network: str
    contract: Address
    digest: str = _START
    events: list[EventRecord] = attrs.field(factory=list, repr=False)
    seen: list[Span] = attrs.field(factory=list)
    lost: list[Span] = attrs.field(factory=list)
    states: list[StoredEntry] = attrs.field(factory=list)
    anchors: list[Anchor] = attrs.field(factory=list)

    @property
    def through(self) -> int:
        """The last ledger whose events are all here, 0 for none."""
        return self.seen[-1].last if self.seen else 0

    @property
    def unbroken_since(self) -> int:
        """The ledger since which no event is missing, 0 where nothing was seen."""
        return self.seen[-1].first if self.seen else 0

    def take(self, line: dict[str, Any]) -> None:
        """Add a line. Raises ValueError, KeyError or TypeError for one that does not fit."""
        match line["kind"]:
            case "event":
                event = EventRecord(
                    **{field.name: line[field.name] for field in attrs.fields(EventRecord)}
                )
                event = attrs.evolve(event, topics=tuple(event.topics))
                if self.events and event.id <= self.events[-1].id:
                    raise ValueError(f"event {event.id} follows {self.events[-1].id}")
                self.events.append(event)
            case "seen":
                self._see(Span(line["from"], line["through"]))
            case "lost":
                self.lost.append(Span(line["from"], line["through"]))
            case "state":
                self.states.append(StoredEntry(line["ledger"], line["entry"]))
            case "anchor":
                self.anchors.append(Anchor(line["sequence"], line["hash"], line["close_time"]))
            case kind:
                raise ValueError(f"a line of the kind {kind!r}")

    def _see(self, span: Span) -> None:
        if self.seen and span.first == self.seen[-1].last + 1:
            self.seen[-1] = Span(self.seen[-1].first, span.last)
        else:
            self.seen.append(span)


def read(path: Path) -> History:
    """Read a history and check its digests. A last line that was not finished does not count.

    Raises HistoryUnusable.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)[0]
    except OSError as error:
        raise HistoryUnusable(path, error.strerror or type(error).__name__) from error


def export(
    network: Network,
    contract: Address,
    path: Path,
    until: Callable[[], float],
    *,
    progress: Callable[[int, int], None] = lambda _ledger, _latest: None,
) -> History:
    """Append what has happened to a contract since the last export, and what it stores now.

    A run may end at any moment: the next one continues it. Arguments: `path`, the
    file, made where there is none; `until`, which gives the moment of the network's clock up to
    which one request may take; `progress`, called with the ledger reached and the latest.
    Raises BadValue, HistoryUnusable, also where the network began anew since the file was written;
    NoVault, Behind, and what Network raises.
    """
    units.contract(contract, "contract")
    with appending(path, network.passphrase, contract) as (history, append):
        _check_life(network, history, path, until)
        state = _state(network, history, until())
        anchor = _anchor(network, state.ledger, until())
        if anchor not in history.anchors[-1:]:  # before any event, for an export may end early
            append({"kind": "anchor", **attrs.asdict(anchor)})
        if history.through < state.ledger:
            _follow(network, history, append, state.ledger, until, progress)
        append({"kind": "state", "ledger": state.ledger, "entry": state.entry})
        return history


def _check_life(network: Network, history: History, path: Path, until: Callable[[], float]) -> None:
    """See that the network is the one of the file. Raises HistoryUnusable, Behind."""
    if not history.anchors:
        return
    end = until()
    waits = network.waits(end)
    while True:
        life = _life(network, history.anchors, end)
        if life is Life.ANEW:
            last = history.anchors[-1].sequence
            reason = (
                f"the network began anew since it was written (it is not the one whose ledger "
                f"{last:,} is noted); keep the file, and export to another one"
            )
            raise HistoryUnusable(path, reason)
        if life is not Life.BEHIND:
            return
        if next(waits, _OVER) is _OVER:
            reached = network.tip(end, at_least=_NOW).ledger
            raise Behind(network.name, reached, history.through)


_OVER: Final = object()
_NOW: Final = 1 << 32
"""Beyond every ledger: nothing that is known of the latest one is new enough."""


def _life(network: Network, anchors: list[Anchor], until: float) -> Life:
    """Ask for the highest anchor that the RPC has, and judge by what it has there."""
    tip = network.tip(until, at_least=_NOW).ledger
    window = network.ledger(tip, until)
    noted = within(anchors, window)
    if noted is not None and noted.sequence != tip:
        try:
            window = network.ledger(noted.sequence, until)
        except RpcRefused:  # dropped since
            window = network.ledger(tip, until)
            if within(anchors, window) is not None:
                raise
    return judge(anchors, window)


def _state(network: Network, history: History, until: float) -> StoredEntry:
    """Read the instance, not from before what the history has seen. Raises Behind."""
    waits = network.waits(until)
    while True:
        found = read_instance(network, history.contract, until)
        if found.ledger >= history.through:
            return StoredEntry(found.ledger, found.raw)
        if next(waits, _OVER) is _OVER:
            raise Behind(network.name, found.ledger, history.through)


def _anchor(network: Network, ledger: int, until: float) -> Anchor:
    """Read a ledger that is closed. Raises Behind where the RPC does not show it in time."""
    waits = network.waits(until)
    while True:
        try:
            return network.ledger(ledger, until).first
        except RpcRefused:
            reached = network.tip(until, at_least=_NOW).ledger
            if reached >= ledger:
                raise
            if next(waits, _OVER) is _OVER:
                raise Behind(network.name, reached, ledger) from None


def _follow(
    network: Network,
    history: History,
    append: Callable[[dict[str, Any]], None],
    last: int,
    until: Callable[[], float],
    progress: Callable[[int, int], None],
) -> None:
    """Append the events up to the ledger `last`, or later ones too."""
    first = history.through + 1
    if first == 1:
        first = max(network.oldest_ledger(until()), 1)
    have = history.events[-1].id if history.events else ""
    for page in follow(network, history.contract, first, last, until):
        if page.first > first:
            if history.through:
                append({"kind": "lost", "from": first, "through": page.first - 1})
            first = page.first
        for event in page.events:
            if event.id > have:  # an export that was ended may have them already
                append({"kind": "event", **attrs.asdict(event)})
        if page.through >= first:
            append({"kind": "seen", "from": first, "through": page.through})
            first = page.through + 1
        progress(page.through, page.latest)


@contextmanager
def appending(
    path: Path, network: str, contract: Address
) -> Iterator[tuple[History, Callable[[dict[str, Any]], None]]]:
    """Open a history, made where there is none, and yield it with what appends a line to it.

    One process at a time. Raises HistoryUnusable.
    """
    if not path.parent.is_dir():  # which taking the lock would make
        raise HistoryUnusable(path, "its folder is not there")
    try:
        with FileLock(f"{path}.lock", timeout=0), path.open("a+b") as file:
            file.seek(0)
            if file.read(1):
                file.seek(0)
                history, end = _read(path, file)
                if (history.network, history.contract) != (network, contract):
                    reason = (
                        f"it is of {history.contract} on {history.network!r}; name another file"
                    )
                    raise HistoryUnusable(path, reason)
                file.truncate(end)
            else:
                history = History(network, contract)
                head = {"kind": "contract", "format": FORMAT}
                _append(file, history, {**head, "network": network, "contract": contract})

            def append(line: dict[str, Any]) -> None:
                _append(file, history, line)
                history.take(line)

            yield history, append
            file.flush()
            os.fsync(file.fileno())
    except Timeout:
        raise HistoryUnusable(path, "another export is writing to it") from None
    except OSError as error:
        raise HistoryUnusable(path, error.strerror or type(error).__name__) from error


def _append(file: BinaryIO, history: History, line: dict[str, Any]) -> None:
    digest = _digest(history.digest, line)
    file.write(json.dumps({**line, "digest": digest}, separators=(",", ":")).encode() + b"\n")
    history.digest = digest


def _digest(before: str, line: dict[str, Any]) -> str:
    text = json.dumps(line, separators=(",", ":"), sort_keys=True)
    return sha256(f"{before}{text}".encode()).hexdigest()


def _read(path: Path, file: BinaryIO) -> tuple[History, int]:
    """Read a history; return it and where its last whole line ends."""
    history: History | None = None
    end = 0
    for number, text in enumerate(file, 1):
        if not text.endswith(b"\n"):
            break  # the writer was ended in the middle of it
        try:
            line = json.loads(text)
            digest = line.pop("digest")
            if history is None:
                if line["kind"] != "contract" or line["format"] not in _READABLE:
                    raise ValueError("it does not begin like a history")
                history = History(line["network"], line["contract"])
                found = _digest(history.digest, line)
            else:
                found = _digest(history.digest, line)
                history.take(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = f"line {number} is damaged ({type(error).__name__}: {error})"
            raise HistoryUnusable(path, reason) from error
        if found != digest:
            raise HistoryUnusable(path, f"line {number} is not the one that was written")
        history.digest = digest
        end += len(text)
    if history is None:
        raise HistoryUnusable(path, "it does not begin like a history")
    return history, end
