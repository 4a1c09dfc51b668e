"""The events with which operations tell of assets that move, as an asset's contract would.

Source: CAP-67 (unified events).
"""

from __future__ import annotations

from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import wire
from soroban_localnet.assets import Asset
from soroban_localnet.scene import Scene


def moved(
    scene: Scene,
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
    data = wire.int128(amount)
    shared_by = _muxed_id(destination_id, memo)
    if shared_by is not None and name != "burn":
        data = wire.symbol_map(amount=data, to_muxed_id=shared_by)
    return _event(scene, asset, name, parties, data)


def _muxed_id(destination_id: int | None, memo: stellar_xdr.Memo) -> bytes | None:
    if destination_id is not None:
        return wire.uint64(destination_id)
    if memo.id is not None:
        return wire.uint64(memo.id.uint64)
    if memo.text is not None:
        return wire.string(memo.text)
    digest = memo.ret_hash if memo.hash is None else memo.hash
    return None if digest is None else wire.byte_string(digest.hash)


def authorized(scene: Scene, asset: Asset, holder: bytes, allowed: bool) -> bytes:
    """Encode the event of a trustline that the issuer lets be used, or not any more."""
    return _event(scene, asset, "set_authorized", [holder], wire.boolean(allowed))


def _event(scene: Scene, asset: Asset, name: str, parties: list[bytes], data: bytes) -> bytes:
    topics = (wire.symbol(name), *map(wire.account_address, parties), wire.string(asset.name))
    return wire.contract_event(asset.contract(scene.network_id), topics, data)
