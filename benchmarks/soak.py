"""Does a network that runs for long stay as large as it is?

    python -m benchmarks.soak [--transactions N] [--seconds S]

Sends transactions through one process, many times more than its history keeps, with failures,
refusals, address credentials and reads in between. What the calls use is kept alive, so ledgers may
go by as they like. From when the history is full, memory may grow by BOUND bytes a transaction and
no more. With a budget of seconds it ends there, but never before the history was filled twice over.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.network import Deployed
from stellar_sdk import (
    Account,
    InvokeHostFunction,
    Keypair,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
)
from stellar_sdk.auth import authorize_entry
from stellar_sdk.soroban_rpc import (
    EventFilter,
    EventFilterType,
    GetTransactionStatus,
    SendTransactionStatus,
)

from soroban_localnet import LocalNetwork

TRANSACTIONS = 200_000
RETENTION = 1_000
"""Ledgers that the history keeps; each transaction gets one."""

WARM = 5 * RETENTION
SAMPLES = 30
LONGEST_PACE = 1_000
"""Transactions between two samples, at the most."""

BOUND = 100.0
"""The least that a transaction could leave behind, an entry, takes 470 bytes."""

AMOUNT = 5
EVERY = 20
FAILING, REFUSED, LOOKING = 2, 5, 8
"""What else is done once among so many transactions."""

INSTRUCTIONS = 2_000_000
STROOPS = 30_000_000
"""Room beside what a simulation found: for a signature, and for a renewal that falls due later."""


def resident() -> int:
    """Return the memory that this process occupies, in bytes."""
    gc.collect()
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) * 1024


class Soak(Deployed):
    """A vault on a network with a short history, and all that is done with it."""

    def __init__(self) -> None:
        self.network = LocalNetwork(retention=RETENTION)
        self.server = self.network.server()
        self.owner, self.payer = Keypair.random(), Keypair.random()
        for key in (self.owner, self.payer):
            self.network.fund(key.public_key)
        self.deploy(self.network.passphrase)
        self.payers_account = self.server.load_account(self.payer.public_key)

    def step(self, number: int) -> None:
        """Send a transaction, every other one with the owner's signature apart; or do more."""
        kind = number % EVERY
        if number % 2:
            self._submit(self._prepared(self.payers_account), self.payer)
        elif kind == FAILING:
            envelope = self._prepared(self.account)
            call = _invocation(envelope).host_function.invoke_contract
            assert call is not None
            call.args = [scval.to_int128(-AMOUNT)]
            self._submit(envelope, self.owner, GetTransactionStatus.FAILED)
        else:
            self._submit(self._prepared(self.account), self.owner)
        if kind == REFUSED:
            old = Account(self.owner.public_key, self.account.sequence - 2)
            envelope = self._prepared(old)
            envelope.sign(self.owner)
            sent = self.server.send_transaction(envelope)
            assert sent.status == SendTransactionStatus.ERROR
        if kind == LOOKING:
            self._look()

    def _prepared(self, account: Account) -> TransactionEnvelope:
        """Build a deposit, simulated and authorised, with room; not signed yet."""
        builder = TransactionBuilder(account, self.passphrase, base_fee=100)
        arguments = [scval.to_int128(AMOUNT)]
        builder.append_invoke_contract_function_op(self.contract, "deposit", arguments)
        envelope = self.server.prepare_transaction(builder.set_timeout(60).build())
        data = envelope.transaction.soroban_data
        assert data is not None
        data.resources.instructions.uint32 += INSTRUCTIONS
        data.resource_fee.int64 += STROOPS
        envelope.transaction.fee += STROOPS
        call = _invocation(envelope)
        if account is self.payers_account:
            until = self.network.latest_ledger + 100
            call.auth = [
                authorize_entry(entry, self.owner, until, self.passphrase) for entry in call.auth
            ]
        return envelope

    def _submit(
        self,
        envelope: TransactionEnvelope,
        signer: Keypair,
        expected: GetTransactionStatus = GetTransactionStatus.SUCCESS,
    ) -> None:
        envelope.sign(signer)
        sent = self.server.send_transaction(envelope)
        answer = self.server.get_transaction(sent.hash)
        assert answer.status == expected, answer

    def _look(self) -> None:
        """Ask everything that there is to ask about the past."""
        health = self.server.get_health()
        assert health.latest_ledger is not None
        assert health.oldest_ledger is not None
        first = max(health.latest_ledger - 30, health.oldest_ledger)
        filters = [EventFilter(type=EventFilterType.CONTRACT, contractIds=[self.contract])]
        assert self.server.get_events(first, filters=filters).events
        assert self.server.get_transactions(first).transactions
        assert self.server.get_ledgers(first).ledgers
        self.server.get_latest_ledger()
        self.server.get_fee_stats()
        self.server.load_account(self.owner.public_key)
        unknown = self.server.get_transaction(os.urandom(32).hex())
        assert unknown.status == GetTransactionStatus.NOT_FOUND


def _invocation(envelope: TransactionEnvelope) -> InvokeHostFunction:
    (operation,) = envelope.transaction.operations
    assert isinstance(operation, InvokeHostFunction)
    return operation


def main() -> int:
    """Run the soak and print the memory as it goes on; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--transactions", type=int, default=TRANSACTIONS)
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after so long")
    asked = parser.parse_args()
    if asked.transactions < 2 * WARM:
        parser.error(f"--transactions: at least {2 * WARM}, or there is nothing to compare")
    soak, begin = Soak(), time.perf_counter()
    pace = min((asked.transactions - WARM) // SAMPLES, LONGEST_PACE)
    sent, memory = [], []
    for number in range(1, asked.transactions + 1):
        soak.step(number)
        if number >= WARM and (number - WARM) % pace == 0:
            sent.append(number)
            memory.append(resident())
            print(f"{number:9d} transactions {memory[-1] / 2**20:8.1f} MB", flush=True)
            if number >= 2 * WARM and time.perf_counter() - begin > asked.seconds:
                break
    slope = statistics.linear_regression(sent, memory).slope
    seconds = time.perf_counter() - begin
    print(f"{number} transactions in {seconds:.0f} s, {RETENTION} ledgers kept")
    print(f"memory grows by {slope:.1f} bytes a transaction   (at most {BOUND:.0f})")
    return 0 if slope <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
