"""Deployment: once for each name, whatever interrupts it and whoever gets in between."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import StrKey, xdr
from stellar_sdk.client.response import Response
from tests.support.deployed_vault import (
    BALANCE,
    OWNER,
    STRANGER,
    CountingSigner,
    DeployedVault,
    key_of,
)
from tests.support.transports import Altering, always

from callora_vault import VaultMeta, wasm
from callora_vault.client import (
    Deployer,
    Journal,
    Limits,
    NoFreeId,
    NotOurFactory,
    NoVault,
    State,
    UnexpectedAuthorisation,
    UnexpectedCode,
    Unsettled,
    from_keypair,
)
from callora_vault.codec.calls import encode_authorisation
from callora_vault.codec.keys import code_key, instance_key
from callora_vault.model.calls import Withdraw
from callora_vault.model.errors import (
    FactoryError,
    FactoryErrorCode,
    NegativeInitialBalance,
    NegativeMinDeposit,
)
from callora_vault.model.units import BadValue
from soroban_localnet.faults import DropAfter, Faults
from soroban_localnet.rpc.in_process import InProcessClient

CODE = wasm.read("v1")
ME = OWNER.public_key


def test_a_vault_is_deployed_with_its_owner(deployed: DeployedVault, journal: Journal) -> None:
    owner = CountingSigner(key_of("another owner"))
    deployed.network.fund(owner.keypair.public_key)
    done = deployed.deployer(journal).deploy(CODE, owner.signer, 50, 5)
    assert done.code_hash == sha256(CODE).hexdigest()
    assert done.abandoned == ()
    vault = deployed.client(journal, (), contract=done.contract)
    assert vault.get_meta() == VaultMeta(owner.keypair.public_key, 50, 5)
    assert owner.signed == 1


def sent(deployed: DeployedVault, journal: Journal) -> list[str]:
    """What was sent, in words, oldest first."""
    entries = journal.listed(deployed.network.passphrase, *State)
    return [entry.request.split("(")[0].split()[0] for entry in entries]


def test_code_that_is_there_is_not_uploaded_again(
    deployed: DeployedVault, journal: Journal
) -> None:
    deployed.deployer(journal).deploy(CODE, deployed.owner, name="shop")
    assert sent(deployed, journal) == ["create", "init"]
    deployed.network.remove_entry(code_key(sha256(CODE).digest()).to_xdr_bytes())
    deployed.deployer(journal).deploy(CODE, deployed.owner, name="another shop")
    assert sent(deployed, journal) == ["create", "init", "upload", "create", "init"]


def test_archived_code_is_uploaded_again(deployed: DeployedVault, journal: Journal) -> None:
    deployed.network.advance_ledgers(600_000)
    done = deployed.deployer(journal).deploy(CODE, deployed.owner, name="shop")
    assert sent(deployed, journal) == ["upload", "create", "init"]
    assert deployed.client(journal, contract=done.contract).balance() == 0


def test_a_deployment_that_is_done_returns_its_vault(
    deployed: DeployedVault, journal: Journal
) -> None:
    first = deployed.deployer(journal).deploy(CODE, deployed.owner, 5, name="shop")
    assert deployed.deployer(journal).deploy(CODE, deployed.owner, 5, name="shop") == first
    assert deployed.deployer(journal).deploy(CODE, deployed.owner, 5, name="other").contract != (
        first.contract
    )


def test_a_name_stands_for_one_code(deployed: DeployedVault, journal: Journal) -> None:
    deployed.deployer(journal).deploy(CODE, deployed.owner, name="shop")
    deployer = deployed.deployer(journal)
    other = Path("tests/data/mutants/panicking.wasm").read_bytes()
    with pytest.raises(UnexpectedCode, match=f"runs the code {sha256(CODE).hexdigest()}"):
        deployer.deploy(other, deployed.owner, name="shop")


class GettingInBetween(InProcessClient):
    """A transport on which a stranger initialises each fresh instance before its owner does."""

    def __init__(self, deployed: DeployedVault, journal: Journal, times: int) -> None:
        super().__init__(deployed.network.dispatcher)
        self._left = times
        self._init: Callable[[str], object] = lambda contract: deployed.client(
            journal, (from_keypair(STRANGER),), contract=contract
        ).init(STRANGER.public_key, key="theft")
        self._passphrase = deployed.network.passphrase
        self._journal = journal

    def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Response:
        assert json_data is not None
        if json_data["method"] == "sendTransaction" and self._left:
            (entry,) = self._journal.listed(self._passphrase, State.OPEN)
            if entry.request.startswith("init"):
                self._left -= 1
                self._init(entry.contract)
        return super().post(url, data, json_data)


@pytest.mark.parametrize("times", [1, 3])
def test_an_instance_that_a_stranger_initialised_first_is_abandoned(
    deployed: DeployedVault, journal: Journal, times: int
) -> None:
    transport = GettingInBetween(deployed, journal, times)
    deployer = Deployer(deployed.connect(transport), journal, deployed.owner)
    done = deployer.deploy(CODE, deployed.owner, 50, name="shop")
    assert len(done.abandoned) == times
    assert deployed.client(journal, contract=done.contract).get_meta() == VaultMeta(ME, 50, 0)
    for contract in done.abandoned:
        assert deployed.client(journal, contract=contract).get_meta().owner == STRANGER.public_key
    assert deployed.deployer(journal).deploy(CODE, deployed.owner, 50, name="shop") == done


def test_a_deployment_that_strangers_always_disturb_gives_up(
    deployed: DeployedVault, journal: Journal
) -> None:
    transport = GettingInBetween(deployed, journal, 1_000)
    deployer = Deployer(deployed.connect(transport), journal, deployed.owner)
    with pytest.raises(NoFreeId, match=r"others initialised all 16 instances .* 'shop' first"):
        deployer.deploy(CODE, deployed.owner, name="shop")


@pytest.mark.parametrize("by_factory", [False, True])
def test_a_deployment_killed_after_each_answer_goes_on(
    deployed: DeployedVault, journal: Journal, by_factory: bool
) -> None:
    class Killed(BaseException):
        pass

    factory = deployed.deployer(journal).factory(wasm.read("factory")) if by_factory else None
    deployed.network.remove_entry(code_key(sha256(CODE).digest()).to_xdr_bytes())
    mark = deployed.network.snapshot()
    point = 0
    finished = False
    while not finished:
        point += 1
        deployed.network.revert(mark)
        with Journal(journal.path.with_name(f"{point}.db")) as own:

            def die(number: int, method: str, at: int = point) -> None:
                if number == at:
                    raise Killed

            transport = deployed.faulty(lambda number, method: None, die)
            try:
                Deployer(deployed.connect(transport), own, deployed.owner).deploy(
                    CODE, deployed.owner, 5, factory=factory, name="shop"
                )
                finished = True
            except Killed:
                pass
            done = deployed.deployer(own).deploy(
                CODE, deployed.owner, 5, factory=factory, name="shop"
            )
            assert done.abandoned == ()
            assert deployed.client(own, contract=done.contract).get_meta() == VaultMeta(ME, 5, 0)
            assert sent(deployed, own) == [
                "upload",
                *(["create"] if factory else ["create", "init"]),
            ]
    assert point > 10


def test_a_deployment_under_faults_comes_to_one_vault(
    deployed: DeployedVault, journal: Journal
) -> None:
    transport = deployed.faulty(Faults.of_every_kind(seed=3, probability=0.03))
    done = Deployer(deployed.connect(transport), journal, deployed.owner).deploy(
        CODE, deployed.owner, 5, name="shop"
    )
    assert transport.injected
    assert deployed.client(journal, contract=done.contract).get_meta() == VaultMeta(ME, 5, 0)


def test_a_deployment_that_runs_out_of_time_can_be_repeated(
    deployed: DeployedVault, journal: Journal
) -> None:
    lost = deployed.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(Unsettled):
        Deployer(deployed.connect(lost), journal, deployed.owner, Limits(timeout=5)).deploy(
            CODE, deployed.owner, name="shop"
        )
    done = deployed.deployer(journal).deploy(CODE, deployed.owner, name="shop")
    assert sent(deployed, journal) == ["create", "init"]
    assert done.abandoned == ()


# Through the factory


@pytest.fixture
def factory(deployed: DeployedVault, journal: Journal) -> str:
    """A factory of this package's code."""
    return deployed.deployer(journal).factory(wasm.read("factory"))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_factory_makes_a_vault_with_its_owner_in_one_transaction(
    deployed: DeployedVault, journal: Journal, factory: str, version: str
) -> None:
    owner = CountingSigner(key_of("another owner"))
    deployed.network.fund(owner.keypair.public_key)
    deployer = deployed.deployer(journal)
    code_hash = deployer.upload(wasm.read(version))
    before = deployed.network.latest_ledger
    done = deployer.deploy(wasm.read(version), owner.signer, 50, 5, factory=factory)
    assert deployed.network.latest_ledger == before + 1
    assert (done.code_hash, done.abandoned, owner.signed) == (code_hash.hex(), (), 1)
    vault = deployed.client(journal, (), contract=done.contract)
    assert vault.get_meta() == VaultMeta(owner.keypair.public_key, 50, 5)


def test_a_factory_is_deployed_once(
    deployed: DeployedVault, journal: Journal, factory: str
) -> None:
    ledger = deployed.network.latest_ledger
    assert deployed.deployer(journal).factory(wasm.read("factory")) == factory
    assert deployed.network.latest_ledger == ledger


def test_a_deployment_through_a_factory_that_is_done_returns_its_vault(
    deployed: DeployedVault, journal: Journal, factory: str
) -> None:
    deployer = deployed.deployer(journal)
    first = deployer.deploy(CODE, deployed.owner, 5, factory=factory, name="shop")
    ledger = deployed.network.latest_ledger
    assert deployer.deploy(CODE, deployed.owner, 5, factory=factory, name="shop") == first
    assert deployed.network.latest_ledger == ledger


@pytest.mark.parametrize("by_factory", [False, True])
def test_what_a_vault_cannot_begin_with_uploads_nothing(
    deployed: DeployedVault, journal: Journal, factory: str, by_factory: bool
) -> None:
    ledger = deployed.network.latest_ledger
    deployer = deployed.deployer(journal)
    by = factory if by_factory else None
    with pytest.raises(NegativeInitialBalance):
        deployer.deploy(wasm.read("v2"), deployed.owner, -1, factory=by)
    with pytest.raises(NegativeMinDeposit):
        deployer.deploy(wasm.read("v2"), deployed.owner, 1, -1, factory=by)
    with pytest.raises(BadValue, match="factory: this is an account; give the id of a contract"):
        deployer.deploy(wasm.read("v2"), deployed.owner, factory=OWNER.public_key)
    assert deployed.network.latest_ledger == ledger


def test_what_the_factory_refuses_is_told_with_its_number(
    deployed: DeployedVault, journal: Journal, factory: str, tmp_path: Path
) -> None:
    there = (
        deployed.deployer(journal)
        .deploy(CODE, deployed.owner, factory=factory, name="shop")
        .contract
    )
    hidden = instance_key(there).to_xdr()

    def hide(result: dict[str, Any]) -> None:
        result["entries"] = [entry for entry in result["entries"] if entry["key"] != hidden]

    transport = Altering(deployed.network, "getLedgerEntries", hide)
    with Journal(tmp_path / "other.db") as other, pytest.raises(FactoryError) as refused:
        Deployer(deployed.connect(transport), other, deployed.owner).deploy(
            CODE, deployed.owner, factory=factory, name="shop"
        )
    assert refused.value.code is FactoryErrorCode.AddressTaken


def test_what_is_no_factory_is_named(deployed: DeployedVault, journal: Journal) -> None:
    with pytest.raises(NotOurFactory, match="is not a factory of this program's code"):
        deployed.deployer(journal).deploy(CODE, deployed.owner, factory=deployed.vault)
    with pytest.raises(NoVault):
        deployed.deployer(journal).deploy(
            CODE, deployed.owner, factory=StrKey.encode_contract(bytes(32))
        )


def test_a_factory_that_asks_for_more_gets_no_signature(
    deployed: DeployedVault, journal: Journal, factory: str
) -> None:
    def add(result: dict[str, Any]) -> None:
        (answer,) = result["results"]
        entry = xdr.SorobanAuthorizationEntry.from_xdr(answer["auth"][0])
        theft = encode_authorisation(deployed.vault, Withdraw(BALANCE))
        entry.root_invocation.sub_invocations.append(theft)
        answer["auth"][0] = entry.to_xdr()

    owner = CountingSigner(OWNER)
    transport = Altering(deployed.network, "simulateTransaction", add)
    deployer = Deployer(deployed.connect(transport), journal, owner.signer)
    with pytest.raises(UnexpectedAuthorisation, match=r"; withdraw\(1000000\) on"):
        deployer.deploy(CODE, owner.signer, factory=factory)
    assert owner.signed == 0


def test_a_name_stands_for_one_code_through_a_factory_too(
    deployed: DeployedVault, journal: Journal, factory: str
) -> None:
    deployed.deployer(journal).deploy(CODE, deployed.owner, factory=factory, name="shop")
    with pytest.raises(UnexpectedCode, match=sha256(CODE).hexdigest()):
        deployed.deployer(journal).deploy(
            wasm.read("v2"), deployed.owner, factory=factory, name="shop"
        )
