"""callora-vault migrate: a vault's way to new code, step by step; and watch-retired after it."""

from __future__ import annotations

import json as jsonlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import attrs
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callora_vault import migration, wasm
from callora_vault.cli.networks import NetworkOptions
from callora_vault.cli.options import SigningOptions, VaultOptions, default_directory
from callora_vault.cli.print import Json, PlanFile, Vault, numbers_as_text, print_json, rows
from callora_vault.client import Deployer, Limits, Network, Signer
from callora_vault.codec.entries import StoredVault
from callora_vault.directory import VaultDirectory
from callora_vault.migration import (
    Applied,
    DryRun,
    Mode,
    NotVerified,
    Plan,
    Stage,
    Status,
    Verification,
    Watched,
)
from callora_vault.model.units import Address, BadValue

_Code = Annotated[
    Path | None,
    Parameter(help="The new vault's compiled code, where it is none of this program's."),
]
_SIGNING = SigningOptions()
_READING = VaultOptions()
_HERE = NetworkOptions()

app = App(
    name="migrate",
    help="Move a vault to new code: plan, dry-run, apply, verify, redirect, sweep.",
)


@app.command
def factory(*, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Deploy the factory that migrations in one transaction need, once; print its id.

    It has no owner and holds nothing: whoever signs only pays. Repeated, it prints the same id.
    """
    network, signer = options.connect(), options.signer()
    options.confirm(network, signer, "deploy the factory", "none", _limits(options))
    with options.noted() as journal:
        deployer = Deployer(network, journal, signer, _limits(options))
        contract = deployer.factory(wasm.read("factory"))
    print(jsonlib.dumps({"factory": contract}) if json else contract)
    return 0


@app.command
def plan(
    vault: Vault,
    /,
    *,
    out: Path,
    to: Literal["v1", "v2"] = "v2",
    code: _Code = None,
    mode: Literal["atomic", "stepwise", "zero"] = "atomic",
    factory: str | None = None,
    min_deposit: int | None = None,
    options: VaultOptions = _READING,
    json: Json = False,
) -> int:
    """Look at a vault, and write down what will be signed, by whom, at what cost. Signs nothing.

    Parameters
    ----------
    out
        The plan's file.
    to
        The new code, where no file is given.
    mode
        atomic: in one transaction of the factory. stepwise: withdrawn, then given to the new vault.
        zero: the new vault begins with 0, and the old one keeps what it has.
    factory
        The factory's id (C...), for atomic; `migrate factory` deploys one.
    min_deposit
        The new vault's, where it is not to be the old one's; not for atomic.
    """
    network = options.connect()
    planned = migration.make(
        network,
        options.find(vault, network),
        _read(code) or wasm.read(to),
        mode=Mode(mode),
        factory=factory,
        min_deposit=min_deposit,
        limits=attrs.evolve(migration.LIMITS, timeout=options.timeout),
    )
    migration.write(planned, out)
    if json:
        print_json(migration.to_json(planned))
    else:
        _show_plan(Console(), planned, out)
    return 0


@app.command(name="dry-run")
def dry_run(
    plan: PlanFile,
    /,
    *,
    code: _Code = None,
    simulate: Annotated[bool, Parameter(negative=())] = False,
    options: NetworkOptions = _HERE,
    json: Json = False,
) -> int:
    """Do it all on a fork of the network, on this machine and with no real key.

    What it shows of the old vault is noted in the plan. Exit codes: 0 it works out, 1 a check did
    not hold, 2 it could not be done.

    Parameters
    ----------
    simulate
        Only simulate the transaction on the network itself, where a fork cannot execute it.
    """
    planned = migration.read(plan)
    limits = attrs.evolve(migration.LIMITS, timeout=options.timeout)
    if simulate:
        fee = migration.simulate(options.connect(), planned, limits)
        print(jsonlib.dumps({"resource_fee": fee}) if json else f"it works out for {fee:,} stroops")
        return 0
    from soroban_localnet import Fork, LocalNetwork  # noqa: PLC0415 - loads the host

    fork = Fork.connect(options.url, timeout=options.timeout)
    remarks = Console(stderr=True)
    for remark in fork.remarks:
        remarks.print(remark, soft_wrap=True)
    local = LocalNetwork(fork=fork)
    key = local.impersonate(planned.owner)
    stand_in = Signer(planned.owner, key.sign, key.public_key)
    with TemporaryDirectory() as folder, remarks.status("on a fork of the network"):
        shown = migration.dry_run(
            Network(local.server(), local.passphrase),
            planned,
            stand_in,
            Path(folder),
            code=_read(code),
            limits=limits,
        )
    migration.write(shown.noted(planned), plan)
    if json:
        print_json(_dry_run(shown))
    else:
        _show_dry_run(Console(), shown)
    return 0 if shown.verification.passed else 1


@app.command(name=["apply", "resume"])
def apply(
    plan: PlanFile,
    /,
    *,
    code: _Code = None,
    accept_unknown_code: str | None = None,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Carry a plan out, once; the owner signs. Repeated, it goes on from wherever it stands.

    Exit codes: 0 migrated, 2 refused, 3 not settled in time: resume, 4 something is unknown.

    Parameters
    ----------
    accept_unknown_code
        The hash of the old vault's code, where it is not this program's: you have looked at it.
    """
    planned = migration.read(plan)
    network, owner, limits = options.connect(), options.signer(), _limits(options)
    what = "\n".join(planned.tree) or f"a new vault at {planned.new}"
    options.confirm(network, owner, what, planned.old, limits)
    with options.noted() as journal, Console(stderr=True).status(f"migrating {planned.old}"):
        applied = migration.apply(
            network,
            journal,
            planned,
            owner,
            code=_read(code),
            accept_unknown_code=accept_unknown_code,
            limits=limits,
        )
    if json:
        print_json(attrs.asdict(applied))
    else:
        _show_applied(Console(), applied)
    return 0


@app.command
def verify(plan: PlanFile, /, *, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Judge a migration by the raw entries and the events of both vaults. Signs nothing.

    The events are kept beside the plan. Exit codes: 0 everything holds, 1 something does not, 2
    could not look.
    """
    found = _verified(options.connect(), migration.read(plan), plan, options)
    if json:
        print_json(_verification(found))
    else:
        _show_verification(Console(), found)
    return 0 if found.passed else NotVerified.exit_code


@app.command
def status(plan: PlanFile, /, *, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Say where a migration stands. Signs nothing. Exit codes: 0 migrated, 3 not yet."""
    planned = migration.read(plan)
    with options.noted() as journal:
        found = migration.status(options.connect(), journal, planned, _limits(options))
    if json:
        print_json(_status(found))
    else:
        _show_status(Console(), planned, found)
    return 0 if found.stage is Stage.MIGRATED else 3


@app.command
def sweep(plan: PlanFile, /, *, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Move what came to the old vault after its migration to the new one; the owner signs."""
    planned = migration.read(plan)
    network, owner, limits = options.connect(), options.signer(), _limits(options)
    what = f"withdraw all from {planned.old}\ndeposit it in the new vault"
    options.confirm(network, owner, what, planned.old, limits)
    with options.noted() as journal:
        swept = migration.sweep(network, journal, planned, owner, limits)
    if json:
        print_json(numbers_as_text(attrs.asdict(swept)))
    else:
        print(f"{swept.moved:,} moved from {swept.old} to {swept.new}")
        if swept.remainder:
            print(f"{swept.remainder:,} stay there: the new vault takes {swept.minimum:,} or more")
    return 0


@app.command
def redirect(
    plan: PlanFile, name: str, /, *, options: SigningOptions = _SIGNING, json: Json = False
) -> int:
    """Let a name stand for the new vault, once everything is verified.

    Exit codes: 0 done, 1 not verified, and the name stays where it is.

    Parameters
    ----------
    name
        The name that stands for the old vault.
    """
    planned = migration.read(plan)
    found = _verified(options.connect(), planned, plan, options)
    names = VaultDirectory(options.directory or default_directory())
    listed = migration.redirect(names, name, planned, found)
    if json:
        print_json(attrs.asdict(listed))
    else:
        print(f"{listed.name} stands for {listed.contract}; before, for {planned.old}")
    return 0


def watch_retired(
    vault: str,
    /,
    *,
    since: int | None = None,
    follow: Annotated[bool, Parameter(negative=())] = False,
    interval: float = 5.0,
    options: VaultOptions = _READING,
    json: Json = False,
) -> int:
    """List the calls that still reach an old vault: whoever makes them knows no new one.

    Exit codes: 0 there were none, 1 there were some, 2 could not look.

    Parameters
    ----------
    vault
        The name whose retired contracts are looked at, or the old vault's id (C...).
    since
        The first ledger to look at; without it all that the RPC keeps, from the last withdrawal on
        that emptied the vault.
    follow
        Go on looking until Ctrl-C.
    interval
        Seconds between two looks.
    """
    network = options.connect()

    def look(contract: Address, start: int | str | None) -> Watched:
        return migration.watch(network, contract, start, network.deadline(options.timeout))

    watched = [look(contract, since) for contract in options.find_retired(vault, network)]
    for each in watched:
        _show_watched(each, json)
    while follow:
        time.sleep(interval)
        watched = [look(each.contract, each.cursor) for each in watched]
        for each in watched:
            if each.calls:
                _show_watched(each, json)
    return 1 if any(each.calls for each in watched) else 0


# -- what commands share -----------------------------------------------------------------------


def _limits(options: SigningOptions) -> Limits:
    fee = migration.LIMITS.resource_fee if options.max_fee is None else options.max_fee
    return attrs.evolve(migration.LIMITS, timeout=options.timeout, resource_fee=fee)


def _read(code: Path | None) -> bytes | None:
    try:
        return None if code is None else code.read_bytes()
    except OSError as error:
        raise BadValue("code", f"{code}: {error.strerror}") from error


def _verified(network: Network, plan: Plan, file: Path, options: SigningOptions) -> Verification:
    histories = file.with_suffix(".old.jsonl"), file.with_suffix(".new.jsonl")
    with options.noted() as journal:
        return migration.verify(network, plan, histories, journal=journal, limits=_limits(options))


# -- JSON --------------------------------------------------------------------------------------


def _stored(stored: StoredVault) -> dict[str, Any] | None:
    if stored.meta is None or stored.layout is None:
        return None
    return {"layout": stored.layout.name, **numbers_as_text(attrs.asdict(stored.meta))}


def _verification(found: Verification) -> dict[str, Any]:
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
    }


def _dry_run(shown: DryRun) -> dict[str, Any]:
    return {
        "before": _stored(shown.before),
        "after_old": _stored(shown.after_old),
        "after_new": _stored(shown.after_new),
        "applied": attrs.asdict(shown.applied),
        "verification": _verification(shown.verification),
    }


def _status(found: Status) -> dict[str, Any]:
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


# -- for people --------------------------------------------------------------------------------


def _known(code: str, name: str | None) -> str:
    return f"{code} ({'unknown' if name is None else f'callora-vault {name}'})"


def _show_plan(console: Console, plan: Plan, file: Path) -> None:
    document = migration.to_json(plan)
    table = rows(f"{file}: {plan.mode.value}, as of ledger {plan.ledger:,}")
    table.add_row("old vault", plan.old)
    table.add_row("its code", _known(plan.old_code, plan.old_known))
    table.add_row("owner", plan.owner)
    table.add_row("balance", f"{plan.meta.balance:,}")
    table.add_row("min_deposit", f"{plan.meta.min_deposit:,}")
    if plan.meta.authorized_caller is not None:
        table.add_row("authorized_caller", plan.meta.authorized_caller)
    for name in plan.archived:
        table.add_row("archived", f"{name}: it is restored on the way")
    table.add_section()
    table.add_row("new vault", plan.new)
    table.add_row("its code", _known(plan.new_code, document["new"]["known"]))
    table.add_row("min_deposit", f"{plan.min_deposit:,}")
    if plan.factory is not None:
        table.add_row("factory", plan.factory)
    table.add_section()
    table.add_row("to be signed", "\n".join(plan.tree))
    table.add_row("signed by", plan.owner)
    fee = "not known before it is done" if plan.fee is None else f"{plan.fee:,} stroops or more"
    table.add_row("resource fee", fee)
    for name in plan.unpriced:
        table.add_row("not in that fee", name)
    console.print(table)
    console.print(f"next: callora-vault migrate dry-run {file}", soft_wrap=True)


def _show_dry_run(console: Console, shown: DryRun) -> None:
    table = Table(title="on a fork; the network itself has not changed", title_justify="left")
    for column in ("", "old vault, before", "old vault, after", "new vault, after"):
        table.add_column(column, overflow="fold")
    vaults = [_stored(vault) or {} for vault in (shown.before, shown.after_old, shown.after_new)]
    for name in ("layout", "owner", "balance", "min_deposit", "authorized_caller"):
        table.add_row(name, *(str(vault.get(name) or "-") for vault in vaults))
    console.print(table)
    _show_applied(console, shown.applied)
    _show_verification(console, shown.verification)


def _show_applied(console: Console, applied: Applied) -> None:
    table = rows("applied" if applied.tries else "all of it was done before")
    table.add_row("old vault", applied.old)
    table.add_row("new vault", applied.new)
    table.add_row("fees", f"{applied.fee:,} stroops")
    table.add_row("transactions", "\n".join(applied.transactions))
    console.print(table)


def _show_verification(console: Console, found: Verification) -> None:
    table = Table(title=f"as of ledger {found.ledger:,}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for check in found.checks:
        mark = Text("holds", "green") if check.holds else Text("FAILS", "bold red")
        table.add_row(mark, check.name, check.found)
    console.print(table)
    for text in found.assumed:
        console.print(f"on trust: {text}", soft_wrap=True)
    for call in found.late:
        console.print(f"late: {call}", style="yellow", soft_wrap=True)
    if found.passed:
        console.print(f"verified: {found.amount:,} moved from {found.old} to {found.new}")
    else:
        console.print("not verified", style="bold red")


def _show_status(console: Console, plan: Plan, found: Status) -> None:
    table = rows(f"{found.stage.value}, as of ledger {found.ledger:,}")
    for name, balance in (("old", found.old_balance), ("new", found.new_balance)):
        contract = plan.old if name == "old" else found.new
        if contract is not None:
            shown = "unknown" if balance is None else f"{balance:,}"
            table.add_row(f"{name} vault", f"{contract}, balance {shown}")
    if found.drained:
        table.add_row("withdrawn", f"{found.drained:,}")
    for entry in found.open:
        table.add_row("open", f"{entry.request}, {entry.hash}")
    if found.successors:
        table.add_row("successors", "\n".join(found.successors))
    console.print(table)


def _show_watched(watched: Watched, json: bool) -> None:
    if json:
        calls = [
            {"call": str(call), "transaction": call.record.transaction} for call in watched.calls
        ]
        document = {"vault": watched.contract, "through": watched.through, "calls": calls}
        print(jsonlib.dumps(document), flush=True)
        return
    for call in watched.calls:
        print(f"{watched.contract}: {call}", flush=True)
    if not watched.calls:
        print(f"{watched.contract}: no calls up to ledger {watched.through:,}", flush=True)
