"""Recording the requests of the networks of this process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tools.compare_hosts.requests import Request
from tools.compare_hosts.workload import START, Workload

from soroban_localnet import LocalNetwork, SettingsError
from soroban_localnet.host.module import Instance, ReadEntry
from soroban_localnet.ledger.settings import NetworkSettings, load

# a network's life in this workload, in requests to the host
NETWORK_REQUESTS = 250


class Enough(Exception):
    """Ends the workload: as much is recorded as was asked for."""


@contextmanager
def recording(wanted: int) -> Iterator[list[Request]]:
    """Record the requests of all networks of this process while the context lasts."""
    requests: list[Request] = []

    class Recorder(Instance):
        def __init__(self, read_entry: ReadEntry) -> None:
            self.reads: list[tuple[bytes, bytes | None, int | None]] = []
            super().__init__(self._noted(read_entry))

        def _noted(self, read_entry: ReadEntry) -> ReadEntry:
            def read(key: bytes) -> tuple[bytes, int | None] | None:
                found = read_entry(key)
                self.reads.append((key, *(found or (None, None))))
                return found

            return read

        def call(self, operation: int, request: bytes) -> bytes:
            if len(requests) == wanted:
                raise Enough
            self.reads.clear()
            answer = super().call(operation, request)
            requests.append(Request(operation, request, list(self.reads), answer))
            return answer

    with patch("soroban_localnet.host.host.Instance", Recorder):
        yield requests


def record(wanted: int, seed: int) -> list[Request]:
    """Record `wanted` requests of the workload."""
    chance = random.Random(seed)  # noqa: S311 - the same workload every time
    with recording(wanted) as requests:
        try:
            _lacking_a_setting()
            while True:
                workload = Workload(chance)
                end = len(requests) + NETWORK_REQUESTS
                while len(requests) < end:
                    workload.step()
        except Enough:
            return requests


def _lacking_a_setting() -> None:
    settings = load()
    for missing in range(0, len(settings.entries), 3):
        entries = settings.entries[:missing] + settings.entries[missing + 1 :]
        try:
            LocalNetwork(settings=NetworkSettings(entries, settings.limits), clock=lambda: START)
        except SettingsError:
            continue
