"""Many clients at once, each with an account and a vault of its own, beside one client alone.

In process and over HTTP. It fails where a transaction is lost, applied twice or out of its order.
How much the many get done in a second is printed as a ratio to the one, and fails nothing: it moves
with what else the machine does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.network import Deployed
from benchmarks.server import Served, served
from stellar_sdk import Keypair, scval
from stellar_sdk.soroban_rpc import GetTransactionStatus

from soroban_localnet import LocalNetwork

CLIENTS = 50
ROUNDS = 5
CALLS = 20
"""Calls of each client in a round: 5,000 transactions of many clients, and as many again of one."""

AIM = 0.8
AMOUNT = 5


class Tenant(Deployed):
    """A funded account and a vault of its own on a network that others use too."""

    def __init__(self, network: LocalNetwork) -> None:
        self.server = network.server()
        self.owner = Keypair.random()
        network.fund(self.owner.public_key)
        self.deploy(network.passphrase)


class Client:
    """One client, and the hashes of what it sent, in their order."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.first = deployed.account.sequence
        self.hashes: list[str] = []

    def work(self, calls: int) -> None:
        """Deposit `calls` times, from building a transaction to its result."""
        arguments, contract = [scval.to_int128(AMOUNT)], self.deployed.contract
        for _ in range(calls):
            answer = self.deployed.send(
                lambda b: b.append_invoke_contract_function_op(contract, "deposit", arguments)
            )
            self.hashes.append(answer.transaction_hash)

    def problems(self) -> list[str]:
        """Tell what went wrong: all in ledgers, each once, one after the other."""
        server, sent = self.deployed.server, len(self.hashes)
        found = [server.get_transaction(transaction_hash) for transaction_hash in self.hashes]
        ledgers = [answer.ledger or 0 for answer in found]
        sequence = server.load_account(self.deployed.owner.public_key).sequence
        balance, _ = self.deployed.call("balance", [])
        told = {
            "lost": any(answer.status != GetTransactionStatus.SUCCESS for answer in found),
            "one hash twice": len(set(self.hashes)) != sent,
            "out of order": ledgers != sorted(set(ledgers)),
            f"sequence number {sequence - self.first} instead of {sent}": sequence
            != self.first + sent,
            f"balance of {scval.from_int128(balance)} after {sent} deposits": balance
            != scval.to_int128(AMOUNT * sent),
        }
        return [problem for problem, is_so in told.items() if is_so]


def measure(where: str, clients: Sequence[Client], alone: Client) -> bool:
    """Print what many clients and one get done; tell whether nothing went wrong."""
    rates = {"many": 0.0, "one": 0.0}
    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            alone.work(CALLS * len(clients) // ROUNDS)
            middle = time.perf_counter()
            list(pool.map(lambda client: client.work(CALLS), clients))
            rates["one"] += middle - begin
            rates["many"] += time.perf_counter() - middle
    transactions = CALLS * ROUNDS * len(clients)
    one = CALLS * len(clients) / rates["one"]
    many = transactions / rates["many"]
    print(f"{where}, one client            {one:6.0f} calls a second")
    print(f"{where}, {len(clients)} clients           {many:6.0f} calls a second")
    print(f"  ratio                        {many / one:6.2f}   (asked: {AIM})")
    problems = [problem for client in (*clients, alone) for problem in client.problems()]
    print(f"  {transactions} transactions of {len(clients)} clients: ", end="")
    print("; ".join(problems) or "none lost, none twice, all in order", flush=True)
    return not problems


def main() -> int:
    """Measure both transports; return the exit code."""
    network = LocalNetwork()
    tenants = [Client(Tenant(network)) for _ in range(CLIENTS + 1)]
    good = measure("in process", tenants[1:], tenants[0])
    with served() as url:
        guests = [Client(Served(url)) for _ in range(CLIENTS + 1)]
        good &= measure("over HTTP", guests[1:], guests[0])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
