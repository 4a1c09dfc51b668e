"""Development accounts: the same keys for the same seed, funded when a network starts.

Source: SEP-5, so that a wallet makes the same keys from the same phrase.
"""

from __future__ import annotations

from hashlib import sha256

import attrs
from stellar_sdk import Keypair
from stellar_sdk.sep.mnemonic import StellarMnemonic

from soroban_localnet import xdr
from soroban_localnet.network import LocalNetwork

_PHRASE_BYTES = 16  # twelve words


@attrs.frozen
class DevelopmentAccounts:
    """Keys that anybody can make who knows the seed. `phrase` is their recovery phrase."""

    phrase: str
    keys: tuple[Keypair, ...]

    @classmethod
    def derive(cls, seed: str, count: int) -> DevelopmentAccounts:
        """Make `count` keys out of a seed, which may be any text."""
        words = StellarMnemonic()
        phrase = words.to_mnemonic(sha256(seed.encode()).digest()[:_PHRASE_BYTES])
        secret = words.to_bip39_seed(phrase)
        keys = (words.derive(secret, index) for index in range(count))
        return cls(phrase, tuple(Keypair.from_raw_ed25519_seed(key) for key in keys))

    def fund(self, network: LocalNetwork) -> None:
        """Create those accounts that the network does not have. Raises FundingFailed."""
        held = network.lookup(*(xdr.account_key(key.raw_public_key()) for key in self.keys))
        for key, entry in zip(self.keys, held, strict=True):
            if entry is None:
                network.fund(key.public_key)
