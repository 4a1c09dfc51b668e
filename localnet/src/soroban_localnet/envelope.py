"""A transaction envelope, read once.

The parts that go on to the host as XDR (host function, authorisation entries, footprint keys) are
cut out of the envelope's bytes instead of being encoded again.

Source: TransactionEnvelope in Stellar-transaction.x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import attrs
from stellar_sdk import xdr as stellar_xdr
from xdrlib3 import Unpacker

from soroban_localnet import wire
from soroban_localnet.errors import MalformedEnvelope

_ENVELOPE_TX = stellar_xdr.EnvelopeType.ENVELOPE_TYPE_TX
_INVOKE = stellar_xdr.OperationType.INVOKE_HOST_FUNCTION
_MUXED = stellar_xdr.CryptoKeyType.KEY_TYPE_MUXED_ED25519
_SOROBAN = (
    stellar_xdr.OperationType.INVOKE_HOST_FUNCTION,
    stellar_xdr.OperationType.EXTEND_FOOTPRINT_TTL,
    stellar_xdr.OperationType.RESTORE_FOOTPRINT,
)


@attrs.frozen(slots=True)
class InvokeBody:
    """The body of InvokeHostFunction: the function's type and XDR, and the entries that allow it.

    `upload_bytes` is the size of the code for an upload, else 0.
    """

    function_type: int
    host_function: bytes
    auth: tuple[bytes, ...]
    upload_bytes: int

    @property
    def contract(self) -> bytes | None:
        """The id of the contract that is called, or None."""
        is_call = self.host_function[:8] == wire.u32(0) + wire.u32(1)
        return self.host_function[8:40] if is_call else None


@attrs.frozen(slots=True)
class Operation:
    """One operation. `body` is InvokeBody, or what stellar_sdk.xdr decodes."""

    type: stellar_xdr.OperationType
    source: bytes | None
    muxed: bool
    body: Any

    @property
    def is_soroban(self) -> bool:
        """Tell whether it is one of the three Soroban operations."""
        return self.type in _SOROBAN


@attrs.frozen(slots=True)
class SorobanData:
    """Declared resources: footprint keys as LedgerKey XDR, bytes, instructions, fee in stroops."""

    archived: tuple[int, ...]
    resources: bytes
    read_only: tuple[bytes, ...]
    read_write: tuple[bytes, ...]
    instructions: int
    disk_read_bytes: int
    write_bytes: int
    resource_fee: int


@attrs.frozen(slots=True)
class Transaction:
    """A transaction with its signatures. `hash` is what signatures sign; sizes in bytes."""

    envelope: bytes
    hash: bytes
    source: bytes
    muxed: bool
    fee: int
    sequence: int
    preconditions: stellar_xdr.Preconditions
    has_memo: bool
    operations: tuple[Operation, ...]
    soroban: SorobanData | None
    signatures: tuple[tuple[bytes, bytes], ...]

    @property
    def is_soroban(self) -> bool:
        """Tell whether the first operation is a Soroban one."""
        return bool(self.operations) and self.operations[0].is_soroban

    @property
    def inclusion_fee(self) -> int:
        """What is bid for a place in the ledger, in stroops."""
        return self.fee - (self.soroban.resource_fee if self.soroban else 0)


class _Decodable(Protocol):
    @classmethod
    def unpack(cls, unpacker: Unpacker, depth_limit: int = ...) -> Any: ...


_T = TypeVar("_T")


class _Reader:
    """An unpacker that hands out the bytes of what it has just read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.unpacker = Unpacker(data)

    def value(self, kind: type[_Decodable]) -> Any:
        """Read a value; refuse padding, flags and booleans that the decoder lets pass."""
        start = self.unpacker.get_position()
        value = kind.unpack(self.unpacker)
        if value.to_xdr_bytes() != self.data[start : self.unpacker.get_position()]:
            raise ValueError(f"{kind.__name__} has bytes that XDR does not allow")
        return value

    def raw(self, kind: type[_Decodable]) -> bytes:
        start = self.unpacker.get_position()
        self.value(kind)
        return self.data[start : self.unpacker.get_position()]

    def many(self, read: Callable[[], _T]) -> tuple[_T, ...]:
        count = self.unpacker.unpack_uint()
        if count > len(self.data) - self.unpacker.get_position():
            raise ValueError(f"{count} items announced, more than bytes left")
        return tuple(read() for _ in range(count))


def parse(envelope: bytes, network_id: bytes) -> Transaction:
    """Read a transaction envelope.

    Arguments: the XDR of a TransactionEnvelope; the SHA-256 of the network's passphrase.
    Raises MalformedEnvelope.
    """
    try:
        return _parse(envelope, network_id)
    except MalformedEnvelope:
        raise
    except Exception as error:  # the decoder raises whatever Python raises on bad input
        raise MalformedEnvelope(str(error) or type(error).__name__) from error


def _parse(envelope: bytes, network_id: bytes) -> Transaction:
    reader = _Reader(envelope)
    unpacker = reader.unpacker
    kind = stellar_xdr.EnvelopeType.unpack(unpacker)
    if kind != _ENVELOPE_TX:
        raise MalformedEnvelope(f"envelope type {kind.name} is not supported here")
    start = unpacker.get_position()
    source, muxed = _account(stellar_xdr.MuxedAccount.unpack(unpacker))
    fee = unpacker.unpack_uint()
    sequence = unpacker.unpack_hyper()
    preconditions = reader.value(stellar_xdr.Preconditions)
    memo = reader.value(stellar_xdr.Memo)
    operations = reader.many(lambda: _operation(reader))
    if len(operations) > 100:
        raise MalformedEnvelope(f"{len(operations)} operations, at most 100")
    extension = unpacker.unpack_int()
    if extension not in (0, 1):
        raise MalformedEnvelope(f"transaction extension {extension}")
    soroban = _soroban_data(reader) if extension == 1 else None
    body = envelope[start : unpacker.get_position()]
    signatures = reader.many(lambda: _signature(reader))
    if len(signatures) > 20:
        raise MalformedEnvelope(f"{len(signatures)} signatures, at most 20")
    if unpacker.get_position() != len(envelope):
        raise MalformedEnvelope("trailing bytes")
    return Transaction(
        envelope=envelope,
        hash=wire.sha256(network_id + wire.u32(2) + body),
        source=source,
        muxed=muxed,
        fee=fee,
        sequence=sequence,
        preconditions=preconditions,
        has_memo=memo.type != stellar_xdr.MemoType.MEMO_NONE,
        operations=operations,
        soroban=soroban,
        signatures=signatures,
    )


def _account(account: stellar_xdr.MuxedAccount) -> tuple[bytes, bool]:
    if account.type == _MUXED:
        assert account.med25519 is not None  # noqa: S101 - the arm of this type
        return account.med25519.ed25519.uint256, True
    assert account.ed25519 is not None  # noqa: S101 - the arm of this type
    return account.ed25519.uint256, False


def _operation(reader: _Reader) -> Operation:
    unpacker = reader.unpacker
    source, muxed = None, False
    has_source = unpacker.unpack_uint()
    if has_source not in (0, 1):
        raise MalformedEnvelope(f"an optional source account with flag {has_source}")
    if has_source:
        source, muxed = _account(stellar_xdr.MuxedAccount.unpack(unpacker))
    start = unpacker.get_position()
    kind = stellar_xdr.OperationType.unpack(unpacker)
    if kind == _INVOKE:
        return Operation(kind, source, muxed, _invoke_body(reader))
    unpacker.set_position(start)
    return Operation(kind, source, muxed, reader.value(stellar_xdr.OperationBody))


def _invoke_body(reader: _Reader) -> InvokeBody:
    host_function = reader.raw(stellar_xdr.HostFunction)
    function_type = int.from_bytes(host_function[:4], "big")
    upload = stellar_xdr.HostFunctionType.HOST_FUNCTION_TYPE_UPLOAD_CONTRACT_WASM.value
    return InvokeBody(
        function_type=function_type,
        host_function=host_function,
        auth=reader.many(lambda: reader.raw(stellar_xdr.SorobanAuthorizationEntry)),
        upload_bytes=int.from_bytes(host_function[4:8], "big") if function_type == upload else 0,
    )


def _soroban_data(reader: _Reader) -> SorobanData:
    unpacker = reader.unpacker
    extension = unpacker.unpack_int()
    if extension not in (0, 1):
        raise MalformedEnvelope(f"soroban data extension {extension}")
    archived = reader.many(unpacker.unpack_uint) if extension == 1 else ()
    start = unpacker.get_position()
    read_only = reader.many(lambda: reader.raw(stellar_xdr.LedgerKey))
    read_write = reader.many(lambda: reader.raw(stellar_xdr.LedgerKey))
    instructions = unpacker.unpack_uint()
    disk_read_bytes = unpacker.unpack_uint()
    write_bytes = unpacker.unpack_uint()
    resources = reader.data[start : unpacker.get_position()]
    return SorobanData(
        archived=archived,
        resources=resources,
        read_only=read_only,
        read_write=read_write,
        instructions=instructions,
        disk_read_bytes=disk_read_bytes,
        write_bytes=write_bytes,
        resource_fee=unpacker.unpack_hyper(),
    )


def _signature(reader: _Reader) -> tuple[bytes, bytes]:
    signature = reader.value(stellar_xdr.DecoratedSignature)
    return signature.hint.signature_hint, signature.signature.signature
