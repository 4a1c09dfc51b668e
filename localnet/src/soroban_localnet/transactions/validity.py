"""May this transaction enter the ledger? The checks, in the network's order.

A transaction that fails here is refused: it pays nothing and changes nothing. Source: the validity
rules of stellar-core; CAP-21 (preconditions), CAP-46-07 and CAP-62 (Soroban resources), CAP-66
(archived entries).
"""

from __future__ import annotations

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.account import LOW, Account
from soroban_localnet.ledger.asset import Asset
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.parameters import BASE_FEE
from soroban_localnet.transactions.envelope import Operation, SorobanData, Transaction
from soroban_localnet.transactions.fees import disk_read_entries, resource_fee
from soroban_localnet.transactions.operations import table as operations
from soroban_localnet.transactions.reserves import available
from soroban_localnet.transactions.results import (
    Code,
    ErrorCode,
    ErrorType,
    Invalid,
    Refused,
    diagnostic,
    not_supported,
)
from soroban_localnet.transactions.signatures import SignatureChecker, ed25519_signer, signers_of

_SUPPORTED_KEYS = (xdr.ACCOUNT, xdr.TRUSTLINE, xdr.CONTRACT_DATA, xdr.CONTRACT_CODE)
_INT64_MAX = 2**63 - 1
_MAX_RESOURCE_FEE = 2**50


def check(transaction: Transaction, environment: Environment, margin: int = 0) -> Invalid | None:
    """Tell why the transaction may not enter the ledger, or None where it may.

    Arguments: `margin`, by how many seconds the ledger may close later than `environment` says.
    Source: `What happens to a transaction` in README.md, step 1.
    """
    if _has_impossible_fee(transaction):
        return Invalid(Code.txMALFORMED)
    failed = _check_fee_bump(transaction, environment)
    if failed is None:
        failed = _check_transaction(transaction, environment, margin)
        if failed is not None and transaction.fee_bump is not None:
            failed = attrs.evolve(failed, inner_hash=transaction.inner_hash)
    if failed is None or failed.fee_charged:
        return failed
    least = transaction.resource_fee + BASE_FEE * transaction.charged_operations
    return attrs.evolve(failed, fee_charged=least)


def _has_impossible_fee(transaction: Transaction) -> bool:
    if transaction.full_fee < 0 or transaction.inclusion_fee < 0:
        return True
    if not transaction.is_soroban:
        return False
    return transaction.soroban is None or not 0 <= transaction.resource_fee <= _MAX_RESOURCE_FEE


def _check_fee_bump(transaction: Transaction, environment: Environment) -> Invalid | None:
    """Check what a fee bump pays for the transaction inside, and whether it can (CAP-15)."""
    bump = transaction.fee_bump
    if bump is None:
        return None
    bid, least = transaction.inclusion_fee, BASE_FEE * transaction.charged_operations
    if bid < least:
        return Invalid(Code.txINSUFFICIENT_FEE)
    # the bid for each operation has to be no less than the one inside
    inner_bid = transaction.fee - transaction.resource_fee
    inner_least = BASE_FEE * max(1, len(transaction.operations))
    if bid * inner_least < inner_bid * least:
        needed = -(-inner_bid * least // inner_least)
        return Invalid(Code.txINSUFFICIENT_FEE, fee_charged=needed)
    payer = environment.ledger.account(bump.source)
    if payer is None:
        return Invalid(Code.txNO_ACCOUNT)
    checker = SignatureChecker(transaction.hash, bump.signatures)
    if not checker.check(signers_of(payer), payer.threshold(LOW)):
        return Invalid(Code.txBAD_AUTH)
    if available(payer) < bump.fee:
        return Invalid(Code.txINSUFFICIENT_BALANCE)
    if not checker.all_used():
        return Invalid(Code.txBAD_AUTH_EXTRA)
    return None


def _check_transaction(
    transaction: Transaction, environment: Environment, margin: int
) -> Invalid | None:
    """Check a transaction by itself; where it is inside a fee bump, all but its fee."""
    checker = SignatureChecker(transaction.inner_hash, transaction.signatures)
    failed = (
        _check_form(transaction, environment)
        or _check_bounds(transaction, environment, margin)
        or _check_account(transaction, environment, checker, transaction.fee)
        or _check_operations(transaction, environment, checker)
    )
    if failed:
        return failed
    return None if checker.all_used() else Invalid(Code.txBAD_AUTH_EXTRA)


def recheck(transaction: Transaction, environment: Environment) -> Invalid | None:
    """Tell why the transaction fails at its turn, after others of its ledger, or None.

    What cannot have changed since `check` is not looked at again; the fee is paid by now.
    """
    checker = SignatureChecker(transaction.inner_hash, transaction.signatures)
    failed = _check_account(transaction, environment, checker, 0)
    if failed:
        return failed
    signed = [_signed(op, transaction, environment, checker) for op in transaction.operations]
    if not all(signed):
        results = tuple(
            operations.untouched(operation) if has_signed else operations.BAD_AUTH.result
            for operation, has_signed in zip(transaction.operations, signed, strict=True)
        )
        return Invalid(Code.txFAILED, results)
    return None if checker.all_used() else Invalid(Code.txBAD_AUTH_EXTRA)


def _check_account(
    transaction: Transaction, environment: Environment, checker: SignatureChecker, due: int
) -> Invalid | None:
    """Check the source account; where it pays itself, it has `due` stroops beside its reserve."""
    account = environment.ledger.account(transaction.source)
    if account is None:
        return Invalid(Code.txNO_ACCOUNT)
    if _bad_sequence(transaction, account, environment):
        return Invalid(Code.txBAD_SEQ)
    if _too_early_for(transaction, account, environment):
        return Invalid(Code.txBAD_MIN_SEQ_AGE_OR_GAP)
    if not checker.check(signers_of(account), account.threshold(LOW)):
        return Invalid(Code.txBAD_AUTH)
    conditions = _v2(transaction)
    extra = conditions.extra_signers if conditions else []
    if extra and not checker.check([(k.to_xdr_bytes(), 1) for k in extra], len(extra)):
        return Invalid(Code.txBAD_AUTH)
    if transaction.fee_bump is None and available(account) < due:
        return Invalid(Code.txINSUFFICIENT_BALANCE)
    return None


def _v2(transaction: Transaction) -> stellar_xdr.PreconditionsV2 | None:
    return transaction.preconditions.v2


def _soroban_invalid(kind: ErrorType, code: ErrorCode, message: str, *values: int) -> Invalid:
    return Invalid(Code.txSOROBAN_INVALID, (), (diagnostic(kind, code, message, *values),))


def _check_form(transaction: Transaction, environment: Environment) -> Invalid | None:
    conditions = _v2(transaction)
    if conditions and conditions.extra_signers:
        keys = [key.to_xdr_bytes() for key in conditions.extra_signers]
        empty = any(
            key.ed25519_signed_payload is not None and not key.ed25519_signed_payload.payload
            for key in conditions.extra_signers
        )
        if len(set(keys)) != len(keys) or empty:
            return Invalid(Code.txMALFORMED)
    if not transaction.operations:
        return Invalid(Code.txMISSING_OPERATION)
    if any(op.is_soroban for op in transaction.operations) and len(transaction.operations) > 1:
        return Invalid(Code.txMALFORMED)
    if not transaction.is_soroban:
        return Invalid(Code.txMALFORMED) if transaction.soroban else None
    assert transaction.soroban is not None  # noqa: S101 - the fee was looked at before
    operation = transaction.operations[0]
    is_invoke = operation.type == stellar_xdr.OperationType.INVOKE_HOST_FUNCTION
    if is_invoke and (transaction.has_memo or transaction.muxed or operation.muxed):
        return _soroban_invalid(
            ErrorType.SCE_VALUE,
            ErrorCode.SCEC_INVALID_INPUT,
            "Soroban transactions are not allowed to use memo or muxed source account",
        )
    return _check_resources(transaction, transaction.soroban, environment)


def _check_resources(
    transaction: Transaction, data: SorobanData, environment: Environment
) -> Invalid | None:
    limits = environment.limits
    storage, budget, exceeded = (
        ErrorType.SCE_STORAGE,
        ErrorType.SCE_BUDGET,
        ErrorCode.SCEC_EXCEEDED_LIMIT,
    )
    reads = disk_read_entries(transaction, data)
    for kind, message, value, limit in (
        (
            budget,
            "transaction instructions resources exceed network config limit",
            data.instructions,
            limits.instructions,
        ),
        (
            storage,
            "transaction byte-read resources exceed network config limit",
            data.disk_read_bytes,
            limits.disk_read_bytes,
        ),
        (
            storage,
            "transaction byte-write resources exceed network config limit",
            data.write_bytes,
            limits.write_bytes,
        ),
        (
            storage,
            "the number of entries in transaction footprint exceeds the network config limit",
            len(data.read_only) + len(data.read_write),
            limits.footprint_entries,
        ),
        (
            storage,
            "transaction entry-disk-read resources exceed network config limit",
            reads,
            limits.disk_read_entries,
        ),
        (
            storage,
            "transaction entry-write resources exceed network config limit",
            len(data.read_write),
            limits.write_entries,
        ),
    ):
        if value > limit:
            return _soroban_invalid(kind, exceeded, message, value, limit)
    for key in data.read_only + data.read_write:
        if xdr.key_type(key) not in _SUPPORTED_KEYS:
            return _soroban_invalid(
                storage,
                ErrorCode.SCEC_UNEXPECTED_TYPE,
                "transaction footprint contains unsupported ledger key type",
                xdr.key_type(key),
            )
        if xdr.key_type(key) == xdr.TRUSTLINE and not _is_possible_trustline(key):
            return _soroban_invalid(
                storage,
                ErrorCode.SCEC_INVALID_INPUT,
                "transaction footprint contains invalid trustline asset",
            )
        if len(key) > limits.data_key_bytes:
            return _soroban_invalid(
                storage,
                exceeded,
                "transaction footprint key exceeds network config limit",
                len(key),
                limits.data_key_bytes,
            )
    if transaction.size > limits.transaction_bytes:
        return _soroban_invalid(
            budget,
            exceeded,
            "total transaction size exceeds network config limit",
            transaction.size,
            limits.transaction_bytes,
        )
    return (
        _check_archived(data)
        or _check_resource_fee(transaction, data, environment)
        or _check_duplicates(data)
    )


def _is_possible_trustline(key: bytes) -> bool:
    owner, asset = xdr.trustline_parts(key)
    if asset[:4] == xdr.u32(stellar_xdr.AssetType.ASSET_TYPE_POOL_SHARE):
        return True
    issued = Asset(asset)
    return not issued.is_native and issued.is_valid and issued.issuer != owner


def _check_archived(data: SorobanData) -> Invalid | None:
    storage, invalid = ErrorType.SCE_STORAGE, ErrorCode.SCEC_INVALID_INPUT
    last = -1
    for index in data.archived:
        if index <= last:
            return _soroban_invalid(
                storage, invalid, "archivedSorobanEntries must be sorted in ascending order"
            )
        last = index
        if index >= len(data.read_write):
            return _soroban_invalid(
                storage,
                invalid,
                "archivedSorobanEntries index is out of bounds",
                index,
                len(data.read_write),
            )
        key = data.read_write[index]
        if not xdr.is_persistent(key):
            return _soroban_invalid(
                storage,
                invalid,
                "archivedSorobanEntries index points to a non-persistent entry",
                index,
                xdr.key_type(key),
            )
    return None


def _check_resource_fee(
    transaction: Transaction, data: SorobanData, environment: Environment
) -> Invalid | None:
    needed = sum(resource_fee(transaction, data, 0, environment.host))
    if data.resource_fee < needed:
        return _soroban_invalid(
            ErrorType.SCE_VALUE,
            ErrorCode.SCEC_EXCEEDED_LIMIT,
            "transaction `sorobanData.resourceFee` is lower than the actual Soroban resource fee",
            data.resource_fee,
            needed,
        )
    return None


def _check_duplicates(data: SorobanData) -> Invalid | None:
    keys = data.read_only + data.read_write
    if len(set(keys)) == len(keys):
        return None
    return _soroban_invalid(
        ErrorType.SCE_STORAGE,
        ErrorCode.SCEC_INVALID_INPUT,
        "Found duplicate key in the Soroban footprint; every key across read-only and read-write "
        "footprints has to be unique.",
    )


def _check_bounds(
    transaction: Transaction, environment: Environment, margin: int
) -> Invalid | None:
    conditions = _v2(transaction)
    times = conditions.time_bounds if conditions else transaction.preconditions.time_bounds
    ledgers = conditions.ledger_bounds if conditions else None
    if times and environment.close_time < times.min_time.time_point.uint64:
        return Invalid(Code.txTOO_EARLY)
    if ledgers and environment.sequence < ledgers.min_ledger.uint32:
        return Invalid(Code.txTOO_EARLY)
    if times:
        latest = times.max_time.time_point.uint64
        if latest and environment.close_time + margin > latest:
            return Invalid(Code.txTOO_LATE)
    if ledgers:
        last = ledgers.max_ledger.uint32
        if last and environment.sequence >= last:
            return Invalid(Code.txTOO_LATE)
    if transaction.inclusion_fee < BASE_FEE * len(transaction.operations):
        return Invalid(Code.txINSUFFICIENT_FEE)
    return None


def _bad_sequence(transaction: Transaction, account: Account, environment: Environment) -> bool:
    if transaction.sequence == environment.starting_sequence:
        return True
    conditions = _v2(transaction)
    if conditions and conditions.min_seq_num is not None:
        lowest = conditions.min_seq_num.sequence_number.int64
        return not lowest <= account.sequence < transaction.sequence
    return account.sequence == _INT64_MAX or account.sequence + 1 != transaction.sequence


def _too_early_for(transaction: Transaction, account: Account, environment: Environment) -> bool:
    conditions = _v2(transaction)
    if conditions is None:
        return False
    age = conditions.min_seq_age.duration.uint64
    gap = conditions.min_seq_ledger_gap.uint32
    return (age > 0 and environment.close_time - account.sequence_time < age) or (
        gap > 0 and environment.sequence - account.sequence_ledger < gap
    )


def _check_operations(
    transaction: Transaction, environment: Environment, checker: SignatureChecker
) -> Invalid | None:
    for index, operation in enumerate(transaction.operations):
        refused = _check_operation(operation, transaction, environment, checker)
        if refused is not None:
            results = [operations.untouched(op) for op in transaction.operations]
            results[index] = refused.result
            return Invalid(Code.txFAILED, tuple(results), refused.diagnostics)
    return None


def _check_operation(
    operation: Operation,
    transaction: Transaction,
    environment: Environment,
    checker: SignatureChecker,
) -> Refused | None:
    if not operations.supported(operation):
        return not_supported(operation.type.name)
    if not _signed(operation, transaction, environment, checker):
        return operations.BAD_AUTH
    source = operation.source or transaction.source
    return operations.check(operation, source, transaction, environment.limits)


def _signed(
    operation: Operation,
    transaction: Transaction,
    environment: Environment,
    checker: SignatureChecker,
) -> bool:
    source = operation.source or transaction.source
    account = environment.ledger.account(source)
    if account is None:  # an earlier operation may create it, so its own key has to have signed
        return checker.check([(ed25519_signer(source), 1)], 0)
    needed = account.threshold(operations.threshold_level(operation))
    return checker.check(signers_of(account), needed)
