"""callora-vault deploy, init, deposit, deduct, ...: one command for each call of a vault."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from callora_vault import wasm
from callora_vault.cli.options import SigningOptions, VaultOptions
from callora_vault.cli.print import Amount, Json, Vault, numbers_as_text, print_json, rows
from callora_vault.client import Deployer, JournalEntry, Receipt
from callora_vault.client import resume as settle
from callora_vault.client.journal import State
from callora_vault.model.calls import (
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import NotInitialized
from callora_vault.model.events import Event, fields
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import BadValue
from callora_vault.rpc.reading import read_instance

_SIGNING = SigningOptions()
_READING = VaultOptions()


def deploy(
    *,
    contract: Literal["v1", "v2"] = "v2",
    initial_balance: int = 0,
    min_deposit: int = 0,
    name: str | None = None,
    factory: str | None = None,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Deploy a vault that belongs to whoever signs, and give it its balance.

    Parameters
    ----------
    contract
        Which of this program's contracts.
    initial_balance
        In the vault's own unit.
    min_deposit
        The least that one deposit may be; 0 for any.
    name
        What makes this deployment one: repeated with the same name, it returns the same vault.
    factory
        The id (C...) of a factory, as `migrate factory` prints it: it deploys the vault and gives
        it its owner in one transaction, so that nobody can come between.
    """
    network, signer = options.connect(), options.signer()
    what = f"deploy {contract}, init({signer.address}, {initial_balance}, {min_deposit})"
    if factory is not None:
        what += f", by the factory {factory}"
    options.confirm(network, signer, what, "a new one")
    with options.noted() as journal:
        deployed = Deployer(network, journal, signer, options.limits).deploy(
            wasm.read(contract),
            signer,
            initial_balance,
            min_deposit,
            factory=factory,
            name=name,
        )
    _print_values(
        json,
        {
            "vault": deployed.contract,
            "code": deployed.code_hash,
            "abandoned": list(deployed.abandoned),
        },
    )
    return 0


def init(
    vault: Vault,
    /,
    *,
    initial_balance: int | None = None,
    min_deposit: int | None = None,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Give a vault that has none its owner: whoever signs.

    Parameters
    ----------
    initial_balance
        In the vault's own unit.
    min_deposit
        The least that one deposit may be; 0 for any.
    """
    owner = options.signer().address
    return _submit(vault, Init(owner, initial_balance, min_deposit), options, json)


def deposit(
    vault: Vault, amount: Amount, /, *, options: SigningOptions = _SIGNING, json: Json = False
) -> int:
    """Add to the balance; the owner signs."""
    return _submit(vault, Deposit(amount), options, json)


def deduct(
    vault: Vault,
    amount: Amount,
    /,
    *,
    request_id: str | None = None,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Take an amount for a metered request; the owner signs, or in v2 the authorised caller.

    Parameters
    ----------
    request_id
        The request, as its event names it: repeated with the same one, it is deducted once.
    """
    caller = options.signer().address
    return _submit(vault, Deduct(caller, amount, request_id), options, json)


def batch_deduct(
    vault: Vault,
    /,
    *,
    items: Path,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Take several amounts in one transaction, all of them or none (v2).

    Parameters
    ----------
    items
        A JSON file: a list of {"amount": ..., "request_id": ...}, 1 to 50 of them.
    """
    caller = options.signer().address
    return _submit(vault, BatchDeduct(caller, _read_items(items)), options, json)


def withdraw(
    vault: Vault, amount: Amount, /, *, options: SigningOptions = _SIGNING, json: Json = False
) -> int:
    """Take an amount out for the owner, who signs."""
    return _submit(vault, Withdraw(amount), options, json)


def withdraw_to(
    vault: Vault,
    to: str,
    amount: Amount,
    /,
    *,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Take an amount out in favour of somebody else; the owner signs.

    Parameters
    ----------
    to
        Whom the event names: an account (G...) or a contract (C...).
    """
    return _submit(vault, WithdrawTo(to, amount), options, json)


def set_authorized_caller(
    vault: Vault,
    caller: str | None = None,
    /,
    *,
    nobody: Annotated[bool, Parameter(negative=())] = False,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Let somebody deduct besides the owner, who signs (v2).

    Parameters
    ----------
    caller
        An account (G...) or a contract (C...).
    nobody
        Nobody but the owner from now on.
    """
    if (caller is None) != nobody:
        raise BadValue("caller", "give an address, or --nobody")
    return _submit(vault, SetAuthorizedCaller(caller), options, json)


def balance(vault: Vault, /, *, options: VaultOptions = _READING, json: Json = False) -> int:
    """Show what a vault holds, read from its stored entry."""
    meta = _stored(vault, options)
    print(jsonlib.dumps({"balance": str(meta.balance)}) if json else meta.balance)
    return 0


def meta(vault: Vault, /, *, options: VaultOptions = _READING, json: Json = False) -> int:
    """Show all that a vault stores."""
    _print_values(json, _fields(_stored(vault, options)))
    return 0


def resume(*, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Settle what an earlier command left open, and list what nobody can settle.

    Needs no key. Exit codes: 0 all settled, 3 something is open still, 4 something is unknown.
    """
    network = options.connect()
    with options.noted() as journal:
        settled = settle(network, journal, options.limits)
        lost = journal.for_the_operator(network.passphrase)
    entries = {entry.id: entry for entry in (*settled, *lost)}
    if json:
        print_json([_entry(entry) for entry in entries.values()])
    elif entries:
        _show_entries(tuple(entries.values()))
    else:
        print("nothing is open")
    if lost:
        return 4
    return 3 if any(entry.state is State.OPEN for entry in settled) else 0


# -- how a call is made ------------------------------------------------------------------------


def _submit(vault: str, call: Call, options: SigningOptions, json: bool) -> int:
    with options.client(vault, str(call)) as client:
        receipt = client.submit(call, key=options.request_key)
    _print_receipt(client.contract, receipt, json)
    return 0


def _stored(vault: str, options: VaultOptions) -> VaultMeta:
    network = options.connect()
    contract = options.find(vault, network)
    stored = read_instance(network, contract, network.deadline(options.timeout)).vault()
    if stored.meta is None:
        raise NotInitialized
    return stored.meta


def _read_items(file: Path) -> tuple[DeductItem, ...]:
    try:
        items = jsonlib.loads(file.read_text(encoding="utf-8"))
        return tuple(DeductItem(item["amount"], item.get("request_id")) for item in items)
    except OSError as error:
        raise BadValue("items", f"{file}: {error.strerror}") from error
    except BadValue:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = 'a list of {"amount": ..., "request_id": ...}'
        raise BadValue("items", f"{file} is not {form}") from error


# -- what is printed ---------------------------------------------------------------------------


def _fields(values: VaultMeta | Event) -> dict[str, Any]:
    return numbers_as_text(attrs.asdict(values))


def _print_receipt(contract: str, receipt: Receipt, json: bool) -> None:
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
        }
        print_json(document)
        return
    values = shown if isinstance(shown, dict) else {"returned": shown}
    told: list[tuple[str, Any]] = list(values.items())
    told += [(f"event {e.shape.name}", fields(e)) for e in receipt.events]
    told += [("fee", str(receipt.fee)), ("ledger", receipt.ledger)]
    told.append(("transaction", receipt.transaction))
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


def _show_entries(entries: tuple[JournalEntry, ...]) -> None:
    table = Table()
    for name in ("request", "state", "transaction"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        table.add_row(f"{entry.key}: {entry.request}", entry.state.value, entry.hash)
    Console().print(table)
