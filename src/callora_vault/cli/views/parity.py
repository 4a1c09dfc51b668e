"""The output of `callora-vault parity`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from callora_vault.parity import Progress as RunProgress
from callora_vault.parity import Report, Verdict, notation
from callora_vault.parity.campaign import Divergence


@contextmanager
def run_progress(console: Console) -> Iterator[Callable[[RunProgress], None]]:
    """Show the progress of a run while the context lasts; yields a function to report it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("examples"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("edges", total=None, note="")

        def show(now: RunProgress) -> None:
            what = "shrinking" if now.shrinking else "drawing" if now.examples else "edges"
            note = f"{now.steps} steps"
            if now.divergences:
                note += f", {now.divergences} divergences"
            bar.update(task, description=what, completed=now.examples, total=now.of, note=note)

        yield show


def show_report(console: Console, report: Report) -> None:
    """Show a report: coverage, resources, and each divergence."""
    campaign = report.campaign
    console.print(f"contract  {report.target.name}  sha256 {report.target.sha256}", soft_wrap=True)
    console.print(f"model     {report.model}")
    console.print(f"network   {report.network}", soft_wrap=True)
    console.print()
    for table in _coverage(report):
        console.print(table)
    console.print(_resources(report))
    for note in report.not_compared:
        console.print(f"not compared: {note}", soft_wrap=True)
    groups = _grouped(campaign.divergences)
    for number, (states, found) in enumerate(groups, 1):
        _print_divergence(console, report, number, states, found)
    console.print(_verdict(report), soft_wrap=True)
    console.print(
        f"{campaign.tally.steps} steps, {campaign.examples} examples drawn, seed {campaign.seed}"
    )


def _verdict(report: Report) -> Text:
    match report.verdict:
        case Verdict.AGREE:
            return Text("agree: contract and model did the same at every step", "bold green")
        case Verdict.DIVERGE:
            groups = len(_grouped(report.campaign.divergences))
            text = f"diverge in {groups} way{'s' if groups > 1 else ''}"
            if report.campaign.error is not None:
                text += f"; then the run ended early: {report.campaign.error}"
            return Text(text, "bold red")
    return Text(f"no verdict: {report.reason}", "bold yellow")


def _coverage(report: Report) -> list[Table]:
    """Build a table for each group of methods that can be called in the same states."""
    groups: dict[tuple[Enum, ...], list[str]] = {}
    for method in report.table.methods:
        groups.setdefault(report.table.states_of(method), []).append(method)
    tables = [_hits(report, states, methods) for states, methods in groups.items()]
    tables[0].title = "calls by outcome and by the state before"
    tables[0].title_justify = "left"
    tables[-1].caption = "-: cannot be reached"
    tables[-1].caption_justify = "left"
    return tables


def _hits(report: Report, states: tuple[Enum, ...], methods: list[str]) -> Table:
    table = Table()
    table.add_column("method")
    table.add_column("outcome", no_wrap=True)
    for state in states:
        table.add_column(state.value, justify="right")
    hits = report.campaign.tally.coverage.cells
    for method in methods:
        if method != methods[0]:
            table.add_section()
        rows: dict[str, list[str]] = {}
        for cell in report.table.cells:
            if cell.method == method and cell.state in states:
                count = hits[method, cell.outcome, cell.state]
                empty = "[dim]-[/]" if cell.unreachable else "[red]0[/]"
                rows.setdefault(cell.outcome, []).append(str(count) if count else empty)
        for number, (outcome, row) in enumerate(rows.items()):
            shown = outcome.removeprefix("rejected:")
            table.add_row("" if number else method, shown, *row)
    return table


def _resources(report: Report) -> Table:
    table = Table(
        title="resources of the cheapest accepted call: instructions, bytes, stroops",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("method", no_wrap=True)
    for name in ("calls", "instructions", "read", "written", "fee", "highest"):
        table.add_column(name, justify="right", no_wrap=True)
    for method in report.table.methods:
        used = report.campaign.tally.usages.get(method)
        if used is None:
            continue
        least = used.least
        numbers = (
            used.calls,
            least.instructions,
            least.read_bytes,
            least.write_bytes,
            least.fee,
            used.most.fee,
        )
        table.add_row(method, *(f"{number:,}" for number in numbers))
    table.caption = "highest: the highest fee, of a call that renews or restores entries"
    table.caption_justify = "left"
    return table


def _grouped(divergences: list[Divergence]) -> list[tuple[list[str], Divergence]]:
    """Join divergences that differ only in the state; keep the one with the fewest steps."""
    groups: dict[tuple[str, str, str], list[Divergence]] = {}
    for found in divergences:
        finding = found.finding
        key = finding.method, finding.expected, finding.observed
        groups.setdefault(key, []).append(found)
    return [
        ([f.finding.state for f in group], min(group, key=lambda f: len(f.lines)))
        for group in groups.values()
    ]


def _print_divergence(
    console: Console, report: Report, number: int, states: list[str], found: Divergence
) -> None:
    finding = found.finding
    console.print()
    console.print(
        Text(
            f"{number}. {finding.method}: expected {finding.expected}, "
            f"observed {finding.observed} (state: {', '.join(states)})",
            "bold",
        ),
        soft_wrap=True,
    )
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("step")
    table.add_column("model")
    table.add_column("contract")
    for line in found.lines:
        same = line.expected == line.observed
        model, contract = (w.removeprefix("rejected:") for w in (line.expected, line.observed))
        table.add_row(Text(notation.text(line.step)), model, Text(contract, "" if same else "red"))
    console.print(table)
    console.print(Text(finding.detail), soft_wrap=True)
    console.print(
        Text(notation.snippet(report.target, report.model, found.steps), "dim"), soft_wrap=True
    )
