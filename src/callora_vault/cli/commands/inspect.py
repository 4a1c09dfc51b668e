"""callora-vault inspect, export, audit: look into a contract without trusting it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import attrs
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from callora_vault import inspect as inspection
from callora_vault.cli.options import VaultOptions
from callora_vault.cli.print import Json, Vault, numbers_as_text, print_json, rows
from callora_vault.inspect import (
    Audit,
    Code,
    History,
    Inspection,
    Interface,
    Life,
    Match,
)
from callora_vault.model.units import BadValue

_HERE = VaultOptions()


def inspect(vault: Vault, /, *, options: VaultOptions = _HERE, json: Json = False) -> int:
    """Show what a contract has on the ledger: stored entry, code, interface, and life left.

    Nothing is called and nothing is trusted but the ledger. Exit codes: 0 it is a vault, 1 it is
    none that this program knows, 2 could not look.
    """
    network = options.connect()
    contract = options.find(vault, network)
    found = inspection.inspect(network, contract, network.deadline(options.timeout))
    if json:
        print_json(_inspection(found))
    else:
        _show(Console(), found)
    return 0 if found.problem is None and found.code is not None else 1


def export(
    vault: Vault,
    /,
    *,
    to: Path,
    options: VaultOptions = _HERE,
    json: Json = False,
) -> int:
    """Append a contract's events and its stored entry to a file of JSON Lines.

    Run it again to go on, from wherever the last run ended: the file outlives what the RPC keeps.
    Exit codes: 0 done, 2 could not export.

    Parameters
    ----------
    to
        The file; it is made where there is none.
    """
    history = _export(vault, to, options)
    if json:
        print_json(_history(history))
    else:
        _show_history(Console(), history, to)
    return 0


def audit(
    vault: Vault | None = None,
    /,
    *,
    history: Path | None = None,
    options: VaultOptions = _HERE,
    offline: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
) -> int:
    """Replay a vault's events through the model: does every one follow from the one before?

    The history is brought up to date first. Exit codes: 0 everything follows, 1 something does
    not, 2 could not audit.

    Parameters
    ----------
    history
        The file of `export`; it is made where there is none. Without it the events that the RPC
        has are judged, and not kept.
    offline
        Judge the file as it is, without asking the network.
    """
    if offline:
        if history is None:
            raise BadValue("history", "--offline judges a file; name it by --history")
        found = inspection.read(history)
    elif vault is None:
        raise BadValue("vault", "give its name or id, or --offline")
    else:
        with TemporaryDirectory() as folder:
            found = _export(vault, history or Path(folder) / "history.jsonl", options)
    audited = inspection.audit(found)
    if json:
        print_json(_audit(audited, found))
    else:
        _show_audit(Console(), audited, found)
    return audited.verdict.exit_code


def _export(vault: str, file: Path, options: VaultOptions) -> History:
    network = options.connect()
    contract = options.find(vault, network)
    with _progress() as progress:
        return inspection.export(
            network,
            contract,
            file,
            lambda: network.deadline(options.timeout),
            progress=progress,
        )


@contextmanager
def _progress() -> Iterator[Any]:
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
        yield lambda ledger, latest: bar.update(task, completed=ledger, total=latest)


# -- as JSON -----------------------------------------------------------------------------------


def _inspection(found: Inspection) -> dict[str, Any]:
    code = found.code
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
        "code": None if code is None else {**_code(code), "life": _optional(found.code_life)},
        "entry": found.entry.to_xdr(),
    }


def _optional(life: Life | None) -> dict[str, Any] | None:
    return None if life is None else attrs.asdict(life)


def _code(code: Code) -> dict[str, Any]:
    return {
        "hash": code.hash,
        "size": code.size,
        "known": code.known,
        "changes_itself": code.changes_itself,
        "protocol": code.protocol,
        "made_with": code.meta,
        "interface": None if code.interface is None else _interface(code.interface),
    }


def _interface(interface: Interface) -> dict[str, Any]:
    return {
        "compared_with": interface.abi.name,
        "methods": [
            {**attrs.asdict(method), "match": method.match.value} for method in interface.methods
        ],
        "errors": [list(error) for error in interface.errors],
    }


def _history(history: History) -> dict[str, Any]:
    return {
        "contract": history.contract,
        "network": history.network,
        "events": len(history.events),
        "seen": [attrs.asdict(span) for span in history.seen],
        "lost": [attrs.asdict(span) for span in history.lost],
        "digest": history.digest,
    }


def _audit(audited: Audit, history: History) -> dict[str, Any]:
    broken = audited.broken
    return {
        "verdict": audited.verdict.value,
        "since": audited.since,
        "through": audited.through,
        "events": audited.events,
        "sums": numbers_as_text({**attrs.asdict(audited.sums), "closing": audited.sums.closing}),
        "broken": None
        if broken is None
        else {
            "event": None if broken.event is None else attrs.asdict(broken.event),
            "expected": broken.expected,
            "found": broken.found,
        },
        "assumed": list(audited.assumed),
        "history": _history(history),
    }


# -- for people --------------------------------------------------------------------------------


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _show(console: Console, found: Inspection) -> None:
    table = rows(f"as of ledger {found.ledger:,}, {_date(found.close_time)}")
    table.add_row("contract", found.contract)
    if found.problem is not None:
        table.add_row("stored", Text(found.problem, "red"))
    elif found.meta is None or found.layout is None:
        table.add_row("stored", "nothing: init was never called")
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
    table.add_row("instance lives", _life(found.instance_life))
    table.add_section()
    _add_code(table, found)
    console.print(table)
    if found.code is not None and found.code.interface is not None:
        _show_interface(console, found.code.interface)


def _life(life: Life) -> str:
    if life.archived:
        return "no more: it is archived, and has to be restored first"
    return (
        f"until ledger {life.live_until:,}, {life.ledgers_left:,} from now: "
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
            table.add_row("code lives", _life(found.code_life))
    change = found.can_change
    shown = Text("no", "green") if change is None else Text(f"yes: {change}", "red")
    table.add_row("can change", shown)


def _show_interface(console: Console, interface: Interface) -> None:
    wanted = sum(method.match is not Match.EXTRA for method in interface.methods)
    same = wanted - interface.differences
    if same == len(interface.methods) and not interface.errors:
        console.print(f"methods and errors are those of {interface.abi.name}, all {same} of them")
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


def _show_history(console: Console, history: History, file: Path) -> None:
    table = rows(str(file))
    table.add_row("contract", history.contract)
    table.add_row("events", f"{len(history.events):,}")
    for span in history.seen:
        table.add_row("complete", f"ledgers {span.first:,} to {span.last:,}")
    for span in history.lost:
        gone = f"ledgers {span.first:,} to {span.last:,}: the RPC had them no more"
        table.add_row("lost", Text(gone, "yellow"))
    table.add_row("digest", history.digest)
    console.print(table)


def _show_audit(console: Console, audited: Audit, history: History) -> None:
    table = rows(f"{audited.events:,} events, ledgers {audited.since:,} to {audited.through:,}")
    for name, value in attrs.asdict(audited.sums).items():
        table.add_row(name, f"{value:,}")
    table.add_row("closing", f"{audited.sums.closing:,}")
    for assumed in audited.assumed:
        table.add_row("on trust", assumed)
    table.add_row("digest", history.digest)
    console.print(table)
    broken = audited.broken
    if broken is not None:
        where = "the stored state" if broken.event is None else f"event {broken.event.id}"
        console.print(Text(f"{where} does not follow", "bold red"))
        console.print(f"  expected  {broken.expected}", soft_wrap=True)
        console.print(f"  found     {broken.found}", soft_wrap=True)
        if broken.event is not None:
            console.print(f"  in ledger {broken.event.ledger:,}, {broken.event.transaction}")
    style = "bold red" if broken is not None else "bold green"
    words = audited.verdict.value
    if words == "consistent":
        words += f" since ledger {audited.since:,}"
    console.print(Text(words, style))
