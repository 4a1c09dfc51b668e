"""A contract's events in a file that keeps what the RPC drops: JSON Lines, only appended to.

Each line holds the SHA-256 of the digest before it and of itself, so the last digest covers the
whole file. The kinds of lines, by `kind`:

    contract  the first: format, network (passphrase), contract
    event     one event, as the RPC returns it
    seen      all events of the ledgers `from` to `through` are in the lines above
    lost      the RPC no longer had the ledgers `from` to `through` when they were requested
    state     the raw instance entry (LedgerEntryData, base64), as of `ledger`
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

from callora_vault import files
from callora_vault.errors import CalloraError
from callora_vault.model import units
from callora_vault.model.units import Address, BadValue
from callora_vault.rpc.anchors import Life, judge, within
from callora_vault.rpc.answers import Anchor, EventRecord
from callora_vault.rpc.errors import Behind, RpcRefused
from callora_vault.rpc.following import follow
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import read_instance

FORMAT: Final = 2
_READABLE: Final = (1, FORMAT)
"""Formats that can be read; files of format 1 have no anchors."""
_START: Final = bytes(32).hex()
_NOT_ONE: Final = "it is not a history; give a file that `callora-vault export` wrote"


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
    """The raw instance entry, as base64 XDR of LedgerEntryData, as of `ledger`."""

    ledger: int
    entry: str = attrs.field(repr=False)


@attrs.define
class History:
    """The content of a history file. `digest` covers all of it.

    `seen` are the ledgers whose events are all here, in order and without overlap; `lost` are those
    between them that the RPC no longer had. `anchors` distinguish the network from one that began
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
        """The ledger since which no event is missing, 0 if nothing was seen."""
        return self.seen[-1].first if self.seen else 0

    def take(self, line: dict[str, Any]) -> None:
        """Add a line. Raises ValueError, KeyError or TypeError for an unusable one."""
        match line["kind"]:
            case "event":
                event = EventRecord(
                    **{field.name: line[field.name] for field in attrs.fields(EventRecord)}
                )
                event = attrs.evolve(event, topics=tuple(event.topics))
                if self.events and event.id <= self.events[-1].id:
                    raise BadValue("event", f"{event.id} follows {self.events[-1].id}")
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
                raise BadValue("kind", f"no line has the kind {kind!r}")

    def _see(self, span: Span) -> None:
        if self.seen and span.first == self.seen[-1].last + 1:
            self.seen[-1] = Span(self.seen[-1].first, span.last)
        else:
            self.seen.append(span)


def read(path: Path) -> History:
    """Read a history and check its digests. An unfinished last line does not count.

    Raises HistoryUnusable.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)[0]
    except OSError as error:
        raise HistoryUnusable(path, error.strerror or str(error)) from error


def export(
    network: Network,
    contract: Address,
    path: Path,
    until: Callable[[], float],
    *,
    progress: Callable[[int, int], None] = lambda _ledger, _latest: None,
) -> History:
    """Append a contract's events since the last export, and its present stored entry.

    A run may be interrupted at any time: the next one continues it. Arguments: `path`, the file,
    created if it does not exist; `until`, which returns the deadline of one request by the
    network's clock; `progress`, called with the ledger reached and the latest.
    Raises BadValue, HistoryUnusable, also if the network began anew since the file was written;
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
    """Check that the network is the one of the file. Raises HistoryUnusable, Behind."""
    if not history.anchors:
        return
    end = until()
    waits = network.waits(end)
    while True:
        life = _life(network, history.anchors, end)
        if life is Life.ANEW:
            last = history.anchors[-1].sequence
            reason = (
                "the network began anew since it was written (it is not the one whose ledger "
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
"""Beyond every ledger: the last known tip is never new enough, so the RPC is asked again."""


def _life(network: Network, anchors: list[Anchor], until: float) -> Life:
    """Ask for the highest anchor that the RPC has, and judge by its ledger there."""
    tip = network.tip(until, at_least=_NOW).ledger
    page = network.ledger(tip, until)
    noted = within(anchors, page)
    if noted is not None and noted.sequence != tip:
        try:
            page = network.ledger(noted.sequence, until)
        except RpcRefused:  # dropped since
            page = network.ledger(tip, until)
            if within(anchors, page) is not None:
                raise
    return judge(anchors, page)


def _state(network: Network, history: History, until: float) -> StoredEntry:
    """Read the instance, as of the end of the history or later. Raises Behind."""
    waits = network.waits(until)
    while True:
        found = read_instance(network, history.contract, until)
        if found.ledger >= history.through:
            return StoredEntry(found.ledger, found.raw)
        if next(waits, _OVER) is _OVER:
            raise Behind(network.name, found.ledger, history.through)


def _anchor(network: Network, ledger: int, until: float) -> Anchor:
    """Read a closed ledger. Raises Behind if the RPC does not show it in time."""
    waits = network.waits(until)
    while True:
        try:
            return network.ledger(ledger, until).ledger
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
    """Append the events up to the ledger `last` at least."""
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
            if event.id > have:  # an interrupted export may have them already
                append({"kind": "event", **attrs.asdict(event)})
        if page.through >= first:
            append({"kind": "seen", "from": first, "through": page.through})
            first = page.through + 1
        progress(page.through, page.latest)


@contextmanager
def appending(
    path: Path, network: str, contract: Address
) -> Iterator[tuple[History, Callable[[dict[str, Any]], None]]]:
    """Open a history, created if it does not exist; yield it and the function to append a line.

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
                        f"it belongs to {history.contract} on the network {history.network!r}; "
                        "give another file"
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
        reason = "another export is writing to it; try again when it is done"
        raise HistoryUnusable(path, reason) from None
    except OSError as error:
        raise HistoryUnusable(path, error.strerror or str(error)) from error


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
            break  # the writer was interrupted
        try:
            line = json.loads(text)
            digest = line.pop("digest")
            if history is None:
                if line["kind"] != "contract" or line["format"] not in _READABLE:
                    raise HistoryUnusable(path, _NOT_ONE)
                history = History(line["network"], line["contract"])
                found = _digest(history.digest, line)
            else:
                found = _digest(history.digest, line)
                history.take(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if number == 1:
                raise HistoryUnusable(path, _NOT_ONE) from error
            reason = f"line {number} is damaged: {files.flaw(error)}; restore it from a copy"
            raise HistoryUnusable(path, reason) from error
        if found != digest:
            reason = f"line {number} is not the one that was written; restore it from a copy"
            raise HistoryUnusable(path, reason)
        history.digest = digest
        end += len(text)
    if history is None:
        raise HistoryUnusable(path, _NOT_ONE)
    return history, end
