"""Keys: from the environment, a file, a callback; refused with a remedy; never shown anywhere."""

from __future__ import annotations

import base64
import copy
import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from stellar_sdk import Keypair
from tests.support.deployed_vault import CHANNEL, OWNER, DeployedVault

from callora_vault import BadValue, InsufficientBalance
from callora_vault.client import (
    BadKey,
    Journal,
    KeyReused,
    Signer,
    State,
    from_environment,
    from_file,
    from_keypair,
)
from callora_vault.model.calls import Deduct


def test_a_key_comes_from_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNER_SEED", f" {OWNER.secret}\n")
    signer = from_environment("OWNER_SEED")
    assert signer.address == OWNER.public_key
    assert signer.sign(bytes(32)) == OWNER.sign(bytes(32))
    monkeypatch.setenv("OWNER_SEED", OWNER.secret[:-1])
    with pytest.raises(BadKey, match="it does not hold a secret seed"):
        from_environment("OWNER_SEED")
    monkeypatch.delenv("OWNER_SEED")
    with pytest.raises(BadKey, match="variable OWNER_SEED: it is not set; export it first"):
        from_environment("OWNER_SEED")


def key_file(folder: Path, text: str, mode: int) -> Path:
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_comes_from_a_file_that_is_its_owners_alone(tmp_path: Path, mode: int) -> None:
    assert from_file(key_file(tmp_path, OWNER.secret + "\n", mode)).address == OWNER.public_key


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610, 0o601])
def test_a_file_that_lets_others_in_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, OWNER.secret, mode)
    with pytest.raises(
        BadKey, match=rf"others can access it .mode {mode:o}.; run: chmod 600 {path}"
    ):
        from_file(path)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path, OWNER.secret, 0o600)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(BadKey, match="it belongs to another user"):
        from_file(path)


@pytest.mark.parametrize("text", ["", "hello", OWNER.public_key, OWNER.secret[:-1], "\xff\x00"])
def test_a_file_without_a_seed_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    path = key_file(tmp_path, text, 0o600)
    with pytest.raises(BadKey, match="it does not hold a secret seed; a seed is 56") as bad:
        from_file(path)
    assert not text or text not in str(bad.value)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(BadKey, match="it is not a plain file"):
            from_file(path)
    with pytest.raises(BadKey, match="No such file"):
        from_file(tmp_path / "absent")


def test_a_callback_signs_what_it_is_given() -> None:
    asked = []

    def sign(payload: bytes) -> bytes:
        asked.append(payload)
        return OWNER.sign(payload)

    assert Signer(OWNER.public_key, sign).sign(b"x" * 32) == OWNER.sign(b"x" * 32)
    assert asked == [b"x" * 32]


@pytest.mark.parametrize("signature", [bytes(64), b"", OWNER.sign(b"y" * 32), None])
def test_a_callback_that_returns_no_signature_is_caught(signature: bytes) -> None:
    with pytest.raises(BadKey, match=f"the signer of {OWNER.public_key}: it returned a signature"):
        Signer(OWNER.public_key, lambda payload: signature).sign(b"x" * 32)


def test_only_an_account_signs() -> None:
    with pytest.raises(BadValue, match="only an account"):
        Signer("CA3D5KRYM6CB7OWQ6TWYRR3Z4T7GNZLKERYNZGGA5SOAOPIFY6YQGAXE", bytes)
    with pytest.raises(BadKey, match="it has no secret seed"):
        from_keypair(Keypair.from_public_key(OWNER.public_key))


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_signer_cannot_be_copied_out_of_its_process(
    copying: Callable[[Signer], object],
) -> None:
    with pytest.raises(TypeError, match="its key stays in its process"):
        copying(from_keypair(OWNER))


def test_no_key_shows_anywhere(
    deployed: DeployedVault,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everything that a client shows or leaves behind is searched for the keys in any form."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SEED", OWNER.secret)
    monkeypatch.setenv("BAD_SEED", OWNER.secret + "x")
    path = key_file(tmp_path, CHANNEL.secret, 0o600)
    (tmp_path / "bad").mkdir()
    bad_path = key_file(tmp_path / "bad", CHANNEL.secret + "x", 0o600)
    shown: list[str] = []
    with Journal(tmp_path / "journal.db") as journal:
        owner, channel = from_environment("SEED"), from_file(path)
        vault = deployed.client(journal, (owner,), source=channel, address_credentials=True)
        shown += [repr(x) for x in (owner, channel, vault, journal, deployed.connect())]
        shown.append(str(vault.submit(Deduct(OWNER.public_key, 25, "req_1"))))
        for attempt in (
            lambda: vault.deduct(OWNER.public_key, 2**100),
            lambda: vault.deduct(OWNER.public_key, 26, "req_1"),
            lambda: from_environment("BAD_SEED"),
            lambda: from_file(bad_path),
        ):
            with pytest.raises((InsufficientBalance, KeyReused, BadKey)) as error:
                attempt()
            shown += told(error.value)
        shown += map(repr, journal.listed(deployed.network.passphrase, *State))
        left = [file.read_bytes() for file in tmp_path.glob("journal.db*")]
    assert len(left) >= 2
    places = [*left, *(text.encode() for text in (*shown, caplog.text, *sys.argv))]
    for key in (OWNER, CHANNEL):
        raw = key.raw_secret_key()
        for form in (key.secret.encode(), raw, raw.hex().encode(), base64.b64encode(raw)):
            assert not any(form in place for place in places)


def told(error: BaseException) -> list[str]:
    """All that an exception says, with the local variables of the client's own frames."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [
        str(frame.locals)
        for frame in whole.stack
        if f"{os.sep}callora_vault{os.sep}" in frame.filename
    ]
    return [str(error), repr(error), repr(error.args), *frames]
