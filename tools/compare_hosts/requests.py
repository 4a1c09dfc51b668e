"""Requests to the host with their answers, and the file of them that tests replay."""

from __future__ import annotations

import lzma
from pathlib import Path

import msgspec

from soroban_localnet.host import messages

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "localnet" / "tests" / "data" / "vectors.xz"
REQUESTS = 2_000
OPERATIONS = {
    operation.number: operation.name
    for operation in vars(messages).values()
    if isinstance(operation, messages.Operation)
}


class Request(msgspec.Struct, array_like=True, frozen=True):
    """What crossed to the host and back; `reads` is key, entry, last ledger of life."""

    operation: int
    message: bytes
    reads: list[tuple[bytes, bytes | None, int | None]]
    answer: bytes


def read_vectors(path: Path = VECTORS) -> list[Request]:
    """Read recorded requests."""
    return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=list[Request])


def write_vectors(requests: list[Request], path: Path = VECTORS) -> None:
    """Write recorded requests; mostly the same code again and again, so they pack well."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 26}]
    path.write_bytes(lzma.compress(msgspec.msgpack.encode(requests), filters=filters))


OUTCOMES = ("done", "failed", "refused")


def outcome(request: Request) -> str:
    """Tell whether the host did what was asked, ran it to an error, or refused the request."""
    ok, value = msgspec.msgpack.decode(request.answer)
    if not ok:
        return "refused"
    error = {"invoke": 1, "simulate": 0}.get(OPERATIONS[request.operation])
    return "done" if error is None or value[error] is None else "failed"
