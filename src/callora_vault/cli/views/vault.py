"""The output of the commands that call a vault: receipts, values, open transactions."""

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
    """Show a receipt: the returned value, the events, the fee."""
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
    lines: list[tuple[str, Any]] = list((shown or {}).items())
    lines += [(f"event {e.shape.name}", fields(e)) for e in receipt.events]
    lines += [("fee", str(receipt.fee)), ("ledger", receipt.ledger)]
    lines.append(("transaction", receipt.transaction))
    lines += [
        ("left out", f"item {s.item}: {s.request_id} is applied already, in {s.transaction}")
        for s in receipt.skipped
    ]
    if receipt.repeated:
        note = "an earlier call with this request key was applied; nothing was sent now"
        lines.append(("note", note))
    _print_rows(lines)


def _print_values(json: bool, values: dict[str, Any]) -> None:
    if json:
        print_json(values)
    else:
        _print_rows(values.items())


def _print_rows(lines: Iterable[tuple[str, Any]]) -> None:
    table = rows()
    for name, value in lines:
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
    """Show the transactions of a journal that were settled, or that a person must settle."""
    if json:
        print_json([_entry(entry) for entry in entries])
        return
    if not entries:
        print("no transaction is open")
        return
    table = Table()
    for name in ("request", "state", "transaction"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        table.add_row(f"{entry.key}: {entry.request}", entry.state.value, entry.hash)
    Console().print(table)


def show_deployment(deployed: Deployed, json: bool) -> None:
    """Show a deployed vault."""
    values = {
        "vault": deployed.contract,
        "code": deployed.code_hash,
        "abandoned": list(deployed.abandoned),
    }
    _print_values(json, values)


def show_balance(meta: VaultMeta, json: bool) -> None:
    """Show a vault's balance."""
    if json:
        print_json_line({"balance": str(meta.balance)})
    else:
        print(meta.balance)


def show_meta(meta: VaultMeta, json: bool) -> None:
    """Show all that a vault stores."""
    _print_values(json, _fields(meta))
