"""Who signs: a key from the environment, from a file, or behind a callback.

A secret seed is never an argument of a command, and never in a repr, a message, a journal or a
pickle. Errors about a seed do not repeat it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from stellar_sdk import Keypair
from stellar_sdk.exceptions import BadSignatureError

from callora_vault.client.errors import BadKey
from callora_vault.model import units
from callora_vault.model.units import Address

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_BYTES = 1024


class Signer:
    """Signs for one account.

    Arguments: `address`, the account (G...); `sign`, which returns the ed25519 signature (64 bytes)
    of 32 bytes, such as a call of a key management service; `key`, the public key (G...) if it is
    not the account's own but another signer of the account.
    Raises BadValue for an address that is not an account's.
    """

    __slots__ = ("_public", "_sign", "address")

    def __init__(
        self, address: Address, sign: Callable[[bytes], bytes], key: Address | None = None
    ) -> None:
        units.address(address, "address")
        if not address.startswith("G"):
            raise units.BadValue("address", "only an account (G...) can sign with a key")
        self.address = address
        self._public = Keypair.from_public_key(address if key is None else key)
        self._sign = sign

    @property
    def public_key(self) -> bytes:
        """The ed25519 public key that signs, 32 bytes."""
        return self._public.raw_public_key()

    def sign(self, payload: bytes) -> bytes:
        """Sign 32 bytes. Raises BadKey if the callback returns no signature of this account."""
        signature = self._sign(payload)
        try:
            self._public.verify(payload, signature)
        except (BadSignatureError, TypeError, ValueError):
            raise BadKey(
                f"the signer of {self.address}",
                "it returned a signature that is not valid for this account",
                "use the account's own key",
            ) from None
        return signature

    def __repr__(self) -> str:
        return f"<Signer {self.address}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Signer cannot be pickled: its key stays in its process")


def from_keypair(keypair: Keypair) -> Signer:
    """Return the signer of a key pair of stellar-sdk. Raises BadKey where it has no secret."""
    if not keypair.can_sign():
        raise BadKey("the key pair", "it has no secret seed", "give a key pair that can sign")
    return Signer(keypair.public_key, keypair.sign)


def from_environment(name: str) -> Signer:
    """Return the signer whose secret seed (S...) is in an environment variable. Raises BadKey."""
    if name not in os.environ:
        raise BadKey(f"the environment variable {name}", "it is not set", "export it first")
    return _found(_from_seed(os.environ[name]), f"the environment variable {name}")


def from_file(path: Path) -> Signer:
    """Return the signer whose secret seed (S...) is the whole content of a file.

    Raises BadKey: the file cannot be read, is not a plain file, is accessible to others (its mode
    must be 600 or less), or belongs to another user.
    """
    where = f"the key file {path}"
    try:
        # a named pipe must not block
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise BadKey(
            where, error.strerror or str(error), "give a file that holds the secret seed"
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadKey(where, "it is not a plain file", "give a file that holds the secret seed")
        if os.name == "posix":
            _check_owner(status, path, where)
        signer = _from_seed(os.read(descriptor, _MAX_BYTES).decode("ascii", "replace"))
    finally:
        os.close(descriptor)
    return _found(signer, where)


def _check_owner(status: os.stat_result, path: Path, where: str) -> None:
    if status.st_mode & _OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):o}"
        raise BadKey(where, f"others can access it (mode {mode})", f"run: chmod 600 {path}")
    if status.st_uid != os.geteuid():
        raise BadKey(where, "it belongs to another user", "copy it to a file of your own")


def _from_seed(seed: str) -> Signer | None:
    """Return None for a bad seed: an exception from here would carry it in its frame."""
    try:
        return from_keypair(Keypair.from_secret(seed.strip()))
    except ValueError:
        return None


def _found(signer: Signer | None, where: str) -> Signer:
    if signer is None:
        remedy = "a seed is 56 characters that begin with S"
        raise BadKey(where, "it does not hold a secret seed", remedy)
    return signer
