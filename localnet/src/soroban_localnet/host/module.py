"""The host module: compiled once per machine, loaded once per process, called through one buffer.

wasmtime keeps the compiled module in its cache. Each call crosses once each way with one message;
entries are read through a callback.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import struct
import threading
from collections.abc import Callable
from importlib import resources
from types import FrameType
from typing import cast

import wasmtime

_log = logging.getLogger(__name__)

ReadEntry = Callable[[bytes], tuple[bytes, int | None] | None]

_loading = threading.Lock()
_loaded: tuple[wasmtime.Engine, wasmtime.Module] | None = None

_STACK_BYTES = 2 * 1024 * 1024
_BUFFER_BYTES = 256 * 1024


def _load() -> tuple[wasmtime.Engine, wasmtime.Module]:
    global _loaded  # noqa: PLW0603 - one compiled module per process
    with _loading:
        if _loaded is None:
            compiler = engine()
            code = (resources.files("soroban_localnet") / "data" / "host.wasm").read_bytes()
            _loaded = compiler, wasmtime.Module(compiler, code)
        return _loaded


def _config() -> wasmtime.Config:
    config = wasmtime.Config()
    config.max_wasm_stack = _STACK_BYTES
    config.memory_may_move = False
    return config


def engine() -> wasmtime.Engine:
    """Make the engine that compiles the module, with wasmtime's cache if possible."""
    config = _config()
    try:
        config.cache = True
    except wasmtime.WasmtimeError as error:
        reason = str(error).splitlines()[0]
        _log.warning("no cache for the compiled host (%s): each process compiles it again", reason)
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


class Instance:
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
        """Carry one message in and one out. Raises what wasmtime raises where the module traps."""
        words = self._words
        if len(request) > words[_CAPACITY]:
            self._reserve(self.store, len(request))
        words[_OPERATION] = operation
        words[_LENGTH] = len(request)
        ctypes.memmove(self._start + words[_BUFFER], request, len(request))
        _uninterrupted(self._call, self.store)
        return ctypes.string_at(self._start + words[_ADDRESS], words[_SIZE])
