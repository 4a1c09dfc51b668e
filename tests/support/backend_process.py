"""A backend in a process of its own: it deducts over HTTP, and can be killed at any point."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import attrs
from stellar_sdk import SorobanServer
from stellar_sdk.client.requests_client import RequestsClient
from tests.support.deployed_vault import OWNER, key_of
from tests.support.interruptions import WatchedJournal

from callora_vault.client import Limits, Network, VaultClient, from_keypair
from soroban_localnet.faults import FaultyClient

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", __name__])


@attrs.frozen
class Work:
    """What a backend does: deduct 1 for each request, from the account of `channel`."""

    url: str
    passphrase: str
    vault: str
    journal: Path
    channel: str
    requests: Sequence[str]
    address_credentials: bool = False
    ledger_seconds: float = 5.0
    killed_at: int = 0
    """The point at which it kills itself, counted from 1: after each write and each answer."""


def _deduct(work: Work, told: Connection) -> None:
    points = 0

    def point() -> None:
        nonlocal points
        points += 1
        told.send(points)
        if points == work.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    transport = FaultyClient(
        RequestsClient(num_retries=0), {}, after_answer=lambda number, method: point()
    )
    network = Network(SorobanServer(work.url, transport), work.passphrase)
    channel = from_keypair(key_of(work.channel))
    with WatchedJournal(work.journal, point) as journal:
        vault = VaultClient(
            work.vault,
            network,
            journal,
            [from_keypair(OWNER)],
            source=channel,
            address_credentials=work.address_credentials,
            limits=Limits(ledger_seconds=work.ledger_seconds),
        )
        for request in work.requests:
            vault.deduct(OWNER.public_key, 1, request)


def start(work: Work) -> tuple[BaseProcess, Connection]:
    """Start a backend; return its process, and where it tells the points that it has passed."""
    told, telling = _context.Pipe(duplex=False)
    process = _context.Process(target=_deduct, args=(work, telling))
    process.start()
    telling.close()
    return process, told
