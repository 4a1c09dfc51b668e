"""The output of `callora-vault inspect`, `export` and `audit`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from callora_vault.cli.print import numbers_as_text, print_json, rows
from callora_vault.inspect import (
    Audit,
    Break,
    Code,
    History,
    Inspection,
    Interface,
    Life,
    ListedEvent,
    Match,
)


@contextmanager
def export_progress() -> Iterator[Callable[[int, int], None]]:
    """Show the progress of an export while the context lasts.

    Yields a function to call with the ledger reached and the latest.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("ledger {task.completed:,} of {task.total:,}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("export", total=1)

        def show(ledger: int, latest: int) -> None:
            bar.update(task, completed=ledger, total=latest)

        yield show


def _inspection_document(found: Inspection) -> dict[str, Any]:
    code = None if found.code is None else _code_document(found.code)
    return {
        "contract": found.contract,
        "ledger": found.ledger,
        "executable": found.executable,
        "can_change": found.can_change,
        "layout": None if found.layout is None else found.layout.name,
        "meta": None if found.meta is None else numbers_as_text(attrs.asdict(found.meta)),
        "problem": found.problem,
        "extra": list(found.extra),
        "instance": attrs.asdict(found.instance_life),
        "code": None if code is None else {**code, "life": _optional(found.code_life)},
        "entry": found.entry.to_xdr(),
    }


def _optional(life: Life | None) -> dict[str, Any] | None:
    return None if life is None else attrs.asdict(life)


def _code_document(code: Code) -> dict[str, Any]:
    return {
        "hash": code.hash,
        "size": code.size,
        "known": code.known,
        "changes_itself": code.changes_itself,
        "protocol": code.protocol,
        "made_with": code.meta,
        "interface": None if code.interface is None else _interface_document(code.interface),
    }


def _interface_document(interface: Interface) -> dict[str, Any]:
    return {
        "compared_with": interface.abi.name,
        "methods": [
            {**attrs.asdict(method), "match": method.match.value} for method in interface.methods
        ],
        "errors": [list(error) for error in interface.errors],
    }


def _history_document(history: History) -> dict[str, Any]:
    return {
        "contract": history.contract,
        "network": history.network,
        "events": len(history.events),
        "seen": [attrs.asdict(span) for span in history.seen],
        "lost": [attrs.asdict(span) for span in history.lost],
        "digest": history.digest,
    }


def _break_document(broken: Break) -> dict[str, Any]:
    return {
        "rule": broken.rule.value,
        "event": broken.name or None,
        "count": broken.count,
        "sum": str(broken.total),
        "ledgers": [broken.first, broken.last],
        "words": broken.words,
        "first": None if broken.event is None else attrs.asdict(broken.event),
        "expected": broken.expected,
        "found": broken.found,
    }


def _event_document(listed: ListedEvent) -> dict[str, Any]:
    record = listed.record
    return {
        "id": record.id,
        "ledger": record.ledger,
        "closed_at": record.closed_at,
        "transaction": record.transaction,
        "event": listed.name,
        **numbers_as_text(listed.values),
        "breaks": [rule.value for rule in listed.breaks],
    }


def _audit_document(audited: Audit, history: History) -> dict[str, Any]:
    return {
        "verdict": audited.verdict.value,
        "since": audited.since,
        "through": audited.through,
        "events": audited.events,
        "sums": numbers_as_text({**attrs.asdict(audited.sums), "closing": audited.sums.closing}),
        "breaks": [_break_document(broken) for broken in audited.breaks],
        "unreadable": audited.unreadable,
        "stored_balance": None if audited.state is None else str(audited.state.balance),
        "assumed": list(audited.assumed),
        "history": _history_document(history),
    }


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def show_inspection(found: Inspection, json: bool) -> None:
    """Show a contract on the ledger."""
    if json:
        print_json(_inspection_document(found))
        return
    console = Console()
    table = rows(f"as of ledger {found.ledger:,}, {_date(found.close_time)}")
    table.add_row("contract", found.contract)
    if found.problem is not None:
        table.add_row("stored", Text(found.problem, "red"))
    elif found.meta is None or found.layout is None:
        nothing = "nothing: it is not initialised"
        if found.code is None or found.code.known is None:
            nothing += ", or it keeps its state outside its instance"
        table.add_row("stored", nothing)
    else:
        meta = found.meta
        table.add_row("layout", found.layout.name)
        table.add_row("owner", meta.owner)
        table.add_row("balance", f"{meta.balance:,}")
        table.add_row("min_deposit", f"{meta.min_deposit:,}")
        if meta.authorized_caller is not None:
            table.add_row("authorized_caller", meta.authorized_caller)
    for key in found.extra:
        table.add_row("also stores", Text(key, "yellow"))
    table.add_row("instance TTL", _life(found.instance_life))
    table.add_section()
    _add_code(table, found)
    console.print(table)
    if found.code is not None and found.code.interface is not None:
        _show_interface(console, found.code.interface)


def _life(life: Life) -> str:
    if life.archived:
        return "archived: it must be restored before it can be used"
    return (
        f"until ledger {life.live_until:,}, {life.ledgers_left:,} ledgers from now, "
        f"about {_date(life.runs_out)}"
    )


def _add_code(table: Table, found: Inspection) -> None:
    code = found.code
    table.add_row("runs", found.executable)
    if code is not None:
        known = "unknown: not one of this program's contracts"
        table.add_row("code", known if code.known is None else f"callora-vault {code.known}")
        table.add_row("size", f"{code.size:,} bytes")
        if found.code_life is not None:
            table.add_row("code TTL", _life(found.code_life))
    change = found.can_change
    shown = Text("no", "green") if change is None else Text(f"yes: {change}", "red")
    table.add_row("can change", shown)


def _show_interface(console: Console, interface: Interface) -> None:
    wanted = sum(method.match is not Match.EXTRA for method in interface.methods)
    same = wanted - interface.differences
    if same == len(interface.methods) and not interface.errors:
        console.print(f"its {same} methods and its errors are those of {interface.abi.name}")
        return
    table = Table(
        title=f"compared with {interface.abi.name}: {same} of {wanted} methods are the same",
        title_justify="left",
    )
    for name in ("", "expected", "found"):
        table.add_column(name, overflow="fold")
    for method in interface.methods:
        if method.match is not Match.SAME:
            table.add_row(f"{method.name}", method.expected or "-", method.found or "-")
    for number, expected, found in interface.errors:
        table.add_row(f"error {number}", expected or "-", found or "-")
    console.print(table)


def show_history(history: History, file: Path, json: bool) -> None:
    """Show the content of a history."""
    if json:
        print_json(_history_document(history))
        return
    table = rows(str(file))
    table.add_row("contract", history.contract)
    table.add_row("events", f"{len(history.events):,}")
    for span in history.seen:
        table.add_row("complete", f"ledgers {span.first:,} to {span.last:,}")
    for span in history.lost:
        gone = f"ledgers {span.first:,} to {span.last:,}: the RPC no longer has them"
        table.add_row("lost", Text(gone, "yellow"))
    table.add_row("digest", history.digest)
    Console().print(table)


def show_audit(
    audited: Audit, history: History, events: Iterable[ListedEvent] | None, json: bool
) -> None:
    """Show what does not follow in a history. Arguments: `events` to list, None for none."""
    if json:
        document = _audit_document(audited, history)
        if events is not None:
            document["listed"] = [_event_document(event) for event in events]
        print_json(document)
        return
    console = Console()
    if events is not None:
        _show_events(console, events)
    table = rows(f"{audited.events:,} events, ledgers {audited.since:,} to {audited.through:,}")
    for name, value in attrs.asdict(audited.sums).items():
        if value or name != "unexplained":
            table.add_row(name, f"{value:,}")
    table.add_row("closing", f"{audited.sums.closing:,}")
    if audited.state is not None:
        table.add_row("stored", f"{audited.state.balance:,}")
    for span in history.lost:
        table.add_row("not seen", f"ledgers {span.first:,} to {span.last:,}")
    for assumed in audited.assumed:
        table.add_row("assumed", assumed)
    table.add_row("digest", history.digest)
    console.print(table)
    for broken in audited.breaks:
        console.print(Text(str(broken), "bold red"), soft_wrap=True)
        console.print(f"  expected  {broken.expected}", soft_wrap=True)
        console.print(f"  found     {broken.found}", soft_wrap=True)
        if broken.event is not None:
            console.print(
                f"  first in ledger {broken.event.ledger:,}, "
                f"transaction {broken.event.transaction}",
                soft_wrap=True,
            )
    if audited.unreadable is not None:
        console.print(Text(audited.unreadable, "bold red"), soft_wrap=True)
    words = audited.verdict.value
    if words == "consistent":
        words += f" since ledger {audited.since:,}"
    console.print(Text(words, "bold red" if audited.verdict.exit_code else "bold green"))


def _show_events(console: Console, events: Iterable[ListedEvent]) -> None:
    table = Table(title="events", title_justify="left")
    for name in ("ledger", "closed", "event", "amount", "balance", "who and what", "breaks"):
        table.add_column(name, overflow="fold")
    for event in events:
        values = {name: value for name, value in event.values.items() if value not in (None, "")}
        numbers = [values.pop(name, None) for name in ("amount", "balance")]
        table.add_row(
            f"{event.record.ledger:,}",
            _date(event.record.closed_at),
            Text(event.name),
            *("" if number is None else f"{number:,}" for number in numbers),
            Text(", ".join(f"{name} {value}" for name, value in values.items())),
            Text(", ".join(rule.value for rule in event.breaks), "red"),
        )
    console.print(table)
