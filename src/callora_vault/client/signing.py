"""The signatures of a call that is approved: of the call alone, or of the whole transaction.

Source: authorisation in the Stellar documentation; CAP-46-11, CAP-71 (credentials that name their
address).
"""

from __future__ import annotations

import secrets

from stellar_sdk import Address as StellarAddress
from stellar_sdk import scval, xdr
from stellar_sdk.auth import authorization_payload_hash, authorize_entry

from callora_vault.client.approval import Expected
from callora_vault.client.keys import Signer

_Credentials = xdr.SorobanCredentialsType


def authorise(
    expected: Expected,
    signer: Signer,
    *,
    nonce: int,
    until_ledger: int,
    passphrase: str,
) -> xdr.SorobanAuthorizationEntry:
    """Sign the expected tree with address credentials, valid up to `until_ledger`."""
    assert expected.invocation is not None  # noqa: S101 - somebody is asked to sign
    unsigned = xdr.SorobanAuthorizationEntry(
        xdr.SorobanCredentials(
            _Credentials.SOROBAN_CREDENTIALS_ADDRESS_V2,
            address_v2=xdr.SorobanAddressCredentials(
                StellarAddress(signer.address).to_xdr_sc_address(),
                xdr.Int64(nonce),
                xdr.Uint32(until_ledger),
                scval.to_void(),
            ),
        ),
        expected.invocation,
    )

    def sign(preimage: xdr.HashIDPreimage) -> xdr.SCVal:
        signature = signer.sign(authorization_payload_hash(preimage))
        fields = {"public_key": signer.public_key, "signature": signature}
        account_signature = {scval.to_symbol(k): scval.to_bytes(v) for k, v in fields.items()}
        return scval.to_vec([scval.to_map(account_signature)])

    return authorize_entry(unsigned, sign, until_ledger, passphrase)


def by_source(expected: Expected) -> xdr.SorobanAuthorizationEntry:
    """Build the authorisation entry that the transaction's own signature covers."""
    assert expected.invocation is not None  # noqa: S101 - somebody is asked to sign
    credentials = xdr.SorobanCredentials(_Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT)
    return xdr.SorobanAuthorizationEntry(credentials, expected.invocation)


def fresh_nonce() -> int:
    """Return a nonce that nobody has used."""
    return secrets.randbits(63)
