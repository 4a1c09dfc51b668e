"""Proof that the WebAssembly build of the host is the host: the same requests to a native build.

A seeded workload drives a network in this process and records what crosses to the host: requests,
entries read, answers. The same shell, built natively, then answers the same requests, and every
answer has to be equal byte for byte: results, changes, events, texts, instructions, memory, fees.

Exit code: 0 all equal, 1 some differ, 2 could not run.
"""

from __future__ import annotations

import argparse
import lzma
import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import msgspec
from stellar_sdk import (
    Account,
    Address,
    ExtendFootprintTTL,
    InvokeHostFunction,
    Keypair,
    Operation,
    RestoreFootprint,
    SorobanServer,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
)
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.auth import authorize_entry
from stellar_sdk.soroban_rpc import AuthMode, SimulateTransactionResponse

from soroban_localnet import LocalNetwork, SettingsError, xdr
from soroban_localnet.host import messages
from soroban_localnet.host.module import Instance, ReadEntry
from soroban_localnet.ledger.settings import NetworkSettings, load

ROOT = Path(__file__).parents[1]
HOST = ROOT / "localnet" / "host"
VECTORS = ROOT / "localnet" / "tests" / "data" / "vectors.xz"
CONTRACTS = (
    ROOT / "localnet" / "tests" / "data" / "test_contract.wasm",
    ROOT / "src" / "callora_vault" / "wasm" / "v1.wasm",
)
REQUESTS = 2_000
# the networks' clocks stand still: what is recorded does not depend on when
START = 1_790_000_000
OPERATIONS = {
    operation.number: operation.name
    for operation in vars(messages).values()
    if isinstance(operation, messages.Operation)
}
# a network's life in this workload, in requests to the host
NETWORK_REQUESTS = 250


class Request(msgspec.Struct, array_like=True, frozen=True):
    """What crossed to the host and back; `reads` is key, entry, last ledger of life."""

    operation: int
    message: bytes
    reads: list[tuple[bytes, bytes | None, int | None]]
    answer: bytes


def read_vectors(path: Path = VECTORS) -> list[Request]:
    """Read recorded requests."""
    return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=list[Request])


def write_vectors(requests: list[Request], path: Path = VECTORS) -> None:
    """Write recorded requests; mostly the same code again and again, so they pack well."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 26}]
    path.write_bytes(lzma.compress(msgspec.msgpack.encode(requests), filters=filters))


# -- recording ---------------------------------------------------------------------------------


class Enough(Exception):
    """Ends the workload: as much is recorded as was asked for."""


@contextmanager
def recording(wanted: int) -> Iterator[list[Request]]:
    """Record the requests of all networks of this process while the context lasts."""
    requests: list[Request] = []

    class Recorder(Instance):
        def __init__(self, read_entry: ReadEntry) -> None:
            self.reads: list[tuple[bytes, bytes | None, int | None]] = []
            super().__init__(self._noted(read_entry))

        def _noted(self, read_entry: ReadEntry) -> ReadEntry:
            def read(key: bytes) -> tuple[bytes, int | None] | None:
                found = read_entry(key)
                self.reads.append((key, *(found or (None, None))))
                return found

            return read

        def call(self, operation: int, request: bytes) -> bytes:
            if len(requests) == wanted:
                raise Enough
            self.reads.clear()
            answer = super().call(operation, request)
            requests.append(Request(operation, request, list(self.reads), answer))
            return answer

    with patch("soroban_localnet.host.host.Instance", Recorder):
        yield requests


def record(wanted: int, seed: int) -> list[Request]:
    """Record `wanted` requests of the workload."""
    chance = random.Random(seed)  # noqa: S311 - the same workload every time
    with recording(wanted) as requests:
        try:
            _lacking_a_setting()
            while True:
                workload = Workload(chance)
                end = len(requests) + NETWORK_REQUESTS
                while len(requests) < end:
                    workload.step()
        except Enough:
            return requests


def _lacking_a_setting() -> None:
    settings = load()
    for missing in range(0, len(settings.entries), 3):
        entries = settings.entries[:missing] + settings.entries[missing + 1 :]
        try:
            LocalNetwork(settings=NetworkSettings(entries, settings.limits), clock=lambda: START)
        except SettingsError:
            continue


# -- the workload ------------------------------------------------------------------------------


class Workload:
    """A network with people, code and contracts, and random things that happen to them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        # rent is at its floor with the one size and above it with the other
        settings = load(live_state_bytes=chance.choice((2_000_000_000, 2_900_000_000)))
        start = START + chance.randrange(10**6)
        self.network = LocalNetwork(settings=settings, start_time=start, clock=lambda: START)
        self.server: SorobanServer = self.network.server()
        self.people = [Keypair.from_raw_ed25519_seed(chance.randbytes(32)) for _ in range(3)]
        for person in self.people:
            self.network.fund(person.public_key)
        self.codes: list[bytes] = [path.read_bytes() for path in CONTRACTS]
        self.contracts: list[tuple[str, int]] = []  # contract and which code it has
        self.signed: list[stellar_xdr.SorobanAuthorizationEntry] = []
        self.faults = False
        for index, code in enumerate(self.codes):
            self.send(_upload(code))
            self.create(index)
        vault, index = self.contracts[-1]
        owner = scval.to_address(self.people[0].public_key)
        amounts = [scval.to_int128(1_000), scval.to_int128(5)]
        self.send(_invocation(vault, "init", [owner, *amounts]), self._known_data(vault, index))
        self.faults = True

    def step(self) -> None:
        """Let one thing happen."""
        happenings: list[tuple[int, Callable[[], None]]] = [
            (30, self.call),
            (6, self.upload),
            (4, lambda: self.create(self.chance.randrange(len(self.codes)))),
            (5, self.extend),
            (5, self.restore),
            (3, self.pass_time),
        ]
        weights = [weight for weight, _ in happenings]
        self.chance.choices(happenings, weights)[0][1]()

    # -- happenings

    def call(self) -> None:
        """Call a method in some mode of simulation, with some fault or none."""
        contract, code = self.chance.choice(self.contracts)
        method, arguments = (self._test_call, self._vault_call)[code % 2]()
        operation = _invocation(contract, method, arguments)
        self.send(operation, self._known_data(contract, code))

    def upload(self) -> None:
        """Upload code: new, known, or no code at all."""
        code = bytearray(self.codes[self.chance.randrange(2)])
        kind = self.chance.randrange(5)
        if kind == 0:  # a custom section more makes it other code that does the same
            code += bytes((0, 9, 4)) + b"salt" + self.chance.randbytes(4)
        elif kind == 1:
            del code[self.chance.randrange(len(code)) :]
        elif kind == 2:
            for _ in range(3):
                code[self.chance.randrange(len(code))] ^= 1 << self.chance.randrange(8)
        elif kind == 3:
            code = bytearray(self.chance.randbytes(self.chance.randrange(200)))
        self.send(_upload(bytes(code)))

    def create(self, index: int) -> None:
        """Create a contract; one time in eight with arguments that its constructor lacks."""
        owner = self.chance.choice(self.people)
        preimage = stellar_xdr.ContractIDPreimage(
            stellar_xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
            from_address=stellar_xdr.ContractIDPreimageFromAddress(
                Address(owner.public_key).to_xdr_sc_address(),
                stellar_xdr.Uint256(self.chance.randbytes(32)),
            ),
        )
        executable = stellar_xdr.ContractExecutable(
            stellar_xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM,
            wasm_hash=stellar_xdr.Hash(xdr.sha256(self.codes[index])),
        )
        odd = self.faults and self.chance.randrange(8) == 0
        arguments = [scval.to_uint32(1)] if odd else []
        operation = InvokeHostFunction(
            stellar_xdr.HostFunction(
                stellar_xdr.HostFunctionType.HOST_FUNCTION_TYPE_CREATE_CONTRACT_V2,
                create_contract_v2=stellar_xdr.CreateContractArgsV2(
                    preimage, executable, arguments
                ),
            ),
            [],
        )
        created = self.send(operation)
        if created is not None and created.address is not None:
            self.contracts.append((Address.from_xdr_sc_address(created.address).address, index))

    def extend(self) -> None:
        """Extend the lives of some entries, one time in four further than is allowed."""
        keys = self._some_keys()
        ledgers = self.chance.choice((100, 200_000, 1_000_000, 2**32 - 1))
        self.send(ExtendFootprintTTL(ledgers), _declared(keys, []))

    def restore(self) -> None:
        """Restore some entries, archived or not."""
        self.send(RestoreFootprint(), _declared([], self._some_keys()))

    def pass_time(self) -> None:
        """Let ledgers pass: temporary entries expire, persistent ones are archived."""
        self.network.advance_ledgers(self.chance.choice((1, 800, 130_000, 600_000)))

    # -- calls

    def _someone(self) -> stellar_xdr.SCVal:
        return scval.to_address(self.chance.choice(self.people).public_key)

    def _test_call(self) -> tuple[str, list[stellar_xdr.SCVal]]:
        chance = self.chance
        kind = scval.to_uint32(chance.choice((0, 0, 1, 1, 2, 2, 3)))
        name = scval.to_symbol(chance.choice("abc"))
        amount = scval.to_uint64(chance.choice((0, 1, 1, 7, 7, 2**64 - 1)))
        small, large = (scval.to_uint32(chance.choice(n)) for n in ((0, 1, 9), (0, 90, 9_000)))
        calls = {
            "add": [kind, name, amount],
            "get": [kind, name],
            "remove": [kind, name],
            "extend": [kind, name, large, scval.to_uint32(chance.choice((500, 90_000, 2**31)))],
            "store": [name, scval.to_uint32(chance.choice((0, 100, 20_000, 70_000)))],
            "approve": [self._someone(), amount],
            "approve_both": [self._someone(), self._someone()],
            "relay": [
                scval.to_address(chance.choice(self.contracts)[0]),
                self._someone(),
                amount,
            ],
            "trap": [],
            "fail": [small],
            "fail_late": [name],
            "emit": [small, large],
            "burn": [large],
            "allocate": [large],
            "give": [scval.to_uint32(chance.choice((0, 1_000, 30_000)))],
            "clock": [],
            "random": [],
            "create": [
                scval.to_bytes(xdr.sha256(chance.choice(self.codes))),
                scval.to_bytes(chance.randbytes(32)),
            ],
            "missing": [],
        }
        return self._varied(calls)

    def _vault_call(self) -> tuple[str, list[stellar_xdr.SCVal]]:
        chance = self.chance
        amount = scval.to_int128(chance.choice((-1, 0, 1, 5, 5, 7, 1_000, 2**127 - 1)))
        optional = chance.choice((scval.to_void(), amount))
        calls = {
            "init": [self._someone(), optional, optional],
            "get_meta": [],
            "balance": [],
            "deposit": [amount],
            "deduct": [self._someone(), amount, scval.to_void()],
            "withdraw": [amount],
            "withdraw_to": [self._someone(), amount],
        }
        return self._varied(calls)

    def _varied(
        self, calls: dict[str, list[stellar_xdr.SCVal]]
    ) -> tuple[str, list[stellar_xdr.SCVal]]:
        method, arguments = self.chance.choice(sorted(calls.items()))
        if self.chance.randrange(20) == 0:
            arguments = arguments[:-1]
        elif arguments and self.chance.randrange(20) == 0:
            odd = (scval.to_string("é"), scval.to_vec([scval.to_bool(True)]), scval.to_void())
            arguments[self.chance.randrange(len(arguments))] = self.chance.choice(odd)
        return method, arguments

    # -- footprints

    def _keys(
        self, contract: str, code: int
    ) -> tuple[stellar_xdr.LedgerKey, stellar_xdr.LedgerKey]:
        identity = Address(contract).key
        return (
            stellar_xdr.LedgerKey.from_xdr_bytes(xdr.contract_instance_key(identity)),
            stellar_xdr.LedgerKey.from_xdr_bytes(
                xdr.contract_code_key(xdr.sha256(self.codes[code]))
            ),
        )

    def _data_key(self, contract: str, name: str, durability: int) -> stellar_xdr.LedgerKey:
        return stellar_xdr.LedgerKey(
            stellar_xdr.LedgerEntryType.CONTRACT_DATA,
            contract_data=stellar_xdr.LedgerKeyContractData(
                Address(contract).to_xdr_sc_address(),
                scval.to_symbol(name),
                stellar_xdr.ContractDataDurability(durability),
            ),
        )

    def _some_keys(self) -> list[stellar_xdr.LedgerKey]:
        keys: dict[bytes, stellar_xdr.LedgerKey] = {}
        for _ in range(self.chance.randrange(1, 4)):
            contract, code = self.chance.choice(self.contracts)
            name, durability = self.chance.choice("abc"), self.chance.choice((0, 1, 1))
            data_key = self._data_key(contract, name, durability)
            key = self.chance.choice((*self._keys(contract, code), data_key))
            keys[key.to_xdr_bytes()] = key
        return list(keys.values())

    def _known_data(self, contract: str, code: int) -> stellar_xdr.SorobanTransactionData:
        """Build the footprint that a call surely needs, for calls that no simulation lets pass."""
        instance, code_key = self._keys(contract, code)
        written = [instance, *(self._data_key(contract, name, 1) for name in "abc")]
        return _declared([code_key], written)

    # -- transactions

    def send(
        self, operation: Operation, data: stellar_xdr.SorobanTransactionData | None = None
    ) -> stellar_xdr.SCVal | None:
        """Simulate a transaction, sign it, send it; return what an accepted one returned."""
        sender = self.chance.choice(self.people)
        simulation = self._simulate(self._build(sender, operation, data), None)
        if simulation.error is not None:
            envelope = self._build(sender, operation, data)
            if not isinstance(operation, InvokeHostFunction) or data is None:
                return None
            envelope.transaction.fee = 200_000_000
        else:
            if isinstance(operation, InvokeHostFunction):
                operation.auth = self._authorize(operation, simulation)
                mode = self.chance.choice((None, AuthMode.ENFORCE, AuthMode.RECORD_ALL_NOROOT))
                enforced = self._simulate(self._build(sender, operation, data), mode)
                simulation = simulation if enforced.error is not None else enforced
            envelope = self._build(sender, operation, data)
            envelope = self.server.prepare_transaction(envelope, simulation)
            if self.faults:
                self._tamper(envelope)
        envelope.sign(sender)
        answer = self.server.send_transaction(envelope)
        got = self.server.get_transaction(answer.hash)
        if got.result_meta_xdr is None:
            return None
        meta = stellar_xdr.TransactionMeta.from_xdr(got.result_meta_xdr).v4
        return meta.soroban_meta.return_value if meta and meta.soroban_meta else None

    def _build(
        self, sender: Keypair, operation: Operation, data: stellar_xdr.SorobanTransactionData | None
    ) -> TransactionEnvelope:
        account = self.server.load_account(sender.public_key)
        builder = TransactionBuilder(
            Account(account.account.account_id, account.sequence), self.network.passphrase
        )
        builder.append_operation(operation).add_time_bounds(0, 0)
        if data is not None:
            builder.set_soroban_data(data)
        return builder.build()

    def _simulate(
        self, envelope: TransactionEnvelope, mode: AuthMode | None
    ) -> SimulateTransactionResponse:
        upgraded = self.chance.randrange(2) == 0
        return self.server.simulate_transaction(
            envelope, auth_mode=mode, use_upgraded_auth=upgraded
        )

    def _authorize(
        self, operation: InvokeHostFunction, simulation: SimulateTransactionResponse
    ) -> list[stellar_xdr.SorobanAuthorizationEntry]:
        """Sign for every address, or with another key, or too late, or once more."""
        signed = []
        terms = (100, 100, 100, 100, 100, 0, -1, 2**31) if self.faults else (100,)
        last = self.network.latest_ledger + self.chance.choice(terms)
        for text in (simulation.results or [])[0].auth or []:
            entry = stellar_xdr.SorobanAuthorizationEntry.from_xdr(text)
            address = entry.credentials.address or entry.credentials.address_v2
            if address is None:
                signed.append(entry)
                continue
            signers = {Address(key.public_key): key for key in self.people}
            signer = signers.get(Address.from_xdr_sc_address(address.address))
            kind = self.chance.randrange(10) if self.faults else None
            if kind == 0 or signer is None:
                signer = self.chance.choice(self.people)
            if kind == 1 and self.signed:
                signed.append(self.chance.choice(self.signed))
            elif kind != 2:
                signed.append(authorize_entry(entry, signer, last, self.network.passphrase))
                self.signed.append(signed[-1])
        return signed

    def _tamper(self, envelope: TransactionEnvelope) -> None:
        """Declare too little, one time in four."""
        data = envelope.transaction.soroban_data
        assert data is not None  # noqa: S101 - it has been prepared
        resources = data.resources
        footprint = resources.footprint
        kind = self.chance.randrange(24)
        if kind == 0:
            resources.instructions = stellar_xdr.Uint32(resources.instructions.uint32 // 2)
        elif kind == 1:
            resources.write_bytes = stellar_xdr.Uint32(resources.write_bytes.uint32 // 2)
        elif kind == 2 and footprint.read_only:
            footprint.read_only.pop()
        elif kind == 3 and footprint.read_write:
            footprint.read_write.pop()
        elif kind == 4:
            footprint.read_only += footprint.read_write
            footprint.read_write = []
        elif kind == 5:
            data.resource_fee = stellar_xdr.Int64(data.resource_fee.int64 * 3 // 4)


def _declared(
    read_only: list[stellar_xdr.LedgerKey], read_write: list[stellar_xdr.LedgerKey]
) -> stellar_xdr.SorobanTransactionData:
    """Declare a footprint and resources that are more than enough."""
    return stellar_xdr.SorobanTransactionData(
        ext=stellar_xdr.SorobanTransactionDataExt(0),
        resources=stellar_xdr.SorobanResources(
            footprint=stellar_xdr.LedgerFootprint(read_only, read_write),
            instructions=stellar_xdr.Uint32(20_000_000),
            disk_read_bytes=stellar_xdr.Uint32(100_000),
            write_bytes=stellar_xdr.Uint32(100_000),
        ),
        resource_fee=stellar_xdr.Int64(100_000_000),
    )


def _invocation(
    contract: str, method: str, arguments: list[stellar_xdr.SCVal]
) -> InvokeHostFunction:
    call = stellar_xdr.InvokeContractArgs(
        Address(contract).to_xdr_sc_address(), stellar_xdr.SCSymbol(method.encode()), arguments
    )
    kind = stellar_xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT
    return InvokeHostFunction(stellar_xdr.HostFunction(kind, invoke_contract=call), [])


def _upload(code: bytes) -> InvokeHostFunction:
    function = stellar_xdr.HostFunction(
        stellar_xdr.HostFunctionType.HOST_FUNCTION_TYPE_UPLOAD_CONTRACT_WASM, wasm=code
    )
    return InvokeHostFunction(function, [])


# -- the native build --------------------------------------------------------------------------


class CouldNotRun(Exception):
    """The comparison could not be made."""


class NativeFailed(Exception):
    """The native program ended where the WebAssembly build answered."""


def build(target: Path) -> Path:
    """Build the shell natively and return the program."""
    command = ["cargo", "build", "--release", "--locked", "--bin", "native"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target.resolve())}
    try:
        subprocess.run(command, cwd=HOST, env=environment, check=True)
    except FileNotFoundError as error:
        raise CouldNotRun(
            "cargo is missing: install Rust (rustup, or apt-get install cargo)"
        ) from error
    except subprocess.CalledProcessError as error:
        raise CouldNotRun(f"cargo build ended with {error.returncode}") from error
    return target.resolve() / "release" / "native"


_LENGTH = struct.Struct(">I")


def replay(program: Path, requests: Sequence[Request]) -> list[bytes]:
    """Return the native program's answers."""
    messages = [msgspec.msgpack.encode((r.operation, r.message, r.reads)) for r in requests]
    sent = b"".join(_LENGTH.pack(len(message)) + message for message in messages)
    # anyhow adds a backtrace to its texts where the environment asks for one
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RUST_")}
    done = subprocess.run([program], input=sent, capture_output=True, env=environment, check=False)
    answers, position = [], 0
    while position < len(done.stdout):
        (length,) = _LENGTH.unpack_from(done.stdout, position)
        position += _LENGTH.size + length
        answers.append(done.stdout[position - length : position])
    if done.returncode:
        reason = done.stderr.decode().strip()
        raise NativeFailed(f"the native program ended at request {len(answers)}: {reason}")
    return answers


OUTCOMES = ("done", "failed", "refused")


def outcome(request: Request) -> str:
    """Tell whether the host did what was asked, ran it to an error, or refused the request."""
    ok, value = msgspec.msgpack.decode(request.answer)
    if not ok:
        return "refused"
    error = {"invoke": 1, "simulate": 0}.get(OPERATIONS[request.operation])
    return "done" if error is None or value[error] is None else "failed"


def _print(requests: Sequence[Request], answers: Sequence[bytes]) -> int:
    """Print a line for each operation and return how many answers differ."""
    counts: Counter[tuple[str, str]] = Counter()
    for request, answer in zip(requests, answers, strict=True):
        operation = OPERATIONS[request.operation]
        counts[operation, outcome(request)] += 1
        counts[operation, "differ"] += answer != request.answer
    columns = (*OUTCOMES, "differ")
    print(f"{'operation':<18}" + "".join(f"{column:>9}" for column in columns))
    for operation in OPERATIONS.values():
        row = "".join(f"{counts[operation, column]:>9}" for column in columns)
        print(f"{operation:<18}{row}")
    return sum(counts[operation, "differ"] for operation in OPERATIONS.values())


def _show(index: int, request: Request, answer: bytes) -> None:
    print(f"request {index}, {OPERATIONS[request.operation]}:")
    print(f"  WebAssembly {msgspec.msgpack.decode(request.answer)!r:.2000}")
    print(f"  native      {msgspec.msgpack.decode(answer)!r:.2000}")


def main(arguments: list[str] | None = None) -> int:
    """Record, replay natively, compare; with --write keep what was recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many to compare")
    parser.add_argument("--seed", type=int, default=29, help="of the workload")
    parser.add_argument("--target-dir", type=Path, default=HOST / "target", help="cargo's")
    parser.add_argument("--write", action="store_true", help="write the tests' vectors anew")
    options = parser.parse_args(arguments)
    try:
        program = build(options.target_dir)
        requests = record(options.requests, options.seed)
        answers = replay(program, requests)
    except (CouldNotRun, OSError) as error:
        print(f"could not compare: {error}", file=sys.stderr)
        return 2
    except NativeFailed as error:
        print(f"DIFFERENT: {error}")
        return 1
    differ = _print(requests, answers)
    if differ:
        pairs = enumerate(zip(requests, answers, strict=True))
        index, (request, answer) = next(p for p in pairs if p[1][0].answer != p[1][1])
        _show(index, request, answer)
        print(f"DIFFERENT: {differ} of {len(requests)} answers, the first of them above")
        return 1
    print(f"EQUAL: {len(requests)} answers, byte for byte (seed {options.seed})")
    if options.write:
        write_vectors(requests)
        print(f"wrote {VECTORS.relative_to(ROOT)}, {VECTORS.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
