"""The host module itself: what it refuses, and what is left after it crashed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import attrs
import msgspec
import pytest
from localnet.tests.support.contract import Kind, data_key
from stellar_sdk import Address, StrKey, scval
from stellar_sdk import xdr as stellar_xdr

from soroban_localnet import HostCrashed, HostRefused, LocalNetwork, SettingsError, xdr
from soroban_localnet.host.host import Host
from soroban_localnet.host.messages import InvokeRequest, LedgerInfo, SimulateRequest
from soroban_localnet.ledger.settings import REQUIRED, NetworkSettings, load

INFO = LedgerInfo(29, 100, 1_790_000_000, bytes(32), 5_000_000)
HOLDER = Address(StrKey.encode_contract(bytes(32))).to_xdr_sc_address()
KEY = data_key(HOLDER, scval.to_symbol("n"), Kind.PERSISTENT).to_xdr_bytes()
TOO_FAR = 2**32 - 1  # added to the ledger's sequence it overflows, and the host panics


def entry(size: int = 8) -> bytes:
    data = stellar_xdr.ContractDataEntry(
        stellar_xdr.ExtensionPoint(0),
        HOLDER,
        scval.to_symbol("n"),
        stellar_xdr.ContractDataDurability.PERSISTENT,
        scval.to_bytes(bytes(size)),
    )
    kind = stellar_xdr.LedgerEntryType.CONTRACT_DATA
    ledger_entry = stellar_xdr.LedgerEntry(
        stellar_xdr.Uint32(1),
        stellar_xdr.LedgerEntryData(kind, contract_data=data),
        stellar_xdr.LedgerEntryExt(0),
    )
    return ledger_entry.to_xdr_bytes()


def encoded_settings() -> list[bytes]:
    return [setting for _, setting in load().entries]


@attrs.define
class Store:
    """The one entry that hosts of these tests can read, and how often they did."""

    entry: bytes = attrs.field(factory=entry)
    reads: int = 0

    def read(self, key: bytes) -> tuple[bytes, int | None] | None:
        self.reads += 1
        return (self.entry, 1_000) if key == KEY else None


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def host(store: Store) -> Host:
    return Host(encoded_settings(), store.read)


SIMULATE = SimulateRequest(
    ledger=INFO,
    host_function=stellar_xdr.HostFunction(
        stellar_xdr.HostFunctionType.HOST_FUNCTION_TYPE_UPLOAD_CONTRACT_WASM, wasm=b"no wasm"
    ).to_xdr_bytes(),
    source_account=xdr.account_id(bytes(32)),
    auth=[],
    mode=0,
    address_v2=False,
    prng_seed=bytes(32),
    instruction_leeway=0,
    entries=[],
)


# -- crashes ---------------------------------------------------------------------------------


def test_a_crash_names_the_operation_and_the_trap(host: Host) -> None:
    with pytest.raises(HostCrashed) as crash:
        host.simulate_extend(INFO, [KEY], TOO_FAR)
    assert crash.value.operation == "simulate_extend"
    assert crash.value.trap == "wasm trap: wasm `unreachable` instruction executed"


def test_the_call_after_a_crash_meets_a_new_instance_with_the_same_settings(host: Host) -> None:
    before = host.simulate_extend(INFO, [KEY], 5_000)
    for _ in range(3):
        with pytest.raises(HostCrashed):
            host.simulate_extend(INFO, [KEY], TOO_FAR)
        assert host.simulate_extend(INFO, [KEY], 5_000) == before


def test_an_error_while_an_entry_is_read_reaches_the_caller_as_it_is() -> None:
    class NoConnection(Exception):
        pass

    failing = True

    def read(key: bytes) -> tuple[bytes, int | None] | None:
        if failing:
            raise NoConnection
        return entry(), 1_000

    host = Host(encoded_settings(), read)
    with pytest.raises(NoConnection):
        host.simulate_extend(INFO, [KEY], 5_000)
    failing = False
    assert host.simulate_extend(INFO, [KEY], 5_000).min_resource_fee > 0


# -- refused requests ------------------------------------------------------------------------


def changed(**values: object) -> SimulateRequest:
    return msgspec.structs.replace(SIMULATE, **values)


@pytest.mark.parametrize(
    "request_",
    [
        changed(host_function=b""),
        changed(host_function=b"\xff" * 8),
        changed(source_account=b"\x00"),
        changed(auth=[b"\x00"], mode=2),
        changed(mode=3),
        changed(prng_seed=bytes(31)),
        changed(ledger=msgspec.structs.replace(INFO, network_id=bytes(31))),
        changed(entries=[(b"\x00", None)]),
        changed(instruction_leeway=-1),
    ],
    ids=lambda request: "",
)
def test_a_simulation_that_cannot_be_read_is_refused_and_the_host_goes_on(
    host: Host, request_: SimulateRequest
) -> None:
    with pytest.raises(HostRefused) as refused:
        host.simulate(request_)
    assert refused.value.operation == "simulate"
    assert refused.value.reason
    assert host.simulate(SIMULATE).error is not None


def test_another_protocol_is_an_error_of_the_answer(host: Host) -> None:
    newer = msgspec.structs.replace(INFO, protocol_version=30)
    error = host.simulate(changed(ledger=newer)).error
    assert error is not None
    assert error.startswith("HostError: Error(Context, InternalError)")


def test_code_that_is_none_is_an_answer_and_no_refusal(host: Host) -> None:
    answer = host.simulate(SIMULATE)
    assert answer.error is not None
    assert answer.error.startswith("HostError: Error(WasmVm, InvalidAction)")
    assert "Event log (newest first)" in answer.error
    assert answer.value is None
    assert answer.transaction_data is None


def test_an_invocation_of_nonsense_fails_and_the_host_goes_on(host: Host) -> None:
    request = InvokeRequest(
        ledger=INFO,
        instruction_limit=1_000_000,
        resources=b"nonsense",
        restored=[],
        host_function=b"nonsense",
        source_account=b"nonsense",
        auth=[],
        entries=[],
        prng_seed=bytes(32),
        diagnostics=True,
    )
    answer = host.invoke(request)
    assert answer.value is None
    assert answer.error is not None
    assert host.invoke(request) == answer


def test_restoring_what_is_not_there_is_refused_by_its_key(host: Host) -> None:
    missing = data_key(HOLDER, scval.to_symbol("other"), Kind.PERSISTENT).to_xdr_bytes()
    with pytest.raises(HostRefused, match=r"Missing entry to restore.*other"):
        host.simulate_restore(INFO, [missing])


# -- sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 100_000, 300_000, 5_000_000])
def test_requests_of_any_size_cross(host: Host, size: int) -> None:
    large = entry(size)
    assert host.rent_size(large) == len(large)
    assert host.rent_size(entry()) == len(entry())


@pytest.mark.parametrize("size", [100_000, 262_140, 300_000, 5_000_000])
def test_entries_of_any_size_are_read(store: Store, host: Host, size: int) -> None:
    small = host.simulate_extend(INFO, [KEY], 5_000).min_resource_fee
    store.entry = entry(size)
    assert host.simulate_extend(INFO, [KEY], 5_000).min_resource_fee > small


def test_a_simulation_reads_each_entry_once(store: Store, host: Host) -> None:
    host.simulate_extend(INFO, [KEY, KEY], 5_000)
    assert store.reads == 1


# -- settings --------------------------------------------------------------------------------


_Id = stellar_xdr.ConfigSettingID
# limits that are kept outside of the host
ELSEWHERE = {
    _Id.CONFIG_SETTING_CONTRACT_MAX_SIZE_BYTES,
    _Id.CONFIG_SETTING_CONTRACT_DATA_KEY_SIZE_BYTES,
    _Id.CONFIG_SETTING_CONTRACT_DATA_ENTRY_SIZE_BYTES,
    _Id.CONFIG_SETTING_CONTRACT_EXECUTION_LANES,
}


@pytest.mark.parametrize(
    "setting", [s for s in REQUIRED if s not in ELSEWHERE], ids=lambda setting: setting.name
)
def test_a_host_without_one_of_its_settings_is_refused(setting: _Id) -> None:
    lacking = xdr.config_setting_key(setting.value)
    entries = tuple(item for item in load().entries if item[0] != lacking)
    with pytest.raises(SettingsError, match="is not present"):
        LocalNetwork(settings=NetworkSettings(entries, load().limits))


def test_a_setting_that_is_no_entry_is_refused() -> None:
    with pytest.raises(SettingsError, match="the host"):
        Host([b"nonsense"], lambda key: None)


# -- the cache of the compiled module ---------------------------------------------------------


def test_a_cache_folder_that_cannot_be_written_is_no_obstacle() -> None:
    program = (
        "import logging; logging.basicConfig()\n"
        "from soroban_localnet.host.module import engine\n"
        "import wasmtime\n"
        "wasmtime.Module(engine(), b'\\x00asm\\x01\\x00\\x00\\x00')\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": "/dev/null/nowhere", "HOME": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    (line,) = done.stderr.splitlines()
    assert "no cache for the compiled host" in line


@pytest.mark.usefixtures("foreground")
def test_ctrl_c_during_a_call_takes_effect_at_its_end(store: Store) -> None:
    finished = []

    def read(key: bytes) -> tuple[bytes, int | None] | None:
        if key == KEY:
            signal.raise_signal(signal.SIGINT)
            finished.append(key)
        return store.read(key)

    host = Host(encoded_settings(), read)
    with pytest.raises(KeyboardInterrupt):
        host.simulate_extend(INFO, [KEY], 1_000)
    assert finished == [KEY]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Host(encoded_settings(), store.read).simulate_extend(INFO, [KEY], 1_000)
