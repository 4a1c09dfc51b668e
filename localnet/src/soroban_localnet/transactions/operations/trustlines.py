"""Change trust and set trustline flags: who may hold an issued asset, and how much of it.

There are no offers and no pools here, so pool shares are refused.
Source: stellar-core's operations of these names; CAP-35 (clawback), CAP-38 (pool shares).
"""

from __future__ import annotations

from typing import cast

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.account import AUTH_CLAWBACK, AUTH_REQUIRED, AUTH_REVOCABLE, Account
from soroban_localnet.ledger.asset import Asset
from soroban_localnet.ledger.environment import Environment
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.ledger.store import Changes
from soroban_localnet.ledger.trustline import (
    AUTHORIZED,
    CLAWBACK_ENABLED,
    MAINTAIN_LIABILITIES,
    TrustLine,
)
from soroban_localnet.transactions import asset_events
from soroban_localnet.transactions.envelope import Operation, Transaction
from soroban_localnet.transactions.reserves import with_subentry, without_subentry
from soroban_localnet.transactions.results import (
    OperationCode,
    OperationFailed,
    OperationOutcome,
    Refused,
    failed,
    inner,
    not_supported,
    succeeded,
    untried,
)

_Change = stellar_xdr.ChangeTrustResultCode
_Flags = stellar_xdr.SetTrustLineFlagsResultCode

_AUTHORIZATION = AUTHORIZED | MAINTAIN_LIABILITIES
_POOL_FEE = 30


def check_change_trust(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse a negative limit, an asset that nobody can trust, and shares of pools."""
    body = operation.body.change_trust_op
    malformed = Refused(inner(operation.type, _Change.CHANGE_TRUST_MALFORMED))
    if body.limit.int64 < 0:
        return malformed
    if body.line.liquidity_pool is not None:
        pool = body.line.liquidity_pool.constant_product
        first, second = (Asset(a.to_xdr_bytes()) for a in (pool.asset_a, pool.asset_b))
        in_order = first.xdr < second.xdr and pool.fee.int32 == _POOL_FEE
        if not (first.is_valid and second.is_valid and in_order):
            return malformed
        return not_supported("CHANGE_TRUST of shares of a liquidity pool")
    asset = Asset(body.line.to_xdr_bytes())
    if asset.is_native or not asset.is_valid or asset.issuer == source:
        return malformed
    return None


def change_trust(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Trust an asset up to a limit, change the limit, or with limit 0 trust it no longer."""
    body = operation.body.change_trust_op
    asset, limit = Asset(body.line.to_xdr_bytes()), body.limit.int64
    line = TrustLine.load(changes, source, asset)
    lowest = 1 if line is None else line.balance + line.buying_liabilities
    if limit < lowest:
        raise failed(operation.type, _Change.CHANGE_TRUST_INVALID_LIMIT)
    if line is not None and limit == 0:
        _remove(line, operation, changes, environment)
        return succeeded(operation.type)
    issuer = changes.account(cast(bytes, asset.issuer))
    if issuer is None:
        raise failed(operation.type, _Change.CHANGE_TRUST_NO_ISSUER)
    if line is None:
        _add(
            TrustLine(source, asset, 0, limit, _flags_under(issuer)),
            operation,
            changes,
            environment,
        )
    else:
        attrs.evolve(line, limit=limit).store(changes, environment.sequence)
    return succeeded(operation.type)


def _flags_under(issuer: Account) -> int:
    flags = 0 if issuer.flags & AUTH_REQUIRED else AUTHORIZED
    return flags | (CLAWBACK_ENABLED if issuer.flags & AUTH_CLAWBACK else 0)


def _add(line: TrustLine, operation: Operation, changes: Changes, environment: Environment) -> None:
    low = failed(operation.type, _Change.CHANGE_TRUST_LOW_RESERVE)
    account = with_subentry(cast(Account, changes.account(line.owner)), low)
    changes.put_account(account, environment.sequence)
    line.store(changes, environment.sequence)


def _remove(
    line: TrustLine, operation: Operation, changes: Changes, environment: Environment
) -> None:
    if line.pool_uses:
        raise failed(operation.type, _Change.CHANGE_TRUST_CANNOT_DELETE)
    account = cast(Account, changes.account(line.owner))
    account = without_subentry(changes, account, line.extension, environment.sequence)
    changes.put_account(account, environment.sequence)
    changes.put(xdr.trustline_key(line.owner, line.asset.xdr), None)


def check_trustline_flags(
    operation: Operation, source: bytes, transaction: Transaction, limits: Limits
) -> Refused | None:
    """Refuse an asset of another issuer, and flags that are unknown or contradict each other."""
    body = operation.body.set_trust_line_flags_op
    asset = Asset(body.asset.to_xdr_bytes())
    to_set, to_clear = body.set_flags.uint32, body.clear_flags.uint32
    if (
        not asset.is_valid
        or asset.issuer != source
        or body.trustor.account_id.ed25519.uint256 == source
        or to_set & to_clear
        or to_set & ~_AUTHORIZATION
        or to_set == _AUTHORIZATION
        or to_clear & ~(_AUTHORIZATION | CLAWBACK_ENABLED)
    ):
        return Refused(inner(operation.type, _Flags.SET_TRUST_LINE_FLAGS_MALFORMED))
    return None


def set_trustline_flags(
    operation: Operation,
    source: bytes,
    transaction: Transaction,
    changes: Changes,
    environment: Environment,
) -> OperationOutcome:
    """Let an account use its trustline to the source's asset, or not any more."""
    body = operation.body.set_trust_line_flags_op
    asset, trustor = Asset(body.asset.to_xdr_bytes()), body.trustor.account_id.ed25519.uint256
    to_set, to_clear = body.set_flags.uint32, body.clear_flags.uint32
    issuer = cast(Account, changes.account(source))
    revokes = to_clear & _AUTHORIZATION and not to_set & AUTHORIZED
    if revokes and not issuer.flags & AUTH_REVOCABLE:
        raise failed(operation.type, _Flags.SET_TRUST_LINE_FLAGS_CANT_REVOKE)
    line = TrustLine.load(changes, trustor, asset)
    if line is None:
        raise failed(operation.type, _Flags.SET_TRUST_LINE_FLAGS_NO_TRUST_LINE)
    flags = line.flags & ~to_clear | to_set
    if flags & _AUTHORIZATION == _AUTHORIZATION:
        raise failed(operation.type, _Flags.SET_TRUST_LINE_FLAGS_INVALID_STATE)
    traded = line.buying_liabilities or line.selling_liabilities or line.pool_uses
    if traded and not flags & _AUTHORIZATION:
        # the network would end the account's offers and pool shares, which are not kept here
        raise OperationFailed(untried(OperationCode.opNOT_SUPPORTED))
    attrs.evolve(line, flags=flags).store(changes, environment.sequence)
    event = asset_events.authorized(environment, asset, trustor, bool(flags & AUTHORIZED))
    return succeeded(operation.type, (event,))
