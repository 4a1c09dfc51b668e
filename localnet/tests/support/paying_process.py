"""A process of its own that pays on a network with a state file, until it is killed.

It reads one task (a line of JSON) after the other from its standard input and forks for each; the
child says on standard output what happens, a line each: `pid N`, `paid HASH` for each payment that
was answered as applied, `refused REASON` where the file cannot be written.

Run by storage/test_state_file.py, not by pytest.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from stellar_sdk import Asset, Keypair, TransactionBuilder
from stellar_sdk.exceptions import AccountNotFoundException, SorobanRpcErrorResponse

from soroban_localnet import FileError, LocalNetwork

PAYER, PAYEE = (Keypair.from_raw_ed25519_seed(sha256(name).digest()) for name in (b"1", b"2"))
START = 1_790_000_000


def say(*words: object) -> None:
    print(*words, flush=True)


def die_at(step: int) -> None:
    """Die at the given step of SQLite's virtual machine, counted over everything it does."""
    connect, left = sqlite3.connect, [step]

    def count() -> int:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def counting(*arguments: Any, **named: Any) -> Any:
        connection = connect(*arguments, **named)
        connection.set_progress_handler(count, 1)
        return connection

    sqlite3.connect = counting


def pay(path: Path, payments: int) -> None:
    """Send payments of 1, 2, 3... stroops: each number once, over all processes."""
    network = LocalNetwork(state=path, start_time=START)
    server = network.server()
    for key in (PAYER, PAYEE):
        try:
            server.load_account(key.public_key)
        except AccountNotFoundException:
            network.fund(key.public_key)
    for _ in range(payments):
        account = server.load_account(PAYER.public_key)
        number = (account.sequence & 0xFFFFFFFF) + 1
        builder = TransactionBuilder(account, network.passphrase, base_fee=100)
        amount = f"{number // 10**7}.{number % 10**7:07d}"
        builder.append_payment_op(PAYEE.public_key, Asset.native(), amount).add_time_bounds(0, 0)
        envelope = builder.build()
        envelope.sign(PAYER)
        say("paid", server.send_transaction(envelope).hash)
    network.close()


def run(task: dict[str, Any]) -> None:
    if task.get("die_at"):
        die_at(task["die_at"])
    if task.get("file_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["file_bytes"], resource.RLIM_INFINITY))
    say("pid", os.getpid())
    try:
        pay(Path(task["path"]), task["payments"])
    except (FileError, SorobanRpcErrorResponse) as error:
        say("refused", error)


if __name__ == "__main__":
    LocalNetwork()  # loads the host; the children need not
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(json.loads(line))
            os._exit(0)
        os.waitpid(child, 0)
        say("ended")
