"""An account's ledger entry as a value.

Source: AccountEntry in Stellar-ledger-entries.x; CAP-5 (liabilities), CAP-33 (sponsorship), CAP-21
(sequence ledger and time).
"""

from __future__ import annotations

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr

MASTER_WEIGHT, LOW, MEDIUM, HIGH = range(4)

AUTH_REQUIRED, AUTH_REVOCABLE, AUTH_IMMUTABLE, AUTH_CLAWBACK = 0x1, 0x2, 0x4, 0x8

MAX_BALANCE = 2**63 - 1
MAX_SIGNERS = 20
MAX_WEIGHT = 255


@attrs.frozen(slots=True)
class Account:
    """An account. Balances and liabilities are in stroops, sequences as on the network.

    `extension` is the LedgerEntryExt, which names the sponsor of the account where it has one.
    """

    public_key: bytes
    balance: int
    sequence: int
    subentries: int = 0
    inflation_destination: bytes | None = None
    flags: int = 0
    home_domain: bytes = b""
    thresholds: bytes = b"\x01\x00\x00\x00"
    signers: tuple[tuple[bytes, int], ...] = ()  # (SignerKey XDR, weight), sorted by key
    buying_liabilities: int = 0
    selling_liabilities: int = 0
    sponsored: int = 0
    sponsoring: int = 0
    signer_sponsors: tuple[bytes | None, ...] = ()
    sequence_ledger: int = 0
    sequence_time: int = 0
    extensions: int = 0  # how many of the three nested extensions are written
    extension: bytes = xdr.ABSENT

    def threshold(self, level: int) -> int:
        """Return the weight that signatures need for `level` (LOW, MEDIUM or HIGH)."""
        return self.thresholds[level]

    def minimum_balance(self, base_reserve: int) -> int:
        """Return the balance in stroops below which the account may not fall."""
        count = 2 + self.subentries + self.sponsoring - self.sponsored
        return count * base_reserve + self.selling_liabilities

    def at_sequence(self, sequence: int, ledger: int, close_time: int) -> Account:
        """Return the account with a sequence number that it came to in `ledger`."""
        return attrs.evolve(
            self,
            sequence=sequence,
            sequence_ledger=ledger,
            sequence_time=close_time,
            extensions=3,
        )

    def with_signer(self, key: bytes, weight: int) -> Account:
        """Return the account with a signer (SignerKey XDR), new or with a new weight."""
        sponsors = dict(zip(dict(self.signers), self.signer_sponsors, strict=False))
        ordered = tuple(sorted({**dict(self.signers), key: weight}.items()))
        return attrs.evolve(
            self,
            signers=ordered,
            signer_sponsors=tuple(sponsors.get(k) for k, _ in ordered) if sponsors else (),
        )

    def credited(self, stroops: int) -> Account | None:
        """Return the account with more lumens, or None where it cannot hold them."""
        if self.balance + stroops > MAX_BALANCE - self.buying_liabilities:
            return None
        return attrs.evolve(self, balance=self.balance + stroops)

    def encode(self, last_modified: int) -> bytes:
        """Encode the LedgerEntry as last modified in the ledger `last_modified`."""
        return b"".join(
            (
                xdr.u32(last_modified),
                xdr.u32(xdr.ACCOUNT),
                xdr.account_id(self.public_key),
                xdr.i64(self.balance),
                xdr.i64(self.sequence),
                xdr.u32(self.subentries),
                xdr.optional(
                    None
                    if self.inflation_destination is None
                    else xdr.account_id(self.inflation_destination)
                ),
                xdr.u32(self.flags),
                xdr.opaque(self.home_domain),
                self.thresholds,
                xdr.array(key + xdr.u32(weight) for key, weight in self.signers),
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
        sponsors = self.signer_sponsors or (None,) * len(self.signers)
        head += xdr.u32(2) + xdr.u32(self.sponsored) + xdr.u32(self.sponsoring)
        head += xdr.array(
            xdr.optional(None if sponsor is None else xdr.account_id(sponsor))
            for sponsor in sponsors
        )
        if self.extensions == 2:
            return head + xdr.ABSENT
        tail = xdr.u32(self.sequence_ledger) + xdr.u64(self.sequence_time)
        return head + xdr.u32(3) + xdr.ABSENT + tail

    @classmethod
    def decode(cls, entry: bytes) -> Account:
        """Read the account out of a LedgerEntry."""
        outer = stellar_xdr.LedgerEntry.from_xdr_bytes(entry)
        decoded = outer.data.account
        assert decoded is not None  # noqa: S101 - the caller has an account's key
        inflation = decoded.inflation_dest
        account = cls(
            public_key=_raw(decoded.account_id),
            balance=decoded.balance.int64,
            sequence=decoded.seq_num.sequence_number.int64,
            subentries=decoded.num_sub_entries.uint32,
            inflation_destination=None if inflation is None else _raw(inflation),
            flags=decoded.flags.uint32,
            home_domain=decoded.home_domain.string32,
            thresholds=decoded.thresholds.thresholds,
            signers=tuple((s.key.to_xdr_bytes(), s.weight.uint32) for s in decoded.signers),
            extension=outer.ext.to_xdr_bytes(),
        )
        v1 = decoded.ext.v1
        if v1 is None:
            return account
        account = attrs.evolve(
            account,
            extensions=1,
            buying_liabilities=v1.liabilities.buying.int64,
            selling_liabilities=v1.liabilities.selling.int64,
        )
        v2 = v1.ext.v2
        if v2 is None:
            return account
        account = attrs.evolve(
            account,
            extensions=2,
            sponsored=v2.num_sponsored.uint32,
            sponsoring=v2.num_sponsoring.uint32,
            signer_sponsors=tuple(
                None if s.sponsorship_descriptor is None else _raw(s.sponsorship_descriptor)
                for s in v2.signer_sponsoring_i_ds
            ),
        )
        v3 = v2.ext.v3
        if v3 is None:
            return account
        return attrs.evolve(
            account,
            extensions=3,
            sequence_ledger=v3.seq_ledger.uint32,
            sequence_time=v3.seq_time.time_point.uint64,
        )


def _raw(account_id: stellar_xdr.AccountID) -> bytes:
    key = account_id.account_id.ed25519
    assert key is not None  # noqa: S101 - PublicKey has one arm
    return key.uint256
