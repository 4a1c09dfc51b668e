"""callora-vault inspect, export, audit: inspect a contract without trusting it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter

from callora_vault import files
from callora_vault import inspect as inspection
from callora_vault.cli.exit_codes import DONE, FINDINGS
from callora_vault.cli.options import Json, Vault, VaultOptions
from callora_vault.cli.views.inspect import (
    export_progress,
    show_audit,
    show_history,
    show_inspection,
)
from callora_vault.inspect import History
from callora_vault.model.units import BadValue
from callora_vault.reports.events import csv_text

_HERE = VaultOptions()


def inspect(vault: Vault, /, *, options: VaultOptions = _HERE, json: Json = False) -> int:
    """Show a contract on the ledger: stored entry, code, interface, and TTL.

    It does not call the contract; it reads only the ledger. Exit codes: 0 it is a vault, 1 it is
    not a vault that this program knows, 2 could not read it.
    """
    network = options.connect()
    contract = options.find(vault, network)
    found = inspection.inspect(network, contract, network.deadline(options.timeout))
    show_inspection(found, json)
    return DONE if found.problem is None and found.code is not None else FINDINGS


def export(
    vault: Vault,
    /,
    *,
    output: Path,
    options: VaultOptions = _HERE,
    json: Json = False,
) -> int:
    """Append a contract's events and its stored entry to a history, a file of JSON Lines.

    Run again, it continues where the last run ended: the file keeps what the RPC drops. What it
    dropped before is written as a gap. A file from before the network began anew is refused.
    Exit codes: 0 done, 2 could not export, 3 the RPC is behind the file: run it again later.

    Parameters
    ----------
    output
        The history to append to; created if it does not exist.
    """
    history = _export(vault, output, options)
    show_history(history, output, json)
    return DONE


def audit(
    vault: Vault | None = None,
    /,
    *,
    history: Path | None = None,
    options: VaultOptions = _HERE,
    offline: Annotated[bool, Parameter(negative=())] = False,
    events: Annotated[bool, Parameter(negative=())] = False,
    csv: Path | None = None,
    json: Json = False,
) -> int:
    """Replay a vault's events through the model and check that each follows from the one before.

    The history is updated first. Each distinct break is listed with its count, sum and ledgers, and
    the balance that follows from the events is compared with the stored one. Exit codes: 0
    everything follows, 1 something does not, or cannot be read, 2 could not audit, 3 the RPC is
    behind the history.

    Parameters
    ----------
    history
        The history of `export`; created if it does not exist. Without it, only the events that the
        RPC has are checked, and not kept.
    offline
        Check the history as it is, without the network.
    events
        List all events, too, with the rules that each breaks.
    csv
        Write all events to this file, one per line, for a spreadsheet.
    """
    if offline:
        if history is None:
            raise BadValue("--offline", "it needs a history; give one with --history")
        found = inspection.read(history)
    elif vault is None:
        raise BadValue("VAULT", "give its name or id, or --offline with --history")
    else:
        with TemporaryDirectory() as folder:
            found = _export(vault, history or Path(folder) / "history.jsonl", options)
    audited = inspection.audit(found)
    if csv is not None:
        _write(csv, csv_text(inspection.listed(found, audited)))
    show_audit(audited, found, inspection.listed(found, audited) if events else None, json)
    return audited.verdict.exit_code


def _write(file: Path, text: str) -> None:
    try:
        files.replace(file, text)
    except OSError as error:
        raise BadValue("csv", f"{file}: {error.strerror}") from error


def _export(vault: str, file: Path, options: VaultOptions) -> History:
    network = options.connect()
    contract = options.find(vault, network)
    with export_progress() as progress:
        return inspection.export(
            network,
            contract,
            file,
            lambda: network.deadline(options.timeout),
            progress=progress,
        )
