"""callora-vault parity: judge a contract by the model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

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
from callora_vault.parity.report import unmade

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
        with run_progress(console) as progress:
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
        raise
    with suppress(SystemExit):  # rich's answer to a pipe that nobody reads any more
        show_report(console, report)
    _write(report.json_text, json)
    _write(report.junit_text, junit)
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
