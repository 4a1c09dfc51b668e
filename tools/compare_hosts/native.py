"""The same host, built natively: it answers recorded requests."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tools.compare_hosts.requests import ROOT, Request

HOST = ROOT / "localnet" / "host"


class CouldNotRun(Exception):
    """The comparison could not be made."""


class NativeFailed(Exception):
    """The native program ended where the WebAssembly build answered."""


def build(target: Path) -> Path:
    """Build the shell natively and return the program."""
    command = ["cargo", "build", "--release", "--locked", "--bin", "native"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target.resolve())}
    try:
        subprocess.run(command, cwd=HOST, env=environment, check=True)
    except FileNotFoundError as error:
        raise CouldNotRun(
            "cargo is missing: install Rust (rustup, or apt-get install cargo)"
        ) from error
    except subprocess.CalledProcessError as error:
        raise CouldNotRun(f"cargo build ended with {error.returncode}") from error
    return target.resolve() / "release" / "native"


_LENGTH = struct.Struct(">I")


def replay(program: Path, requests: Sequence[Request]) -> list[bytes]:
    """Return the native program's answers."""
    messages = [msgspec.msgpack.encode((r.operation, r.message, r.reads)) for r in requests]
    sent = b"".join(_LENGTH.pack(len(message)) + message for message in messages)
    # anyhow adds a backtrace to its texts where the environment asks for one
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RUST_")}
    done = subprocess.run([program], input=sent, capture_output=True, env=environment, check=False)
    answers, position = [], 0
    while position < len(done.stdout):
        (length,) = _LENGTH.unpack_from(done.stdout, position)
        position += _LENGTH.size + length
        answers.append(done.stdout[position - length : position])
    if done.returncode:
        reason = done.stderr.decode().strip()
        raise NativeFailed(f"the native program ended at request {len(answers)}: {reason}")
    return answers
