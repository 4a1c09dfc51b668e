"""Many deductions under every fault: none lost, none twice, none told settled that is not.

Clients are killed, nodes forget their past, clocks are wrong, the network is started again under
the journal, in the middle of a call too, and threads share the journal. `make exactly-once` makes
10,000 deductions, or as many as BUDGET seconds allow; a test makes some.
"""

from __future__ import annotations

import argparse
import logging
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
from stellar_sdk import SorobanServer, TransactionEnvelope
from stellar_sdk.client.response import Response
from stellar_sdk.operation import InvokeHostFunction
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, URL, DeployedVault
from tests.support.interruptions import Killed, WatchedJournal
from tests.support.threads import run_together

from callora_vault.client import (
    Clock,
    Journal,
    Network,
    NetworkBehind,
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
from callora_vault.model.calls import Deduct
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


RESET = 0.0005
"""How likely the network is started again, after each answer."""
BURST = 0.01
"""How likely the next deductions are made by several threads at once."""
THREADS, EACH = 4, 4
SKEWS = (0.0, 0.0, 0.0, 120.0, -120.0, 3_600.0, -21_600.0)
"""By how many seconds a client's clock is ahead, by chance."""
_TROUBLE = (Unsettled, NotAccepted, SourceBusy, Unreachable, NeverApplied, NetworkBehind)


class Node(InProcessClient):
    """The node behind the faults; it writes down which requests it applies in which life."""

    def __init__(self, deployed: DeployedVault) -> None:
        super().__init__(deployed.network.dispatcher)
        self.deployed = deployed
        self.life = 0
        self.applied: Counter[tuple[int, str]] = Counter()
        self.requests: dict[str, str] = {}
        """Which request each applied transaction is, by its hash."""
        self._seen: set[tuple[int, str]] = set()

    def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
    ) -> Response:
        life, client = self.life, self.deployed.network.client()
        answer = client.post(url, data, json_data)
        if json_data is not None and json_data["method"] == "sendTransaction":
            self._write_down(life, client, json_data, answer.json()["result"]["hash"])
        return answer

    def _write_down(
        self, life: int, client: InProcessClient, sent: dict[str, Any], transaction_hash: str
    ) -> None:
        asked = {**sent, "method": "getTransaction", "params": {"hash": transaction_hash}}
        found = client.post(URL, None, asked).json()["result"]
        if found["status"] == "SUCCESS" and (life, transaction_hash) not in self._seen:
            self._seen.add((life, transaction_hash))
            passphrase = self.deployed.network.passphrase
            envelope = TransactionEnvelope.from_xdr(sent["params"]["transaction"], passphrase)
            (operation,) = envelope.transaction.operations
            assert isinstance(operation, InvokeHostFunction)
            call = operation.host_function.invoke_contract
            assert call is not None
            assert call.args[2].sym is not None
            request = call.args[2].sym.sc_symbol.decode()
            self.applied[life, request] += 1
            self.requests[transaction_hash] = request


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
    many went to the network; `lives`, how many networks there were.
    """

    settled: int
    unknown: int
    states: Counter[State]
    requests: int
    faults: int
    kills: int
    lives: int
    threads: int
    wrong: tuple[str, ...]


class Run:
    """Deductions of one seed, on networks and a journal of their own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._path = folder / "journal.db"
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._plan = Plan(seed, self._chance)
        self._node = Node(self._deploy(None))
        self._transport = self._behind_faults()
        self._journal: Journal | None = None
        self._now = 0.0
        self._skew = 0.0
        self._kills = 0
        self._threads = 0
        self._sharing = False
        self._settled: dict[str, str] = {}
        """The transaction of each settled request."""
        self._unknown: set[str] = set()

    def _deploy(self, start_time: int | None) -> DeployedVault:
        life = self._folder / f"life {len(list(self._folder.glob('life *')))}"
        life.mkdir()
        return DeployedVault(life, retention=RETENTION, start_time=start_time)

    def _behind_faults(self) -> FaultyClient:
        return FaultyClient(
            self._node,
            self._plan,
            after_answer=lambda number, method: self._answered(),
            sleep=self._sleep,
        )

    # -- what happens meanwhile --------------------------------------------------------------

    def _sleep(self, seconds: float) -> None:
        self._now += seconds
        self._node.deployed.moving.sleep(seconds)

    def _clock(self) -> Clock:
        skew = self._skew
        return Clock(lambda: self._now, lambda: self._node.deployed.network.now + skew, self._sleep)

    def _answered(self) -> None:
        if not self._sharing and self._chance.random() < RESET:
            self._reset()
        self._point()

    def _point(self) -> None:
        if not self._sharing and self._chance.random() < KILL:
            self._kills += 1
            raise Killed

    def _reset(self) -> None:
        """Start the network again, with the same accounts and the same vault."""
        later = self._chance.randint(1, 10_000)
        self._node.deployed = self._deploy(self._node.deployed.network.now + later)
        self._node.life += 1

    def _client(self) -> VaultClient:
        """Return a client on the journal, of one of three kinds, with a clock of its own."""
        assert self._journal is not None
        self._skew = self._chance.choice(SKEWS)
        source, by_address = self._chance.choice(
            [(OWNER, False), (CHANNEL, False), (CHANNEL, True)]
        )
        deployed = self._node.deployed
        server = SorobanServer(URL, self._transport)
        return VaultClient(
            deployed.vault,
            Network(server, deployed.network.passphrase, clock=self._clock()),
            self._journal,
            [deployed.owner],
            source=from_keypair(source),
            address_credentials=by_address,
        )

    def _start(self) -> VaultClient:
        """Start a process: a journal and a client of its own."""
        if self._journal is not None:
            self._journal.close()
        self._journal = WatchedJournal(self._path, self._point)
        return self._client()

    # -- the deductions ----------------------------------------------------------------------

    def deduct(
        self,
        count: int,
        progress: Callable[[int], None] = lambda done: None,
        seconds: float = math.inf,
    ) -> Report:
        """Deduct, each request until it is settled or unknown, and judge what the ledgers have.

        Arguments: `count`, the most deductions; `seconds`, after which no further one begins.
        """
        until = time.monotonic() + seconds
        vault = self._start()
        done = 0
        while done < count and (not done or time.monotonic() < until):
            if self._chance.random() < OUTAGE:
                self._plan.outage()
            if count - done >= THREADS * EACH and self._chance.random() < BURST:
                self._together(done)
                made = THREADS * EACH
            else:
                vault = self._alone(vault, f"req_{done}", 1 + done % 3)
                made = 1
            for number in range(done, done + made):
                progress(number + 1)
            done += made
        return self._judge(done)

    def _alone(self, vault: VaultClient, request: str, amount: int) -> VaultClient:
        while not self._is_done(request):
            try:
                receipt = vault.submit(Deduct(ME, amount, request))
                self._settled[request] = receipt.transaction
            except Unknown:
                self._unknown.add(request)
            except _TROUBLE:
                if self._chance.random() < FORGET:
                    self._node.deployed.network.advance_ledgers(RETENTION + 1)
            except Killed:
                vault = self._start()
                if self._chance.random() < 0.5:
                    self._resume(vault)
        return vault

    def _is_done(self, request: str) -> bool:
        return request in self._settled or request in self._unknown

    def _together(self, first: int) -> None:
        """Deduct in several threads, each with a client of its own on the one journal."""
        clients = [self._client() for _ in range(THREADS)]
        self._sharing = True
        self._threads += THREADS

        def work(thread: int) -> None:
            for count in range(EACH):
                number = first + thread * EACH + count
                while not self._is_done(f"req_{number}"):
                    try:
                        call = Deduct(ME, 1 + number % 3, f"req_{number}")
                        self._settled[f"req_{number}"] = clients[thread].submit(call).transaction
                    except Unknown:
                        self._unknown.add(f"req_{number}")
                    except _TROUBLE:
                        continue

        try:
            run_together(work, THREADS)
        finally:
            self._sharing = False

    def _resume(self, vault: VaultClient) -> None:
        with suppress(Killed, *_TROUBLE):  # the next call starts where this one was
            vault.resume()

    # -- what came of it ---------------------------------------------------------------------

    def _judge(self, count: int) -> Report:
        node = self._node
        wrong = [f"{request}: applied {n}" for (_, request), n in node.applied.items() if n > 1]
        for request, transaction in self._settled.items():
            if node.requests.get(transaction) != request:
                wrong.append(f"{request}: told settled by {transaction}, which did not apply it")
        asked = {*self._settled, *self._unknown}
        wrong += [f"{r}: not asked for" for _, r in node.applied if r not in asked]
        passphrase = node.deployed.network.passphrase
        with Journal(self._path) as journal:
            entries = [
                entry
                for life in journal.lives(passphrase)
                for entry in journal.listed(passphrase, *State, life=life)
            ]
            noted = {entry.hash for entry in entries if entry.state is State.APPLIED}
        with Journal(self._folder / "reader.db") as journal:
            meta = node.deployed.client(journal, ()).get_meta()
        wrong += [
            f"{request}: settled and not noted"
            for request, transaction in self._settled.items()
            if transaction not in noted
        ]
        wrong += [f"{t}: noted and never applied" for t in noted if t not in node.requests]
        taken = sum(1 + int(r.removeprefix("req_")) % 3 for n, r in node.applied if n == node.life)
        if meta.balance != BALANCE - taken:
            wrong.append(f"the balance is {meta.balance}, not {BALANCE - taken}")
        if len(asked) != count:
            wrong.append(f"{count} requests, {len(asked)} settled or unknown")
        return Report(
            settled=len(self._settled),
            unknown=len(self._unknown),
            states=Counter(entry.state for entry in entries),
            requests=len(self._transport.methods),
            faults=len(self._transport.injected),
            kills=self._kills,
            lives=node.life + 1,
            threads=self._threads,
            wrong=tuple(wrong),
        )


def main() -> int:
    """Run and print what came of it; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--deductions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin none after so long")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.getLogger("callora_vault").setLevel(logging.ERROR)  # what it says of lives and clocks
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
    print(
        f"{report.lives:,} lives of the network, {report.threads:,} threads that shared a journal"
    )
    for line in report.wrong:
        print(line)
    print("none lost, none twice, none told settled that is not" if not report.wrong else "wrong")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
