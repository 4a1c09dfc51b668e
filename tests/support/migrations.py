"""A network with a factory and old vaults of every kind, and ways to end or disturb a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
from stellar_sdk import Keypair, SorobanServer, TransactionBuilder, scval, xdr
from stellar_sdk.soroban_rpc import GetTransactionStatus
from tests.support.deployed_vault import BALANCE, CHANNEL, URL, DeployedVault
from tests.support.interruptions import WatchedJournal

from callora_vault import wasm
from callora_vault.client import (
    Deployer,
    Journal,
    Network,
    Signer,
    VaultClient,
    from_keypair,
)
from callora_vault.codec.calls import encode_call
from callora_vault.codec.entries import decode_meta, encode_meta
from callora_vault.codec.keys import instance_key, successor_key
from callora_vault.codec.values import encode_address, encode_i128
from callora_vault.migration import (
    Applied,
    DryRun,
    Mode,
    Plan,
    Status,
    Swept,
    Verification,
    apply,
    dry_run,
    make,
    status,
    sweep,
    verify,
)
from callora_vault.migration.ledger import held
from callora_vault.model.calls import Call, SetAuthorizedCaller
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address
from soroban_localnet import Fork, LocalNetwork

MINIMUM = 10
MUTANTS = Path(__file__).parents[1] / "data" / "mutants"
PLACED = resources.files("callora_vault.parity") / "data"


def other_code(name: str) -> bytes:
    """Read code of other people's: what parity audits, or puts before the factory."""
    placed = PLACED / f"{name}.wasm"
    return placed.read_bytes() if placed.is_file() else (MUTANTS / f"{name}.wasm").read_bytes()


def said(error: Any) -> tuple[Any, ...]:
    """An error's type and values, for errors are only equal to themselves."""
    assert "\n" not in str(error)
    return type(error), *(getattr(error, field.name) for field in attrs.fields(type(error)))


class Migrating:
    """Old vaults to migrate; `fresh` begins anew, with an empty journal."""

    def __init__(self, folder: Path) -> None:
        self.deployed = DeployedVault(folder)
        self._folder = folder
        self._number = 0
        self.owner = self.deployed.owner
        self.channel = from_keypair(CHANNEL)
        with Journal(folder / "made.db") as journal:
            deployer = Deployer(self.deployed.connect(), journal, self.owner)
            self.factory = deployer.create(deployer.upload(wasm.read("factory")), b"f" * 32)
            self.v2 = self.vault(journal, "v2")
            self._client(journal, self.v2).submit(SetAuthorizedCaller(self.channel.address))
        self.v1 = self.deployed.vault
        self._mark = self.deployed.network.snapshot()

    def vault(
        self, journal: Journal, code: str | bytes, balance: int = BALANCE, minimum: int = MINIMUM
    ) -> Address:
        """Deploy a vault of a contract of this package, or of other code."""
        code = wasm.read(code) if isinstance(code, str) else code
        deployer = Deployer(self.deployed.connect(), journal, self.owner)
        return deployer.deploy(code, self.owner, balance, minimum).contract

    def _client(self, journal: Journal, contract: Address) -> VaultClient:
        return self.deployed.client(journal, contract=contract)

    def fresh(self) -> None:
        """Go back to the vaults as they were made."""
        self.back(self._mark)

    def back(self, mark: int) -> None:
        """Go back to a snapshot, with an empty folder."""
        self.deployed.network.revert(mark)
        self.deployed.network.close_ledgers()  # or its time would be that of the snapshot
        self.again()

    def again(self) -> None:
        """Use a folder of its own, without journal and histories."""
        self._number += 1
        self.folder = self._folder / str(self._number)
        self.folder.mkdir()

    def foreign(self, name: str, minimum: int = MINIMUM) -> Address:
        """Deploy a vault as other people might have built it."""
        with Journal(self.folder / "foreign.db") as journal:
            return self.vault(journal, other_code(name), minimum=minimum)

    def call(self, contract: Address, who: Keypair, call: Call) -> None:
        """Call a contract as any program does: nothing is expected of it, and who pays signs."""
        server = self.deployed.network.server()
        method, arguments = encode_call(call)
        built = (
            TransactionBuilder(
                server.load_account(who.public_key), self.deployed.network.passphrase
            )
            .append_invoke_contract_function_op(contract, method, arguments)
            .add_time_bounds(0, 0)
            .build()
        )
        built = server.prepare_transaction(built)
        built.sign(who)
        sent = server.send_transaction(built)
        told = server.get_transaction(sent.hash)
        assert told.status is GetTransactionStatus.SUCCESS, told.result_xdr

    def connect(self, happens: Callable[[], None] | None = None) -> Network:
        """Return the network; something happens after each of its answers."""
        if happens is None:
            return self.deployed.connect()
        return self.deployed.connect(
            self.deployed.faulty(lambda number, method: None, lambda number, method: happens())
        )

    @contextmanager
    def journal(self, happens: Callable[[], None] | None = None) -> Iterator[Journal]:
        """Open the migration's journal, as every run of it does."""
        path = self.folder / "journal.db"
        with (
            Journal(path) if happens is None else WatchedJournal(path, happens, happens) as journal
        ):
            yield journal

    def plan(
        self, old: Address, mode: Mode = Mode.ATOMIC, code: str | bytes = "v2", **given: Any
    ) -> Plan:
        """Plan a migration of a vault."""
        code = wasm.read(code) if isinstance(code, str) else code
        if mode is Mode.ATOMIC:
            given.setdefault("factory", self.factory)
        return make(self.deployed.connect(), old, code, mode=mode, **given)

    def apply(
        self,
        plan: Plan,
        happens: Callable[[], None] | None = None,
        network: Network | None = None,
        **given: Any,
    ) -> Applied:
        """Apply a plan, or go on with it."""
        with self.journal(happens) as journal:
            reached = network or self.connect(happens)
            return apply(reached, journal, plan, self.owner, **given)

    def status(self, plan: Plan) -> Status:
        """Say where a migration stands."""
        with self.journal() as journal:
            return status(self.deployed.connect(), journal, plan)

    @property
    def histories(self) -> tuple[Path, Path]:
        """The files of the vaults' events."""
        return self.folder / "old.jsonl", self.folder / "new.jsonl"

    def verify(self, plan: Plan) -> Verification:
        """Verify a migration with its journal."""
        with self.journal() as journal:
            return verify(self.deployed.connect(), plan, self.histories, journal=journal)

    def dry_run(self, plan: Plan, forked: Fork, **given: Any) -> DryRun:
        """Do it all on a fork, with a throw-away key."""
        local = LocalNetwork(fork=forked)
        key = local.impersonate(plan.owner)
        stand_in = Signer(plan.owner, key.sign, key.public_key)
        folder = self.folder / f"dry {plan.salt.hex()[:8]}"
        folder.mkdir()
        network = Network(SorobanServer(URL, local.client()), local.passphrase)
        return dry_run(network, plan, stand_in, folder, **given)

    def fork(self) -> Fork:
        """Fork the network."""
        return Fork.connect(URL, client=self.deployed.network.client())

    # -- entries, past all rules -------------------------------------------------------------

    def change(self, contract: Address, change: Callable[[xdr.SCContractInstance], None]) -> None:
        """Change a contract's instance entry as no code would."""
        found = self.deployed.network.entry(instance_key(contract).to_xdr_bytes())
        assert found is not None
        entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
        assert entry.data.contract_data is not None
        assert entry.data.contract_data.val.instance is not None
        change(entry.data.contract_data.val.instance)
        self.deployed.network.set_entry(entry.to_xdr_bytes(), found[1])

    def store(self, contract: Address, **fields: Any) -> None:
        """Change fields that a vault stores."""

        def change(instance: xdr.SCContractInstance) -> None:
            assert instance.storage is not None
            (item,) = instance.storage.sc_map
            layout, meta = decode_meta(item.val)
            item.val = encode_meta(attrs.evolve(meta, **fields), layout)

        self.change(contract, change)

    def unlike_a_vault(self, contract: Address) -> None:
        """Store one field in place of all that a vault stores."""

        def change(instance: xdr.SCContractInstance) -> None:
            assert instance.storage is not None
            (item,) = instance.storage.sc_map
            item.val = scval.to_map({scval.to_symbol("limit"): encode_i128(5)})

        self.change(contract, change)

    def succeed(self, old: Address, new: Address, factory: Address | None = None) -> None:
        """Let the factory say that a vault was migrated."""
        key = successor_key(factory or self.factory, old).contract_data
        assert key is not None
        data = xdr.ContractDataEntry(
            xdr.ExtensionPoint(0), key.contract, key.key, key.durability, encode_address(new)
        )
        entry = xdr.LedgerEntry(
            xdr.Uint32(self.deployed.network.latest_ledger),
            xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=data),
            xdr.LedgerEntryExt(0),
        )
        self.deployed.network.set_entry(
            entry.to_xdr_bytes(), self.deployed.network.latest_ledger + 100_000
        )

    def stored(self, contract: Address) -> VaultMeta:
        """Read what a vault stores."""
        with Journal(self._folder / "reader.db") as journal:
            meta = self._client(journal, contract).stored().meta
        assert meta is not None
        return meta

    def balance_of(self, contract: Address) -> int:
        """Read the balance of a contract that may have no owner yet, and then no balance."""
        network = self.deployed.connect()
        found = held(network, contract, network.deadline(10))
        meta = None if found is None else found.stored.meta
        return 0 if meta is None else meta.balance

    def exists(self, contract: Address) -> bool:
        """Say whether there is a contract."""
        network = self.deployed.connect()
        return held(network, contract, network.deadline(10)) is not None

    def sweep(self, plan: Plan, happens: Callable[[], None] | None = None) -> Swept:
        """Sweep what came late."""
        with self.journal(happens) as journal:
            return sweep(self.connect(happens), journal, plan, self.owner)

    def by_channel(self, journal: Journal, contract: Address) -> VaultClient:
        """A client of the channel account, which signs for itself and pays for the owner."""
        return self.deployed.client(
            journal,
            (self.owner, self.channel),
            source=self.channel,
            address_credentials=True,
            contract=contract,
        )
