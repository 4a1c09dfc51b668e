"""Histories: appended, resumed, never silently incomplete or changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.deployed_vault import OWNER, DeployedVault

from callora_vault.client import Journal
from callora_vault.codec.entries import decode_stored
from callora_vault.inspect import Verdict, audit
from callora_vault.inspect.history import History, HistoryUnusable, Span, export, read
from soroban_localnet import LocalNetwork


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def _export(deployed: DeployedVault, path: Path) -> History:
    network = deployed.connect()
    return export(network, deployed.vault, path, lambda: network.deadline(10))


def _deduct(deployed: DeployedVault, journal: Journal, first: int, count: int) -> None:
    client = deployed.client(journal)
    for number in range(first, first + count):
        client.deduct(OWNER.public_key, 1 + number, request_id=f"r{number}")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.db")


def test_a_history_from_init_is_conserved(
    deployed: DeployedVault, journal: Journal, path: Path
) -> None:
    client = deployed.client(journal)
    client.deposit(500)
    _deduct(deployed, journal, 0, 5)
    client.withdraw(7)
    client.withdraw_to(deployed.vault, 8)
    audited = audit(_export(deployed, path))
    assert audited.verdict is Verdict.CONSERVED
    assert audited.events == 9
    assert audited.breaks == ()
    assert (audited.sums.deposited, audited.sums.deducted, audited.sums.withdrawn) == (500, 15, 15)
    assert audited.sums.closing == client.balance()
    assert audit(read(path)) == audited


def test_a_second_export_appends_what_came_since(
    deployed: DeployedVault, journal: Journal, path: Path
) -> None:
    _deduct(deployed, journal, 0, 3)
    _export(deployed, path)
    before = path.read_bytes()
    _deduct(deployed, journal, 3, 2)
    history = _export(deployed, path)
    assert path.read_bytes().startswith(before)
    assert len(history.events) == 6
    assert len(history.seen) == 1
    assert audit(history).verdict is Verdict.CONSERVED


@pytest.mark.parametrize("page", [1, 2, 3, 7, 1000])
def test_pages_of_any_size_give_the_same_events(
    deployed: DeployedVault,
    journal: Journal,
    path: Path,
    page: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _deduct(deployed, journal, 0, 6)
    monkeypatch.setattr("callora_vault.rpc.network.Network.events.__defaults__", (page,))
    history = _export(deployed, path)
    assert len(history.events) == 7
    assert len(history.seen) == 1
    assert audit(history).verdict is Verdict.CONSERVED


def test_an_export_cut_off_at_any_byte_is_gone_on_with(
    deployed: DeployedVault, journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _deduct(deployed, journal, 0, 4)
    monkeypatch.setattr("callora_vault.rpc.network.Network.events.__defaults__", (2,))
    whole = _export(deployed, path)
    text = path.read_bytes()
    first_line = text.index(b"\n") + 1
    for cut in [*range(first_line, len(text), 97), *(i + 1 for i, c in enumerate(text) if c == 10)]:
        path.write_bytes(text[:cut])
        history = _export(deployed, path)
        assert history.events == whole.events
        assert audit(history).verdict is Verdict.CONSERVED
        assert audit(read(path)) == audit(history)


def test_every_changed_line_is_noticed(
    deployed: DeployedVault, journal: Journal, path: Path
) -> None:
    _deduct(deployed, journal, 0, 2)
    _export(deployed, path)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        altered = json.loads(line)
        key = {"event": "data", "contract": "network", "state": "entry"}.get(altered["kind"])
        if key is None:
            altered["close_time" if altered["kind"] == "anchor" else "through"] += 1
        else:
            altered[key] += "A"
        path.write_text("\n".join([*lines[:number], json.dumps(altered), *lines[number + 1 :], ""]))
        with pytest.raises(HistoryUnusable, match=f"line {number + 1} is not the one"):
            read(path)
    path.write_text("\n".join([*lines[:2], *lines[3:], ""]))
    with pytest.raises(HistoryUnusable, match="line 3 is not the one"):
        read(path)


@pytest.mark.parametrize("text", ["", "x\n", "{}\n", "[]\n", '{"kind":"event","digest":""}\n'])
def test_what_is_no_history_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(HistoryUnusable):
        read(path)


def test_a_history_of_another_contract_is_left_alone(deployed: DeployedVault, path: Path) -> None:
    _export(deployed, path)
    before = path.read_bytes()
    network = deployed.connect()
    other = "C" + "A" * 51 + "D2KM"
    with pytest.raises(HistoryUnusable, match=deployed.vault):
        export(network, other, path, lambda: network.deadline(10))
    assert path.read_bytes() == before


def test_what_the_rpc_forgot_between_two_exports_is_named_and_only_the_rest_is_judged(
    tmp_path: Path, path: Path
) -> None:
    deployed = DeployedVault(tmp_path, retention=50)
    with Journal(tmp_path / "journal.db") as journal:
        _deduct(deployed, journal, 0, 3)
        first = _export(deployed, path)
        assert audit(first).verdict is Verdict.CONSERVED
        _deduct(deployed, journal, 3, 2)
        deployed.network.close_ledgers(60)
        _deduct(deployed, journal, 5, 2)
        second = _export(deployed, path)
        assert second.lost == [Span(first.through + 1, second.seen[-1].first - 1)]
        audited = audit(second)
        assert audited.verdict is Verdict.CONSISTENT
        assert audited.since == second.seen[-1].first
        assert audited.events == 2
        assert any("the history has no init" in assumed for assumed in audited.assumed)


def test_a_balance_that_no_event_explains_breaks_the_audit(
    deployed: DeployedVault, journal: Journal, path: Path
) -> None:
    _deduct(deployed, journal, 0, 2)
    history = _export(deployed, path)
    _rob(deployed.network, deployed.vault)
    audited = audit(_export(deployed, path))
    assert audited.verdict is Verdict.BROKEN
    (broken,) = audited.breaks
    assert broken.event is None
    assert f"balance={decode_balance(history) - 1}" in broken.found
    assert broken.words == "the stored balance is 1 less than follows from the events"


def decode_balance(history: History) -> int:
    from stellar_sdk import xdr  # noqa: PLC0415

    stored = decode_stored(xdr.LedgerEntryData.from_xdr(history.states[-1].entry))
    assert stored.meta is not None
    return stored.meta.balance


def _rob(network: LocalNetwork, vault: str) -> None:
    """Take a unit out of the stored balance, past all rules."""
    from stellar_sdk import xdr  # noqa: PLC0415

    from callora_vault.codec.keys import instance_key  # noqa: PLC0415
    from callora_vault.codec.values import encode_i128, encode_symbol  # noqa: PLC0415

    key = instance_key(vault).to_xdr_bytes()
    found = network.entry(key)
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.contract_data is not None
    instance = entry.data.contract_data.val.instance
    assert instance is not None
    assert instance.storage is not None
    meta = instance.storage.sc_map[0].val.map
    assert meta is not None
    for item in meta.sc_map:
        if item.key == encode_symbol("balance"):
            assert item.val.i128 is not None
            item.val = encode_i128(item.val.i128.lo.uint64 - 1)
    network.set_entry(entry.to_xdr_bytes(), found[1])
