"""A seeded workload: what drives a network so that its host does all it can."""

from __future__ import annotations

import random
from collections.abc import Callable

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
from tools.compare_hosts.requests import ROOT

from soroban_localnet import LocalNetwork, xdr
from soroban_localnet.ledger.settings import load

# the networks' clocks stand still: what is recorded does not depend on when
START = 1_790_000_000
CONTRACTS = (
    ROOT / "localnet" / "tests" / "data" / "test_contract.wasm",
    ROOT / "src" / "callora_vault" / "wasm" / "v1.wasm",
)


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
