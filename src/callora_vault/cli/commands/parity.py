"""callora-vault parity: compare a contract with the model."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from callora_vault.cli.options import Json, Whole, whole
from callora_vault.cli.views.parity import run_progress, show_report
from callora_vault.parity import (
    CannotRun,
    Connection,
    Target,
    audit,
    committed,
    connect,
    connect_local,
    deployed,
    from_file,
    saved,
)
from callora_vault.parity.campaign import EXAMPLES, STEPS
from callora_vault.reports.parity import json_text, junit_text, unmade

_File = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]
_STANDARD_OUTPUT = Path("-")
_Count = Annotated[int, Parameter(validator=Number(gte=1), converter=whole)]
_Seconds = Annotated[float | None, Parameter(validator=Number(gt=0))]


def parity(
    *,
    wasm: Path | None = None,
    contract: str | None = None,
    contract_rpc_url: str | None = None,
    model: str | None = None,
    examples: _Count = EXAMPLES,
    steps: _Count = STEPS,
    seconds: _Seconds = None,
    seed: Whole | None = None,
    foreign: bool = False,
    json: Json = False,
    output: _File = None,
    junit: _File = None,
    rpc_url: str | None = None,
    network_passphrase: str | None = None,
    friendbot: str | None = None,
) -> int:
    """Compare a contract with the model; app.py has the help.

    Parameters
    ----------
    wasm
        The compiled contract; by default this program's own for the model.
    contract
        The id (C...) of a deployed contract, whose code is compared instead of a file's.
    contract_rpc_url
        The Stellar RPC to read that code from.
    model
        The model to compare with: v1, v2 or factory. By default the one closest to the contract's
        functions, or v2 without a contract.
    examples
        The number of examples that Hypothesis draws.
    steps
        The most steps of one example.
    seconds
        Stop drawing examples after about so many seconds; the edges are tried in any case.
    seed
        The seed of an earlier run, to draw the same examples again.
    foreign
        For contracts of others: a trap counts as a refusal, and a missing method is only reported.
    output
        Write the report as JSON to this file; - for standard output.
    junit
        Write the report as JUnit XML to this file; - for standard output.
    rpc_url
        Run on the network of this Stellar RPC instead of the embedded one.
    network_passphrase
        The passphrase of that network.
    friendbot
        The URL of that network's friendbot, which funds the accounts of the run.
    """
    documents = {file for file in (output, junit) if file is not None}
    if json:
        documents.add(_STANDARD_OUTPUT)
    console = Console(stderr=_STANDARD_OUTPUT in documents)
    printed = _STANDARD_OUTPUT if json else None
    try:
        if len(documents) < sum((json, output is not None, junit is not None)):
            raise CannotRun(
                "two of --json, --output and --junit write to the same place",
                "give each its own file",
            )
        target = _target(wasm, contract, contract_rpc_url, model)
        connection = _connection(rpc_url, network_passphrase, friendbot)
        with run_progress(console) as progress:
            report = audit(
                target,
                connection,
                model=model,
                examples=examples,
                steps=steps,
                seconds=math.inf if seconds is None else seconds,
                seed=seed,
                foreign=foreign,
                saved_in=saved.default_folder(),
                progress=progress,
            )
    except CannotRun as error:
        _error_document((printed, output), error)
        raise
    with suppress(SystemExit):  # raised by rich for a closed pipe
        show_report(console, report)
    _write(lambda: json_text(report), printed)
    _write(lambda: json_text(report), output)
    _write(lambda: junit_text(report), junit)
    return report.verdict.exit_code


def _target(
    wasm: Path | None, contract: str | None, contract_rpc_url: str | None, model: str | None
) -> Target:
    if (contract is None) != (contract_rpc_url is None):
        raise CannotRun(
            "a deployed contract needs both --contract and --contract-rpc-url",
            "give both, or a file with --wasm",
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
            f"another network also needs {' and '.join(missing)}",
            "give all three, or none for the embedded network",
        )
    return connect(rpc_url, network_passphrase, friendbot)


def _write(text: Callable[[], str], file: Path | None) -> None:
    if file is None:
        return
    if file == _STANDARD_OUTPUT:
        sys.stdout.write(text())
        return
    try:
        file.write_text(text(), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotRun(f"{file}: {reason}", "give a file that can be written") from error


def _error_document(files: Iterable[Path | None], error: CannotRun) -> None:
    """Write a verdict for readers of the documents, who do not see the exit code."""
    for file in files:
        with suppress(CannotRun):
            _write(lambda: unmade(error), file)
