"""The events with which operations tell of assets that move, as an asset's contract would.

Source: CAP-67 (unified events).
"""

from __future__ import annotations

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.asset import Asset
from soroban_localnet.ledger.environment import Environment


def moved(
    environment: Environment,
    asset: Asset,
    source: bytes,
    destination: bytes,
    amount: int,
    destination_id: int | None,
    memo: stellar_xdr.Memo,
) -> bytes:
    """Encode the event of a payment: a transfer, or a mint or burn where one side is the issuer.

    Arguments: public keys; `amount` in stroops; `destination_id`, that of a multiplexed account,
    or the transaction's `memo` tell apart those who share the destination.
    """
    minted, burned = source == asset.issuer, destination == asset.issuer
    name, parties = "transfer", [source, destination]
    if minted and not burned:
        name, parties = "mint", [destination]
    elif burned and not minted:
        name, parties = "burn", [source]
    data = xdr.int128(amount)
    shared_by = _muxed_id(destination_id, memo)
    if shared_by is not None and name != "burn":
        data = xdr.symbol_map(amount=data, to_muxed_id=shared_by)
    return _event(environment, asset, name, parties, data)


def _muxed_id(destination_id: int | None, memo: stellar_xdr.Memo) -> bytes | None:
    if destination_id is not None:
        return xdr.uint64(destination_id)
    if memo.id is not None:
        return xdr.uint64(memo.id.uint64)
    if memo.text is not None:
        return xdr.string(memo.text)
    digest = memo.ret_hash if memo.hash is None else memo.hash
    return None if digest is None else xdr.byte_string(digest.hash)


def authorized(environment: Environment, asset: Asset, holder: bytes, allowed: bool) -> bytes:
    """Encode the event of a trustline that the issuer lets be used, or not any more."""
    return _event(environment, asset, "set_authorized", [holder], xdr.boolean(allowed))


def _event(
    environment: Environment, asset: Asset, name: str, parties: list[bytes], data: bytes
) -> bytes:
    topics = (xdr.symbol(name), *map(xdr.account_address, parties), xdr.string(asset.name))
    return xdr.contract_event(asset.contract(environment.network_id), topics, data)
