"""stellar's Soroban host, compiled to WebAssembly, behind typed calls.

Each call crosses once each way with one msgpack message. Simulations read ledger entries through a
callback. The module is compiled once per machine (wasmtime keeps it in its cache) and loaded once
per process.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import struct
import threading
from collections.abc import Callable, Sequence
from importlib import resources
from types import FrameType
from typing import Any, cast

import msgspec
import wasmtime

from soroban_localnet.errors import HostCrashed, HostRefused, SettingsError

_log = logging.getLogger(__name__)

ReadEntry = Callable[[bytes], tuple[bytes, int | None] | None]


class _Message(msgspec.Struct, array_like=True, frozen=True):
    """A message as the host reads and writes it: the fields' values in their order."""


class LedgerInfo(_Message, frozen=True):
    """The ledger that a call runs in. `timestamp` in seconds, `base_reserve` in stroops."""

    protocol_version: int
    sequence: int
    timestamp: int
    network_id: bytes
    base_reserve: int


class InvokeRequest(_Message, frozen=True):
    """A host function with its footprint's entries, in the footprint's order.

    All bytes are XDR: `resources` of SorobanResources, `entries` of LedgerEntry with the last
    ledger in which each lives. `restored` are indexes of restored entries in the read-write keys.
    """

    ledger: LedgerInfo
    instruction_limit: int
    resources: bytes
    restored: list[int]
    host_function: bytes
    source_account: bytes
    auth: list[bytes]
    entries: list[tuple[bytes | None, int | None]]
    prng_seed: bytes
    diagnostics: bool


class TtlChange(_Message, frozen=True):
    """How long an entry lived and lives, in ledger sequences."""

    key_hash: bytes
    durability: int
    entry_type: int
    old_live_until: int
    new_live_until: int


class Change(_Message, frozen=True):
    """One footprint key after an invocation; sizes in bytes as rent counts them."""

    read_only: bool
    key: bytes
    old_size_for_rent: int
    new_value: bytes | None
    new_size_for_rent: int
    ttl: TtlChange | None


class InvokeAnswer(_Message, frozen=True):
    """What an invocation did: `value` (ScVal XDR), or `error` (ScErrorType, code).

    `rent_fee` in stroops; `memory` in bytes; `events` and `diagnostics` are XDR.
    """

    value: bytes | None
    error: tuple[int, int] | None
    changes: list[Change]
    events: list[bytes]
    diagnostics: list[bytes]
    instructions: int
    memory: int
    rent_fee: int


class SimulateRequest(_Message, frozen=True):
    """A host function to try. `mode`: 0 records, 1 records non-root too, 2 enforces `auth`.

    `entries` (LedgerEntry XDR, last ledger of life) are those that it will surely read; others are
    asked for one by one.
    """

    ledger: LedgerInfo
    host_function: bytes
    source_account: bytes
    auth: list[bytes]
    mode: int
    address_v2: bool
    prng_seed: bytes
    instruction_leeway: int
    entries: list[tuple[bytes, int | None]]


class Modified(_Message, frozen=True):
    """An entry that a simulation would create, change or remove (LedgerKey, LedgerEntry XDR)."""

    key: bytes
    before: bytes | None
    after: bytes | None


class SimulateAnswer(_Message, frozen=True):
    """What a simulation found: what the call would return, need and cost (stroops).

    `transaction_data` is SorobanTransactionData XDR; it and `value` are None where `error` is not.
    """

    error: str | None
    value: bytes | None
    auth: list[bytes]
    events: list[bytes]
    diagnostics: list[bytes]
    transaction_data: bytes | None
    min_resource_fee: int
    instructions: int
    memory: int
    modified: list[Modified]


class FootprintAnswer(_Message, frozen=True):
    """Transaction data (XDR) and resource fee (stroops), and those of a restore needed before."""

    transaction_data: bytes
    min_resource_fee: int
    restore: tuple[bytes, int] | None


class RentChange(_Message, frozen=True):
    """An entry's life before and after, for rent. Sizes in bytes, lives in ledger sequences."""

    is_persistent: bool
    is_code: bool
    old_size: int
    new_size: int
    old_live_until: int
    new_live_until: int


class _Answer(msgspec.Struct, array_like=True):
    ok: bool
    value: msgspec.Raw


class _Operation:
    """The number of an operation, its name, and how its answer is read."""

    def __init__(self, number: int, name: str, answer: Any) -> None:
        self.number = number
        self.name = name
        self.decoder = msgspec.msgpack.Decoder(answer)


_CONFIGURE = _Operation(0, "configure", Any)
_INVOKE = _Operation(1, "invoke", InvokeAnswer)
_SIMULATE = _Operation(2, "simulate", SimulateAnswer)
_SIMULATE_EXTEND = _Operation(3, "simulate_extend", FootprintAnswer)
_SIMULATE_RESTORE = _Operation(4, "simulate_restore", FootprintAnswer)
_RESOURCE_FEE = _Operation(5, "resource_fee", tuple[int, int])
_RENT_FEE = _Operation(6, "rent_fee", int)
_RENT_SIZE = _Operation(7, "rent_size", int)

_envelope = msgspec.msgpack.Decoder(_Answer)
_encoder = msgspec.msgpack.Encoder()

_loading = threading.Lock()
_loaded: tuple[wasmtime.Engine, wasmtime.Module] | None = None

_STACK_BYTES = 2 * 1024 * 1024
_BUFFER_BYTES = 256 * 1024


def _load() -> tuple[wasmtime.Engine, wasmtime.Module]:
    global _loaded  # noqa: PLW0603 - one compiled module per process
    with _loading:
        if _loaded is None:
            engine = _engine()
            code = (resources.files("soroban_localnet") / "data" / "host.wasm").read_bytes()
            _loaded = engine, wasmtime.Module(engine, code)
        return _loaded


def _config() -> wasmtime.Config:
    config = wasmtime.Config()
    config.max_wasm_stack = _STACK_BYTES
    config.memory_may_move = False
    return config


def _engine() -> wasmtime.Engine:
    config = _config()
    try:
        config.cache = True
    except wasmtime.WasmtimeError as error:
        reason = str(error).splitlines()[0]
        _log.warning("no cache for the compiled host (%s): each process compiles it anew", reason)
        config = _config()
    return wasmtime.Engine(config)


# Words of the module's memory that tell where things are; wasm.rs explains them.
_OPERATION, _LENGTH, _BUFFER, _CAPACITY, _ADDRESS, _SIZE = range(6)
_ABSENT = 2**32 - 1
_HEAD = struct.Struct("<I?")


def _uninterrupted(call: wasmtime.Func, store: wasmtime.Store) -> None:
    """Call into the module; Ctrl-C takes effect at its end.

    An exception out of a signal handler, at the wrong place in wasmtime's callback, would end the
    process with a segmentation fault.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        call(store)
        return
    caught: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append((number, frame)))
    try:
        call(store)
    finally:
        signal.signal(signal.SIGINT, handler)
    if caught:
        handler(*caught[0])


class _Instance:
    """One instance of the module. Requests and entries go through one buffer in its memory."""

    def __init__(self, read_entry: ReadEntry) -> None:
        engine, module = _load()
        self.store = wasmtime.Store(engine)
        kind = wasmtime.FuncType([], [])
        imports = [wasmtime.Func(self.store, kind, self._read)]
        exports = wasmtime.Instance(self.store, module, imports).exports(self.store)
        memory = cast(wasmtime.Memory, exports["memory"])
        start = ctypes.cast(memory.data_ptr(self.store), ctypes.c_void_p).value
        self._start = start or 0
        self._call = cast(wasmtime.Func, exports["call"])
        self._reserve = cast(wasmtime.Func, exports["reserve"])
        words = cast(wasmtime.Func, exports["words"])(self.store)
        self._words = (ctypes.c_uint32 * 6).from_address(self._start + words)
        self._read_entry = read_entry
        self._reserve(self.store, _BUFFER_BYTES)

    def _read(self) -> None:
        words = self._words
        key = ctypes.string_at(self._start + words[_ADDRESS], words[_SIZE])
        found = self._read_entry(key)  # what it raises leaves `call` as it is
        if found is None:
            words[_LENGTH] = _ABSENT
            return
        entry, live_until = found
        data = _HEAD.pack(live_until or 0, live_until is not None) + entry
        words[_LENGTH] = len(data)
        if len(data) <= words[_CAPACITY]:
            ctypes.memmove(self._start + words[_BUFFER], data, len(data))

    def call(self, operation: int, request: bytes) -> bytes:
        words = self._words
        if len(request) > words[_CAPACITY]:
            self._reserve(self.store, len(request))
        words[_OPERATION] = operation
        words[_LENGTH] = len(request)
        ctypes.memmove(self._start + words[_BUFFER], request, len(request))
        _uninterrupted(self._call, self.store)
        return ctypes.string_at(self._start + words[_ADDRESS], words[_SIZE])


class Host:
    """The Soroban host with one network's settings. One thread at a time may use it.

    Arguments: `settings`, the LedgerEntry XDR of every network setting; `read_entry`, which returns
    the LedgerEntry XDR and the last ledger of life for a LedgerKey XDR, expired entries included.
    Raises SettingsError where a setting is missing, HostCrashed where the module traps; its
    instance is then thrown away and the next call makes a new one.
    """

    def __init__(self, settings: Sequence[bytes], read_entry: ReadEntry) -> None:
        self._settings = _encoder.encode((list(settings),))
        self._read_entry = read_entry
        self._instance: _Instance | None = None
        self._resource_fees: dict[tuple[int, ...], tuple[int, int]] = {}
        self._ready()

    def _ready(self) -> _Instance:
        if self._instance is None:
            instance = _Instance(self._read_entry)
            answer = _envelope.decode(instance.call(_CONFIGURE.number, self._settings))
            if not answer.ok:
                reason = msgspec.msgpack.decode(answer.value, type=str)
                raise SettingsError("the host", reason.splitlines()[0])
            self._instance = instance
        return self._instance

    def _run(self, operation: _Operation, request: Any) -> Any:
        instance = self._ready()
        try:
            answer = _envelope.decode(instance.call(operation.number, _encoder.encode(request)))
        except (wasmtime.Trap, wasmtime.WasmtimeError) as trap:
            self._instance = None
            cause = str(trap).strip().splitlines()[-1].strip()  # a backtrace precedes it
            raise HostCrashed(operation.name, cause) from trap
        except BaseException:
            self._instance = None
            raise
        if not answer.ok:
            raise HostRefused(operation.name, msgspec.msgpack.decode(answer.value, type=str))
        return operation.decoder.decode(answer.value)

    def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        """Run a host function against its footprint, metered and with signatures verified."""
        answer: InvokeAnswer = self._run(_INVOKE, request)
        return answer

    def simulate(self, request: SimulateRequest) -> SimulateAnswer:
        """Try a host function and record what it needs. Raises HostRefused on malformed XDR."""
        answer: SimulateAnswer = self._run(_SIMULATE, request)
        return answer

    def simulate_extend(
        self, ledger: LedgerInfo, keys: list[bytes], extend_to: int
    ) -> FootprintAnswer:
        """Price the extension of the entries' lives to `extend_to` ledgers from now."""
        answer: FootprintAnswer = self._run(_SIMULATE_EXTEND, (ledger, keys, extend_to))
        return answer

    def simulate_restore(self, ledger: LedgerInfo, keys: list[bytes]) -> FootprintAnswer:
        """Price the restoration of archived entries. Raises HostRefused where one is missing."""
        answer: FootprintAnswer = self._run(_SIMULATE_RESTORE, (ledger, keys, 0))
        return answer

    def resource_fee(self, *resources: int) -> tuple[int, int]:
        """Return the fee in stroops: not refundable, refundable.

        Arguments: instructions, disk read entries, write entries, disk read bytes, write bytes,
        event bytes, transaction bytes.
        """
        fee = self._resource_fees.get(resources)
        if fee is None:
            if len(self._resource_fees) >= 10_000:
                self._resource_fees.clear()
            fee = self._resource_fees[resources] = self._run(_RESOURCE_FEE, resources)
        return fee

    def rent_fee(self, changes: list[RentChange], ledger_sequence: int) -> int:
        """Return the rent in stroops for lives prolonged and entries grown."""
        fee: int = self._run(_RENT_FEE, (changes, ledger_sequence))
        return fee

    def rent_size(self, entry: bytes) -> int:
        """Return the size in bytes that rent is paid for: parsed code weighs more than its XDR."""
        size: int = self._run(_RENT_SIZE, (entry,))
        return size
