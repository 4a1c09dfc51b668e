"""The observed result of a transaction, from its result and its meta."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import attrs
from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import (
    GetTransactionResponse,
    GetTransactionStatus,
    SimulateTransactionResponse,
)

from callora_vault.codec.errors import find_error
from callora_vault.codec.keys import code_key, is_nonce
from callora_vault.parity import outcomes
from callora_vault.parity.errors import CannotRun, Inconclusive
from callora_vault.parity.network.connection import LOOK
from callora_vault.rpc.results import result_name


@attrs.frozen
class Usage:
    """The declared resources and the fee of an accepted call: instructions, bytes, stroops."""

    instructions: int
    read_bytes: int
    write_bytes: int
    fee: int


@attrs.frozen
class Observation:
    """The result of a call on the network.

    `outcome`, `recorded` and `enforced` are words of outcomes.py: of the transaction, of recording
    simulation (which needs no signature) and of enforcing simulation. `counts` is whether the
    signature was valid, `nested_counts` whether it also covered the nested calls, `ledger` the
    transaction's ledger. `changed` are the keys of the entries that the call wrote, without TTLs
    and nonces; `nonces` are those that it used.
    """

    outcome: str
    recorded: str
    enforced: str
    counts: bool
    nested_counts: bool
    ledger: int
    returned: xdr.SCVal | None = None
    events: tuple[xdr.ContractEvent, ...] = ()
    changed: tuple[xdr.LedgerKey, ...] = ()
    nonces: tuple[int, ...] = ()
    replayed: bool = False
    """Whether the nonce was already used."""
    usage: Usage | None = None


def observe(answer: GetTransactionResponse, data: xdr.SorobanTransactionData) -> Observation:
    """Read the result of a transaction; `data` are the resources that it declared.

    The fields about simulation and signature are filled in later. Raises CannotRun, Inconclusive.
    """
    assert answer.ledger is not None  # noqa: S101 - it is in one
    meta = meta_of(answer)
    if answer.status != GetTransactionStatus.SUCCESS:
        result = result_of(answer)
        if result != xdr.InvokeHostFunctionResultCode.INVOKE_HOST_FUNCTION_TRAPPED.name:
            raise Inconclusive(result)
        outcome = outcomes.of_failure(find_error(diagnostics(answer)), result)
        return Observation(outcome, "", "", False, False, answer.ledger)
    assert meta.soroban_meta is not None  # noqa: S101 - it succeeded
    resources = data.resources
    changed = _changed_data(meta.operations[0].changes)
    assert answer.result_xdr is not None  # noqa: S101 - it is in a ledger
    fee = xdr.TransactionResult.from_xdr(answer.result_xdr).fee_charged.int64
    return Observation(
        outcomes.ACCEPTED,
        "",
        "",
        False,
        False,
        answer.ledger,
        returned=meta.soroban_meta.return_value,
        events=tuple(
            event
            for event in meta.operations[0].events
            if event.type == xdr.ContractEventType.CONTRACT
        ),
        changed=tuple(_changed_keys(meta.operations[0].changes)),
        nonces=tuple(_nonces(changed)),
        usage=Usage(
            resources.instructions.uint32,
            resources.disk_read_bytes.uint32,
            resources.write_bytes.uint32,
            fee,
        ),
    )


def simulated(answer: SimulateTransactionResponse) -> str:
    """Name the outcome of a simulation."""
    if answer.error is None:
        return outcomes.ACCEPTED
    error = find_error(map(xdr.DiagnosticEvent.from_xdr, answer.events or ()))
    if error is None:  # an exceeded budget has no event
        raise Inconclusive(f"simulated: {answer.error.splitlines()[0]}")
    return outcomes.of_failure(error, "simulated")


def _changed_keys(changes: xdr.LedgerEntryChanges) -> Iterable[xdr.LedgerKey]:
    """Yield the keys that a call wrote, without TTLs and nonces."""
    for change in changes.ledger_entry_changes:
        entry = change.created or change.updated
        if change.removed is not None:
            key = change.removed
        elif entry is not None:
            key = _key(entry)
        else:
            continue
        if key.ttl is None and not is_nonce(key):
            yield key


def _changed_data(changes: xdr.LedgerEntryChanges) -> list[xdr.ContractDataEntry]:
    entries = (c.created or c.updated or c.restored for c in changes.ledger_entry_changes)
    found = (None if entry is None else entry.data.contract_data for entry in entries)
    return [data for data in found if data is not None]


def _nonces(changed: list[xdr.ContractDataEntry]) -> Iterable[int]:
    for data in changed:
        if data.key.nonce_key is not None:
            yield data.key.nonce_key.nonce.int64


def _key(entry: xdr.LedgerEntry) -> xdr.LedgerKey:
    """Return the key of an entry that a call may change."""
    data = entry.data
    if data.contract_data is not None:
        held = data.contract_data
        key = xdr.LedgerKeyContractData(held.contract, held.key, held.durability)
        return xdr.LedgerKey(data.type, contract_data=key)
    if data.contract_code is not None:
        return code_key(data.contract_code.hash.hash)
    if data.ttl is not None:
        return xdr.LedgerKey(data.type, ttl=xdr.LedgerKeyTtl(data.ttl.key_hash))
    assert data.account is not None  # noqa: S101 - a call changes no other entries
    return xdr.LedgerKey(data.type, account=xdr.LedgerKeyAccount(data.account.account_id))


@lru_cache(maxsize=1)
def _decode_meta(text: str) -> xdr.TransactionMetaV4 | None:
    """Decode the meta of a transaction; cached, because several functions read it."""
    return xdr.TransactionMeta.from_xdr(text).v4


def meta_of(answer: GetTransactionResponse) -> xdr.TransactionMetaV4:
    """Return the meta of a transaction in a ledger. Raises CannotRun for another version than 4."""
    assert answer.result_meta_xdr is not None  # noqa: S101 - it is in a ledger
    meta = _decode_meta(answer.result_meta_xdr)
    if meta is None:
        raise CannotRun("the network has transaction meta of another version than 4", LOOK)
    return meta


def diagnostics(answer: GetTransactionResponse) -> list[xdr.DiagnosticEvent]:
    """List the diagnostic events of a transaction in a ledger."""
    beside = map(xdr.DiagnosticEvent.from_xdr, answer.diagnostic_events_xdr or ())
    return [*meta_of(answer).diagnostic_events, *beside]


def result_of(answer: GetTransactionResponse) -> str:
    """Name the result of a transaction in a ledger."""
    assert answer.result_xdr is not None  # noqa: S101 - it is in a ledger
    return result_name(xdr.TransactionResult.from_xdr(answer.result_xdr))
