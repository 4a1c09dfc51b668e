"""Authorisation entries for each lane of the signature matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
from stellar_sdk import Address as StellarAddress
from stellar_sdk import Keypair, scval, xdr
from stellar_sdk.auth import authorize_entry
from stellar_sdk.utils import sha256

from callora_vault.codec.calls import encode_authorisation
from callora_vault.model.calls import (
    BatchDeduct,
    Call,
    Create,
    DeductItem,
    FactoryCall,
    Migrate,
    SetAuthorizedCaller,
    Successor,
)
from callora_vault.model.units import I128_MAX, Address
from callora_vault.parity.steps import Lane

LIFE_LEDGERS: Final = 100
"""How long a signature is valid."""
SOMEBODY: Final = StellarAddress.from_raw_account(bytes(32)).address


@attrs.define
class Nonces:
    """Nonces by signer: new ones, and the last used one with its last ledger."""

    _last: int = 0
    _used: dict[Address, tuple[int, int]] = attrs.field(factory=dict)

    def fresh(self) -> int:
        """Return a nonce that nobody has used."""
        self._last += 1
        return self._last

    def copy(self) -> Nonces:
        """Return the nonces as they are now."""
        return Nonces(self._last, dict(self._used))

    def use(self, signer: Address, nonce: int, until: int) -> None:
        """Mark a nonce as used until the ledger `until`."""
        self._used[signer] = nonce, until

    def used(self, signer: Address, ledger: int) -> int | None:
        """Return a nonce that counts as used in `ledger`, or None."""
        nonce, until = self._used.get(signer, (0, -1))
        return nonce if until >= ledger else None


@attrs.frozen
class Authorisation:
    """The authorisation entries of a call, and whether they are a valid signature.

    `nested_counts` is whether they also cover the nested calls. `nonce` and `until` are those of
    the entry, None without address credentials.
    """

    entries: tuple[xdr.SorobanAuthorizationEntry, ...]
    counts: bool
    nested_counts: bool
    nonce: int | None = None
    until: int = 0
    replayed: bool = False
    """Whether the nonce was already used."""


@attrs.frozen
class Signer:
    """The signer of a call; `key` is None for a contract."""

    address: Address
    key: Keypair | None


def authorise(
    call: Call | FactoryCall,
    lane: Lane,
    signer: Signer,
    *,
    contract: Address,
    other_contract: Address,
    nested: Sequence[tuple[Address, Call]],
    other_key: Keypair,
    ledger: int,
    passphrase: str,
    nonces: Nonces,
) -> Authorisation:
    """Build the authorisation of `call` by `signer`, good or bad as `lane` says.

    Arguments: `contract`, which is called, with the calls `nested` under this one; `ledger`, the
    latest ledger; `other_key`, the key for signatures with a wrong one.
    """
    if lane is Lane.UNSIGNED:
        return Authorisation((), False, False)
    if lane is Lane.SOURCE:
        if signer.key is None:
            return Authorisation((), False, False)
        source = xdr.SorobanCredentials(
            xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
        )
        tree = encode_authorisation(contract, call, nested)
        return Authorisation((xdr.SorobanAuthorizationEntry(source, tree),), True, True)
    named = other_contract if lane is Lane.OTHER_VAULT else contract
    signed_call = _with_other_arguments(call) if lane is Lane.OTHER_ARGUMENTS else call
    if lane is Lane.ALONE:
        nested = ()
    elif lane is Lane.OTHER_NESTED:
        nested = [(vault, _other_of_vault(under)) for vault, under in nested]
    until = ledger - 1 if lane is Lane.EXPIRED else ledger + LIFE_LEDGERS
    used = nonces.used(signer.address, ledger + 1) if lane is Lane.REPLAYED else None
    nonce = nonces.fresh() if used is None else used
    entry = xdr.SorobanAuthorizationEntry(
        _credentials(signer.address, nonce, until),
        encode_authorisation(named, signed_call, nested),
    )
    if signer.key is None:
        return Authorisation((entry,), False, False, nonce, until)
    key = other_key if lane is Lane.WRONG_KEY else signer.key
    signed = authorize_entry(entry, key, until, passphrase)
    if lane is Lane.FORGED:
        _forge(signed)
    whole = lane is Lane.ADDRESS or (lane is Lane.REPLAYED and used is None)
    counts = whole or lane in (Lane.ALONE, Lane.OTHER_NESTED)
    return Authorisation((signed,), counts, whole, nonce, until, used is not None)


def _credentials(signer: Address, nonce: int, until: int) -> xdr.SorobanCredentials:
    return xdr.SorobanCredentials(
        xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_ADDRESS,
        address=xdr.SorobanAddressCredentials(
            StellarAddress(signer).to_xdr_sc_address(),
            xdr.Int64(nonce),
            xdr.Uint32(until),
            scval.to_void(),
        ),
    )


def _with_other_arguments(call: Call | FactoryCall) -> Call | FactoryCall:
    """Change an argument; a call without any stays as it is."""
    if isinstance(call, Create | Migrate):
        return attrs.evolve(call, salt=sha256(call.salt))
    return call if isinstance(call, Successor) else _other_of_vault(call)


def _other_of_vault(call: Call) -> Call:
    """Change an argument, the first amount where there is one."""
    match call:
        case BatchDeduct(caller, items):
            return BatchDeduct(caller, (*items, DeductItem(1)))
        case SetAuthorizedCaller(authorised):
            return SetAuthorizedCaller(None if authorised else SOMEBODY)
    for name, value in attrs.asdict(call).items():
        if "amount" in name or "balance" in name:
            other = 1 if value is None else value - 1 if value == I128_MAX else value + 1
            return attrs.evolve(call, **{name: other})  # type: ignore[arg-type]
    return call


def _forge(entry: xdr.SorobanAuthorizationEntry) -> None:
    address = entry.credentials.address
    assert address is not None  # noqa: S101 - built above
    signatures = address.signature.vec
    assert signatures is not None  # noqa: S101 - the shape of an account's signature
    fields = signatures.sc_vec[0].map
    assert fields is not None  # noqa: S101 - likewise
    signature = fields.sc_map[1].val.bytes
    assert signature is not None  # noqa: S101 - likewise
    signature.sc_bytes = bytes([signature.sc_bytes[0] ^ 1]) + signature.sc_bytes[1:]
