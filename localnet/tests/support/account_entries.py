"""Data entries and sponsors of accounts, as XDR."""

from __future__ import annotations

from localnet.tests.support.sender import Sender
from stellar_sdk import xdr


def sponsored_by(sponsor: Sender) -> xdr.LedgerEntryExt:
    descriptor = xdr.SponsorshipDescriptor(sponsor.key.xdr_account_id())
    return xdr.LedgerEntryExt(
        1, v1=xdr.LedgerEntryExtensionV1(descriptor, xdr.LedgerEntryExtensionV1Ext(0))
    )


def data_key(sender: Sender, name: str) -> xdr.LedgerKey:
    return xdr.LedgerKey(
        xdr.LedgerEntryType.DATA,
        data=xdr.LedgerKeyData(sender.key.xdr_account_id(), xdr.String64(name.encode())),
    )
