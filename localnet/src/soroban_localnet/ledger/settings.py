"""The network's Soroban settings, as the ledger entries that hold them.

The file has the form of stellar-core's ConfigUpgradeSet in JSON. Limits, fees, TTLs and the cost
parameters of the metered host are read from there; nothing is made up here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import attrs
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import xdr
from soroban_localnet.errors import SettingsError
from soroban_localnet.host.protocols import PROTOCOL

_Id = stellar_xdr.ConfigSettingID


REQUIRED = (
    _Id.CONFIG_SETTING_CONTRACT_MAX_SIZE_BYTES,
    _Id.CONFIG_SETTING_CONTRACT_COMPUTE_V0,
    _Id.CONFIG_SETTING_CONTRACT_LEDGER_COST_V0,
    _Id.CONFIG_SETTING_CONTRACT_HISTORICAL_DATA_V0,
    _Id.CONFIG_SETTING_CONTRACT_EVENTS_V0,
    _Id.CONFIG_SETTING_CONTRACT_BANDWIDTH_V0,
    _Id.CONFIG_SETTING_CONTRACT_COST_PARAMS_CPU_INSTRUCTIONS,
    _Id.CONFIG_SETTING_CONTRACT_COST_PARAMS_MEMORY_BYTES,
    _Id.CONFIG_SETTING_CONTRACT_DATA_KEY_SIZE_BYTES,
    _Id.CONFIG_SETTING_CONTRACT_DATA_ENTRY_SIZE_BYTES,
    _Id.CONFIG_SETTING_STATE_ARCHIVAL,
    _Id.CONFIG_SETTING_CONTRACT_EXECUTION_LANES,
    _Id.CONFIG_SETTING_CONTRACT_LEDGER_COST_EXT_V0,
    _Id.CONFIG_SETTING_LIVE_SOROBAN_STATE_SIZE_WINDOW,
)


class LedgerLimits(NamedTuple):
    """What the Soroban transactions of one ledger may use together (bytes, entries, instructions).

    `instructions` are those of transactions that run one after the other.
    """

    transactions: int
    instructions: int
    transaction_bytes: int
    disk_read_entries: int
    disk_read_bytes: int
    write_entries: int
    write_bytes: int


@attrs.frozen
class Limits:
    """The limits that a transaction is held to (bytes, entries, instructions, ledgers).

    `ledger`, those for the transactions of one ledger together.
    """

    contract_bytes: int
    data_key_bytes: int
    data_entry_bytes: int
    instructions: int
    memory_bytes: int
    disk_read_entries: int
    disk_read_bytes: int
    write_entries: int
    write_bytes: int
    footprint_entries: int
    event_bytes: int
    transaction_bytes: int
    minimum_persistent_ttl: int
    maximum_ttl: int
    ledger: LedgerLimits


@attrs.frozen
class NetworkSettings:
    """Settings as ledger entries (key and LedgerEntry XDR), and the limits read out of them."""

    entries: tuple[tuple[bytes, bytes], ...]
    limits: Limits


def parse(items: list[dict[str, Any]], live_state_bytes: int) -> NetworkSettings:
    """Read settings in stellar-core's JSON form.

    Arguments: the items of `updated_entry`; `live_state_bytes`, the size of all live Soroban state,
    which rent depends on.
    Raises SettingsError, which names the entry.
    """
    found: dict[_Id, stellar_xdr.ConfigSettingEntry] = {}
    for item in items:
        name = next(iter(item), "an empty item")
        try:
            # numbers of the wrong type or size are noticed when they are encoded
            encoded = stellar_xdr.ConfigSettingEntry.from_json_dict(item).to_xdr_bytes()
            setting = stellar_xdr.ConfigSettingEntry.from_xdr_bytes(encoded)
        except Exception as error:  # the decoder raises whatever Python raises on bad input
            reason = " ".join(str(error).split()) or "it is malformed"
            if isinstance(error, KeyError):
                reason = f"{error.args[0]} is missing"
            raise SettingsError(name, f"cannot be read ({reason})") from error
        _check_cost_parameters(name, setting)
        found[setting.config_setting_id] = setting
    found.setdefault(
        _Id.CONFIG_SETTING_LIVE_SOROBAN_STATE_SIZE_WINDOW,
        stellar_xdr.ConfigSettingEntry(
            _Id.CONFIG_SETTING_LIVE_SOROBAN_STATE_SIZE_WINDOW,
            live_soroban_state_size_window=[stellar_xdr.Uint64(live_state_bytes)],
        ),
    )
    for required in REQUIRED:
        if required not in found:
            raise SettingsError(_name(required), "missing; add it to the settings file")
    entries = tuple(
        (
            xdr.config_setting_key(setting.config_setting_id.value),
            xdr.u32(0) + xdr.u32(xdr.CONFIG_SETTING) + setting.to_xdr_bytes() + xdr.ABSENT,
        )
        for setting in found.values()
    )
    return NetworkSettings(entries, _limits(found))


def _name(setting: _Id) -> str:
    return setting.name.removeprefix("CONFIG_SETTING_").lower()


def of_entries(entries: Iterable[tuple[bytes, bytes]]) -> NetworkSettings:
    """Read settings from the ledger entries (LedgerKey and LedgerEntry XDR) that hold them."""
    kept = tuple(entries)
    return NetworkSettings(kept, _limits(dict(_decode(entry) for _, entry in kept)))


def _decode(entry: bytes) -> tuple[_Id, stellar_xdr.ConfigSettingEntry]:
    setting = stellar_xdr.LedgerEntry.from_xdr_bytes(entry).data.config_setting
    assert setting is not None  # noqa: S101 - the caller has a setting's key
    return setting.config_setting_id, setting


def taken_over(found: Mapping[bytes, bytes]) -> tuple[NetworkSettings, tuple[str, ...]]:
    """Read the settings of another network; what is missing or unreadable there gets its default.

    Arguments: LedgerEntry XDR by LedgerKey XDR.
    Returns the settings, and one line for each default: its name and the reason.
    """
    entries: list[tuple[bytes, bytes]] = []
    left: list[str] = []
    for key, shipped in load().entries:
        entry = found.get(key)
        reason = "the remote has none"
        if entry is not None:
            try:
                identity, setting = _decode(entry)
                _check_cost_parameters(_name(identity), setting)
            except SettingsError as error:
                entry, reason = None, error.reason
            except Exception:  # the decoder raises whatever Python raises on bad input
                entry, reason = None, "its XDR cannot be read"
        if entry is None:
            left.append(f"{_name(_decode(shipped)[0])}: {reason}")
        entries.append((key, shipped if entry is None else entry))
    return of_entries(entries), tuple(left)


def _check_cost_parameters(name: str, setting: stellar_xdr.ConfigSettingEntry) -> None:
    """Reject a table that lacks a parameter: the host would charge nothing for it."""
    table = setting.contract_cost_params_cpu_insns or setting.contract_cost_params_mem_bytes
    if table is None:
        return
    count, needed = len(table.contract_cost_params), len(stellar_xdr.ContractCostType)
    if count != needed:
        raise SettingsError(name, f"has {count} cost parameters, not {needed}; complete it")


def _limits(found: dict[_Id, stellar_xdr.ConfigSettingEntry]) -> Limits:
    def of(setting: _Id, arm: str) -> Any:
        return getattr(found[setting], arm)

    compute = of(_Id.CONFIG_SETTING_CONTRACT_COMPUTE_V0, "contract_compute")
    cost = of(_Id.CONFIG_SETTING_CONTRACT_LEDGER_COST_V0, "contract_ledger_cost")
    archival = of(_Id.CONFIG_SETTING_STATE_ARCHIVAL, "state_archival_settings")
    events = of(_Id.CONFIG_SETTING_CONTRACT_EVENTS_V0, "contract_events")
    bandwidth = of(_Id.CONFIG_SETTING_CONTRACT_BANDWIDTH_V0, "contract_bandwidth")
    cost_ext = of(_Id.CONFIG_SETTING_CONTRACT_LEDGER_COST_EXT_V0, "contract_ledger_cost_ext")
    lanes = of(_Id.CONFIG_SETTING_CONTRACT_EXECUTION_LANES, "contract_execution_lanes")
    return Limits(
        contract_bytes=of(
            _Id.CONFIG_SETTING_CONTRACT_MAX_SIZE_BYTES, "contract_max_size_bytes"
        ).uint32,
        data_key_bytes=of(
            _Id.CONFIG_SETTING_CONTRACT_DATA_KEY_SIZE_BYTES, "contract_data_key_size_bytes"
        ).uint32,
        data_entry_bytes=of(
            _Id.CONFIG_SETTING_CONTRACT_DATA_ENTRY_SIZE_BYTES, "contract_data_entry_size_bytes"
        ).uint32,
        instructions=compute.tx_max_instructions.int64,
        memory_bytes=compute.tx_memory_limit.uint32,
        disk_read_entries=cost.tx_max_disk_read_entries.uint32,
        disk_read_bytes=cost.tx_max_disk_read_bytes.uint32,
        write_entries=cost.tx_max_write_ledger_entries.uint32,
        write_bytes=cost.tx_max_write_bytes.uint32,
        footprint_entries=cost_ext.tx_max_footprint_entries.uint32,
        event_bytes=events.tx_max_contract_events_size_bytes.uint32,
        transaction_bytes=bandwidth.tx_max_size_bytes.uint32,
        minimum_persistent_ttl=archival.min_persistent_ttl.uint32,
        maximum_ttl=archival.max_entry_ttl.uint32,
        ledger=LedgerLimits(
            transactions=lanes.ledger_max_tx_count.uint32,
            instructions=compute.ledger_max_instructions.int64,
            transaction_bytes=bandwidth.ledger_max_txs_size_bytes.uint32,
            disk_read_entries=cost.ledger_max_disk_read_entries.uint32,
            disk_read_bytes=cost.ledger_max_disk_read_bytes.uint32,
            write_entries=cost.ledger_max_write_ledger_entries.uint32,
            write_bytes=cost.ledger_max_write_bytes.uint32,
        ),
    )


def load(path: Path | None = None, live_state_bytes: int | None = None) -> NetworkSettings:
    """Load settings from a file, or the ones that this package ships.

    Arguments: `path`, a file in stellar-core's JSON form; `live_state_bytes`, see PROTOCOL.
    Raises SettingsError.
    """
    size = PROTOCOL.live_state_bytes if live_state_bytes is None else live_state_bytes
    if path is None:
        return _shipped(size)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(str(path), f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), "cannot be read (it is not UTF-8)") from error
    return parse(_items(str(path), text), size)


@lru_cache(maxsize=4)
def _shipped(live_state_bytes: int) -> NetworkSettings:
    source = resources.files("soroban_localnet") / "data" / PROTOCOL.settings
    return parse(_items(PROTOCOL.settings, source.read_text(encoding="utf-8")), live_state_bytes)


def _items(name: str, text: str) -> list[dict[str, Any]]:
    try:
        items = json.loads(text)["updated_entry"]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(name, "is not JSON with a list of settings, updated_entry") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise SettingsError(name, "is not JSON with a list of settings, updated_entry")
    return items
