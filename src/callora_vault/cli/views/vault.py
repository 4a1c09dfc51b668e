"""What the commands that call a vault show: receipts, values, what is open."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from callora_vault.cli.print import numbers_as_text, print_json, print_json_line, rows
from callora_vault.client import Deployed, JournalEntry, Receipt
from callora_vault.model.events import Event, fields
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address


def _fields(values: VaultMeta | Event) -> dict[str, Any]:
    return numbers_as_text(attrs.asdict(values))


def show_receipt(contract: Address, receipt: Receipt, json: bool) -> None:
    """Show what a call returned, its events, and what it cost."""
    returned = receipt.returned
    shown = _fields(returned) if isinstance(returned, VaultMeta) else returned
    if json:
        document = {
            "vault": contract,
            "returned": str(shown) if isinstance(shown, int) else shown,
            "events": [{"event": e.shape.name, **_fields(e)} for e in receipt.events],
            "fee": attrs.asdict(receipt.fee),
            "ledger": receipt.ledger,
            "transaction": receipt.transaction,
            "request_key": receipt.key,
            "repeated": receipt.repeated,
            "skipped": [attrs.asdict(skipped) for skipped in receipt.skipped],
        }
        print_json(document)
        return
    if isinstance(shown, int):
        shown = {"balance": f"{shown:,} left"}
    told: list[tuple[str, Any]] = list((shown or {}).items())
    told += [(f"event {e.shape.name}", fields(e)) for e in receipt.events]
    told += [("fee", str(receipt.fee)), ("ledger", receipt.ledger)]
    told.append(("transaction", receipt.transaction))
    told += [
        ("left out", f"item {s.item}: {s.request_id} is applied already, in {s.transaction}")
        for s in receipt.skipped
    ]
    if receipt.repeated:
        told.append(("note", "made by an earlier call with this key; nothing was sent now"))
    _print_rows(told)


def _print_values(json: bool, values: dict[str, Any]) -> None:
    if json:
        print_json(values)
    else:
        _print_rows(values.items())


def _print_rows(told: Iterable[tuple[str, Any]]) -> None:
    table = rows()
    for name, value in told:
        if value not in (None, []):
            shown = f"{value:,}" if isinstance(value, int) else value
            table.add_row(name, ", ".join(shown) if isinstance(shown, list) else str(shown))
    Console().print(table)


def _entry(entry: JournalEntry) -> dict[str, Any]:
    return {
        "request_key": entry.key,
        "request": entry.request,
        "vault": entry.contract,
        "transaction": entry.hash,
        "state": entry.state.value,
    }


def show_entries(entries: Collection[JournalEntry], json: bool) -> None:
    """Show what of a journal was settled, or cannot be."""
    if json:
        print_json([_entry(entry) for entry in entries])
        return
    if not entries:
        print("nothing is open")
        return
    table = Table()
    for name in ("request", "state", "transaction"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        table.add_row(f"{entry.key}: {entry.request}", entry.state.value, entry.hash)
    Console().print(table)


def show_deployment(deployed: Deployed, json: bool) -> None:
    """Show where a vault was deployed."""
    values = {
        "vault": deployed.contract,
        "code": deployed.code_hash,
        "abandoned": list(deployed.abandoned),
    }
    _print_values(json, values)


def show_balance(meta: VaultMeta, json: bool) -> None:
    """Show what a vault holds."""
    if json:
        print_json_line({"balance": str(meta.balance)})
    else:
        print(meta.balance)


def show_meta(meta: VaultMeta, json: bool) -> None:
    """Show all that a vault stores."""
    _print_values(json, _fields(meta))
