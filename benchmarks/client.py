"""How fast the client deducts, beside the parity step of the same run.

The journal is on the disk twice before a call returns, so it is measured on the disk of the
temporary folder and, to tell the disk from the program, in memory.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stellar_sdk import Keypair

from callora_vault import wasm
from callora_vault.client import Deployer, Journal, Network, VaultClient, from_keypair
from callora_vault.parity import campaign, committed, connect_local, subject
from soroban_localnet import LocalNetwork

DEDUCTS = 40
EXAMPLES = 5
STEPS = 30
ROUNDS = 6
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory where there is one


class Backend:
    """A client with a vault of its own on a fresh network, and its journal in a folder."""

    def __init__(self, folder: Path) -> None:
        network = LocalNetwork()
        owner = Keypair.random()
        network.fund(owner.public_key)
        self._owner = from_keypair(owner)
        connection = Network(network.server(), network.passphrase)
        journal = Journal(folder / "journal.db")
        deployer = Deployer(connection, journal, self._owner)
        contract = deployer.deploy(wasm.read("v1"), self._owner, 10**9).contract
        self._vault = VaultClient(contract, connection, journal, [self._owner])
        self._number = 0

    def deduct(self) -> int:
        """Deduct some times, and return how often."""
        for _ in range(DEDUCTS):
            self._number += 1
            self._vault.deduct(self._owner.address, 1, f"req_{self._number}")
        return DEDUCTS


def _milliseconds(work: Callable[[], int]) -> tuple[float, float]:
    """Return the time of one unit of work: by the clock, and of the processor."""
    start, busy = time.perf_counter(), time.process_time()
    count = work()
    return (
        (time.perf_counter() - start) / count * 1e3,
        (time.process_time() - busy) / count * 1e3,
    )


def measure() -> None:
    """Print the time of a deduct and of a parity step, measured in turns, and their ratio."""
    in_memory = MEMORY if MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory() as disk,
        tempfile.TemporaryDirectory(dir=in_memory) as memory,
    ):
        durable, volatile = Backend(Path(disk)), Backend(Path(memory))
        under_test = subject(committed(), connect_local())
        seeds = iter(range(ROUNDS + 1))

        def parity() -> int:
            seed = next(seeds)
            result = campaign.run(under_test, examples=EXAMPLES, steps=STEPS, run_seed=seed)
            assert result.error is None
            return result.tally.steps

        kinds = (durable.deduct, volatile.deduct, parity)
        rounds = [[_milliseconds(work) for work in kinds] for _ in range(ROUNDS + 1)][1:]
    # the least of each: what other processes take comes on top
    least = [
        tuple(min(times) for times in zip(*kind, strict=True)) for kind in zip(*rounds, strict=True)
    ]
    (disk_clock, disk_busy), (memory_clock, _), (parity_clock, parity_busy) = least
    rate = 1e3 / disk_clock
    print(f"deduct, journal on disk    {disk_clock:8.2f} ms   {rate:6.0f} a second")
    print(f"  with it in memory        {memory_clock:8.2f} ms")
    print(f"parity step                {parity_clock:8.2f} ms")
    print(f"  deduct / parity step     {disk_clock / parity_clock:8.2f}      (aim: 1.3 at most)")
    print(f"  of processor time        {disk_busy / parity_busy:8.2f}")


if __name__ == "__main__":
    measure()
