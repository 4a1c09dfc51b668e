"""A trustline's ledger entry as a value.

Source: TrustLineEntry in Stellar-ledger-entries.x; CAP-5 (liabilities), CAP-18 and CAP-35 (flags).
"""

from __future__ import annotations

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.ledger.asset import Asset
from soroban_localnet.ledger.store import Changes, Entry

AUTHORIZED, MAINTAIN_LIABILITIES, CLAWBACK_ENABLED = 0x1, 0x2, 0x4


@attrs.frozen(slots=True)
class TrustLine:
    """How much of an asset an account holds. Amounts are in the asset's smallest unit, 1e-7.

    `extension` is the LedgerEntryExt, which names the sponsor where the trustline has one.
    """

    owner: bytes
    asset: Asset
    balance: int = 0
    limit: int = 0
    flags: int = 0
    buying_liabilities: int = 0
    selling_liabilities: int = 0
    pool_uses: int = 0
    extensions: int = 0  # how many of the two nested extensions are written
    extension: bytes = xdr.ABSENT

    @property
    def is_authorized(self) -> bool:
        """Tell whether the issuer lets the account pay and be paid."""
        return bool(self.flags & AUTHORIZED)

    def moved(self, amount: int) -> TrustLine | None:
        """Return the trustline with more or less on it, or None where it cannot be so."""
        balance = self.balance + amount
        if not self.selling_liabilities <= balance <= self.limit - self.buying_liabilities:
            return None
        return attrs.evolve(self, balance=balance)

    def encode(self, last_modified: int) -> bytes:
        """Encode the LedgerEntry as last modified in the ledger `last_modified`."""
        return b"".join(
            (
                xdr.u32(last_modified),
                xdr.trustline_key(self.owner, self.asset.xdr),
                xdr.i64(self.balance),
                xdr.i64(self.limit),
                xdr.u32(self.flags),
                self._encode_extensions(),
                self.extension,
            )
        )

    def _encode_extensions(self) -> bytes:
        if self.extensions == 0:
            return xdr.ABSENT
        head = xdr.u32(1) + xdr.i64(self.buying_liabilities) + xdr.i64(self.selling_liabilities)
        if self.extensions == 1:
            return head + xdr.ABSENT
        return head + xdr.u32(2) + xdr.i32(self.pool_uses) + xdr.ABSENT

    @classmethod
    def decode(cls, entry: bytes) -> TrustLine:
        """Read the trustline out of a LedgerEntry."""
        outer = stellar_xdr.LedgerEntry.from_xdr_bytes(entry)
        decoded = outer.data.trust_line
        assert decoded is not None  # noqa: S101 - the caller has a trustline's key
        line = cls(
            owner=entry[12:44],
            asset=Asset(decoded.asset.to_xdr_bytes()),
            balance=decoded.balance.int64,
            limit=decoded.limit.int64,
            flags=decoded.flags.uint32,
            extension=outer.ext.to_xdr_bytes(),
        )
        v1 = decoded.ext.v1
        if v1 is None:
            return line
        v2 = v1.ext.v2
        return attrs.evolve(
            line,
            buying_liabilities=v1.liabilities.buying.int64,
            selling_liabilities=v1.liabilities.selling.int64,
            pool_uses=0 if v2 is None else v2.liquidity_pool_use_count.int32,
            extensions=1 if v2 is None else 2,
        )

    @classmethod
    def load(cls, changes: Changes, owner: bytes, asset: Asset) -> TrustLine | None:
        """Return an account's trustline to an asset as changed so far, or None."""
        entry = changes.get(xdr.trustline_key(owner, asset.xdr))
        return None if entry is None else cls.decode(entry.xdr)

    def store(self, changes: Changes, ledger: int) -> None:
        """Note the trustline as modified in `ledger`."""
        key = xdr.trustline_key(self.owner, self.asset.xdr)
        changes.put(key, Entry(self.encode(ledger)))
