"""The client as a state machine: any calls, on a network that forgets, lags, goes back, is reset.

The network keeps 20 ledgers. Whatever happens, no request id is applied twice in one history of the
network, what a client says was applied is in it, and the vault's balance is what the applied
requests leave. `make stress` makes 20,000 steps, or as many as BUDGET seconds allow.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from stellar_sdk import SorobanServer, TransactionEnvelope, scval, xdr
from stellar_sdk.operation import InvokeHostFunction
from tests.support.deployed_vault import CHANNEL, OWNER, URL, DeployedVault

from callora_vault.client import (
    Clock,
    Journal,
    KeyReused,
    Limits,
    Network,
    NetworkBehind,
    NeverApplied,
    NotAccepted,
    Receipt,
    RequestIdUsed,
    SourceBusy,
    State,
    Unknown,
    Unreachable,
    Unsettled,
    VaultClient,
    from_keypair,
)
from callora_vault.codec.calls import request_ids_of
from callora_vault.model.calls import BatchDeduct, Deduct, DeductItem
from callora_vault.model.units import BadValue
from soroban_localnet.faults import Faults, FaultyClient
from soroban_localnet.rpc.in_process import InProcessClient

ME = OWNER.public_key
FUNDS = 1_000_000
RETENTION = 20
STEPS_PER_RUN = 40
_REFUSED = (RequestIdUsed, KeyReused, BadValue)
_TROUBLE = (
    Unsettled,
    NotAccepted,
    SourceBusy,
    Unreachable,
    NeverApplied,
    NetworkBehind,
    Unknown,
)

ids = st.integers(0, 12).map(lambda number: f"req_{number}")
steps_made = 0


class Node(InProcessClient):
    """The node behind the faults, and which request ids its history has: hash, ids, sum."""

    def __init__(self, deployed: DeployedVault) -> None:
        super().__init__(deployed.network.dispatcher)
        self.deployed = deployed
        self.history: list[tuple[str, tuple[str, ...], int]] = []

    def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Any:
        client = self.deployed.network.client()
        answer = client.post(url, data, json_data)
        if json_data is not None and json_data["method"] == "sendTransaction":
            hashed = answer.json()["result"]["hash"]
            asked = {**json_data, "method": "getTransaction", "params": {"hash": hashed}}
            found = client.post(URL, None, asked).json()["result"]
            if found["status"] == "SUCCESS" and hashed not in {each[0] for each in self.history}:
                self._applied(hashed, json_data["params"]["transaction"])
        return answer

    def _applied(self, hashed: str, sent: str) -> None:
        passphrase = self.deployed.network.passphrase
        (operation,) = TransactionEnvelope.from_xdr(sent, passphrase).transaction.operations
        assert isinstance(operation, InvokeHostFunction)
        call = operation.host_function.invoke_contract
        assert call is not None
        self.history.append((hashed, request_ids_of(operation.host_function), _total(call)))


def _total(call: xdr.InvokeContractArgs) -> int:
    """Add up what a deduct or a batch takes."""
    amount = call.args[1]
    if amount.i128 is not None:
        return scval.from_int128(amount)
    return sum(scval.from_int128(scval.from_struct(i)["amount"]) for i in scval.from_vec(amount))


class ClientMachine(RuleBasedStateMachine):
    """A client with one journal, and all that may happen to its network."""

    folder: Path
    number = 0

    def __init__(self) -> None:
        super().__init__()
        ClientMachine.number += 1
        self._at = self.folder / f"run {ClientMachine.number}"
        self._at.mkdir()
        self._now = 0.0
        self._lives = 0
        self._node = Node(self._start(None))
        self._marks: list[tuple[int, int]] = []
        self._journal = Journal(self._at / "journal.db")
        self._told: list[Receipt] = []

    def _start(self, start_time: int | None) -> DeployedVault:
        self._lives += 1
        place = self._at / f"life {self._lives}"
        place.mkdir()
        deployed = DeployedVault(place, retention=RETENTION, start_time=start_time)
        with Journal(place / "init.db") as journal:
            deployed.client(journal, contract=deployed.fresh["v2"]).init(ME, FUNDS)
        return deployed

    def teardown(self) -> None:
        self._journal.close()

    def _sleep(self, seconds: float) -> None:
        self._now += seconds
        self._node.deployed.moving.sleep(seconds)

    @initialize(source=st.booleans(), by_address=st.booleans(), faults=st.integers(0, 2**32))
    def begin(self, source: bool, by_address: bool, faults: int) -> None:
        """Start the process."""
        self.restart(source, by_address, faults)

    @rule(source=st.booleans(), by_address=st.booleans(), faults=st.integers(0, 2**32))
    def restart(self, source: bool, by_address: bool, faults: int) -> None:
        """End the process, and start another one on the same journal, with other faults."""
        self._journal.close()
        self._journal = Journal(self._at / "journal.db")
        plan = Faults(
            seed=faults,
            lag=0.1,
            drop_before=0.02,
            drop_after=0.03,
            not_found=0.05,
            old_sequence=0.05,
        )
        transport = FaultyClient(self._node, plan, sleep=self._sleep)
        clock = Clock(lambda: self._now, lambda: self._node.deployed.network.now, self._sleep)
        deployed = self._node.deployed
        self._vault = VaultClient(
            deployed.fresh["v2"],
            Network(SorobanServer(URL, transport), deployed.network.passphrase, clock=clock),
            self._journal,
            [deployed.owner],
            source=from_keypair(CHANNEL) if source else None,
            address_credentials=by_address,
            limits=Limits(timeout=20, validity=30),
        )

    # -- calls -------------------------------------------------------------------------------

    def _call(self, call: Deduct | BatchDeduct, skip: bool = False) -> None:
        global steps_made  # noqa: PLW0603 - counted for the report
        steps_made += 1
        try:
            receipt = self._vault.submit(call, skip_applied=skip)
        except (*_REFUSED, *_TROUBLE):
            return
        self._told.append(receipt)
        if not receipt.repeated:
            assert receipt.transaction in {hashed for hashed, _, _ in self._node.history}

    @rule(request=ids, amount=st.integers(1, 3))
    def deduct(self, request: str, amount: int) -> None:
        """Deduct, perhaps what was deducted before."""
        self._call(Deduct(ME, amount, request))

    @rule(requests=st.lists(ids, min_size=1, max_size=4), skip=st.booleans())
    def batch(self, requests: list[str], skip: bool) -> None:
        """Deduct a batch, some of which may be deducted already."""
        self._call(BatchDeduct(ME, [DeductItem(1, request) for request in requests]), skip)

    @rule()
    def resume(self) -> None:
        """Settle what is open."""
        try:
            self._vault.resume()
        except _TROUBLE:
            return

    # -- the network -------------------------------------------------------------------------

    @rule(count=st.integers(1, 30))
    def close_ledgers(self, count: int) -> None:
        """Close ledgers, perhaps more than the network keeps."""
        self._node.deployed.network.close_ledgers(count)

    @rule(count=st.integers(2, 100))
    def jump(self, count: int) -> None:
        """Jump ahead."""
        self._node.deployed.network.advance_ledgers(count)

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self._node.deployed.network.advance_time(seconds)

    @rule(later=st.integers(-3_600, 10_000))
    def reset(self, later: int) -> None:
        """Start the network again, perhaps at an earlier time."""
        self._node.deployed = self._start(self._node.deployed.network.now + later)
        self._node.history, self._marks = [], []

    @rule()
    def mark(self) -> None:
        """Mark a state to go back to."""
        mark = self._node.deployed.network.snapshot()
        self._marks.append((mark, len(self._node.history)))

    @rule()
    def revert(self) -> None:
        """Go back to the last mark, and on from there a second later."""
        if self._marks:
            mark, length = self._marks.pop()
            self._node.deployed.network.revert(mark)
            self._node.deployed.network.advance_time(1)
            del self._node.history[length:]

    # -- what holds --------------------------------------------------------------------------

    @invariant()
    def each_request_id_is_in_the_history_once(self) -> None:
        """In one history no request id is applied twice."""
        applied = [request for _, requests, _ in self._node.history for request in requests]
        assert sorted(applied) == sorted(set(applied))

    @rule()
    def the_balance_is_what_they_leave(self) -> None:
        """What the applied requests take is what the vault lost."""
        deployed = self._node.deployed
        with Journal(self._at / f"reader {self._lives}.db") as journal:
            left = deployed.client(journal, (), contract=deployed.fresh["v2"]).balance()
        assert left == FUNDS - sum(amount for _, _, amount in self._node.history)

    @invariant()
    def the_journal_can_be_read(self) -> None:
        """No row is of an unknown life or state."""
        for life in self._journal.lives():
            self._journal.listed(life.network, *State, life=life)


@attrs.frozen
class Report:
    """What a run came to: calls that were made, in how many runs of the machine."""

    calls: int
    runs: int


def stress(folder: Path, calls: int, first: int, seconds: float = math.inf) -> Report:
    """Run the machine until so many calls were made. Raises what the machine finds."""
    global steps_made
    ClientMachine.folder, steps_made, runs = folder, 0, 0
    until = time.monotonic() + seconds
    while steps_made < calls and time.monotonic() < until:
        machine = seed(first + runs)(type(f"Run{runs}", (ClientMachine,), {}))
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=5,
                stateful_step_count=STEPS_PER_RUN,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
        runs += 5
    return Report(steps_made, runs)


def main() -> int:
    """Run and print what came of it; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin none after so long")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.getLogger("callora_vault").setLevel(logging.ERROR)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = stress(Path(folder), arguments.steps, arguments.seed, arguments.seconds)
    spent = time.monotonic() - begin
    print(
        f"{report.calls:,} calls of {arguments.steps:,} in {report.runs:,} runs, {spent:.0f} s, "
        f"seed {arguments.seed}: no request id was applied twice in one history of the network"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
