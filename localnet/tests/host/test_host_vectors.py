"""The committed requests of tools/compare_hosts, which a native build answers alike."""

from __future__ import annotations

from collections import Counter

import pytest
from tools.compare_hosts.requests import OPERATIONS, REQUESTS, Request, outcome, read_vectors

from soroban_localnet.host.module import Instance


@pytest.fixture(scope="module")
def vectors() -> list[Request]:
    return read_vectors()


def test_the_host_answers_every_recorded_request_byte_for_byte(vectors: list[Request]) -> None:
    assert len(vectors) == REQUESTS
    reads: list[tuple[bytes, bytes | None, int | None]] = []

    def read_entry(key: bytes) -> tuple[bytes, int | None] | None:
        recorded, entry, live_until = reads.pop(0)
        assert key == recorded
        return None if entry is None else (entry, live_until)

    instance = Instance(read_entry)
    for index, vector in enumerate(vectors):
        reads[:] = vector.reads
        answer = instance.call(vector.operation, vector.message)
        assert answer == vector.answer, f"request {index}, {OPERATIONS[vector.operation]}"
        assert not reads


def test_the_recorded_requests_cover_every_operation_done_failed_and_refused(
    vectors: list[Request],
) -> None:
    found = Counter((OPERATIONS[vector.operation], outcome(vector)) for vector in vectors)
    assert {operation for operation, _ in found} == set(OPERATIONS.values())
    for expected in (
        ("configure", "refused"),
        ("invoke", "failed"),
        ("simulate", "failed"),
        ("simulate_restore", "refused"),
    ):
        assert found[expected], expected
    assert all(found[operation, "done"] for operation in OPERATIONS.values())
