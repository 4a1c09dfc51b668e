"""The Soroban host behind typed calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import wasmtime

from soroban_localnet.errors import HostCrashed, HostRefused, SettingsError
from soroban_localnet.host.messages import (
    CONFIGURE,
    INVOKE,
    RENT_FEE,
    RENT_SIZE,
    RESOURCE_FEE,
    SIMULATE,
    SIMULATE_EXTEND,
    SIMULATE_RESTORE,
    Answer,
    FootprintAnswer,
    InvokeAnswer,
    InvokeRequest,
    LedgerInfo,
    Operation,
    RentChange,
    SimulateAnswer,
    SimulateRequest,
)
from soroban_localnet.host.module import Instance, ReadEntry

_envelope = msgspec.msgpack.Decoder(Answer)

_encoder = msgspec.msgpack.Encoder()


class Host:
    """The Soroban host with one network's settings. One thread at a time may use it.

    Arguments: `settings`, the LedgerEntry XDR of every network setting; `read_entry`, which returns
    the LedgerEntry XDR and the live-until ledger for a LedgerKey XDR, expired entries included.
    Raises SettingsError where a setting is missing, HostCrashed where the module traps; its
    instance is then thrown away and the next call makes a new one.
    """

    def __init__(self, settings: Sequence[bytes], read_entry: ReadEntry) -> None:
        self._settings = _encoder.encode((list(settings),))
        self._read_entry = read_entry
        self._instance: Instance | None = None
        self._resource_fees: dict[tuple[int, ...], tuple[int, int]] = {}
        self._ready()

    def _ready(self) -> Instance:
        if self._instance is None:
            instance = Instance(self._read_entry)
            answer = _envelope.decode(instance.call(CONFIGURE.number, self._settings))
            if not answer.ok:
                reason = msgspec.msgpack.decode(answer.value, type=str)
                raise SettingsError("the host", reason.splitlines()[0])
            self._instance = instance
        return self._instance

    def _run(self, operation: Operation, request: Any) -> Any:
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
        answer: InvokeAnswer = self._run(INVOKE, request)
        return answer

    def simulate(self, request: SimulateRequest) -> SimulateAnswer:
        """Try a host function and record what it needs. Raises HostRefused on malformed XDR."""
        answer: SimulateAnswer = self._run(SIMULATE, request)
        return answer

    def simulate_extend(
        self, ledger: LedgerInfo, keys: list[bytes], extend_to: int
    ) -> FootprintAnswer:
        """Price the extension of the entries' TTLs to `extend_to` ledgers from now."""
        answer: FootprintAnswer = self._run(SIMULATE_EXTEND, (ledger, keys, extend_to))
        return answer

    def simulate_restore(self, ledger: LedgerInfo, keys: list[bytes]) -> FootprintAnswer:
        """Price the restoration of archived entries. Raises HostRefused where one is missing."""
        answer: FootprintAnswer = self._run(SIMULATE_RESTORE, (ledger, keys, 0))
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
            fee = self._resource_fees[resources] = self._run(RESOURCE_FEE, resources)
        return fee

    def rent_fee(self, changes: list[RentChange], ledger_sequence: int) -> int:
        """Return the rent in stroops for extended TTLs and larger entries."""
        fee: int = self._run(RENT_FEE, (changes, ledger_sequence))
        return fee

    def rent_size(self, entry: bytes) -> int:
        """Return the size in bytes that rent is paid for: parsed code weighs more than its XDR."""
        size: int = self._run(RENT_SIZE, (entry,))
        return size
