"""A client turns to the new vault while it runs, by its name or by the factory, and no further."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import xdr
from tests.support.deployed_vault import BALANCE, STRANGER
from tests.support.interruptions import Killed
from tests.support.migrations import Migrating, said

from callora_vault import wasm
from callora_vault.client import (
    Journal,
    NotFollowed,
    NotOurFactory,
    SuccessorLoop,
    VaultClient,
)
from callora_vault.directory import UnknownVault, VaultDirectory
from callora_vault.migration import Mode, Plan, redirect
from callora_vault.model.errors import InsufficientBalance, MissingMethod
from callora_vault.model.units import Address


@pytest.fixture
def directory(here: Migrating, tmp_path: Path) -> VaultDirectory:
    """A directory in which `api` is the old vault."""
    names = VaultDirectory(tmp_path / "vaults.json")
    names.point(here.deployed.network.passphrase, "api", here.v2, instead_of=None)
    return names


@pytest.fixture
def journal(here: Migrating) -> Iterator[Journal]:
    with Journal(here.folder / "backend.db") as opened:
        yield opened


def backend(
    here: Migrating,
    directory: VaultDirectory,
    journal: Journal,
    factory: Address | None = None,
) -> VaultClient:
    network = here.deployed.connect()
    return VaultClient.open("api", directory, network, journal, [here.channel], factory=factory)


def redirected(here: Migrating, directory: VaultDirectory, plan: Plan) -> None:
    here.apply(plan)
    redirect(directory, "api", plan, here.verify(plan))


@pytest.mark.parametrize("mode", [Mode.ATOMIC, Mode.STEPWISE])
def test_a_running_client_goes_where_its_name_goes(
    here: Migrating, directory: VaultDirectory, journal: Journal, mode: Mode
) -> None:
    client = backend(here, directory, journal)
    me = here.channel.address
    assert client.deduct(me, 1, "r1") == BALANCE - 1
    plan = here.plan(here.v2, mode)
    redirected(here, directory, plan)
    assert client.deduct(me, 1, "r2") == BALANCE - 2
    assert client.contract == plan.new
    assert client.balance() == BALANCE - 2
    assert client.deduct(me, 1, "r1") == BALANCE - 1  # as it was applied, to the old one
    assert here.stored(plan.new).balance == BALANCE - 2
    directory.remove(plan.network, "api", instead_of=plan.new)
    with pytest.raises(UnknownVault):
        client.deduct(me, 1, "r3")


def test_a_running_client_goes_from_one_version_to_the_other(
    here: Migrating, directory: VaultDirectory, journal: Journal
) -> None:
    plan = here.plan(here.v1)
    directory.point(plan.network, "first", here.v1, instead_of=None)
    client = VaultClient.open("first", directory, here.deployed.connect(), journal, [here.owner])
    assert client.deduct(here.owner.address, 1) == BALANCE - 1
    with pytest.raises(MissingMethod):
        client.set_authorized_caller(None)
    here.apply(plan)
    redirect(directory, "first", plan, here.verify(plan))
    client.set_authorized_caller(here.channel.address)
    assert here.stored(plan.new).authorized_caller == here.channel.address


@pytest.mark.parametrize("arrives", [True, False])
def test_a_request_that_was_open_at_the_redirect_is_applied_once(
    here: Migrating, directory: VaultDirectory, journal: Journal, arrives: bool
) -> None:
    """Its transaction reached the old vault unseen, or never reached it."""
    me = here.channel.address

    def die(number: int, method: str) -> None:
        if method == "sendTransaction":
            raise Killed

    def lose(number: int, method: str) -> None:
        if not arrives:
            die(number, method)

    network = here.deployed.connect(here.deployed.faulty(lose, die))
    client = VaultClient.open("api", directory, network, journal, [here.channel])
    with pytest.raises(Killed):
        client.deduct(me, 5, "r1")
    plan = here.plan(here.v2)
    redirected(here, directory, plan)
    for _ in range(2):
        backend(here, directory, journal).deduct(me, 5, "r1")
    assert here.stored(here.v2).balance == 0
    assert here.stored(plan.new).balance == BALANCE - 5


def test_a_client_with_a_pinned_factory_follows_on_chain(
    here: Migrating, directory: VaultDirectory, journal: Journal
) -> None:
    me = here.channel.address
    client = backend(here, directory, journal, factory=here.factory)
    unpinned = backend(here, directory, journal)
    assert client.deduct(me, 1) == unpinned.deduct(me, 1) + 1 == BALANCE - 1
    first = here.plan(here.v2)
    here.apply(first)
    with pytest.raises(InsufficientBalance):
        unpinned.deduct(me, 1)
    assert client.deduct(me, 1) == BALANCE - 3  # the directory still has the old one
    assert client.contract == first.new
    second = here.plan(first.new)
    here.apply(second)
    assert client.deduct(me, 1) == BALANCE - 4
    assert client.contract == second.new
    with pytest.raises(InsufficientBalance) as lacking:
        client.deduct(me, BALANCE)
    assert lacking.value.balance == BALANCE - 4
    late = backend(here, directory, journal, factory=here.factory)
    assert late.stored().meta == here.stored(second.new)
    assert late.contract == second.new


def test_a_successor_that_verify_would_not_pass_is_not_followed(
    here: Migrating, directory: VaultDirectory, journal: Journal
) -> None:
    v1, stranger = here.v1, STRANGER.public_key
    fresh = here.deployed.fresh["v2"]
    here.store(here.v2, balance=0)
    client = backend(here, directory, journal, factory=here.factory)

    def refused(kind: type[Exception]) -> tuple[object, ...]:
        with pytest.raises(kind) as caught:
            client.deduct(here.channel.address, 1)
        return said(caught.value)

    here.succeed(here.v2, v1)
    here.store(v1, owner=stranger)
    reason = f"its owner is {stranger}, not {here.owner.address}"
    assert refused(NotFollowed) == (NotFollowed, here.v2, v1, reason)
    here.succeed(here.v2, fresh)
    assert refused(NotFollowed) == (NotFollowed, here.v2, fresh, f"{fresh} has no owner")
    here.succeed(here.v2, here.factory)
    assert "which is not this program's" in str(refused(NotFollowed)[3])
    here.store(v1, owner=here.owner.address)
    here.succeed(here.v2, v1)
    here.succeed(v1, here.v2)
    assert refused(SuccessorLoop) == (SuccessorLoop, (here.v2, v1, here.v2))

    def change(instance: xdr.SCContractInstance) -> None:
        code = wasm.code_hash("v1").hex()
        instance.executable.wasm_hash = xdr.Hash(bytes.fromhex(code))

    here.change(here.factory, change)
    assert refused(NotOurFactory)[1] == here.factory
