"""Nodes that stand still, forget or lag, and a network that begins anew under an old history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import SorobanServer
from stellar_sdk.client.base_sync_client import BaseSyncClient
from tests.support.deployed_vault import BALANCE, OWNER, URL, DeployedVault
from tests.support.transports import Altering

from callora_vault.client import Clock, Journal, Network
from callora_vault.inspect import Verdict, audit
from callora_vault.inspect.history import History, HistoryUnusable, Span, appending, export, read
from callora_vault.migration import watch
from callora_vault.rpc.errors import Behind, Unreachable
from callora_vault.rpc.following import events_to_tip

TIMEOUT = 10
FEW = 60
"""More requests than a node that stands still is asked in TIMEOUT seconds with pauses."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def _export(deployed: DeployedVault, path: Path, network: Network | None = None) -> History:
    asked = network or deployed.connect()
    return export(asked, deployed.vault, path, lambda: asked.deadline(TIMEOUT))


def _deduct(deployed: DeployedVault, folder: Path, count: int = 1) -> None:
    with Journal(folder / "journal.db") as journal:
        client = deployed.client(journal)
        for _ in range(count):
            client.deduct(OWNER.public_key, 1)


def _standing(deployed: DeployedVault, transport: BaseSyncClient | None = None) -> Network:
    """A network that stands still while a client waits."""
    now = [0.0]
    clock = Clock(lambda: now[0], lambda: deployed.network.now, lambda s: now.append(now.pop() + s))
    server = SorobanServer(URL, transport or deployed.network.client())
    return Network(server, deployed.network.passphrase, clock=clock)


def _altered(
    deployed: DeployedVault, change: Callable[[dict[str, Any]], None]
) -> tuple[Network, list[int]]:
    """A network whose answers to getEvents are changed, and the latest ledgers that they had."""
    asked: list[int] = []

    def counted(result: dict[str, Any]) -> None:
        asked.append(result["latestLedger"])
        change(result)

    return _standing(deployed, Altering(deployed.network, "getEvents", counted)), asked


def _stuck(at: int) -> Callable[[dict[str, Any]], None]:
    def change(result: dict[str, Any]) -> None:
        result["events"] = [e for e in result["events"] if e["ledger"] <= at]
        result["latestLedger"] = at
        result["cursor"] = f"{(at << 32) | 0xFFFFFFFF:019d}-4294967295"

    return change


def test_a_node_that_stands_still_ends_the_export_as_behind_after_few_requests(
    deployed: DeployedVault, tmp_path: Path, path: Path
) -> None:
    stands = deployed.network.latest_ledger
    _deduct(deployed, tmp_path, 3)
    network, asked = _altered(deployed, _stuck(stands))
    with pytest.raises(Behind) as behind:
        _export(deployed, path, network)
    assert (behind.value.reached, behind.value.needed) == (stands, deployed.network.latest_ledger)
    assert behind.value.exit_code == 3
    assert 1 < len(asked) < FEW
    kept = read(path)
    assert (kept.through, kept.states, len(kept.events)) == (stands, [], 1)
    assert audit(_export(deployed, path)).verdict is Verdict.CONSERVED


def test_a_node_behind_the_history_ends_the_export_as_behind(
    deployed: DeployedVault, tmp_path: Path, path: Path
) -> None:
    _export(deployed, path)  # which leaves an anchor that the node still has
    deployed.network.close_ledgers(2)
    mark = deployed.network.snapshot()
    before = deployed.network.latest_ledger
    deployed.network.close_ledgers(5)
    through = _export(deployed, path).through
    deployed.network.revert(mark)  # as a node is that has not come so far
    network = _standing(deployed)
    with pytest.raises(Behind) as behind:
        _export(deployed, path, network)
    assert (behind.value.reached, behind.value.needed) == (before, through)
    cursor = f"{(through << 32) | 0xFFFFFFFF:019d}-4294967295"
    with pytest.raises(Behind):
        watch(network, deployed.vault, cursor, network.deadline(TIMEOUT))


def test_a_node_that_lags_behind_for_a_while_is_waited_for(
    deployed: DeployedVault, tmp_path: Path, path: Path
) -> None:
    stands = deployed.network.latest_ledger
    _deduct(deployed, tmp_path, 3)
    stuck, given = _stuck(stands), []

    def change(result: dict[str, Any]) -> None:
        given.append(result)
        if len(given) < 4:
            stuck(result)

    network, _ = _altered(deployed, change)
    assert audit(_export(deployed, path, network)).verdict is Verdict.CONSERVED


def _forgetful(since: int) -> Callable[[dict[str, Any]], None]:
    """Answer as an RPC that has only the ledgers from `since` on, and does not say so aloud."""

    def change(result: dict[str, Any]) -> None:
        result["oldestLedger"] = since
        result["events"] = [e for e in result["events"] if e["ledger"] >= since]

    return change


def test_nothing_for_what_was_forgotten_is_a_gap_and_not_seen(
    deployed: DeployedVault, tmp_path: Path, path: Path
) -> None:
    first = _export(deployed, path)
    assert audit(first).verdict is Verdict.CONSERVED
    _deduct(deployed, tmp_path, 4)
    since = deployed.network.latest_ledger - 1
    network, _ = _altered(deployed, _forgetful(since))
    second = _export(deployed, path, network)
    assert second.lost == [Span(first.through + 1, since - 1)]
    assert second.seen[-1].first == since
    audited = audit(second)
    assert (audited.verdict, audited.since) == (Verdict.CONSISTENT, since)
    watched = watch(
        network,
        deployed.vault,
        f"{(first.through << 32) | 0xFFFFFFFF:019d}-4294967295",
        network.deadline(TIMEOUT),
    )
    assert watched.missed == Span(first.through + 1, since - 1)
    assert len(watched.calls) == 2


def test_a_cursor_that_the_rpc_refuses_as_forgotten_is_a_gap(tmp_path: Path, path: Path) -> None:
    deployed = DeployedVault(tmp_path, retention=20)
    first = _export(deployed, path)
    deployed.network.close_ledgers(30)
    network = deployed.connect()
    cursor = f"{(first.through << 32) | 0xFFFFFFFF:019d}-4294967295"
    watched = watch(network, deployed.vault, cursor, network.deadline(TIMEOUT))
    oldest = deployed.network.latest_ledger - 19
    assert watched.missed == Span(first.through + 1, oldest - 1)
    page = events_to_tip(network, deployed.vault, first.through + 1, network.deadline(TIMEOUT))
    assert page.first == oldest


@pytest.mark.parametrize(
    "change",
    [
        lambda result: result.update(cursor=f"{1 << 62:019d}-0000000000"),
        lambda result: result["events"][0].update(ledger=1 << 30),
        lambda result: result.update(cursor="0000000000000000000-x"),
    ],
    ids=["a cursor beyond the tip", "an event beyond the tip", "no cursor"],
)
def test_what_an_rpc_cannot_know_is_not_believed(
    deployed: DeployedVault, path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    network, asked = _altered(deployed, change)
    with pytest.raises(Unreachable):
        _export(deployed, path, network)
    assert len(asked) < FEW
    assert read(path).seen == []


# -- another life --------------------------------------------------------------------------------


def _again(deployed: DeployedVault, folder: Path, later: int) -> DeployedVault:
    """Start the same network again, with the same accounts, and the same vault on it."""
    folder.mkdir()
    again = DeployedVault(folder)
    assert again.vault == deployed.vault
    again.network.advance_time(later)
    again.network.close_ledgers(1)
    return again


@pytest.mark.parametrize("ledgers", [0, 3, 500], ids=["fewer", "about as many", "more"])
def test_a_history_from_before_the_network_began_anew_is_refused_and_kept(
    deployed: DeployedVault, tmp_path: Path, path: Path, ledgers: int
) -> None:
    deployed.network.close_ledgers(10)
    deployed.network.advance_time(5)
    _deduct(deployed, tmp_path)
    _export(deployed, path)
    before = path.read_bytes()
    again = _again(deployed, tmp_path / "again", 60)
    if ledgers:
        again.network.close_ledgers(ledgers)
    with pytest.raises(HistoryUnusable, match="the network began anew since it was written"):
        _export(again, path)
    assert path.read_bytes() == before
    other = path.with_name("other.jsonl")
    assert audit(_export(again, other)).verdict is Verdict.CONSERVED


def test_an_export_that_was_ended_at_once_knows_its_network_too(
    deployed: DeployedVault, tmp_path: Path, path: Path
) -> None:
    deployed.network.advance_time(5)
    _deduct(deployed, tmp_path)
    _export(deployed, path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))  # its head, an anchor, an event
    assert len(read(path).anchors) == 1
    with pytest.raises(HistoryUnusable, match="began anew"):
        _export(_again(deployed, tmp_path / "again", 60), path)


def test_a_network_that_went_on_longer_than_the_rpc_keeps_is_the_same(
    tmp_path: Path, path: Path
) -> None:
    deployed = DeployedVault(tmp_path, retention=20)
    first = _export(deployed, path)
    for later in (0, 100):
        deployed.network.advance_time(later)
        deployed.network.close_ledgers(50)
        history = _export(deployed, path)
        assert history.lost
    assert history.seen[0] == first.seen[0]
    assert audit(history).sums.closing == BALANCE


def test_a_jump_ahead_is_no_new_network(deployed: DeployedVault, path: Path) -> None:
    _export(deployed, path)
    deployed.network.advance_ledgers(1_000)
    assert audit(_export(deployed, path)).verdict is Verdict.CONSERVED


def test_a_file_without_anchors_is_read_and_gets_them(deployed: DeployedVault, path: Path) -> None:
    """Files of format 1 have none."""
    whole = _export(deployed, path)
    path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callora_vault.inspect.history.FORMAT", 1)
        with appending(path, whole.network, whole.contract):
            pass
    assert read(path).anchors == []
    assert _export(deployed, path).anchors == whole.anchors
