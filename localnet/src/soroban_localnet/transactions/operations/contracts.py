"""Invoke host function, extend footprint TTL, restore footprint.

The host does the work; this module gives it the footprint's entries, holds it to the declared
resources and stores what it returns. Source: stellar-core's operations of these names; CAP-46-07
(fees), CAP-62 and CAP-66 (archival and automatic restore).
"""

from __future__ import annotations

from stellar_sdk import scval
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import HostCrashed
from soroban_localnet.host.messages import InvokeAnswer, InvokeRequest, RentChange
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.ledger.store import Changes, Entry
from soroban_localnet.transactions.envelope import InvokeBody, Operation, Transaction
from soroban_localnet.transactions.operations.resources import (
    ResourceFailure,
    check_entry_size,
    pay,
    resource_limit,
    soroban_data,
)
from soroban_localnet.transactions.results import (
    ErrorCode,
    ErrorType,
    OperationOutcome,
    Refused,
    diagnostic,
    inner,
)

_Invoke = stellar_xdr.InvokeHostFunctionResultCode
_Extend = stellar_xdr.ExtendFootprintTTLResultCode
_Restore = stellar_xdr.RestoreFootprintResultCode


# -- invoke ------------------------------------------------------------------------------------


def check_invoke(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse code that is larger than the network takes."""
    body: InvokeBody = operation.body
    if body.upload_bytes <= limits.contract_bytes:
        return None
    event = diagnostic(
        ErrorType.SCE_BUDGET,
        ErrorCode.SCEC_EXCEEDED_LIMIT,
        "uploaded Wasm size exceeds network config maximum contract size",
        body.upload_bytes,
        limits.contract_bytes,
    )
    return Refused(inner(operation.type, 0, bytes(32)), (event,))


def invoke(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Run a host function: upload, create or call a contract."""
    diagnostics: tuple[bytes, ...] = ()
    try:
        entries, restored = _load_footprint(operation, transaction, changes, environment)
        answer = _call_host(operation, source, transaction, environment, entries, restored)
        diagnostics = tuple(answer.diagnostics)
        if answer.value is None:
            return _host_failure(operation, transaction, environment, answer)
        _store(operation, transaction, changes, environment, answer)
        event_bytes = _measure_events(operation, answer.value, answer.events, environment.limits)
        event_fee = pay(operation, transaction, environment, answer.rent_fee, event_bytes)
    except ResourceFailure as failure:
        return OperationOutcome(
            False,
            inner(operation.type, failure.code),
            diagnostics=diagnostics + failure.diagnostics,
        )
    except HostCrashed as crash:
        event = diagnostic(ErrorType.SCE_CONTEXT, ErrorCode.SCEC_INTERNAL_ERROR, crash.trap)
        return OperationOutcome(False, b"", diagnostics=(event,), internal_error=True)
    success = xdr.sha256(answer.value + xdr.array(answer.events))
    return OperationOutcome(
        True,
        inner(operation.type, _Invoke.INVOKE_HOST_FUNCTION_SUCCESS.value, success),
        events=tuple(answer.events),
        diagnostics=diagnostics,
        return_value=answer.value,
        rent_fee=answer.rent_fee,
        event_fee=event_fee,
    )


def _load_footprint(
    operation: Operation, transaction: Transaction, changes: Changes, environment: Environment
) -> tuple[list[tuple[bytes | None, int | None]], list[int]]:
    """Collect the footprint's entries as the host wants them, and the indexes of restored ones."""
    data = soroban_data(transaction)
    entries: list[tuple[bytes | None, int | None]] = []
    restored: list[int] = []
    disk_bytes = 0
    first_writable = len(data.read_only)
    for position, key in enumerate(data.read_only + data.read_write):
        entry = changes.get(key)
        soroban = xdr.has_ttl(key)
        if entry is None or (not entry.is_live(environment.sequence) and xdr.is_temporary(key)):
            entries.append((None, None))
            continue
        live_until = entry.live_until
        archived = not entry.is_live(environment.sequence)
        if archived:
            index = position - first_writable
            if index < 0 or index not in data.archived:
                raise _archived(key)
            live_until = environment.sequence + environment.limits.minimum_persistent_ttl - 1
            restored.append(index)
            changes.restored.add(key)
        check_entry_size(operation, key, len(entry.xdr), environment.limits)
        if archived or not soroban:
            disk_bytes += len(entry.xdr)
            if disk_bytes > data.disk_read_bytes:
                message = "operation byte-read resources exceeds amount specified"
                raise resource_limit(operation, message, disk_bytes, data.disk_read_bytes)
        entries.append((entry.xdr, live_until))
    return entries, restored


def _archived(key: bytes) -> ResourceFailure:
    decoded = stellar_xdr.LedgerKey.from_xdr_bytes(key)
    arguments: list[stellar_xdr.SCVal] = []
    if decoded.contract_code is not None:
        message = "trying to access an archived contract code entry"
        arguments = [scval.to_bytes(decoded.contract_code.hash.hash)]
    else:
        message = "trying to access an archived contract data entry"
        assert decoded.contract_data is not None  # noqa: S101 - only these two have a TTL
        address = stellar_xdr.SCVal(
            stellar_xdr.SCValType.SCV_ADDRESS, address=decoded.contract_data.contract
        )
        arguments = [address, decoded.contract_data.key]
    event = diagnostic(ErrorType.SCE_VALUE, ErrorCode.SCEC_INVALID_INPUT, message, *arguments)
    return ResourceFailure(_Invoke.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED.value, event)


def _call_host(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    environment: Environment,
    entries: list[tuple[bytes | None, int | None]],
    restored: list[int],
) -> InvokeAnswer:
    data = soroban_data(transaction)
    body: InvokeBody = operation.body
    return environment.host.invoke(
        InvokeRequest(
            ledger=environment.info,
            instruction_limit=data.instructions,
            resources=data.resources,
            restored=restored,
            host_function=body.host_function,
            source_account=xdr.account_id(source),
            auth=list(body.auth),
            entries=entries,
            prng_seed=environment.prng_seed,
            diagnostics=True,
        )
    )


def _host_failure(
    operation: Operation, transaction: Transaction, environment: Environment, answer: InvokeAnswer
) -> OperationOutcome:
    assert answer.error is not None  # noqa: S101 - a host that returns no value says why
    kind, code = answer.error
    error = xdr.u32(kind) + xdr.u32(code)
    failed = (
        xdr.u32(0)
        + xdr.ABSENT
        + xdr.ABSENT
        + xdr.u32(stellar_xdr.ContractEventType.DIAGNOSTIC.value)
        + xdr.ABSENT
        + xdr.array((xdr.symbol("host_fn_failed"), xdr.u32(2) + error))
        + xdr.u32(1)  # void
    )
    diagnostics = (*answer.diagnostics, failed)
    internal = code == ErrorCode.SCEC_INTERNAL_ERROR.value and kind != ErrorType.SCE_CONTRACT.value
    if internal:
        return OperationOutcome(False, b"", diagnostics=diagnostics, internal_error=True)
    declared, memory_limit = soroban_data(transaction).instructions, environment.limits.memory_bytes
    if answer.instructions > declared:
        message = "operation instructions exceeds amount specified"
        exceeded = resource_limit(operation, message, answer.instructions, declared)
    elif answer.memory > memory_limit:
        message = "operation memory usage exceeds network config limit"
        exceeded = resource_limit(operation, message, answer.memory, memory_limit)
    else:
        trapped = _Invoke.INVOKE_HOST_FUNCTION_TRAPPED.value
        return OperationOutcome(False, inner(operation.type, trapped), diagnostics=diagnostics)
    return OperationOutcome(
        False,
        inner(operation.type, exceeded.code),
        diagnostics=diagnostics + exceeded.diagnostics,
    )


def _store(
    operation: Operation,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
    answer: InvokeAnswer,
) -> None:
    """Note what the host returned; a read-write key that it did not return is erased."""
    data = soroban_data(transaction)
    returned = set()
    written = 0
    for change in answer.changes:
        before = changes.get(change.key)
        live_until = None if before is None else before.live_until
        ttl_modified = 0 if before is None else before.ttl_modified
        ttl = change.ttl
        if ttl is not None and ttl.new_live_until > ttl.old_live_until:
            live_until, ttl_modified = ttl.new_live_until, environment.sequence
        if change.new_value is not None and not change.read_only:
            returned.add(change.key)
            size = len(change.new_value)
            check_entry_size(operation, change.key, size, environment.limits)
            written += size
            if written > data.write_bytes:
                message = "operation byte-write resources exceeds amount specified"
                raise resource_limit(operation, message, written, data.write_bytes)
            entry = xdr.with_last_modified(change.new_value, environment.sequence)
            changes.put(change.key, Entry(entry, live_until, ttl_modified))
        elif before is not None and live_until != before.live_until:
            changes.put(change.key, Entry(before.xdr, live_until, ttl_modified))
    for key in data.read_write:
        if key not in returned and changes.get(key) is not None:
            changes.put(key, None)


def _measure_events(operation: Operation, value: bytes, events: list[bytes], limits: Limits) -> int:
    size = sum(map(len, events))
    if size > limits.event_bytes:
        message = "total events size exceeds network config maximum"
        raise resource_limit(operation, message, size, limits.event_bytes)
    size += len(value)
    if size > limits.event_bytes:
        message = "return value pushes events size above network config maximum"
        raise resource_limit(operation, message, size, limits.event_bytes)
    return size


def _malformed(operation: Operation, code: int, message: str, *values: int) -> Refused:
    event = diagnostic(ErrorType.SCE_STORAGE, ErrorCode.SCEC_INVALID_INPUT, message, *values)
    return Refused(inner(operation.type, code), (event,))


# -- extend and restore ------------------------------------------------------------------------


def check_extend(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a footprint that is not all read-only Soroban keys, and too long a term."""
    data = soroban_data(transaction)
    malformed = _Extend.EXTEND_FOOTPRINT_TTL_MALFORMED.value
    extend_to = operation.body.extend_footprint_ttl_op.extend_to.uint32
    if data.read_write:
        message = "read-write footprint must be empty for ExtendFootprintTTL operation"
        return _malformed(operation, malformed, message)
    if not all(map(xdr.has_ttl, data.read_only)):
        message = "only entries with TTL (contract data or code entries) can have it extended"
        return _malformed(operation, malformed, message)
    longest = limits.maximum_ttl - 1
    if extend_to > longest:
        message = "TTL extension is too large: {} > {}"
        return _malformed(operation, malformed, message, extend_to, longest)
    return None


def extend(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Extend the TTLs of the read-only footprint's live entries."""
    live_until = environment.sequence + operation.body.extend_footprint_ttl_op.extend_to.uint32
    rent_changes = []
    try:
        for key in soroban_data(transaction).read_only:
            entry = changes.get(key)
            if entry is None or entry.live_until is None or not entry.is_live(environment.sequence):
                continue
            if entry.live_until >= live_until:
                continue
            check_entry_size(operation, key, len(entry.xdr), environment.limits)
            rent_changes.append(_rent_change(key, entry, live_until, environment, restored=False))
            changes.put(key, Entry(entry.xdr, live_until, environment.sequence))
        return _settle(operation, transaction, environment, rent_changes)
    except ResourceFailure as failure:
        result = inner(operation.type, failure.code)
        return OperationOutcome(False, result, diagnostics=failure.diagnostics)


def check_restore(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a footprint that is not all read-write keys of persistent Soroban entries."""
    data = soroban_data(transaction)
    malformed = _Restore.RESTORE_FOOTPRINT_MALFORMED.value
    if data.read_only:
        message = "read-only footprint must be empty for RestoreFootprint operation"
        return _malformed(operation, malformed, message)
    if not all(map(xdr.is_persistent, data.read_write)):
        message = "only persistent Soroban entries can be restored"
        return _malformed(operation, malformed, message)
    return None


def restore(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Restore archived entries of the read-write footprint."""
    data = soroban_data(transaction)
    live_until = environment.sequence + environment.limits.minimum_persistent_ttl - 1
    rent_changes = []
    size = 0
    try:
        for key in data.read_write:
            entry = changes.get(key)
            if entry is None or entry.is_live(environment.sequence):
                continue
            size += len(entry.xdr)
            if size > data.disk_read_bytes:
                message = "operation byte-read resources exceeds amount specified"
                raise resource_limit(operation, message, size, data.disk_read_bytes)
            check_entry_size(operation, key, len(entry.xdr), environment.limits)
            if size > data.write_bytes:
                message = "operation byte-write resources exceeds amount specified"
                raise resource_limit(operation, message, size, data.write_bytes)
            rent_changes.append(_rent_change(key, entry, live_until, environment, restored=True))
            changes.put(key, Entry(entry.xdr, live_until, environment.sequence))
            changes.restored.add(key)
        return _settle(operation, transaction, environment, rent_changes)
    except ResourceFailure as failure:
        result = inner(operation.type, failure.code)
        return OperationOutcome(False, result, diagnostics=failure.diagnostics)


def _rent_change(
    key: bytes, entry: Entry, live_until: int, environment: Environment, *, restored: bool
) -> RentChange:
    is_code = xdr.key_type(key) == xdr.CONTRACT_CODE
    size = environment.host.rent_size(entry.xdr) if is_code else len(entry.xdr)
    return RentChange(
        is_persistent=not xdr.is_temporary(key),
        is_code=is_code,
        old_size=0 if restored else size,
        new_size=size,
        old_live_until=0 if restored else entry.live_until or 0,
        new_live_until=live_until,
    )


def _settle(
    operation: Operation,
    transaction: Transaction,
    environment: Environment,
    rent_changes: list[RentChange],
) -> OperationOutcome:
    rent = environment.host.rent_fee(rent_changes, environment.sequence)
    event_fee = pay(operation, transaction, environment, rent, 0)
    return OperationOutcome(True, inner(operation.type, 0), rent_fee=rent, event_fee=event_fee)
