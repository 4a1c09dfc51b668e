"""Assets: lumens, and what accounts issue.

Asset, TrustLineAsset and ChangeTrustAsset encode these alike, so one value stands for all three.
Source: Asset in Stellar-ledger-entries.x; CAP-46-06 (contract ids of assets), SEP-11 (names).
"""

from __future__ import annotations

import string
from functools import lru_cache

import attrs
from stellar_sdk import StrKey
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr

_Type = stellar_xdr.AssetType

_CODE_BYTES = frozenset((string.ascii_letters + string.digits).encode())
_CONTRACT_ID_PREIMAGE = xdr.u32(stellar_xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID)
_FROM_ASSET = xdr.u32(stellar_xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ASSET)


@attrs.frozen(slots=True)
class Asset:
    """An asset by its XDR, which is not that of pool shares."""

    xdr: bytes

    @property
    def is_native(self) -> bool:
        """Tell whether the asset is lumens."""
        return self.xdr == NATIVE.xdr

    @property
    def code(self) -> bytes:
        """The code of an issued asset, without the zeros that fill it up."""
        return self.xdr[4:-36].rstrip(b"\0")

    @property
    def issuer(self) -> bytes | None:
        """The public key of the issuer, None for lumens."""
        return None if self.is_native else self.xdr[-32:]

    @property
    def is_valid(self) -> bool:
        """Tell whether the code is letters and digits, in the shorter of the two forms it fits."""
        if self.is_native:
            return True
        is_short = self.xdr[:4] == xdr.u32(_Type.ASSET_TYPE_CREDIT_ALPHANUM4)
        shortest = 1 if is_short else 5
        return len(self.code) >= shortest and _CODE_BYTES.issuperset(self.code)

    @property
    def name(self) -> bytes:
        """The name as in SEP-11: `native`, or code and issuer with a colon between them."""
        return _name(self)

    def contract(self, network_id: bytes) -> bytes:
        """Return the id of the asset's contract."""
        return _contract(self, network_id)


NATIVE = Asset(xdr.u32(_Type.ASSET_TYPE_NATIVE))


@lru_cache(maxsize=1024)
def _name(asset: Asset) -> bytes:
    if asset.issuer is None:
        return b"native"
    return asset.code + b":" + StrKey.encode_ed25519_public_key(asset.issuer).encode()


@lru_cache(maxsize=1024)
def _contract(asset: Asset, network_id: bytes) -> bytes:
    return xdr.sha256(_CONTRACT_ID_PREIMAGE + network_id + _FROM_ASSET + asset.xdr)
