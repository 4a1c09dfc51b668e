"""callora-vault migrate: migrate a vault to new code, step by step; then watch-retired."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import attrs
from cyclopts import App, Parameter

from callora_vault import migration, wasm
from callora_vault.cli.exit_codes import DONE, FINDINGS, NOT_YET
from callora_vault.cli.networks import NetworkOptions
from callora_vault.cli.options import (
    Json,
    PlanFile,
    SigningOptions,
    Vault,
    VaultOptions,
    Whole,
    default_directory,
)
from callora_vault.cli.views.migrate import (
    show_applied,
    show_dry_run,
    show_factory,
    show_plan,
    show_redirected,
    show_remarks,
    show_simulated,
    show_status,
    show_swept,
    show_verification,
    show_watched,
    working,
)
from callora_vault.client import Deployer, Limits, Network, Signer
from callora_vault.directory import VaultDirectory
from callora_vault.migration import Mode, Plan, Stage, Verification, Watched
from callora_vault.model.units import Address, BadValue

_Code = Annotated[
    Path | None,
    Parameter(help="The new vault's compiled code, if it is not one of this program's."),
]
_SHORTEST, _LONGEST = 0.1, 86_400.0
_SIGNING = SigningOptions()
_READING = VaultOptions()
_HERE = NetworkOptions()

app = App(
    name="migrate",
    help="Migrate a vault to new code: plan, dry-run, apply, verify, redirect, sweep.",
)


@app.command
def factory(*, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Deploy the factory for migrations in one transaction, once; print its id.

    A factory has no owner and holds nothing; the signer only pays. Run again, it prints the same
    id.
    """
    network, signer = options.connect(), options.signer()
    options.confirm(network, signer, "deploy the factory", "none", _limits(options))
    with options.noted() as journal:
        deployer = Deployer(network, journal, signer, _limits(options))
        contract = deployer.factory(wasm.read("factory"))
    show_factory(contract, json)
    return DONE


@app.command
def plan(
    vault: Vault,
    /,
    *,
    output: Path,
    to: Literal["v1", "v2"] = "v2",
    code: _Code = None,
    mode: Literal["atomic", "stepwise", "zero"] = "atomic",
    factory: str | None = None,
    min_deposit: Whole | None = None,
    options: VaultOptions = _READING,
    json: Json = False,
) -> int:
    """Plan a migration: what will be signed, by whom, at what cost. Signs nothing.

    The vault's events are replayed, and what does not follow is listed; it prevents nothing.
    They are kept beside the plan.

    Parameters
    ----------
    output
        The file to write the plan to.
    to
        The new code, without --code.
    mode
        atomic: everything in one transaction of the factory. stepwise: withdraw, then initialise
        the new vault with that amount. zero: the new vault starts with 0, and the old one keeps its
        balance.
    factory
        The factory's id (C...), for atomic; `migrate factory` deploys one.
    min_deposit
        The new vault's minimum deposit, by default the old one's; not for atomic.
    """
    network = options.connect()
    limits = attrs.evolve(migration.LIMITS, timeout=options.timeout)
    planned = migration.make(
        network,
        options.find(vault, network),
        _read(code) or wasm.read(to),
        mode=Mode(mode),
        factory=factory,
        min_deposit=min_deposit,
        limits=limits,
    )
    migration.write(planned, output)
    with working("reading the vault's events"):
        planned = migration.look_back(network, planned, _histories(output)[0], limits=limits)
    migration.write(planned, output)
    show_plan(planned, output, json)
    return DONE


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
    """Carry out a plan on a fork of the network, on this machine and without a real key.

    The plan records whether a withdrawal empties the old vault. Exit codes: 0 the migration
    succeeds, 1 a check fails, 2 it could not be carried out.

    Parameters
    ----------
    simulate
        Only simulate the transaction on the network itself, if a fork cannot execute it.
    """
    planned = migration.read(plan)
    limits = attrs.evolve(migration.LIMITS, timeout=options.timeout)
    if simulate:
        fee = migration.simulate(options.connect(), planned, limits)
        show_simulated(fee, json)
        return DONE
    with working("reading the vault's events"):
        planned = migration.look_back(
            options.connect(), planned, _histories(plan)[0], limits=limits
        )
    from soroban_localnet import Fork, LocalNetwork  # noqa: PLC0415 - loads the host

    fork = Fork.connect(options.url, timeout=options.timeout)
    show_remarks(fork.remarks)
    local = LocalNetwork(fork=fork)
    key = local.impersonate(planned.owner)
    stand_in = Signer(planned.owner, key.sign, key.public_key)
    with TemporaryDirectory() as folder, working("on a fork of the network"):
        shown = migration.dry_run(
            Network(local.server(), local.passphrase),
            planned,
            stand_in,
            Path(folder),
            code=_read(code),
            limits=limits,
        )
    planned = shown.noted(planned)
    migration.write(planned, plan)
    show_dry_run(planned, shown, json)
    return DONE if shown.verification.passed else FINDINGS


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
    """Carry out a plan, once; the owner signs. Run again, it continues where it stopped.

    Exit codes: 0 migrated, 2 refused, 3 not settled in time: resume, 4 something is unknown.

    Parameters
    ----------
    accept_unknown_code
        The hash of the old vault's code, if it is not one of this program's and you have checked
        it.
    """
    planned = migration.read(plan)
    network, owner, limits = options.connect(), options.signer(), _limits(options)
    what = "\n".join(planned.tree) or f"a new vault at {planned.new}"
    options.confirm(network, owner, what, planned.old, limits)
    with options.noted() as journal, working(f"migrating {planned.old}"):
        applied = migration.apply(
            network,
            journal,
            planned,
            owner,
            code=_read(code),
            accept_unknown_code=accept_unknown_code,
            limits=limits,
        )
    show_applied(applied, json)
    return DONE


@app.command
def verify(plan: PlanFile, /, *, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Check a migration by the stored entries and the events of both vaults. Signs nothing.

    What does not follow in the old vault's own history is reported and fails nothing. The events
    are kept in files beside the plan: with them, or with the journal, it works even if the RPC has
    dropped them. Exit codes: 0 all checks hold, 1 one fails, 2 could not check, 3 the RPC is behind
    what is known.
    """
    found = _verified(options.connect(), migration.read(plan), plan, options)
    show_verification(found, json)
    return DONE if found.passed else FINDINGS


@app.command
def status(plan: PlanFile, /, *, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Show the status of a migration. Signs nothing. Exit codes: 0 migrated, 3 not yet."""
    planned = migration.read(plan)
    with options.noted() as journal:
        found = migration.status(options.connect(), journal, planned, _limits(options))
    show_status(planned, found, json)
    return DONE if found.stage is Stage.MIGRATED else NOT_YET


@app.command
def sweep(plan: PlanFile, /, *, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Move late deposits from the old vault to the new one; the owner signs."""
    planned = migration.read(plan)
    network, owner, limits = options.connect(), options.signer(), _limits(options)
    what = f"withdraw all from {planned.old}\ndeposit it in the new vault"
    options.confirm(network, owner, what, planned.old, limits)
    with options.noted() as journal:
        swept = migration.sweep(network, journal, planned, owner, limits)
    show_swept(swept, json)
    return DONE


@app.command
def redirect(
    plan: PlanFile, name: str, /, *, options: SigningOptions = _SIGNING, json: Json = False
) -> int:
    """Verify a migration, and let a name stand for its new vault.

    Exit codes: 0 done, 1 not verified, and the name is unchanged.

    Parameters
    ----------
    name
        The name that stands for the old vault.
    """
    planned = migration.read(plan)
    found = _verified(options.connect(), planned, plan, options)
    names = VaultDirectory(options.directory or default_directory())
    listed = migration.redirect(names, name, planned, found)
    show_redirected(listed, planned.old, json)
    return DONE


def watch_retired(
    vault: str,
    /,
    *,
    since: Whole | None = None,
    follow: Annotated[bool, Parameter(negative=())] = False,
    interval: float = 5.0,
    options: VaultOptions = _READING,
    json: Json = False,
) -> int:
    """List calls that still reach an old vault: their callers do not use the new one yet.

    Exit codes: 0 there were none, 1 there were some, 2 could not read them, 3 the RPC is behind the
    last look.

    Parameters
    ----------
    vault
        A name, for all contracts that it stood for before, or the old vault's id (C...).
    since
        The first ledger; by default the one after the last withdrawal that emptied the vault, as
        far as the RPC has it.
    follow
        Keep looking until Ctrl-C.
    interval
        Seconds between two looks.
    """
    network = options.connect()
    if not _SHORTEST <= interval <= _LONGEST:
        raise BadValue("interval", f"give {_SHORTEST:g} to {_LONGEST:,.0f} seconds")

    def look(contract: Address, start: int | str | None) -> Watched:
        return migration.watch(network, contract, start, network.deadline(options.timeout))

    watched = [look(contract, since) for contract in options.find_retired(vault, network)]
    for each in watched:
        show_watched(each, json)
    while follow:
        time.sleep(interval)
        watched = [look(each.contract, each.cursor) for each in watched]
        for each in watched:
            if each.calls or each.missed is not None:
                show_watched(each, json)
    return FINDINGS if any(each.calls for each in watched) else DONE


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
    with options.noted() as journal:
        return migration.verify(
            network, plan, _histories(file), journal=journal, limits=_limits(options)
        )


def _histories(plan: Path) -> tuple[Path, Path]:
    """Name the files beside a plan that keep the events of the old and the new vault."""
    return plan.with_suffix(".old.jsonl"), plan.with_suffix(".new.jsonl")
