"""The messages that go to the host and come back, and the table of its operations.

They are msgpack arrays: the fields' values in their order. `localnet/host/src/message.rs` has the
other side.
"""

from __future__ import annotations

from typing import Any

import msgspec


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
    """The old and the new live-until ledger of an entry."""

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

    `entries` (LedgerEntry XDR, live-until ledger) are those that it will surely read; others are
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
    """An entry's size and live-until ledger before and after, for rent. Sizes in bytes."""

    is_persistent: bool
    is_code: bool
    old_size: int
    new_size: int
    old_live_until: int
    new_live_until: int


class Answer(msgspec.Struct, array_like=True):
    """What every call comes back with: `value` is the text of an error where `ok` is not."""

    ok: bool
    value: msgspec.Raw


class Operation:
    """The number of an operation, its name, and how its answer is read."""

    def __init__(self, number: int, name: str, answer: Any) -> None:
        self.number = number
        self.name = name
        self.decoder = msgspec.msgpack.Decoder(answer)


CONFIGURE = Operation(0, "configure", Any)

INVOKE = Operation(1, "invoke", InvokeAnswer)

SIMULATE = Operation(2, "simulate", SimulateAnswer)

SIMULATE_EXTEND = Operation(3, "simulate_extend", FootprintAnswer)

SIMULATE_RESTORE = Operation(4, "simulate_restore", FootprintAnswer)

RESOURCE_FEE = Operation(5, "resource_fee", tuple[int, int])

RENT_FEE = Operation(6, "rent_fee", int)

RENT_SIZE = Operation(7, "rent_size", int)
