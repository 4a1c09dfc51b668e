"""A network of this process with a vault on it, and clients whose waiting moves its time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
from stellar_sdk import Keypair, SorobanServer
from stellar_sdk.client.base_sync_client import BaseSyncClient
from stellar_sdk.utils import sha256

from callora_vault import wasm
from callora_vault.client import (
    Clock,
    Deployer,
    Journal,
    Limits,
    Network,
    Signer,
    VaultClient,
    from_keypair,
)
from soroban_localnet import LocalNetwork
from soroban_localnet.faults import FaultyClient, Plan

URL = "http://localnet.invalid"
BALANCE = 1_000_000


def key_of(name: str) -> Keypair:
    """A key pair that is the same in every run."""
    return Keypair.from_raw_ed25519_seed(sha256(f"client tests {name}".encode()))


OWNER, STRANGER, CHANNEL = key_of("owner"), key_of("stranger"), key_of("channel")


class MovingClock:
    """A clock that moves only when somebody waits, and a network's time with it."""

    def __init__(self, network: LocalNetwork) -> None:
        self._network = network
        self._now = 0.0
        self._behind = 0.0

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self._behind += seconds
        whole = int(self._behind)
        if whole:
            self._behind -= whole
            self._network.advance_time(whole)

    def clock(self) -> Clock:
        return Clock(lambda: self._now, lambda: self._network.now, self.sleep)


@attrs.define
class CountingSigner:
    """A key that counts what it signs."""

    keypair: Keypair
    signed: int = 0

    def sign(self, payload: bytes) -> bytes:
        self.signed += 1
        return self.keypair.sign(payload)

    @property
    def signer(self) -> Signer:
        return Signer(self.keypair.public_key, self.sign)


class DeployedVault:
    """A network, an owner with a vault, a stranger and a channel account, all funded."""

    def __init__(
        self,
        folder: Path,
        *,
        retention: int = 120_960,
        passphrase: str | None = None,
        start_time: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.network = LocalNetwork(passphrase, retention=retention, start_time=start_time)
        self._limits = limits
        self.moving = MovingClock(self.network)
        self.owner = from_keypair(OWNER)
        for key in (OWNER, STRANGER, CHANNEL):
            self.network.fund(key.public_key)
        with Journal(folder / "deployment.db") as journal:
            deployer = self.deployer(journal)
            code = wasm.read("v1")
            self.vault = deployer.deploy(code, self.owner, BALANCE, 10, name="tests").contract
            self.fresh = {
                name: deployer.create(deployer.upload(wasm.read(name)), sha256(name.encode()))
                for name in ("v1", "v2")
            }
            """An instance of each version that nobody has initialised."""
        self._mark = self.network.snapshot()

    def reset(self) -> None:
        """Go back to the fresh vault."""
        self.network.revert(self._mark)

    def connect(self, transport: BaseSyncClient | None = None) -> Network:
        """A network through a transport; the plain one where none is given."""
        server = SorobanServer(URL, transport or self.network.client())
        return Network(server, self.network.passphrase, clock=self.moving.clock())

    def faulty(
        self, plan: Plan, after_answer: Callable[[int, str], None] | None = None
    ) -> FaultyClient:
        """A transport with faults, whose delays move the network's time."""
        inner = self.network.client()
        return FaultyClient(inner, plan, after_answer=after_answer, sleep=self.moving.sleep)

    def deployer(self, journal: Journal) -> Deployer:
        """What deploys with the owner's account."""
        return Deployer(self.connect(), journal, self.owner, self._limits)

    def client(
        self,
        journal: Journal,
        signers: tuple[Signer, ...] | None = None,
        *,
        transport: BaseSyncClient | None = None,
        source: Signer | None = None,
        address_credentials: bool = False,
        limits: Limits | None = None,
        scope: str | None = None,
        contract: str | None = None,
    ) -> VaultClient:
        """A client of the vault, with the owner's key where nothing else is said."""
        return VaultClient(
            contract or self.vault,
            self.connect(transport),
            journal,
            (self.owner,) if signers is None else signers,
            source=source,
            address_credentials=address_credentials,
            limits=limits or self._limits,
            scope=scope,
        )
