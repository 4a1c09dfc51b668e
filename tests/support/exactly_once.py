"""Many deductions under every fault, with kills and forgetful nodes: none lost, none twice.

`make exactly-once` makes 10,000 of them, or as many as BUDGET seconds allow; a test makes some.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from stellar_sdk import TransactionEnvelope
from stellar_sdk.client.response import Response
from stellar_sdk.operation import InvokeHostFunction
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, URL, DeployedVault
from tests.support.interruptions import Killed, WatchedJournal

from callora_vault.client import (
    Journal,
    NeverApplied,
    NotAccepted,
    SourceBusy,
    State,
    Unknown,
    Unreachable,
    Unsettled,
    VaultClient,
    from_keypair,
)
from soroban_localnet.faults import (
    DropAfter,
    DropBefore,
    Fault,
    Faults,
    FaultyClient,
    NotFound,
    TryAgainLater,
)
from soroban_localnet.rpc.in_process import InProcessClient

ME = OWNER.public_key
RETENTION = 2_000
FAULT = 0.02
"""How likely each of the 13 kinds of fault is, for each request."""
KILL = 0.01
"""How likely the client dies, after each answer and after each write to the journal."""
OUTAGE = 0.02
"""How likely one method stops working for some minutes, before a deduction."""
OUTAGES: tuple[tuple[str, Fault], ...] = (
    ("sendTransaction", DropBefore()),
    ("sendTransaction", DropAfter()),
    ("sendTransaction", TryAgainLater()),
    ("getTransaction", DropBefore()),
    ("getTransaction", NotFound(20)),
)
FORGET = 0.2
"""How likely the network forgets its past, each time that a request is left open."""


class Node(InProcessClient):
    """The node behind the faults; it writes down which requests it applies, and how often."""

    def __init__(self, deployed: DeployedVault) -> None:
        super().__init__(deployed.network.dispatcher)
        self.applied: Counter[str] = Counter()
        self._passphrase = deployed.network.passphrase
        self._hashes: set[str] = set()

    def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
    ) -> Response:
        answer = super().post(url, data, json_data)
        if json_data is not None and json_data["method"] == "sendTransaction":
            self._write_down(json_data, answer.json()["result"]["hash"])
        return answer

    def _write_down(self, sent: dict[str, Any], transaction_hash: str) -> None:
        asked = {**sent, "method": "getTransaction", "params": {"hash": transaction_hash}}
        found = super().post(URL, None, asked).json()["result"]
        if found["status"] == "SUCCESS" and transaction_hash not in self._hashes:
            self._hashes.add(transaction_hash)
            envelope = TransactionEnvelope.from_xdr(sent["params"]["transaction"], self._passphrase)
            (operation,) = envelope.transaction.operations
            assert isinstance(operation, InvokeHostFunction)
            call = operation.host_function.invoke_contract
            assert call is not None
            assert call.args[2].sym is not None
            self.applied[call.args[2].sym.sc_symbol.decode()] += 1


class Plan:
    """Faults by chance, and outages of one method in which each of its requests meets one fault."""

    def __init__(self, seed: int, chance: random.Random) -> None:
        self._faults = Faults.of_every_kind(seed, FAULT)
        self._chance = chance
        self._left = 0
        self._out: tuple[str, Fault] = ("", DropBefore())

    def outage(self) -> None:
        """Begin an outage."""
        self._left = self._chance.randint(10, 200)
        self._out = self._chance.choice(OUTAGES)

    def __call__(self, number: int, method: str) -> Fault | None:
        if self._left:
            self._left -= 1
            if method == self._out[0]:
                return self._out[1]
        return self._faults(number, method)


@attrs.frozen
class Report:
    """What a run came to; `wrong` names every request that was lost, applied twice or misreported.

    `states` counts the transactions that were signed, by what became of them; `requests` is how
    many went to the network.
    """

    settled: int
    unknown: int
    states: Counter[State]
    requests: int
    faults: int
    kills: int
    wrong: tuple[str, ...]


class Run:
    """Deductions of one seed, on a network and a journal of their own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._path = folder / "journal.db"
        self._deployed = DeployedVault(folder, retention=RETENTION)
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._plan = Plan(seed, self._chance)
        self._node = Node(self._deployed)
        self._transport = FaultyClient(
            self._node,
            self._plan,
            after_answer=lambda number, method: self._point(),
            sleep=self._deployed.moving.sleep,
        )
        self._journal: Journal | None = None
        self._kills = 0

    def _point(self) -> None:
        if self._chance.random() < KILL:
            self._kills += 1
            raise Killed

    def _start(self) -> VaultClient:
        """Start a client on the journal, as one of three kinds."""
        if self._journal is not None:
            self._journal.close()
        self._journal = WatchedJournal(self._path, self._point)
        source, by_address = self._chance.choice(
            [(OWNER, False), (CHANNEL, False), (CHANNEL, True)]
        )
        return self._deployed.client(
            self._journal,
            source=from_keypair(source),
            address_credentials=by_address,
            transport=self._transport,
        )

    def deduct(
        self,
        count: int,
        progress: Callable[[int], None] = lambda done: None,
        seconds: float = math.inf,
    ) -> Report:
        """Deduct, each request until it is settled or unknown, and judge what the ledger has.

        Arguments: `count`, the most deductions; `seconds`, after which no further one begins.
        """
        until = time.monotonic() + seconds
        settled: set[str] = set()
        unknown: set[str] = set()
        vault = self._start()
        for number in range(count):
            request = f"req_{number}"
            if self._chance.random() < OUTAGE:
                self._plan.outage()
            while request not in settled | unknown:
                try:
                    vault.deduct(ME, 1 + number % 3, request)
                    settled.add(request)
                except Unknown:
                    unknown.add(request)
                except (Unsettled, NotAccepted, SourceBusy, Unreachable, NeverApplied):
                    if self._chance.random() < FORGET:
                        self._deployed.network.advance_ledgers(RETENTION + 1)
                except Killed:
                    vault = self._start()
                    if self._chance.random() < 0.5:
                        self._resume(vault)
            progress(number + 1)
            if time.monotonic() > until:
                break
        return self._judge(number + 1, settled, unknown)

    def _resume(self, vault: VaultClient) -> None:
        with suppress(Killed):  # the next call starts where this one was
            vault.resume()

    def _judge(self, count: int, settled: set[str], unknown: set[str]) -> Report:
        applied = self._node.applied
        wrong = [f"{key}: settled, applied {applied[key]}" for key in settled if applied[key] != 1]
        wrong += [f"{key}: applied {times}" for key, times in applied.items() if times > 1]
        wrong += [f"{key}: not asked for" for key in applied if key not in settled | unknown]
        with Journal(self._path) as journal:
            entries = journal.listed(self._deployed.network.passphrase, *State)
            meta = self._deployed.client(journal, ()).get_meta()
        noted = {entry.key for entry in entries if entry.state is State.APPLIED}
        wrong += [f"{key}: settled and not noted, or noted and not" for key in noted ^ settled]
        taken = sum(1 + int(key.removeprefix("req_")) % 3 for key in applied)
        if meta.balance != BALANCE - taken:
            wrong.append(f"the balance is {meta.balance}, not {BALANCE - taken}")
        if len(settled) + len(unknown) != count:
            wrong.append(f"{count} requests, {len(settled)} settled and {len(unknown)} unknown")
        return Report(
            len(settled),
            len(unknown),
            Counter(entry.state for entry in entries),
            len(self._transport.methods),
            len(self._transport.injected),
            self._kills,
            tuple(wrong),
        )


def main() -> int:
    """Run and print what came of it; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--deductions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin none after so long")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:

        def progress(done: int) -> None:
            if done % 1_000 == 0:
                print(f"{done:,} deductions", flush=True)

        begin = time.monotonic()
        report = Run(Path(folder), arguments.seed).deduct(
            arguments.deductions, progress, arguments.seconds
        )
    states = ", ".join(f"{number:,} {state.value}" for state, number in report.states.items())
    done = report.settled + report.unknown
    spent = time.monotonic() - begin
    print(
        f"{done:,} of {arguments.deductions:,} deductions in {spent:.0f} s, seed {arguments.seed}"
    )
    print(f"{report.settled:,} settled, {report.unknown:,} unknown; transactions: {states}")
    print(f"{report.requests:,} requests, {report.faults:,} faults, {report.kills:,} kills")
    for line in report.wrong:
        print(line)
    print("none lost, none twice" if not report.wrong else "wrong")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
