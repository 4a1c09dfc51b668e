"""A network with a factory and old vaults of every kind, and ways to end or disturb a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.client.exactly_once import Killed
from tests.client.world import BALANCE, CHANNEL, OWNER, STRANGER, World

from callora_vault import wasm
from callora_vault.calls import SetAuthorizedCaller
from callora_vault.client import Deployer, Journal, Network, VaultClient, from_keypair
from callora_vault.client.journal import JournalEntry
from callora_vault.layouts import VaultMeta
from callora_vault.migration import (
    Applied,
    Mode,
    Plan,
    Swept,
    Verification,
    apply,
    make,
    sweep,
    verify,
)
from callora_vault.migration.chain import held
from callora_vault.units import Address

MINIMUM = 10
MUTANTS = Path(__file__).parents[1] / "data" / "mutants"


class Counted:
    """Something that happens at a point: after an answer of the network or a journal write."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self.points = 0
        self._act = act

    def __call__(self) -> None:
        self.points += 1
        self._act(self.points)


def killed_at(point: int) -> Counted:
    """End the process that migrates at one point."""

    def act(now: int) -> None:
        if now == point:
            raise Killed

    return Counted(act)


class Watched(Journal):
    """A journal after whose writes something happens."""

    def __init__(self, path: Path, happens: Callable[[], None]) -> None:
        super().__init__(path)
        self._happens = happens

    def add(self, *arguments: Any) -> JournalEntry:
        entry = super().add(*arguments)
        self._happens()
        return entry

    def settle(self, *arguments: Any) -> JournalEntry:
        entry = super().settle(*arguments)
        self._happens()
        return entry


class Migrating:
    """The world of a migration; `fresh` begins anew, with an empty journal."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self._folder = folder
        self._number = 0
        self.owner = self.world.owner
        self.channel = from_keypair(CHANNEL)
        with Journal(folder / "made.db") as journal:
            deployer = Deployer(self.world.connect(), journal, self.owner)
            self.factory = deployer.create(deployer.upload(wasm.read("factory")), b"f" * 32)
            self.v2 = self.vault(journal, "v2")
            self._client(journal, self.v2).submit(SetAuthorizedCaller(self.channel.address))
        self.v1 = self.world.vault
        self._mark = self.world.network.snapshot()

    def vault(
        self, journal: Journal, code: str | bytes, balance: int = BALANCE, minimum: int = MINIMUM
    ) -> Address:
        """Deploy a vault of a contract of this package, or of other code."""
        code = wasm.read(code) if isinstance(code, str) else code
        deployer = Deployer(self.world.connect(), journal, self.owner)
        return deployer.deploy(code, self.owner, balance, minimum).contract

    def _client(self, journal: Journal, contract: Address) -> VaultClient:
        return self.world.client(journal, contract=contract)

    def fresh(self) -> None:
        """Go back to the vaults as they were made."""
        self.world.network.revert(self._mark)
        self.again()

    def again(self) -> None:
        """Use a folder of its own, without journal and histories."""
        self._number += 1
        self.folder = self._folder / str(self._number)
        self.folder.mkdir()

    def foreign(self, name: str) -> Address:
        """Deploy a vault as other people might have built it."""
        with Journal(self.folder / "foreign.db") as journal:
            return self.vault(journal, (MUTANTS / f"{name}.wasm").read_bytes())

    def connect(self, happens: Callable[[], None] | None = None) -> Network:
        """Return the network; something happens after each of its answers."""
        if happens is None:
            return self.world.connect()
        return self.world.connect(
            self.world.faulty(lambda number, method: None, lambda number, method: happens())
        )

    @contextmanager
    def journal(self, happens: Callable[[], None] | None = None) -> Iterator[Journal]:
        """Open the migration's journal, as every run of it does."""
        path = self.folder / "journal.db"
        with Journal(path) if happens is None else Watched(path, happens) as journal:
            yield journal

    def plan(self, old: Address, mode: Mode = Mode.ATOMIC, code: str = "v2", **given: Any) -> Plan:
        """Plan a migration of a vault."""
        factory = self.factory if mode is Mode.ATOMIC else None
        return make(self.world.connect(), old, wasm.read(code), mode=mode, factory=factory, **given)

    def apply(self, plan: Plan, happens: Callable[[], None] | None = None, **given: Any) -> Applied:
        """Apply a plan, or go on with it."""
        with self.journal(happens) as journal:
            return apply(self.connect(happens), journal, plan, self.owner, **given)

    def verify(self, plan: Plan) -> Verification:
        """Verify a migration with its journal."""
        with self.journal() as journal:
            histories = self.folder / "old.jsonl", self.folder / "new.jsonl"
            return verify(self.world.connect(), plan, histories, journal=journal)

    def stored(self, contract: Address) -> VaultMeta:
        """Read what a vault stores."""
        with Journal(self._folder / "reader.db") as journal:
            meta = self._client(journal, contract).stored().meta
        assert meta is not None
        return meta

    def exists(self, contract: Address) -> bool:
        """Say whether there is a contract."""
        network = self.world.connect()
        return held(network, contract, network.deadline(10)) is not None

    def sweep(self, plan: Plan) -> Swept:
        """Sweep what came late."""
        with self.journal() as journal:
            return sweep(self.world.connect(), journal, plan, self.owner)

    def by_channel(self, journal: Journal, contract: Address) -> VaultClient:
        """A client of the channel account, which signs for itself and pays for the owner."""
        return self.world.client(
            journal,
            (self.owner, self.channel),
            source=self.channel,
            address_credentials=True,
            contract=contract,
        )


__all__ = ["BALANCE", "CHANNEL", "MINIMUM", "OWNER", "STRANGER", "Killed", "Migrating"]
