"""Set options, manage data, bump sequence: what an account says about itself.

Source: stellar-core's operations of these names; CAP-40 (signed payloads), CAP-21 (sequence age).
"""

from __future__ import annotations

from typing import cast

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.account import (
    AUTH_CLAWBACK,
    AUTH_IMMUTABLE,
    AUTH_REQUIRED,
    AUTH_REVOCABLE,
    HIGH,
    LOW,
    MASTER_WEIGHT,
    MAX_SIGNERS,
    MEDIUM,
    Account,
)
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.ledger.store import Changes, Entry
from soroban_localnet.transactions.envelope import Operation, Transaction
from soroban_localnet.transactions.reserves import with_subentry, without_signer, without_subentry
from soroban_localnet.transactions.results import (
    OperationOutcome,
    Refused,
    failed,
    inner,
    succeeded,
)
from soroban_localnet.transactions.signatures import ed25519_signer

_Options = stellar_xdr.SetOptionsResultCode
_Data = stellar_xdr.ManageDataResultCode
_Bump = stellar_xdr.BumpSequenceResultCode

_SET_OPTIONS = stellar_xdr.OperationType.SET_OPTIONS
_FLAGS = AUTH_REQUIRED | AUTH_REVOCABLE | AUTH_IMMUTABLE | AUTH_CLAWBACK


def _is_printable(text: bytes) -> bool:
    return all(32 <= byte < 127 for byte in text)


# -- set options -------------------------------------------------------------------------------


def changes_signers(operation: Operation) -> bool:
    """Tell whether set options touches signers or thresholds, which needs the high threshold."""
    body = operation.body.set_options_op
    return any(
        value is not None
        for value in (
            body.master_weight,
            body.low_threshold,
            body.med_threshold,
            body.high_threshold,
            body.signer,
        )
    )


def _number(value: stellar_xdr.Uint32 | None) -> int:
    return 0 if value is None else value.uint32


def check_set_options(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse unknown or contradicting flags, weights over 255, an account that signs for itself."""
    code = _misused_options(operation.body.set_options_op, source)
    return None if code is None else Refused(inner(operation.type, code))


def _misused_options(body: stellar_xdr.SetOptionsOp, source: bytes) -> _Options | None:
    to_set, to_clear = _number(body.set_flags), _number(body.clear_flags)
    if (to_set | to_clear) & ~_FLAGS:
        return _Options.SET_OPTIONS_UNKNOWN_FLAG
    if to_set & to_clear:
        return _Options.SET_OPTIONS_BAD_FLAGS
    weights = (body.master_weight, body.low_threshold, body.med_threshold, body.high_threshold)
    if any(_number(weight) > 255 for weight in weights):
        return _Options.SET_OPTIONS_THRESHOLD_OUT_OF_RANGE
    if body.signer is not None:
        key = body.signer.key
        payload = key.ed25519_signed_payload
        if (
            key.to_xdr_bytes() == ed25519_signer(source)
            or body.signer.weight.uint32 > 255
            or (payload is not None and not payload.payload)
        ):
            return _Options.SET_OPTIONS_BAD_SIGNER
    if body.home_domain is not None and not _is_printable(body.home_domain.string32):
        return _Options.SET_OPTIONS_INVALID_HOME_DOMAIN
    return None


def set_options(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Change the account's flags, thresholds, home domain and signers."""
    body = operation.body.set_options_op
    account = cast(Account, changes.account(source))
    if body.inflation_dest is not None:
        destination = body.inflation_dest.account_id.ed25519.uint256
        if changes.account(destination) is None:
            raise failed(operation.type, _Options.SET_OPTIONS_INVALID_INFLATION)
        account = attrs.evolve(account, inflation_destination=destination)
    to_set, to_clear = _number(body.set_flags), _number(body.clear_flags)
    if (to_set | to_clear) and account.flags & AUTH_IMMUTABLE:
        raise failed(operation.type, _Options.SET_OPTIONS_CANT_CHANGE)
    flags = account.flags & ~to_clear | to_set
    if (to_set | to_clear) and flags & AUTH_CLAWBACK and not flags & AUTH_REVOCABLE:
        raise failed(operation.type, _Options.SET_OPTIONS_AUTH_REVOCABLE_REQUIRED)
    thresholds = bytearray(account.thresholds)
    for position, weight in (
        (MASTER_WEIGHT, body.master_weight),
        (LOW, body.low_threshold),
        (MEDIUM, body.med_threshold),
        (HIGH, body.high_threshold),
    ):
        if weight is not None:
            thresholds[position] = weight.uint32
    account = attrs.evolve(account, flags=flags, thresholds=bytes(thresholds))
    if body.home_domain is not None:
        account = attrs.evolve(account, home_domain=body.home_domain.string32)
    if body.signer is not None:
        key, weight = body.signer.key.to_xdr_bytes(), body.signer.weight.uint32
        account = _with_signer(account, key, weight, changes, environment)
    changes.put_account(account, environment.sequence)
    return succeeded(operation.type)


def _with_signer(
    account: Account, key: bytes, weight: int, changes: Changes, environment: Environment
) -> Account:
    """Return the account with the signer set, or without it where the weight is 0."""
    signers = dict(account.signers)
    known = key in signers
    if weight == 0:
        return without_signer(changes, account, key, environment.sequence) if known else account
    if not known:
        if len(signers) >= MAX_SIGNERS:
            raise failed(_SET_OPTIONS, _Options.SET_OPTIONS_TOO_MANY_SIGNERS)
        account = with_subentry(account, failed(_SET_OPTIONS, _Options.SET_OPTIONS_LOW_RESERVE))
    return account.with_signer(key, weight)


# -- manage data -------------------------------------------------------------------------------


def check_manage_data(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a name that is empty or has other characters than printable ASCII."""
    name = operation.body.manage_data_op.data_name.string64
    if not name or not _is_printable(name):
        return Refused(inner(operation.type, _Data.MANAGE_DATA_INVALID_NAME))
    return None


def manage_data(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Set one of the account's named values, or remove it where there is no value."""
    body = operation.body.manage_data_op
    key = xdr.data_key(source, body.data_name.string64)
    entry = changes.get(key)
    account = cast(Account, changes.account(source))
    extension = xdr.ABSENT if entry is None else entry.extension
    if body.data_value is None:
        if entry is None:
            raise failed(operation.type, _Data.MANAGE_DATA_NAME_NOT_FOUND)
        account = without_subentry(changes, account, extension, environment.sequence)
        changes.put_account(account, environment.sequence)
        changes.put(key, None)
        return succeeded(operation.type)
    if entry is None:
        account = with_subentry(account, failed(operation.type, _Data.MANAGE_DATA_LOW_RESERVE))
        changes.put_account(account, environment.sequence)
    value = xdr.opaque(body.data_value.data_value)
    data = xdr.u32(environment.sequence) + key + value + xdr.ABSENT + extension
    changes.put(key, Entry(data))
    return succeeded(operation.type)


# -- bump sequence -----------------------------------------------------------------------------


def check_bump_sequence(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a negative sequence number."""
    if operation.body.bump_sequence_op.bump_to.sequence_number.int64 < 0:
        return Refused(inner(operation.type, _Bump.BUMP_SEQUENCE_BAD_SEQ))
    return None


def bump_sequence(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Raise the account's sequence number; a lower one leaves it as it is."""
    account = cast(Account, changes.account(source))
    target = operation.body.bump_sequence_op.bump_to.sequence_number.int64
    raised = account.at_sequence(
        max(account.sequence, target), environment.sequence, environment.close_time
    )
    changes.put_account(raised, environment.sequence)
    return succeeded(operation.type)
