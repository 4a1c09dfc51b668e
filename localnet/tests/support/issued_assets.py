"""Issued assets: who trusts them, who holds how much, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localnet.tests.support.contract import stored
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import (
    Address,
    Asset,
    ChangeTrust,
    MuxedAccount,
    Operation,
    Payment,
    SetOptions,
    scval,
    xdr,
)
from stellar_sdk.operation.set_options import AuthorizationFlag

UNIT = 10_000_000

REQUIRED = AuthorizationFlag.AUTHORIZATION_REQUIRED
REVOCABLE = AuthorizationFlag.AUTHORIZATION_REVOCABLE
IMMUTABLE = AuthorizationFlag.AUTHORIZATION_IMMUTABLE
CLAWBACK = AuthorizationFlag.AUTHORIZATION_CLAWBACK_ENABLED


def amount(units: int) -> str:
    """Write an amount in stroops the way stellar-sdk wants it."""
    return f"{units // UNIT}.{units % UNIT:07d}"


def line_key(holder: Sender, asset: Asset) -> xdr.LedgerKey:
    return xdr.LedgerKey(
        xdr.LedgerEntryType.TRUSTLINE,
        trust_line=xdr.LedgerKeyTrustLine(
            holder.key.xdr_account_id(), asset.to_trust_line_asset_xdr_object()
        ),
    )


def line(holder: Sender, asset: Asset) -> xdr.TrustLineEntry | None:
    """Ask for a trustline."""
    data = stored(holder, line_key(holder, asset))
    return None if data is None else data.trust_line


def held(holder: Sender, asset: Asset) -> int:
    """Ask how much of an asset somebody holds, in stroops."""
    found = line(holder, asset)
    return 0 if found is None else found.balance.int64


def trust(holder: Sender, asset: Asset, limit: int = 1_000 * UNIT) -> Sent:
    sent = holder.send(ChangeTrust(asset, amount(limit)))
    assert sent.code == Code.txSUCCESS
    return sent


def pay(
    asset: Asset, to: str | MuxedAccount | Sender, units: int, source: str | None = None
) -> Payment:
    return Payment(to.id if isinstance(to, Sender) else to, asset, amount(units), source)


def set_flags(issuer: Sender, flags: AuthorizationFlag) -> None:
    assert issuer.send(SetOptions(set_flags=flags)).code == Code.txSUCCESS


def event(sent: Sent) -> tuple[list[Any], Any]:
    """Read the only event of the only operation: its topics and its data, as Python values."""
    (found,) = sent.events
    assert found.body.v0 is not None
    return [_plain(topic) for topic in found.body.v0.topics], _plain(found.body.v0.data)


def _plain(value: xdr.SCVal) -> Any:
    native = scval.to_native(value)
    return native.address if isinstance(native, Address) else native


def named(asset: Asset) -> str:
    """The asset's name in events."""
    return "native" if asset.is_native() else f"{asset.code}:{asset.issuer}"


class Altered(Operation):
    """An operation that stellar-sdk would not build: another one, whose XDR is altered."""

    def __init__(self, operation: Operation, alter: Callable[[Any], None]) -> None:
        super().__init__()
        self._operation = operation
        self._alter = alter

    def _to_operation_body(self) -> xdr.OperationBody:
        body = self._operation.to_xdr_object().body
        self._alter(body)
        return body
