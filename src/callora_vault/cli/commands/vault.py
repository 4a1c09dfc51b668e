"""callora-vault deploy, init, deposit, deduct, ...: one command for each call of a vault."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from callora_vault import wasm
from callora_vault.cli.exit_codes import DONE, NOT_YET, UNKNOWN
from callora_vault.cli.options import Amount, Json, SigningOptions, Vault, VaultOptions, Whole
from callora_vault.cli.views.vault import (
    show_balance,
    show_deployment,
    show_entries,
    show_meta,
    show_receipt,
)
from callora_vault.client import Deployer
from callora_vault.client import resume as settle
from callora_vault.client.entries import State
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
    describe_call,
)
from callora_vault.model.errors import NotInitialized
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import BadValue
from callora_vault.rpc.reading import read_instance

_SIGNING = SigningOptions()
_READING = VaultOptions()


def deploy(
    *,
    contract: Literal["v1", "v2"] = "v2",
    initial_balance: Whole = 0,
    min_deposit: Whole = 0,
    name: str | None = None,
    factory: str | None = None,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Deploy and initialise a vault; the signer becomes its owner.

    Parameters
    ----------
    contract
        One of this program's contracts.
    initial_balance
        In the vault's own unit.
    min_deposit
        The least that one deposit may be; 0 for any.
    name
        A name of your choice for this deployment: repeated with the same name, it returns the same
        vault.
    factory
        The id (C...) of a factory, as `migrate factory` prints it: it deploys and initialises the
        vault in one transaction, so that nobody else can initialise it first.
    """
    network, signer = options.connect(), options.signer()
    call = describe_call(Init(signer.address, initial_balance, min_deposit))
    what = f"deploy {contract}, {call}"
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
    show_deployment(deployed, json)
    return DONE


def init(
    vault: Vault,
    /,
    *,
    initial_balance: Whole | None = None,
    min_deposit: Whole | None = None,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Initialise a vault without an owner; the signer becomes its owner.

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
    """Deduct an amount for a metered request; the owner signs, or in v2 the authorised caller.

    Parameters
    ----------
    request_id
        The request's id, for its event: repeated with the same id, the amount is deducted once.
    """
    caller = options.signer().address
    return _submit(vault, Deduct(caller, amount, request_id), options, json)


def batch_deduct(
    vault: Vault,
    /,
    *,
    items: Path,
    skip_applied: Annotated[bool, Parameter(negative=())] = False,
    options: SigningOptions = _SIGNING,
    json: Json = False,
) -> int:
    """Deduct several amounts in one transaction, all or none (v2).

    Each request id is taken once: the same file again returns its result, and a batch with an id
    that was deducted before, alone or in another batch, is refused.

    Parameters
    ----------
    items
        A JSON file: a list of 1 to 50 items {"amount": ..., "request_id": ...}.
    skip_applied
        Leave out the items whose request ids were deducted before, and list them.
    """
    caller = options.signer().address
    call = BatchDeduct(caller, _read_items(items))
    return _submit(vault, call, options, json, skip_applied=skip_applied)


def withdraw(
    vault: Vault, amount: Amount, /, *, options: SigningOptions = _SIGNING, json: Json = False
) -> int:
    """Withdraw an amount for the owner, who signs."""
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
    """Withdraw an amount in favour of another address; the owner signs.

    Parameters
    ----------
    to
        The recipient in the event: an account (G...) or a contract (C...).
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
    """Set the address that may deduct besides the owner, who signs (v2).

    Parameters
    ----------
    caller
        An account (G...) or a contract (C...).
    nobody
        Only the owner may deduct from now on.
    """
    if (caller is None) != nobody:
        raise BadValue("CALLER", "give either an address or --nobody")
    return _submit(vault, SetAuthorizedCaller(caller), options, json)


def balance(vault: Vault, /, *, options: VaultOptions = _READING, json: Json = False) -> int:
    """Show a vault's balance, read from its stored entry."""
    show_balance(_stored(vault, options), json)
    return DONE


def meta(vault: Vault, /, *, options: VaultOptions = _READING, json: Json = False) -> int:
    """Show all that a vault stores."""
    show_meta(_stored(vault, options), json)
    return DONE


def resume(*, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Settle the open transactions of earlier commands, and list those that a person must settle.

    Needs no key. Exit codes: 0 all settled, 3 something is still open, 4 something is unknown.
    """
    network = options.connect()
    with options.noted() as journal:
        settled = settle(network, journal, options.limits)
        lost = journal.for_the_operator(network.passphrase)
    show_entries({entry.id: entry for entry in (*settled, *lost)}.values(), json)
    if lost:
        return UNKNOWN
    return NOT_YET if any(entry.state is State.OPEN for entry in settled) else DONE


# -- how a call is made ------------------------------------------------------------------------


def _submit(
    vault: str, call: Call, options: SigningOptions, json: bool, *, skip_applied: bool = False
) -> int:
    with options.client(vault, describe_call(call)) as client:
        receipt = client.submit(call, key=options.request_key, skip_applied=skip_applied)
    show_receipt(client.contract, receipt, json)
    return DONE


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
        return tuple(_read_item(file, number, item) for number, item in enumerate(items))
    except OSError as error:
        raise BadValue("--items", f"{file}: {error.strerror}") from error
    except BadValue:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = 'a JSON list of {"amount": ..., "request_id": ...}'
        raise BadValue("--items", f"{file} is not {form}") from error


def _read_item(file: Path, number: int, item: dict[str, Any]) -> DeductItem:
    amount, request_id = item["amount"], item.get("request_id")
    if type(amount) is not int:
        raise BadValue("--items", f"{file}, item {number}: the amount is not a whole number")
    if not isinstance(request_id, str | None):
        raise BadValue("--items", f"{file}, item {number}: the request_id is not text")
    return DeductItem(amount, request_id)
