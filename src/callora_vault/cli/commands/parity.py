"""callora-vault parity: judge a contract by the model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from callora_vault.parity import (
    CannotRun,
    Connection,
    Report,
    Target,
    Verdict,
    audit,
    committed,
    connect,
    connect_local,
    deployed,
    from_file,
    notation,
    saved,
)
from callora_vault.parity import Progress as RunProgress
from callora_vault.parity.campaign import EXAMPLES, STEPS, Divergence
from callora_vault.reports.parity import json_text, junit_text, unmade

_File = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]
_Count = Annotated[int, Parameter(validator=Number(gte=1))]


def parity(
    *,
    wasm: Path | None = None,
    contract: str | None = None,
    contract_rpc_url: str | None = None,
    model: str | None = None,
    examples: _Count = EXAMPLES,
    steps: _Count = STEPS,
    seed: int | None = None,
    foreign: bool = False,
    json: _File = None,
    junit: _File = None,
    rpc_url: str | None = None,
    network_passphrase: str | None = None,
    friendbot: str | None = None,
) -> int:
    """Judge a contract by the model; app.py has the help.

    Parameters
    ----------
    wasm
        The compiled contract; by default the one of this package for the model.
    contract
        The id (C...) of a deployed contract, whose code is judged instead of a file's.
    contract_rpc_url
        The Stellar RPC to read that code from.
    model
        The model to compare with: v1, v2 or factory. By default the one that the contract's
        functions are most like, and v2 where no contract is given.
    examples
        How many examples Hypothesis draws.
    steps
        The most steps that one example has.
    seed
        Draw the same examples again as a run with this seed.
    foreign
        For contracts of other people: a trap counts as a refusal, a missing method is named.
    json
        Write the report as JSON to this file; - for standard output.
    junit
        Write the report as JUnit XML to this file.
    rpc_url
        Run on the network of this Stellar RPC instead of the embedded one.
    network_passphrase
        The passphrase of that network.
    friendbot
        The URL of that network's friendbot, which funds the accounts of the run.
    """
    console = Console(stderr=json is not None and str(json) == "-")
    try:
        if json is not None and json == junit:
            raise CannotRun("--json and --junit are the same file", "give two")
        target = _target(wasm, contract, contract_rpc_url, model)
        connection = _connection(rpc_url, network_passphrase, friendbot)
        with _progress(console) as progress:
            report = audit(
                target,
                connection,
                model=model,
                examples=examples,
                steps=steps,
                seed=seed,
                foreign=foreign,
                saved_in=saved.default_folder(),
                progress=progress,
            )
    except CannotRun as error:
        _error_document(json, error)
        print(f"callora-vault parity: {error}", file=sys.stderr)
        return Verdict.ERROR.exit_code
    with suppress(SystemExit):  # rich's answer to a pipe that nobody reads any more
        _print(console, report)
    try:
        _write(lambda: json_text(report), json)
        _write(lambda: junit_text(report), junit)
    except CannotRun as error:
        print(f"callora-vault parity: {error}", file=sys.stderr)
        return Verdict.ERROR.exit_code
    return report.verdict.exit_code


def _target(
    wasm: Path | None, contract: str | None, contract_rpc_url: str | None, model: str | None
) -> Target:
    if (contract is None) != (contract_rpc_url is None):
        raise CannotRun(
            "a deployed contract needs --contract and --contract-rpc-url", "give both, or a file"
        )
    if contract is None or contract_rpc_url is None:
        if wasm is not None:
            return from_file(wasm)
        return committed() if model is None else committed(model)
    if wasm is not None:
        raise CannotRun("--wasm and --contract both name the contract", "give one of them")
    return deployed(contract, contract_rpc_url)


def _connection(
    rpc_url: str | None, network_passphrase: str | None, friendbot: str | None
) -> Connection:
    given = {
        "--rpc-url": rpc_url,
        "--network-passphrase": network_passphrase,
        "--friendbot": friendbot,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return connect_local()
    if rpc_url is None or network_passphrase is None or friendbot is None:
        raise CannotRun(
            f"another network needs {', '.join(missing)} too",
            "give all three, or none for the embedded network",
        )
    return connect(rpc_url, network_passphrase, friendbot)


def _write(text: Callable[[], str], file: Path | None) -> None:
    if file is None:
        return
    if str(file) == "-":
        sys.stdout.write(text())
        return
    try:
        file.write_text(text(), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotRun(f"{file}: {reason}", "give a file that can be written") from error


def _error_document(json: Path | None, error: CannotRun) -> None:
    """Leave a verdict behind for whoever reads the file and not the exit code."""
    try:
        _write(lambda: unmade(error), json)
    except CannotRun:
        return


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[RunProgress], None]]:
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


# -- what is printed ---------------------------------------------------------------------------


def _print(console: Console, report: Report) -> None:
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
                text += f"; then the run ended: {report.campaign.error}"
            return Text(text, "bold red")
    return Text(f"no verdict: {report.reason}", "bold yellow")


def _coverage(report: Report) -> list[Table]:
    """Make a table for methods in a row that can be called in the same states."""
    groups: dict[tuple[Enum, ...], list[str]] = {}
    for method in report.table.methods:
        groups.setdefault(report.table.states_of(method), []).append(method)
    tables = [_hits(report, states, methods) for states, methods in groups.items()]
    tables[0].title = "calls by outcome and by the state before"
    tables[0].title_justify = "left"
    tables[-1].caption = "- cannot be reached"
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
        title="what the cheapest accepted call used: instructions, bytes, stroops",
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
    table.caption = "the highest fee is that of a call that renews or restores the vault's entries"
    table.caption_justify = "left"
    return table


def _grouped(divergences: list[Divergence]) -> list[tuple[list[str], Divergence]]:
    """Join divergences that differ in the state alone; show the one with the fewest steps."""
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
            f"observed {finding.observed} (vault {', '.join(states)})",
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
