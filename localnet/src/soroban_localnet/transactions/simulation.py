"""simulateTransaction: what a transaction would do, need and cost.

Source: stellar-rpc's simulateTransaction; nothing here changes the ledger.
"""

from __future__ import annotations

from typing import Any

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import HostCrashed, HostRefused, LocalnetError
from soroban_localnet.host.messages import Modified, SimulateAnswer, SimulateRequest
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.transactions.envelope import InvokeBody, Operation, Transaction

ENFORCE, RECORD, RECORD_ALLOW_NONROOT = "enforce", "record", "record_allow_nonroot"

_MODES = {RECORD: 0, RECORD_ALLOW_NONROOT: 1, ENFORCE: 2}
_Type = stellar_xdr.OperationType


class Unsimulatable(LocalnetError):
    """A transaction that is refused before it is simulated; the text is the answer's `error`."""


def simulate(
    transaction: Transaction,
    environment: Environment,
    *,
    auth_mode: str | None,
    upgraded_auth: bool,
    instruction_leeway: int,
) -> dict[str, Any]:
    """Return the answer of simulateTransaction, without the latest ledger.

    Arguments: `auth_mode`, one of enforce, record, record_allow_nonroot, or None: enforce where
    the transaction brings authorisation entries, else record; `upgraded_auth` records ADDRESS_V2
    credentials; `instruction_leeway`, instructions to add to those that were measured.
    Raises Unsimulatable. Where the host crashes or refuses, the answer says so.
    """
    if len(transaction.operations) != 1:
        raise Unsimulatable("Transaction contains more than one operation")
    if transaction.has_memo:
        raise Unsimulatable(
            "Transaction contains a memo. Soroban transactions do not support memos."
        )
    operation = transaction.operations[0]
    has_auth = operation.type == _Type.INVOKE_HOST_FUNCTION and bool(operation.body.auth)
    mode = _auth_mode(auth_mode, operation, has_auth)
    try:
        if operation.type != _Type.INVOKE_HOST_FUNCTION:
            return _footprint_operation(operation, transaction, environment)
        body: InvokeBody = operation.body
        answer = environment.host.simulate(
            SimulateRequest(
                ledger=environment.info,
                host_function=body.host_function,
                source_account=xdr.account_id(operation.source or transaction.source),
                auth=list(body.auth),
                mode=_MODES[mode],
                address_v2=upgraded_auth,
                prng_seed=environment.prng_seed,
                instruction_leeway=instruction_leeway,
                entries=_certain_reads(body, environment),
            )
        )
        return _invoke_answer(answer)
    except HostCrashed as crash:
        return {"error": str(crash)}
    except HostRefused as refused:
        return {"error": refused.reason}


def _certain_reads(body: InvokeBody, environment: Environment) -> list[tuple[bytes, int | None]]:
    """Collect what a contract call reads in any case: the contract's instance and its code."""
    contract = body.contract
    if contract is None:
        return []
    instance = environment.ledger.get(xdr.contract_instance_key(contract))
    if instance is None:
        return []
    found = [(instance.xdr, instance.live_until)]
    code_hash = xdr.executable_hash(instance.xdr)
    code = None if code_hash is None else environment.ledger.get(xdr.contract_code_key(code_hash))
    if code is not None:
        found.append((code.xdr, code.live_until))
    return found


def _auth_mode(asked: str | None, operation: Operation, has_auth: bool) -> str:
    """Return the mode, checked in the order of stellar-rpc."""
    if asked and asked not in _MODES:
        raise Unsimulatable(
            "optional 'authMode' must be one of enforce,record,record_allow_nonroot when included"
        )
    if not operation.is_soroban:
        # as Go names it
        name = "OperationType" + operation.type.name.title().replace("_", "")
        raise Unsimulatable(f"transaction contains unsupported operation type: {name}")
    if asked and operation.type != _Type.INVOKE_HOST_FUNCTION:
        raise Unsimulatable("cannot set authMode with non-InvokeHostFunction operations")
    if asked and has_auth and asked != ENFORCE:
        raise Unsimulatable(f"cannot set authMode to '{asked}' with an auth footprint")
    return asked or (ENFORCE if has_auth else RECORD)


def _invoke_answer(answer: SimulateAnswer) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if answer.error is not None:
        result["error"] = answer.error
    if answer.diagnostics:
        result["events"] = [xdr.base64(event) for event in answer.diagnostics]
    if answer.transaction_data is not None:
        result["transactionData"] = xdr.base64(answer.transaction_data)
        result["minResourceFee"] = str(answer.min_resource_fee)
    if answer.value is not None:
        auth = [xdr.base64(entry) for entry in answer.auth]
        result["results"] = [{"auth": auth, "xdr": xdr.base64(answer.value)}]
    if answer.modified:
        result["stateChanges"] = [_state_change(change) for change in answer.modified]
    return result


def _state_change(change: Modified) -> dict[str, Any]:
    changed = "deleted" if change.after is None else "updated"
    return {
        "type": "created" if change.before is None else changed,
        "key": xdr.base64(change.key),
        "before": None if change.before is None else xdr.base64(change.before),
        "after": None if change.after is None else xdr.base64(change.after),
    }


def _footprint_operation(
    operation: Operation, transaction: Transaction, environment: Environment
) -> dict[str, Any]:
    if transaction.soroban is None:
        raise Unsimulatable(
            "To perform a SimulateTransaction for ExtendFootprintTtl or RestoreFootprint "
            "operations, SorobanTransactionData must be provided"
        )
    if operation.type == _Type.RESTORE_FOOTPRINT:
        keys = list(transaction.soroban.read_write)
        answer = environment.host.simulate_restore(environment.info, keys)
    else:
        keys = list(transaction.soroban.read_only)
        extend_to = operation.body.extend_footprint_ttl_op.extend_to.uint32
        answer = environment.host.simulate_extend(environment.info, keys, extend_to)
    result: dict[str, Any] = {
        "transactionData": xdr.base64(answer.transaction_data),
        "minResourceFee": str(answer.min_resource_fee),
    }
    if answer.restore is not None:
        data, fee = answer.restore
        result["restorePreamble"] = {
            "transactionData": xdr.base64(data),
            "minResourceFee": str(fee),
        }
    return result
