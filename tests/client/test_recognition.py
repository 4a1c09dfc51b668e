"""A network that begins anew under an old journal, one that lags, forgets, or goes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from stellar_sdk import SorobanServer
from stellar_sdk.exceptions import ConnectionError as NoConnection
from tests.support.deployed_vault import BALANCE, OWNER, URL, DeployedVault
from tests.support.transports import Altering, always

from callora_vault.client import (
    Journal,
    Limits,
    Network,
    NetworkBehind,
    OtherNetwork,
    Receipt,
    State,
    Unknown,
    Unreachable,
    Unsettled,
    VaultClient,
)
from callora_vault.client.limits import PUBLIC
from callora_vault.model.calls import Deduct
from soroban_localnet.faults import DropAfter, DropBefore
from soroban_localnet.rpc.in_process import InProcessClient

ME = OWNER.public_key
START = 1_700_000_000


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., DeployedVault]:
    """Start the network again, with the same accounts, at a time of its own."""
    lives = iter(range(100))

    def start(start_time: int, *, ledgers: int = 0, **options: Any) -> DeployedVault:
        folder = tmp_path / f"life {next(lives)}"
        folder.mkdir()
        deployed = DeployedVault(folder, start_time=start_time, **options)
        if ledgers:
            deployed.network.close_ledgers(ledgers)
        return deployed

    return start


def deduct(deployed: DeployedVault, journal: Journal, *requests: str) -> list[Receipt]:
    vault = deployed.client(journal)
    return [vault.submit(Deduct(ME, 1, request)) for request in requests]


@pytest.mark.parametrize(
    ("again", "ledgers"),
    [(60, 0), (60, 500), (-86_400, 500), (365 * 86_400, 0)],
    ids=["below the old number", "above it", "after its time was moved", "much later"],
)
def test_a_network_that_was_started_again_is_said_once_and_the_work_goes_on(
    started: Callable[..., DeployedVault],
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    again: int,
    ledgers: int,
) -> None:
    old = started(START)
    deduct(old, journal, "req_1", "req_2", "req_3")
    assert caplog.messages == []
    new = started(START + again, ledgers=ledgers)
    (receipt,) = deduct(new, journal, "req_1")
    assert (receipt.repeated, receipt.returned) == (False, BALANCE - 1)
    assert deduct(new, journal, "req_1")[0].repeated
    assert len(caplog.messages) == 1
    assert "began anew at ledger 1, closed " in caplog.text
    assert "3 earlier transactions of it are kept apart as life 1" in caplog.text
    first, second = journal.lives()
    assert (first.why, second.ended) == ("the network began anew", None)
    assert len(journal.listed(old.network.passphrase, State.APPLIED, life=first)) == 3
    assert len(journal.listed(new.network.passphrase, State.APPLIED)) == 1


def test_a_client_that_runs_while_the_network_is_started_again_goes_on(
    started: Callable[..., DeployedVault], journal: Journal
) -> None:
    old, new = started(START), started(START + 60)
    transport = Switched(old)
    vault = transport.client(journal)
    assert [vault.deduct(ME, 1, f"req_{n}") for n in range(3)][-1] == BALANCE - 3
    transport.now = new
    assert vault.deduct(ME, 1, "req_9") == BALANCE - 1
    assert [life.id for life in journal.lives()] == [1, 2]


class Switched(InProcessClient):
    """A transport whose network is another one from some moment on."""

    def __init__(
        self, first: DeployedVault, at: str = "", then: DeployedVault | None = None
    ) -> None:
        super().__init__(first.network.dispatcher)
        self.now = first
        self._at, self._then = at, then

    def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Any:
        assert json_data is not None
        answer = self.now.network.client().post(url, data, json_data)
        if self._then is not None and json_data["method"] == self._at:
            self.now, self._then = self._then, None
        return answer

    def client(self, journal: Journal) -> VaultClient:
        deployed = self.now
        network = Network(
            SorobanServer(URL, self), deployed.network.passphrase, clock=deployed.moving.clock()
        )
        return VaultClient(deployed.vault, network, journal, [deployed.owner])


@pytest.mark.parametrize(
    "at",
    ["getLedgers", "simulateTransaction", "getLedgerEntries", "sendTransaction", "getTransaction"],
)
def test_a_network_that_is_started_again_during_a_call_gets_each_request_once(
    started: Callable[..., DeployedVault], journal: Journal, at: str
) -> None:
    """After the answer to one method: the call ends in one of the lives, and is noted there."""
    old, new = started(START), started(START + 60)
    deduct(old, journal, "req_0")
    new.network.advance_time(30)
    transport = Switched(old, at, new)
    vault = transport.client(journal)
    vault.deduct(ME, 1, "req_1")
    transport = Switched(new)
    vault = transport.client(journal)
    vault.deduct(ME, 1, "req_1")
    assert new.client(journal).balance() == BALANCE - 1
    noted = [
        entry
        for entry in journal.listed(new.network.passphrase, State.APPLIED)
        if entry.key == "req_1"
    ]
    assert len(noted) == 1


def test_what_was_open_when_the_network_ended_is_never_sent_to_the_next(
    started: Callable[..., DeployedVault], journal: Journal
) -> None:
    """Its envelope would be applied there: the accounts' numbers begin again."""
    old, new = started(START), started(START + 5)
    away = old.faulty(always("sendTransaction", DropBefore()))
    with pytest.raises(Unsettled):
        old.client(journal, transport=away, limits=Limits(timeout=5)).deduct(ME, 1, "req_1")
    (left,) = journal.listed(old.network.passphrase, State.OPEN)
    transport = new.faulty(lambda number, method: None)
    assert new.client(journal, transport=transport).resume() == ()
    assert new.client(journal, transport=transport).deduct(ME, 1, "req_2") == BALANCE - 1
    assert transport.methods.count("sendTransaction") == 1
    assert journal.listed(old.network.passphrase, State.OPEN) == ()
    ended = journal.lives()[0]
    assert journal.listed(old.network.passphrase, State.OPEN, life=ended) == (left,)


def test_what_was_not_sent_yet_when_the_network_ended_is_signed_anew(
    started: Callable[..., DeployedVault], journal: Journal
) -> None:
    old, new = started(START), started(START + 5)

    class Lost(Switched):
        """The old network gets nothing that is sent."""

        def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Any:
            assert json_data is not None
            if json_data["method"] == "sendTransaction" and self.now is old:
                raise NoConnection("dropped")
            return super().post(url, data, json_data)

    vault = Lost(old, "getTransaction", new).client(journal)
    assert vault.deduct(ME, 1, "req_1") == BALANCE - 1
    first, second = journal.lives()
    (left,) = journal.listed(first.network, *State, life=first)
    (applied,) = journal.listed(second.network, *State, life=second)
    assert (left.state, applied.state) == (State.OPEN, State.APPLIED)
    assert left.hash != applied.hash


def test_a_life_that_was_left_is_known_again(
    started: Callable[..., DeployedVault], journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """Two local networks with one journal: each keeps its own requests."""
    one, two = started(START), started(START + 60)
    deduct(one, journal, "req_1")
    deduct(two, journal, "req_1")
    for deployed in (one, two, one):
        assert deduct(deployed, journal, "req_1")[0].repeated
        deduct(deployed, journal, f"req_{len(caplog.messages)}")
    assert len(journal.lives()) == 2


# What must never look like a new network


def test_a_node_that_lags_behind_all_that_is_known_is_waited_for(
    started: Callable[..., DeployedVault], journal: Journal
) -> None:
    deployed = started(START)
    mark = deployed.network.snapshot()
    deployed.network.advance_time(100)
    deduct(deployed, journal, "req_1")
    passphrase = deployed.network.passphrase
    deployed.network.revert(mark)  # a node that has not seen it yet shows just this
    vault = deployed.client(journal)
    assert vault.deduct(ME, 1, "req_1") == BALANCE - 1  # what is applied stays so
    stuck = attrs.evolve(deployed.moving.clock(), sleep=lambda seconds: None)
    times = iter(range(10**6))
    stuck = attrs.evolve(stuck, now=lambda: float(next(times)))
    network = Network(SorobanServer(URL, deployed.network.client()), passphrase, clock=stuck)
    with pytest.raises(NetworkBehind, match="is behind: its latest ledger is") as behind:
        VaultClient(deployed.vault, network, journal, [deployed.owner]).deduct(ME, 1, "req_2")
    assert behind.value.exit_code == 3
    assert len(journal.lives()) == 1
    assert len(journal.listed(passphrase, *State)) == 1


def test_an_rpc_that_lies_about_a_ledger_is_not_believed(
    started: Callable[..., DeployedVault], journal: Journal
) -> None:
    deployed = started(START)
    deduct(deployed, journal, "req_1")

    def lie(result: dict[str, Any]) -> None:
        for ledger in result.get("ledgers", ()):
            ledger["hash"] = "0" * 64

    liar = Altering(deployed.network, "getLedgers", lie)
    vault = deployed.client(journal, transport=liar, limits=Limits(timeout=5))
    assert vault.deduct(ME, 1, "req_1") == BALANCE - 1
    with pytest.raises(Unreachable, match="cannot be read"):
        vault.deduct(ME, 1, "req_2")
    assert len(journal.lives()) == 1


@pytest.mark.parametrize("ahead", [1, 1_000])
def test_a_network_whose_past_is_forgotten_is_the_same_and_that_is_said(
    started: Callable[..., DeployedVault],
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    ahead: int,
) -> None:
    deployed = started(START, retention=20)
    deduct(deployed, journal, "req_1")
    lost = deployed.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(Unsettled):
        deployed.client(journal, transport=lost, limits=Limits(timeout=1)).deduct(ME, 1, "req_2")
    if ahead == 1:
        deployed.network.close_ledgers(30)
    else:
        deployed.network.advance_ledgers(ahead)
    vault = deployed.client(journal)
    assert vault.deduct(ME, 1, "req_1") == BALANCE - 1
    with pytest.raises(Unknown):
        vault.deduct(ME, 1, "req_2")
    assert vault.deduct(ME, 1, "req_3") == BALANCE - 3
    assert "it is taken to be the same network" in caplog.text
    assert len(journal.lives()) == 1


# A network that goes back


def test_what_a_reverted_network_has_no_more_is_kept_apart_and_the_rest_stands(
    started: Callable[..., DeployedVault], journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    deployed = started(START)
    deduct(deployed, journal, "req_1")
    mark = deployed.network.snapshot()
    deduct(deployed, journal, "req_2", "req_3")
    deployed.network.revert(mark)
    deployed.network.advance_time(1)
    deployed.network.close_ledgers(5)
    first, second = deduct(deployed, journal, "req_1", "req_2")
    assert (first.repeated, second.repeated) == (True, False)
    assert deployed.client(journal).balance() == BALANCE - 2
    assert "was reverted: its ledger " in caplog.text
    states = {
        entry.key: entry.state for entry in journal.listed(deployed.network.passphrase, *State)
    }
    assert states == {
        "req_1": State.APPLIED,
        "req_2": State.APPLIED,
        "req_3": State.REVERTED,
    }


def test_a_network_that_went_back_and_closed_the_same_again_is_the_same(
    started: Callable[..., DeployedVault], journal: Journal
) -> None:
    deployed = started(START)
    mark = deployed.network.snapshot()
    deployed.network.close_ledgers(3)
    deduct(deployed, journal, "req_1")
    deployed.network.revert(mark)
    deployed.network.close_ledgers(3)
    with suppress(NetworkBehind):
        deduct(deployed, journal, "req_1")
    assert len(journal.lives()) == 1


# The public network


def public(folder: Path, start_time: int) -> DeployedVault:
    folder.mkdir()
    return DeployedVault(folder, passphrase=PUBLIC, start_time=start_time, limits=FORK)


FORK = Limits(clock_skew=1e12)


def test_the_public_network_never_begins_anew(tmp_path: Path, journal: Journal) -> None:
    true, false = public(tmp_path / "one", START), public(tmp_path / "two", START + 60)
    true.client(journal, limits=FORK).deduct(ME, 1, "req_1")
    with pytest.raises(OtherNetwork, match="is not of the network that the journal knows") as other:
        false.client(journal, limits=FORK).deduct(ME, 1, "req_2")
    assert other.value.exit_code == 2
    assert true.client(journal, limits=FORK).deduct(ME, 1, "req_1") == BALANCE - 1
    assert len(journal.lives()) == 1
