"""The output of `callora-vault migrate` and `watch-retired`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callora_vault import migration
from callora_vault.cli.print import numbers_as_text, print_json, print_json_line, rows
from callora_vault.codec.entries import StoredVault
from callora_vault.directory import Listed
from callora_vault.migration import (
    Applied,
    DryRun,
    Plan,
    Status,
    Swept,
    Verification,
    Watched,
)
from callora_vault.model.units import Address


def _stored(stored: StoredVault) -> dict[str, Any] | None:
    if stored.meta is None or stored.layout is None:
        return None
    return {"layout": stored.layout.name, **numbers_as_text(attrs.asdict(stored.meta))}


def _verification_document(found: Verification) -> dict[str, Any]:
    return {
        "passed": found.passed,
        "old": found.old,
        "new": found.new,
        "ledger": found.ledger,
        "amount": str(found.amount),
        "checks": [attrs.asdict(check) for check in found.checks],
        "late": [str(call) for call in found.late],
        "old_balance": str(found.old_balance),
        "assumed": list(found.assumed),
        "evidence": list(found.evidence),
        "reported": list(found.reported),
    }


def _dry_run_document(plan: Plan, shown: DryRun) -> dict[str, Any]:
    return {
        "history": list(plan.history),
        "before": _stored(shown.before),
        "after_old": _stored(shown.after_old),
        "after_new": _stored(shown.after_new),
        "applied": attrs.asdict(shown.applied),
        "verification": _verification_document(shown.verification),
    }


def _status_document(found: Status) -> dict[str, Any]:
    amounts = {"old_balance": found.old_balance, "new_balance": found.new_balance}
    return {
        "stage": found.stage.value,
        "ledger": found.ledger,
        "new": found.new,
        **{name: None if value is None else str(value) for name, value in amounts.items()},
        "drained": str(found.drained),
        "open": [{"request": e.request, "transaction": e.hash} for e in found.open],
        "successors": list(found.successors),
    }


def _known(code: str, name: str | None) -> str:
    return f"{code} ({'unknown' if name is None else f'callora-vault {name}'})"


def show_plan(plan: Plan, file: Path, json: bool) -> None:
    """Show a plan: what will be signed, by whom, at what cost."""
    document = migration.to_json(plan)
    if json:
        print_json(document)
        return
    table = rows(f"{file}: {plan.mode.value}, as of ledger {plan.ledger:,}")
    table.add_row("old vault", plan.old)
    table.add_row("its code", _known(plan.old_code, plan.old_known))
    table.add_row("owner", plan.owner)
    table.add_row("balance", f"{plan.meta.balance:,}")
    table.add_row("min_deposit", f"{plan.meta.min_deposit:,}")
    if plan.meta.authorized_caller is not None:
        table.add_row("authorized_caller", plan.meta.authorized_caller)
    if plan.history:
        table.add_row("its events", "\n".join(plan.history))
    for name in plan.archived:
        table.add_row("archived", f"{name}: the migration restores it")
    table.add_section()
    table.add_row("new vault", plan.new)
    table.add_row("its code", _known(plan.new_code, document["new"]["known"]))
    table.add_row("min_deposit", f"{plan.min_deposit:,}")
    if plan.factory is not None:
        table.add_row("factory", plan.factory)
    table.add_section()
    table.add_row("to be signed", "\n".join(plan.tree))
    table.add_row("signed by", plan.owner)
    fee = "not known yet; the dry run shows it"
    if plan.fee is not None:
        fee = f"at least {plan.fee:,} stroops"
    table.add_row("resource fee", fee)
    for name in plan.unpriced:
        table.add_row("not in that fee", name)
    console = Console()
    console.print(table)
    console.print(f"next: callora-vault migrate dry-run {file}", soft_wrap=True)


def show_dry_run(plan: Plan, shown: DryRun, json: bool) -> None:
    """Show the result of a migration on a fork, and what the old vault's own events show."""
    if json:
        print_json(_dry_run_document(plan, shown))
        return
    table = Table(title="on a fork; the network itself is unchanged", title_justify="left")
    for column in ("", "old vault, before", "old vault, after", "new vault, after"):
        table.add_column(column, overflow="fold")
    vaults = [_stored(vault) or {} for vault in (shown.before, shown.after_old, shown.after_new)]
    for name in ("layout", "owner", "balance", "min_deposit", "authorized_caller"):
        table.add_row(name, *(str(vault.get(name) or "-") for vault in vaults))
    console = Console()
    console.print(table)
    for line in plan.history:
        console.print(f"the old vault's events: {line}", soft_wrap=True)
    _print_applied(console, shown.applied)
    _print_verification(console, shown.verification)


def show_applied(applied: Applied, json: bool) -> None:
    """Show the applied transactions and their cost."""
    if json:
        print_json(attrs.asdict(applied))
    else:
        _print_applied(Console(), applied)


def _print_applied(console: Console, applied: Applied) -> None:
    table = rows("applied" if applied.tries else "already applied; nothing was sent now")
    table.add_row("old vault", applied.old)
    table.add_row("new vault", applied.new)
    table.add_row("fees", f"{applied.fee:,} stroops")
    table.add_row("transactions", "\n".join(applied.transactions))
    console.print(table)


def show_verification(found: Verification, json: bool) -> None:
    """Show each check of a migration, and whether it holds."""
    if json:
        print_json(_verification_document(found))
    else:
        _print_verification(Console(), found)


def _print_verification(console: Console, found: Verification) -> None:
    table = Table(title=f"as of ledger {found.ledger:,}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for check in found.checks:
        mark = Text("holds", "green") if check.holds else Text("FAILS", "bold red")
        table.add_row(mark, check.name, check.found)
    console.print(table)
    for text in found.evidence:
        console.print(f"known: {text}", soft_wrap=True)
    for text in found.reported:
        console.print(f"reported: {text}", style="yellow", soft_wrap=True)
    for text in found.assumed:
        console.print(f"assumed: {text}", soft_wrap=True)
    for call in found.late:
        console.print(f"late: {call}", style="yellow", soft_wrap=True)
    if found.passed:
        moved = f"verified: {found.amount:,} moved from {found.old} to {found.new}"
        console.print(moved, soft_wrap=True)
    else:
        console.print("not verified", style="bold red")


def show_status(plan: Plan, found: Status, json: bool) -> None:
    """Show the status of a migration."""
    if json:
        print_json(_status_document(found))
        return
    table = rows(f"{found.stage.value}, as of ledger {found.ledger:,}")
    for name, balance in (("old", found.old_balance), ("new", found.new_balance)):
        contract = plan.old if name == "old" else found.new
        if contract is not None:
            shown = "unknown" if balance is None else f"{balance:,}"
            table.add_row(f"{name} vault", f"{contract}, balance {shown}")
    if found.drained:
        table.add_row("withdrawn", f"{found.drained:,}")
    for entry in found.open:
        table.add_row(entry.state.value, f"{entry.request}, transaction {entry.hash}")
    if found.successors:
        table.add_row("successors", "\n".join(found.successors))
    Console().print(table)


def show_watched(watched: Watched, json: bool) -> None:
    """Show the calls of one look at an old vault and flush them; more looks may follow."""
    if json:
        calls = [
            {"call": str(call), "transaction": call.record.transaction} for call in watched.calls
        ]
        missed = watched.missed
        document = {
            "vault": watched.contract,
            "since": watched.since,
            "through": watched.through,
            "missed": None if missed is None else [missed.first, missed.last],
            "calls": calls,
        }
        print_json_line(document)
        return
    if watched.missed is not None:
        gone = f"ledgers {watched.missed.first:,} to {watched.missed.last:,}"
        print(f"{watched.contract}: {gone} were not seen: the RPC no longer has them", flush=True)
    for call in watched.calls:
        print(f"{watched.contract}: {call}", flush=True)
    if not watched.calls:
        print(f"{watched.contract}: no calls up to ledger {watched.through:,}", flush=True)


def show_factory(contract: Address, json: bool) -> None:
    """Show the factory's id."""
    if json:
        print_json_line({"factory": contract})
    else:
        print(contract)


def show_simulated(fee: int, json: bool) -> None:
    """Show the resource fee of a simulated migration, in stroops."""
    if json:
        print_json_line({"resource_fee": fee})
    else:
        print(f"the simulation succeeds; resource fee {fee:,} stroops")


def show_swept(swept: Swept, json: bool) -> None:
    """Show the moved amount and the remainder."""
    if json:
        print_json(numbers_as_text(attrs.asdict(swept)))
        return
    print(f"{swept.moved:,} moved from {swept.old} to {swept.new}")
    if swept.remainder:
        print(
            f"{swept.remainder:,} left in the old vault: the new vault's minimum deposit is "
            f"{swept.minimum:,}"
        )


def show_redirected(listed: Listed, before: Address, json: bool) -> None:
    """Show a redirected name: its contract now, and before."""
    if json:
        print_json(attrs.asdict(listed))
    else:
        print(f"{listed.name} stands for {listed.contract}; before: {before}")


def show_remarks(remarks: Iterable[str]) -> None:
    """Show remarks about a fork on standard error."""
    console = Console(stderr=True)
    for remark in remarks:
        console.print(remark, soft_wrap=True)


def working(what: str) -> AbstractContextManager[object]:
    """Show the work in progress on standard error while the context lasts."""
    return Console(stderr=True).status(what)
