"""How fast the embedded network is: a signed call the whole way, start-up, snapshots.

Times on one machine vary; the ratios within one run are what counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from stellar_sdk import Account as SourceAccount
from stellar_sdk import Address, Keypair, SorobanServer, TransactionBuilder, scval, xdr
from stellar_sdk.soroban_rpc import GetTransactionResponse, GetTransactionStatus

from callora_vault import wasm
from soroban_localnet import LocalNetwork
from soroban_localnet.host.host import Host
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.store import Entry
from soroban_localnet.rpc import Dispatcher

CALLS = 400
ENTRIES = 10_000
ROUNDS = 200


class Deployed:
    """A funded account and a vault of its own on a fresh network."""

    def __init__(self) -> None:
        self.network = LocalNetwork()
        self.server: SorobanServer = self.network.server()
        self.owner = Keypair.random()
        self.network.fund(self.owner.public_key)
        self.deploy(self.network.passphrase)

    def deploy(self, passphrase: str) -> None:
        """Upload and create the vault over `server`, as its funded owner."""
        self.passphrase = passphrase
        self.account: SourceAccount = self.server.load_account(self.owner.public_key)
        uploaded = self._value(
            self.send(lambda b: b.append_upload_contract_wasm_op(wasm.read("v1")))
        )
        code_hash = scval.from_bytes(uploaded)
        created = self._value(
            self.send(lambda b: b.append_create_contract_op(code_hash, self.owner.public_key))
        )
        self.contract = scval.from_address(created).address
        owner = scval.to_address(Address(self.owner.public_key))
        self.call("init", [owner, scval.to_void(), scval.to_void()])

    def send(
        self, add: Callable[[TransactionBuilder], TransactionBuilder]
    ) -> GetTransactionResponse:
        """Build, simulate, assemble, sign, send and get one transaction."""
        builder = TransactionBuilder(self.account, self.passphrase, base_fee=100)
        built = add(builder).set_timeout(60).build()
        prepared = self.server.prepare_transaction(built)
        prepared.sign(self.owner)
        sent = self.server.send_transaction(prepared)
        answer = self.server.get_transaction(sent.hash)
        assert answer.status == GetTransactionStatus.SUCCESS
        return answer

    def call(self, method: str, arguments: list[xdr.SCVal]) -> tuple[xdr.SCVal, int]:
        """Call the vault; return the value and the number of events, both out of the meta."""
        answer = self.send(
            lambda b: b.append_invoke_contract_function_op(self.contract, method, arguments)
        )
        meta = _meta(answer)
        return self._value(answer, meta), len(meta.operations[0].events)

    @staticmethod
    def _value(
        answer: GetTransactionResponse, meta: xdr.TransactionMetaV4 | None = None
    ) -> xdr.SCVal:
        soroban = (meta or _meta(answer)).soroban_meta
        assert soroban is not None
        assert soroban.return_value is not None
        return soroban.return_value


def _meta(answer: GetTransactionResponse) -> xdr.TransactionMetaV4:
    assert answer.result_meta_xdr is not None
    meta = xdr.TransactionMeta.from_xdr(answer.result_meta_xdr).v4
    assert meta is not None
    return meta


class _Stopwatch:
    """Adds up the time spent in some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object) -> object:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


def measure_calls() -> None:
    """Print the time of a signed deposit, whole way, beside the network's and the host's in it."""
    deployed = Deployed()
    arguments = [scval.to_int128(5)]
    for _ in range(30):
        deployed.call("deposit", arguments)
    watch, network = _Stopwatch(), _Stopwatch()
    originals = Host.invoke, Host.simulate, Dispatcher.answer
    Host.invoke = watch.wrap(originals[0])  # type: ignore[method-assign, assignment]
    Host.simulate = watch.wrap(originals[1])  # type: ignore[method-assign, assignment]
    Dispatcher.answer = network.wrap(originals[2])  # type: ignore[method-assign]
    start = time.perf_counter()
    for _ in range(CALLS):
        _, events = deployed.call("deposit", arguments)
        assert events == 1
    whole = time.perf_counter() - start
    Host.invoke, Host.simulate, Dispatcher.answer = originals  # type: ignore[method-assign]
    rate = CALLS / whole
    print(f"signed call, whole way     {whole / CALLS * 1e3:8.2f} ms   {rate:6.0f} a second")
    print(f"  of it in the network     {network.seconds / CALLS * 1e3:8.2f} ms")
    print(f"  of it inside the host    {watch.seconds / CALLS * 1e3:8.2f} ms")
    print(f"  ratio to the host        {whole / watch.seconds:8.2f}")
    print(f"  the network's alone      {network.seconds / watch.seconds:8.2f}")


def measure_snapshots() -> None:
    """Print the time of a snapshot and a revert, with and without many entries."""
    for entries in (0, ENTRIES):
        network = LocalNetwork()
        for number in range(entries):
            account = Account(number.to_bytes(32, "big"), 10**7, 1)
            network.set_entry(Entry.of_account(account, 1).xdr)
        snapshot = network.snapshot()
        network.close_ledgers()
        start = time.perf_counter()
        for _ in range(ROUNDS):
            network.revert(snapshot)
            network.snapshot()
        spent = (time.perf_counter() - start) / ROUNDS
        print(f"snapshot and revert, {entries:6d} entries  {spent * 1e3:8.4f} ms")


_START = """
import time
start = time.perf_counter()
import benchmarks.network as network
network.Deployed()
print(time.perf_counter() - start)
"""


def measure_start() -> None:
    """Print the time from process start to a funded account and a deployed vault."""
    best = whole = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-c", _START], check=True, capture_output=True, text=True
        )
        whole = min(whole, time.perf_counter() - begin)
        best = min(best, float(run.stdout))
    print(f"process start to a deployed vault  {whole:8.2f} s   ({best:.2f} s after start-up)")


if __name__ == "__main__":
    measure_calls()
    measure_snapshots()
    measure_start()
