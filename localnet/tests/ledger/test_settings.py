"""The network's settings: what is shipped, and files that are wrong."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from localnet.tests.support.contract import Kind, deploy, upload
from localnet.tests.support.sender import Sender
from stellar_sdk import xdr

from soroban_localnet import LocalNetwork, SettingsError
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger.settings import load

Items = list[dict[str, Any]]
WINDOW = "live_soroban_state_size_window"


@pytest.fixture
def items() -> Items:
    text = (resources.files("soroban_localnet") / "data" / PROTOCOL.settings).read_text()
    found: Items = json.loads(text)["updated_entry"]
    return found


def written(folder: Path, items: object) -> Path:
    file = folder / "settings.json"
    file.write_text(json.dumps({"updated_entry": items}))
    return file


def without(items: Items, name: str) -> Items:
    return [item for item in items if name not in item]


NAMES = [
    "contract_max_size_bytes",
    "contract_compute_v0",
    "contract_ledger_cost_v0",
    "contract_historical_data_v0",
    "contract_events_v0",
    "contract_bandwidth_v0",
    "contract_cost_params_cpu_instructions",
    "contract_cost_params_memory_bytes",
    "contract_data_key_size_bytes",
    "contract_data_entry_size_bytes",
    "state_archival",
    "contract_execution_lanes",
    "contract_ledger_cost_ext_v0",
]


# -- what is shipped -------------------------------------------------------------------------


def test_the_shipped_settings_are_those_of_the_testnet() -> None:
    limits = load().limits
    assert limits.instructions == 400_000_000
    assert limits.event_bytes == 16_384
    assert limits.maximum_ttl == 3_110_400
    assert limits.minimum_persistent_ttl == 120_960
    assert limits.ledger.transactions == 2_000
    assert limits.ledger.instructions == 580_000_000


def test_each_setting_is_a_ledger_entry_under_its_key(network: LocalNetwork) -> None:
    for key, entry in network.settings.entries:
        setting = xdr.LedgerEntry.from_xdr_bytes(entry).data.config_setting
        named = xdr.LedgerKey.from_xdr_bytes(key).config_setting
        assert setting is not None
        assert named is not None
        assert setting.config_setting_id == named.config_setting_id
        assert network.entry(key) == (entry, None)


def test_a_file_with_the_shipped_settings_makes_the_same_network(
    tmp_path: Path, items: Items
) -> None:
    assert load(written(tmp_path, items)) == load()


def test_the_live_state_size_comes_from_the_file_where_it_has_one(
    tmp_path: Path, items: Items
) -> None:
    own = [*without(items, WINDOW), {WINDOW: ["77"]}]
    entries = dict(load(written(tmp_path, own)).entries)
    data = [xdr.LedgerEntry.from_xdr_bytes(entry).data for entry in entries.values()]
    windows = [
        d.config_setting.live_soroban_state_size_window
        for d in data
        if d.config_setting is not None
        and d.config_setting.live_soroban_state_size_window is not None
    ]
    assert windows == [[xdr.Uint64(77)]]


def test_rent_grows_with_the_live_state() -> None:
    rents = []
    for size in (0, 2_900_000_000):
        network = LocalNetwork(settings=load(live_state_bytes=size), start_time=1_790_000_000)
        alice = Sender(network)
        alice.invoke(upload())
        sent = alice.invoke(deploy(alice).call("add", Kind.PERSISTENT, "n", 1))
        assert sent.meta is not None
        assert sent.meta.soroban_meta is not None
        assert sent.meta.soroban_meta.ext.v1 is not None
        rents.append(sent.meta.soroban_meta.ext.v1.rent_fee_charged.int64)
    assert rents[0] < rents[1]


def test_a_network_is_held_to_the_limits_of_its_file(tmp_path: Path, items: Items) -> None:
    (item,) = [i for i in items if "contract_max_size_bytes" in i]
    item["contract_max_size_bytes"] = 5_000
    network = LocalNetwork(settings=load(written(tmp_path, items)), start_time=1_790_000_000)
    alice = Sender(network)
    envelope = alice.build(upload())
    answer = alice.server.simulate_transaction(envelope)
    assert answer.error is None  # the host does not know this limit
    envelope = alice.server.prepare_transaction(envelope, answer)
    envelope.sign(alice.key)
    sent = alice.submit(envelope)
    assert sent.refused
    assert "Wasm size exceeds" in sent.messages()


# -- what is wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_setting_is_named(tmp_path: Path, items: Items, name: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(written(tmp_path, without(items, name)))
    assert error.value.setting == name
    assert str(error.value) == f"network settings: {name}: missing; add it to the settings file"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [None, "nonsense", {}, -1, 2**70])
def test_a_setting_that_cannot_be_read_is_named(
    tmp_path: Path, items: Items, name: str, value: object
) -> None:
    wrong = [*without(items, name), {name: value}]
    with pytest.raises(SettingsError) as error:
        load(written(tmp_path, wrong))
    assert error.value.setting == name
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["contract_cost_params_cpu_instructions", "contract_cost_params_memory_bytes"]
)
@pytest.mark.parametrize("count", [0, 85, 87])
def test_a_table_of_cost_parameters_has_to_be_complete(
    tmp_path: Path, items: Items, name: str, count: int
) -> None:
    (item,) = [item for item in items if name in item]
    item[name] = (item[name] * 2)[:count]
    with pytest.raises(SettingsError) as error:
        load(written(tmp_path, items))
    assert str(error.value) == (
        f"network settings: {name}: has {count} cost parameters, not 86; complete it"
    )


@pytest.mark.parametrize(
    "item", [{}, {"no_such_setting": 1}, {"contract_max_size_bytes": 1, "b": 2}]
)
def test_an_item_that_is_no_setting_is_refused(
    tmp_path: Path, items: Items, item: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(written(tmp_path, [*items, item]))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "{}", '{"updated_entry": 1}', '{"updated_entry": [1]}', "\x00"]
)
def test_a_file_of_another_form_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.json: .*updated_entry"):
        load(file)


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"settings\.json: "):
        load(file)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.json: cannot be read"):
        load(tmp_path / "nowhere.json")
