"""Signatures of a transaction against the signers of accounts.

Weights are added up until the threshold is met; a signature that no check needed makes the
transaction invalid. Source: stellar-core's rules for signature checking; CAP-21 (extra signers),
CAP-40 (signed payloads).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from soroban_localnet import xdr
from soroban_localnet.ledger.account import MASTER_WEIGHT, MAX_WEIGHT, Account

_ED25519, _PRE_AUTH_TX, _HASH_X, _SIGNED_PAYLOAD = (xdr.u32(kind) for kind in range(4))

Signer = tuple[bytes, int]  # SignerKey XDR, weight


def ed25519_signer(public_key: bytes) -> bytes:
    """Encode the SignerKey of an ed25519 public key."""
    return _ED25519 + public_key


def pre_authorized_signer(transaction_hash: bytes) -> bytes:
    """Encode the SignerKey of a pre-authorised transaction."""
    return _PRE_AUTH_TX + transaction_hash


def signers_of(account: Account) -> list[Signer]:
    """List the account's signers, its master key first where that has a weight."""
    master = account.thresholds[MASTER_WEIGHT]
    own = [(ed25519_signer(account.public_key), master)] if master else []
    return own + list(account.signers)


@lru_cache(maxsize=4096)
def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` is that of `public_key` over `message`.

    Answers are kept for a while: a transaction is checked when it comes and again at its turn.
    """
    if len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except (BadSignatureError, ValueError):
        return False
    return True


class SignatureChecker:
    """Checks the signatures of one transaction and remembers which of them were needed."""

    def __init__(
        self, transaction_hash: bytes, signatures: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self._hash = transaction_hash
        self._signatures = signatures
        self._used = [False] * len(signatures)
        self._verified: dict[tuple[int, bytes], bool] = {}

    def check(self, signers: Iterable[Signer], needed: int) -> bool:
        """Tell whether the signatures of `signers` weigh `needed`, at least one in any case."""
        left = list(signers)
        total = 0
        for key, weight in left:
            if key == pre_authorized_signer(self._hash):
                total += min(weight, MAX_WEIGHT)
                if total >= needed:
                    return True
        for kind in (_HASH_X, _ED25519, _SIGNED_PAYLOAD):
            candidates = [signer for signer in left if signer[0][:4] == kind]
            for index in range(len(self._signatures)):
                for candidate in candidates:
                    if self._matches(index, candidate[0]):
                        self._used[index] = True
                        total += min(candidate[1], MAX_WEIGHT)
                        if total >= needed:
                            return True
                        candidates.remove(candidate)
                        break
        return False

    def all_used(self) -> bool:
        """Tell whether every signature was needed."""
        return all(self._used)

    def _matches(self, index: int, key: bytes) -> bool:
        known = self._verified.get((index, key))
        if known is None:
            known = self._verified[index, key] = self._verify(index, key)
        return known

    def _verify(self, index: int, key: bytes) -> bool:
        hint, signature = self._signatures[index]
        kind, body = key[:4], key[4:]
        if kind == _HASH_X:
            return hint == body[-4:] and xdr.sha256(signature) == body
        if kind == _ED25519:
            return hint == body[-4:] and verify(body, signature, self._hash)
        public_key, length = body[:32], int.from_bytes(body[32:36], "big")
        payload = body[36 : 36 + length]
        # CAP-40: the payload's last four bytes, or all of it with zeros behind
        tail = payload[-4:] if length >= 4 else payload + bytes(4 - length)
        expected = bytes(a ^ b for a, b in zip(public_key[-4:], tail, strict=True))
        return hint == expected and verify(public_key, signature, payload)
