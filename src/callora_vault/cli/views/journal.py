"""What the journal's commands show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from callora_vault.cli.print import print_json, rows
from callora_vault.client.entries import JournalEntry, Life, State

Listed = tuple[Life, Sequence[JournalEntry]]


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _life(life: Life) -> dict[str, Any]:
    return {
        "life": life.id,
        "network": life.network,
        "begun": _moment(life.begun),
        "ended": None if life.ended is None else _moment(life.ended),
        "why": life.why,
        "first": None if life.first is None else attrs.asdict(life.first),
        "last": None if life.last is None else attrs.asdict(life.last),
    }


def _entry(entry: JournalEntry) -> dict[str, Any]:
    return {
        "request_key": entry.key,
        "request": entry.request,
        "vault": entry.contract,
        "transaction": entry.hash,
        "state": entry.state.value,
    }


def _title(life: Life) -> str:
    ended = "" if life.ended is None else f", ended {_moment(life.ended)}: {life.why}"
    seen = "" if life.last is None else f", seen up to ledger {life.last.sequence}"
    return f"life {life.id} of {life.network}{seen}{ended}"


def show_all(found: Iterable[Listed], json: bool) -> None:
    """Show every life with its transactions."""
    found = list(found)
    if json:
        print_json([{**_life(life), "transactions": [*map(_entry, e)]} for life, e in found])
        return
    if not found:
        print("the journal has no transactions")
    for life, entries in found:
        table = Table(title=_title(life), title_justify="left")
        for name in ("request", "state", "transaction"):
            table.add_column(name, overflow="fold")
        for entry in entries:
            table.add_row(f"{entry.key}: {entry.request}", entry.state.value, entry.hash)
        Console().print(table)


def show_entry(found: Iterable[tuple[Life, JournalEntry]], json: bool) -> None:
    """Show all that is noted of some transactions."""
    documents = [
        {
            **_entry(entry),
            "life": life.id,
            "life_ended": life.ended is not None,
            "network": life.network,
            "source": entry.source,
            "sequence": entry.sequence,
            "signed_ledger": entry.signed_ledger,
            "max_time": _moment(entry.max_time),
            "signer": entry.signer,
            "until_ledger": entry.until_ledger,
            "ledger": None if entry.result is None else entry.result.ledger,
            "ledger_hash": None if entry.closed is None else entry.closed.hash,
            "envelope": entry.envelope,
        }
        for life, entry in found
    ]
    if json:
        print_json(documents)
        return
    for document in documents:
        table = rows()
        for name, value in document.items():
            if value is not None:
                table.add_row(name, str(value))
        Console().print(table)


def show_forgotten(entry: JournalEntry, json: bool) -> None:
    """Show what was forgotten, and what that means."""
    again = {
        State.APPLIED: "it was applied: repeated, it is applied once more",
        State.APPLIED_BY_OTHERS: "it was applied: repeated, it is applied once more",
        State.UNKNOWN: "it may have been applied: repeated, it may be applied once more",
    }.get(entry.state, "it was not applied")
    if json:
        print_json({**_entry(entry), "free": True, "note": again})
        return
    print(f"forgotten: {entry.hash}, the request {entry.key!r}; {again}")
    if entry.state is not State.NEVER_APPLIED and entry.state is not State.FAILED:
        print(f"the request key {entry.key!r} and its request ids are free again")


def show_begun(life: Life, begun: Life, entries: Sequence[JournalEntry], json: bool) -> None:
    """Show that a new life begins."""
    applied = sum(entry.state is State.APPLIED for entry in entries)
    opened = sum(entry.state is State.OPEN for entry in entries)
    if json:
        print_json({**_life(begun), "kept_apart": len(entries), "before": life.id})
        return
    print(
        f"life {begun.id} of {begun.network} begins; {len(entries)} transactions are kept apart as "
        f"life {life.id}, {applied} of them applied, whose request ids are free, and {opened} "
        "open, which are never sent any more"
    )
