"""How long what is signed counts, whatever a clock or an RPC says of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import SorobanServer
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, URL, DeployedVault

from callora_vault.client import (
    ClockSkew,
    Journal,
    Limits,
    Network,
    State,
    Unsettled,
    VaultClient,
    from_keypair,
)
from callora_vault.client.entries import JournalEntry
from callora_vault.client.limits import (
    PUBLIC,
    believed_close_time,
    believed_ledger,
    max_time,
    until_ledger,
)
from soroban_localnet.rpc.in_process import InProcessClient

ME = OWNER.public_key
LOCAL = "Standalone Network ; February 2017"
HOUR, YEAR = 3_600, 365 * 86_400
FORK = Limits(clock_skew=1e12)


@pytest.fixture
def public(tmp_path: Path) -> DeployedVault:
    """A vault on a network with the public one's passphrase."""
    folder = tmp_path / "public"
    folder.mkdir()
    return DeployedVault(folder, passphrase=PUBLIC, limits=FORK)


def client(
    deployed: DeployedVault, journal: Journal, *, ahead: float = 0, transport: Any = None
) -> VaultClient:
    """A client whose clock is so many seconds ahead of the latest ledger; address credentials."""
    clock = deployed.moving.clock()
    clock = attrs.evolve(clock, utc=lambda: deployed.network.close_time + ahead)
    server = SorobanServer(URL, transport or deployed.network.client())
    network = Network(server, deployed.network.passphrase, clock=clock)
    return VaultClient(
        deployed.vault,
        network,
        journal,
        [deployed.owner],
        source=from_keypair(CHANNEL),
        address_credentials=True,
    )


def signed(deployed: DeployedVault, journal: Journal) -> JournalEntry:
    return journal.listed(deployed.network.passphrase, *State)[-1]


@pytest.mark.parametrize("ahead", [6 * HOUR, -6 * HOUR, 301, -301])
def test_a_clock_that_is_wrong_signs_nothing_on_the_public_network(
    public: DeployedVault, journal: Journal, ahead: float
) -> None:
    side = "behind" if ahead > 0 else "ahead of"
    with pytest.raises(ClockSkew, match=f"s {side} this machine's clock, more than 300 s") as skew:
        client(public, journal, ahead=ahead).deduct(ME, 1, "req_1")
    assert skew.value.exit_code == 2
    assert journal.listed(public.network.passphrase, *State) == ()


@pytest.mark.parametrize("ahead", [299, -299])
def test_a_transaction_of_the_public_network_counts_by_its_ledgers(
    public: DeployedVault, journal: Journal, ahead: float
) -> None:
    before = public.network.close_time
    client(public, journal, ahead=ahead).deduct(ME, 1, "req_1")
    assert signed(public, journal).max_time <= before + 61


def test_a_local_clock_that_is_ahead_is_said(
    deployed: DeployedVault, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    deployed.network.close_ledgers()  # or the latest ledger would be that of the snapshot
    client(deployed, journal).deduct(ME, 1, "req_1")
    assert caplog.messages == []
    vault = client(deployed, journal, ahead=6 * HOUR)
    for request in ("req_2", "req_3"):
        vault.deduct(ME, 1, request)
    (said,) = caplog.messages
    assert "was closed 21,600 seconds before this machine's clock" in said


def lie(field: str, by: int, *methods: str) -> Any:
    """A transport whose answers have a number that is higher, in all its spellings."""

    class Lying(InProcessClient):
        def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Any:
            answer = super().post(url, data, json_data)
            assert json_data is not None
            result = answer.json().get("result", {})
            if json_data["method"] in methods and field in result:
                result[field] = type(result[field])(int(result[field]) + by)
            return answer

    return Lying


@pytest.mark.parametrize(
    "methods",
    [
        ("simulateTransaction",),
        ("getLedgers",),
        ("simulateTransaction", "getLedgers", "getLatestLedger", "getHealth"),
    ],
)
def test_a_node_that_lies_about_the_ledger_gets_no_signature_for_years(
    public: DeployedVault, deployed: DeployedVault, journal: Journal, methods: tuple[str, ...]
) -> None:
    for place in (public, deployed):
        client(place, journal).deduct(ME, 1, "before")
        now = place.network.latest_ledger
        transport = lie("latestLedger", 2 * YEAR, *methods)(place.network.dispatcher)
        vault = client(place, journal, transport=transport)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(vault, "limits", attrs.evolve(vault.limits, timeout=5.0))
            try:
                vault.deduct(ME, 1, "req_1")
            except Exception as refused:  # it may be refused, but not signed for long
                assert type(refused).__name__ in {"Unreachable", "Unsettled", "NotAccepted"}
        entry = signed(place, journal)
        assert entry.until_ledger is not None
        assert entry.until_ledger <= now + 240


def test_a_node_that_lies_about_the_time_does_not_settle_what_can_be_applied_still(
    public: DeployedVault, journal: Journal
) -> None:
    """Never applied by its word: the same request would be signed twice."""

    class Lying(InProcessClient):
        def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Any:
            assert json_data is not None
            answer = super().post(url, data, json_data)
            result = answer.json().get("result", {})
            if json_data["method"] == "getTransaction":
                result.update(status="NOT_FOUND", latestLedgerCloseTime=str(10**10))
            return answer

    limits = Limits(timeout=5, validity=600)
    vault = public.client(journal, transport=Lying(public.network.dispatcher), limits=limits)
    with pytest.raises(Unsettled):
        vault.deduct(ME, 1, "req_1")
    assert signed(public, journal).state is State.OPEN
    assert public.client(journal).deduct(ME, 1, "req_1") == BALANCE - 1


# The rules, for any number


times = st.integers(0, 2**40)


@given(close=times, utc=times, validity=st.integers(1, 10_000))
def test_the_last_moment_of_a_transaction(close: int, utc: int, validity: int) -> None:
    limits = Limits(validity=validity)
    assert max_time(PUBLIC, close, utc, limits) == close + validity
    assert max_time(LOCAL, close, utc, limits) == max(close, utc) + validity
    assert believed_close_time(PUBLIC, close, utc, limits) == min(close, utc + 300)
    assert believed_close_time(LOCAL, close, utc, limits) == close


@given(
    latest=st.integers(1, 2**32),
    last=st.integers(1, 2**32),
    closed=times,
    later=st.integers(0, 10**6),
    simulated=st.integers(0, 2**33),
)
def test_a_ledger_a_second_is_the_most_that_is_believed(
    latest: int, last: int, closed: int, later: int, simulated: int
) -> None:
    believed = believed_ledger(PUBLIC, latest, (last, closed), closed + later)
    assert believed <= last + later + 1
    assert believed <= latest
    assert believed_ledger(LOCAL, latest, (last, closed), closed + later) == latest
    until = until_ledger(believed, simulated, PUBLIC, Limits())
    assert believed + 12 <= until <= believed + 120 + 12
