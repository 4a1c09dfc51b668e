"""How getEvents and getTransactions do when a thousand events are stored, and a million.

The past is made of copies of one real transaction, with events of its own, and goes through the
history's own interface. Times on one machine vary; the ratios within one run are what counts: it
fails where one is over BOUND.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import attrs
from stellar_sdk import Asset, Keypair, Payment, StrKey, TransactionBuilder, scval

from soroban_localnet import LocalNetwork, xdr
from soroban_localnet.history.closed_ledger import close
from soroban_localnet.history.record import Record
from soroban_localnet.transactions.meta import (
    AFTER_ALL_TRANSACTIONS,
    BEFORE_ALL_TRANSACTIONS,
    fee_event,
)

FEW, MANY = 1_000, 1_000_000
TRANSACTIONS = 2
"""How many are in a ledger; each emits its fee, its refund and three events of contracts."""
EVENTS = 10
"""How many are in a ledger."""
RARE = 100_000
"""One event in so many is of a contract of its own, another one has a topic of its own."""
ROUNDS = 40
BOUND = 2.0

CONTRACTS = [bytes([number]) * 32 for number in range(50)]
RARE_CONTRACT = bytes([255]) * 32
TRANSFER = xdr.symbol("transfer")
RARE_ACCOUNT = bytes([254]) * 32


def template(network: LocalNetwork) -> Record:
    """Apply a real transaction and return its record."""
    alice = Keypair.random()
    network.fund(alice.public_key)
    server = network.server()
    account = server.load_account(alice.public_key)
    builder = TransactionBuilder(account, network.passphrase).add_time_bounds(0, 0)
    builder.append_operation(Payment(alice.public_key, Asset.native(), "1"))
    built = builder.build()
    built.sign(alice)
    server.send_transaction(built)
    return next(network.history.transactions(network.latest_ledger))


def copied(data: bytes) -> bytes:
    return bytes(bytearray(data))


def transaction(like: Record, ledger: int, index: int, number: int) -> Record:
    """Make a transaction with three contract events, of which `number` is the first one's."""
    emitted = []
    for each in range(number, number + 3):
        contract = RARE_CONTRACT if each % RARE == 7 else CONTRACTS[each % len(CONTRACTS)]
        account = RARE_ACCOUNT if each % RARE == 8 else each.to_bytes(32, "big")
        topics = (TRANSFER, xdr.account_address(contract), xdr.account_address(account))
        emitted.append(xdr.contract_event(contract, topics, xdr.int128(each)))
    payer = (number % 1_000).to_bytes(32, "big")
    native, applied = CONTRACTS[0], like.applied
    meta = attrs.evolve(
        applied.meta,
        before=copied(applied.meta.before),
        operations=((copied(applied.meta.operations[0][0]), tuple(emitted)),),
        events=(
            fee_event(native, payer, 100, BEFORE_ALL_TRANSACTIONS),
            fee_event(native, payer, -20, AFTER_ALL_TRANSACTIONS),
        ),
    )
    return attrs.evolve(
        like,
        envelope=copied(like.envelope),
        hashes=(xdr.sha256(number.to_bytes(8, "big")),),
        applied=attrs.evolve(
            applied,
            result=copied(applied.result),
            meta=meta,
            fee_changes=copied(applied.fee_changes),
            refund_changes=copied(applied.fee_changes),
        ),
        ledger=ledger,
        close_time=ledger * 5,
        index=index,
    )


def filled(events: int) -> LocalNetwork:
    """Return a network whose history holds so many events."""
    network = LocalNetwork(start_time=1)
    like = template(network)
    number = 0
    for _ in range(events // EVENTS):
        sequence = network.latest_ledger + 1
        records = []
        for index in range(1, TRANSACTIONS + 1):
            records.append(transaction(like, sequence, index, number))
            number += 3
        network.history.add(close(network.history.latest, sequence, sequence * 5, tuple(records)))
    return network


def memory() -> int:
    """Return the most that the process ever held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cases(network: LocalNetwork) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the questions, by name; each answer is as large for few events as for many."""
    first, latest = 10, network.latest_ledger
    middle = (first + latest) // 2
    rare = {"contractIds": [StrKey.encode_contract(RARE_CONTRACT)]}
    account = scval.to_address(StrKey.encode_ed25519_public_key(RARE_ACCOUNT)).to_xdr()
    topics = [scval.to_symbol("transfer").to_xdr(), "*", account]
    absent = [scval.to_symbol("nothing").to_xdr(), "**"]
    return {
        "all, near the start": ("getEvents", {"startLedger": first}),
        "all, near the end": ("getEvents", {"startLedger": latest - 12}),
        "all, after a cursor": ("getEvents", {"pagination": {"cursor": f"{middle << 32}-0"}}),
        "a rare contract": ("getEvents", {"startLedger": 1, "filters": [rare]}),
        "a rare topic": ("getEvents", {"startLedger": 1, "filters": [{"topics": [topics]}]}),
        "a topic that never was": (
            "getEvents",
            {"startLedger": 1, "filters": [{"topics": [absent]}]},
        ),
        "one topic count": (
            "getEvents",
            {"startLedger": first, "filters": [{"topics": [["*", "*"]]}]},
        ),
        "transactions, near the start": ("getTransactions", {"startLedger": first}),
        "transactions, near the end": ("getTransactions", {"startLedger": latest - 30}),
        "transactions, after a cursor": (
            "getTransactions",
            {"pagination": {"cursor": str(middle << 32)}},
        ),
    }


def measured(network: LocalNetwork, method: str, params: dict[str, Any]) -> tuple[int, float]:
    """Ask a question; return the number of items and the time of the answer in seconds."""
    start = time.perf_counter()
    answer = network.dispatcher.call(method, params)
    spent = time.perf_counter() - start
    return len(answer["events" if method == "getEvents" else "transactions"]), spent


def main() -> int:
    """Print the time of each question with few and with many events, and the memory of many.

    Returns the exit code.
    """
    few = filled(FEW)
    before, start = memory(), time.perf_counter()
    many = filled(MANY)
    spent, held = time.perf_counter() - start, memory() - before
    print(f"{'':30s}{'items':>7s}{FEW:>12,d}{MANY:>12,d}  ratio")
    many_cases, worst = cases(many), 0.0
    for name, question in cases(few).items():
        # in turns, so that whatever else the machine does slows both
        rounds = [
            (*measured(few, *question), *measured(many, *many_cases[name])) for _ in range(ROUNDS)
        ]
        items, _, more, _ = rounds[0]
        assert items == more, (name, items, more)
        short, long = min(r[1] for r in rounds), min(r[3] for r in rounds)
        worst = max(worst, long / short)
        print(f"{name:30s}{items:7d}{short * 1e3:9.2f} ms{long * 1e3:9.2f} ms{long / short:7.2f}")
    print(f"{'worst':67s}{worst:7.2f}   (at most {BOUND})")
    print(f"{MANY:,d} events and their transactions hold {held / 1e6:,.0f} MB", end="")
    print(f" ({held / MANY:,.0f} bytes an event), stored in {spent:.1f} s")
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
