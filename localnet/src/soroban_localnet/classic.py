"""Create account, payment of lumens, set options.

Source: stellar-core's operations of these names; CAP-33 (reserves), CAP-67 (transfer events).
"""

from __future__ import annotations

from typing import cast

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import wire
from soroban_localnet.account import HIGH, LOW, MASTER_WEIGHT, MEDIUM, Account
from soroban_localnet.envelope import Operation, Transaction
from soroban_localnet.ledger import Changes
from soroban_localnet.results import OperationCode, OperationOutcome, Refused, inner, untried
from soroban_localnet.scene import BASE_RESERVE, Scene
from soroban_localnet.settings import Limits
from soroban_localnet.signatures import ed25519_signer

_Create = stellar_xdr.CreateAccountResultCode
_Payment = stellar_xdr.PaymentResultCode
_Options = stellar_xdr.SetOptionsResultCode

_ALL_FLAGS = 0xF
_AUTH_FLAGS = 0x1 | 0x2 | 0x4 | 0x8
_REVOCABLE, _IMMUTABLE, _CLAWBACK = 0x2, 0x4, 0x8
_MAX_SIGNERS = 20
_MAX_SUBENTRIES = 1000
_MAX_BALANCE = 2**63 - 1


def _available(account: Account) -> int:
    return account.balance - account.minimum_balance(BASE_RESERVE)


def _outcome(operation: Operation, code: int, events: tuple[bytes, ...] = ()) -> OperationOutcome:
    return OperationOutcome(code == 0, inner(operation.type, code), events)


def _refused(operation: Operation, code: int) -> Refused:
    return Refused(inner(operation.type, code))


def _transfer(scene: Scene, source: bytes, destination: bytes, stroops: int) -> bytes:
    topics = (
        wire.symbol("transfer"),
        wire.account_address(source),
        wire.account_address(destination),
        wire.u32(14) + wire.opaque(b"native"),
    )
    return wire.contract_event(scene.native_contract, topics, wire.int128(stroops))


def _raw(account_id: stellar_xdr.AccountID) -> bytes:
    key = account_id.account_id.ed25519
    return cast(stellar_xdr.Uint256, key).uint256


def _move(changes: Changes, source: bytes, destination: Account, stroops: int, ledger: int) -> None:
    payer = cast(Account, changes.account(source))
    changes.put_account(attrs.evolve(payer, balance=payer.balance - stroops), ledger)
    paid = attrs.evolve(destination, balance=destination.balance + stroops)
    changes.put_account(paid, ledger)


def check_create_account(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a negative balance, and an account that creates itself."""
    body = operation.body.create_account_op
    if body.starting_balance.int64 < 0 or _raw(body.destination) == source:
        return _refused(operation, _Create.CREATE_ACCOUNT_MALFORMED.value)
    return None


def create_account(
    operation: Operation, source: bytes, transaction: Transaction, changes: Changes, scene: Scene
) -> OperationOutcome:
    """Create an account with a starting balance from the source's."""
    body = operation.body.create_account_op
    destination, stroops = _raw(body.destination), body.starting_balance.int64
    if changes.account(destination) is not None:
        return _outcome(operation, _Create.CREATE_ACCOUNT_ALREADY_EXIST.value)
    if stroops < 2 * BASE_RESERVE:
        return _outcome(operation, _Create.CREATE_ACCOUNT_LOW_RESERVE.value)
    payer = cast(Account, changes.account(source))
    if _available(payer) < stroops:
        return _outcome(operation, _Create.CREATE_ACCOUNT_UNDERFUNDED.value)
    created = Account(destination, 0, scene.starting_sequence)
    _move(changes, source, created, stroops, scene.sequence)
    return _outcome(operation, 0, (_transfer(scene, source, destination, stroops),))


def _payment_destination(operation: Operation) -> bytes:
    destination = operation.body.payment_op.destination
    if destination.ed25519 is not None:
        return cast(bytes, destination.ed25519.uint256)
    return cast(bytes, destination.med25519.ed25519.uint256)


def check_payment(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse amounts that are not positive, and assets other than lumens."""
    body = operation.body.payment_op
    if body.asset.type != stellar_xdr.AssetType.ASSET_TYPE_NATIVE:
        return Refused(untried(OperationCode.opNOT_SUPPORTED))
    if body.amount.int64 <= 0:
        return _refused(operation, _Payment.PAYMENT_MALFORMED.value)
    return None


def payment(
    operation: Operation, source: bytes, transaction: Transaction, changes: Changes, scene: Scene
) -> OperationOutcome:
    """Pay lumens from the source to an account."""
    destination, stroops = _payment_destination(operation), operation.body.payment_op.amount.int64
    event = _transfer(scene, source, destination, stroops)
    if destination == source:
        return _outcome(operation, 0, (event,))
    payee = changes.account(destination)
    if payee is None:
        return _outcome(operation, _Payment.PAYMENT_NO_DESTINATION.value)
    payer = cast(Account, changes.account(source))
    if _available(payer) < stroops:
        return _outcome(operation, _Payment.PAYMENT_UNDERFUNDED.value)
    if payee.balance + payee.buying_liabilities > _MAX_BALANCE - stroops:
        return _outcome(operation, _Payment.PAYMENT_LINE_FULL.value)
    _move(changes, source, payee, stroops, scene.sequence)
    return _outcome(operation, 0, (event,))


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
    body = operation.body.set_options_op
    to_set, to_clear = _number(body.set_flags), _number(body.clear_flags)
    if (to_set | to_clear) & ~_ALL_FLAGS:
        return _refused(operation, _Options.SET_OPTIONS_UNKNOWN_FLAG.value)
    if to_set & to_clear:
        return _refused(operation, _Options.SET_OPTIONS_BAD_FLAGS.value)
    weights = (body.master_weight, body.low_threshold, body.med_threshold, body.high_threshold)
    if any(_number(weight) > 255 for weight in weights):
        return _refused(operation, _Options.SET_OPTIONS_THRESHOLD_OUT_OF_RANGE.value)
    if body.signer is not None:
        key = body.signer.key
        payload = key.ed25519_signed_payload
        if (
            key.to_xdr_bytes() == ed25519_signer(source)
            or body.signer.weight.uint32 > 255
            or (payload is not None and not payload.payload)
        ):
            return _refused(operation, _Options.SET_OPTIONS_BAD_SIGNER.value)
    if body.home_domain is not None:
        domain = body.home_domain.string32
        if not all(32 <= byte < 127 for byte in domain):
            return _refused(operation, _Options.SET_OPTIONS_INVALID_HOME_DOMAIN.value)
    return None


def set_options(
    operation: Operation, source: bytes, transaction: Transaction, changes: Changes, scene: Scene
) -> OperationOutcome:
    """Change the account's flags, thresholds, home domain and signers."""
    body = operation.body.set_options_op
    account = cast(Account, changes.account(source))
    if body.inflation_dest is not None:
        destination = _raw(body.inflation_dest)
        if destination != source and changes.account(destination) is None:
            return _outcome(operation, _Options.SET_OPTIONS_INVALID_INFLATION.value)
        account = attrs.evolve(account, inflation_destination=destination)
    to_set, to_clear = _number(body.set_flags), _number(body.clear_flags)
    if (to_set | to_clear) & _AUTH_FLAGS and account.flags & _IMMUTABLE:
        return _outcome(operation, _Options.SET_OPTIONS_CANT_CHANGE.value)
    flags = account.flags & ~to_clear | to_set
    if (to_set or to_clear) and flags & _CLAWBACK and not flags & _REVOCABLE:
        return _outcome(operation, _Options.SET_OPTIONS_AUTH_REVOCABLE_REQUIRED.value)
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
        changed = _with_signer(account, body.signer.key.to_xdr_bytes(), body.signer.weight.uint32)
        if not isinstance(changed, Account):
            return OperationOutcome(False, changed)
        account = changed
    changes.put_account(account, scene.sequence)
    return _outcome(operation, 0)


def _with_signer(account: Account, key: bytes, weight: int) -> Account | bytes:
    """Return the account with the signer set, or the OperationResult that refuses it."""
    signers = dict(account.signers)
    known = key in signers
    if weight == 0:
        return without_signer(account, key) if known else account
    if not known:
        if len(signers) >= _MAX_SIGNERS:
            code = _Options.SET_OPTIONS_TOO_MANY_SIGNERS.value
            return inner(stellar_xdr.OperationType.SET_OPTIONS, code)
        if account.subentries >= _MAX_SUBENTRIES:
            return untried(OperationCode.opTOO_MANY_SUBENTRIES)
        grown = attrs.evolve(account, subentries=account.subentries + 1)
        if _available(grown) < 0:
            code = _Options.SET_OPTIONS_LOW_RESERVE.value
            return inner(stellar_xdr.OperationType.SET_OPTIONS, code)
        account = grown
    signers[key] = weight
    ordered = tuple(sorted(signers.items()))
    sponsors = dict(zip((k for k, _ in account.signers), account.signer_sponsors, strict=False))
    return attrs.evolve(
        account,
        signers=ordered,
        signer_sponsors=tuple(sponsors.get(k) for k, _ in ordered) if sponsors else (),
    )


def without_signer(account: Account, key: bytes) -> Account:
    """Return the account without one of its signers."""
    kept = tuple((k, w) for k, w in account.signers if k != key)
    sponsors = tuple(
        sponsor
        for (k, _), sponsor in zip(account.signers, account.signer_sponsors, strict=False)
        if k != key
    )
    return attrs.evolve(
        account,
        signers=kept,
        signer_sponsors=sponsors,
        subentries=account.subentries - (len(account.signers) - len(kept)),
    )
