"""A transaction envelope, read once.

The parts that go on to the host as XDR (host function, authorisation entries, footprint keys) are
cut out of the envelope's bytes instead of being encoded again.

Source: TransactionEnvelope in Stellar-transaction.x; CAP-15 (fee bumps).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import attrs
from stellar_sdk import xdr as stellar_xdr
from xdrlib3 import Unpacker

from soroban_localnet import xdr
from soroban_localnet.errors import MalformedEnvelope

_V0 = stellar_xdr.EnvelopeType.ENVELOPE_TYPE_TX_V0
_V1 = stellar_xdr.EnvelopeType.ENVELOPE_TYPE_TX
_FEE_BUMP = stellar_xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP
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
        is_call = self.host_function[:8] == xdr.u32(0) + xdr.u32(1)
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
class FeeBump:
    """The fee in stroops that `source` pays in place of a transaction's source, signed by it."""

    source: bytes
    fee: int
    signatures: tuple[tuple[bytes, bytes], ...]


@attrs.frozen(slots=True)
class Transaction:
    """A transaction with its signatures.

    `envelope` and `hash` are those of what was sent. Where that is a fee bump, all else is the
    transaction's inside: `inner_hash` is what `signatures` sign, `size` in bytes, `fee` in stroops.
    """

    envelope: bytes
    hash: bytes
    inner_hash: bytes
    size: int
    source: bytes
    muxed: bool
    fee: int
    sequence: int
    preconditions: stellar_xdr.Preconditions
    memo: stellar_xdr.Memo
    operations: tuple[Operation, ...]
    soroban: SorobanData | None
    signatures: tuple[tuple[bytes, bytes], ...]
    fee_bump: FeeBump | None = None

    @property
    def is_soroban(self) -> bool:
        """Tell whether the first operation is a Soroban one."""
        return bool(self.operations) and self.operations[0].is_soroban

    @property
    def has_memo(self) -> bool:
        """Tell whether the transaction carries a memo."""
        return self.memo.type != stellar_xdr.MemoType.MEMO_NONE

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes by which it is found: a fee bump's own and that of what is inside."""
        return (self.hash,) if self.fee_bump is None else (self.hash, self.inner_hash)

    @property
    def fee_source(self) -> bytes:
        """The account that pays the fee and gets the refund."""
        return self.source if self.fee_bump is None else self.fee_bump.source

    @property
    def full_fee(self) -> int:
        """The most that is paid, in stroops."""
        return self.fee if self.fee_bump is None else self.fee_bump.fee

    @property
    def resource_fee(self) -> int:
        """What is declared for Soroban resources, in stroops."""
        return self.soroban.resource_fee if self.soroban and self.is_soroban else 0

    @property
    def inclusion_fee(self) -> int:
        """What is bid for a place in the ledger, in stroops."""
        return self.full_fee - self.resource_fee

    @property
    def charged_operations(self) -> int:
        """How many operations the inclusion fee is for; a fee bump counts as one more."""
        return len(self.operations) + (self.fee_bump is not None)


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
    kind = stellar_xdr.EnvelopeType.unpack(reader.unpacker)
    if kind == _V0:
        return _parse_v0(envelope, network_id)
    if kind == _V1:
        transaction = _transaction(reader, network_id)
    elif kind == _FEE_BUMP:
        transaction = _fee_bump(reader, network_id)
    else:
        raise MalformedEnvelope(f"envelope type {kind.name} carries no transaction")
    if reader.unpacker.get_position() != len(envelope):
        raise MalformedEnvelope("trailing bytes")
    return transaction


def _parse_v0(envelope: bytes, network_id: bytes) -> Transaction:
    """Read an envelope of the old form as the new one that it stands for.

    The two differ in the type of the source account alone: optional time bounds are encoded like
    preconditions that hold time bounds or nothing.
    """
    transaction = _parse(xdr.u32(_V1.value) + xdr.ABSENT + envelope[4:], network_id)
    if transaction.preconditions.v2 is not None or transaction.soroban is not None:
        raise MalformedEnvelope("a transaction of the old form holds time bounds at most")
    return transaction


def _transaction(reader: _Reader, network_id: bytes) -> Transaction:
    """Read a TransactionV1Envelope whose type was read before."""
    unpacker = reader.unpacker
    start = unpacker.get_position()
    source, muxed_id = account_and_id(stellar_xdr.MuxedAccount.unpack(unpacker))
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
    body = reader.data[start : unpacker.get_position()]
    signatures = _signatures(reader)
    envelope = reader.data[start - 4 : unpacker.get_position()]
    transaction_hash = xdr.sha256(network_id + xdr.u32(_V1.value) + body)
    return Transaction(
        envelope=envelope,
        hash=transaction_hash,
        inner_hash=transaction_hash,
        size=len(envelope),
        source=source,
        muxed=muxed_id is not None,
        fee=fee,
        sequence=sequence,
        preconditions=preconditions,
        memo=memo,
        operations=operations,
        soroban=soroban,
        signatures=signatures,
    )


def _fee_bump(reader: _Reader, network_id: bytes) -> Transaction:
    """Read a FeeBumpTransactionEnvelope whose type was read before."""
    unpacker = reader.unpacker
    start = unpacker.get_position()
    source, _ = account_and_id(stellar_xdr.MuxedAccount.unpack(unpacker))
    fee = unpacker.unpack_hyper()
    if stellar_xdr.EnvelopeType.unpack(unpacker) != _V1:
        raise MalformedEnvelope("a fee bump is for a transaction of the present form")
    inner = _transaction(reader, network_id)
    extension = unpacker.unpack_int()
    if extension != 0:
        raise MalformedEnvelope(f"fee bump extension {extension}")
    body = reader.data[start : unpacker.get_position()]
    signatures = _signatures(reader)
    return attrs.evolve(
        inner,
        envelope=reader.data[start - 4 : unpacker.get_position()],
        hash=xdr.sha256(network_id + xdr.u32(_FEE_BUMP.value) + body),
        fee_bump=FeeBump(source, fee, signatures),
    )


def account_and_id(account: stellar_xdr.MuxedAccount) -> tuple[bytes, int | None]:
    """Return the public key of an account, and the id of a multiplexed one."""
    if account.type == _MUXED:
        assert account.med25519 is not None  # noqa: S101 - the arm of this type
        return account.med25519.ed25519.uint256, account.med25519.id.uint64
    assert account.ed25519 is not None  # noqa: S101 - the arm of this type
    return account.ed25519.uint256, None


def _operation(reader: _Reader) -> Operation:
    unpacker = reader.unpacker
    source, muxed_id = None, None
    has_source = unpacker.unpack_uint()
    if has_source not in (0, 1):
        raise MalformedEnvelope(f"an optional source account with flag {has_source}")
    if has_source:
        source, muxed_id = account_and_id(stellar_xdr.MuxedAccount.unpack(unpacker))
    muxed = muxed_id is not None
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


def _signatures(reader: _Reader) -> tuple[tuple[bytes, bytes], ...]:
    signatures = reader.many(lambda: reader.value(stellar_xdr.DecoratedSignature))
    if len(signatures) > 20:
        raise MalformedEnvelope(f"{len(signatures)} signatures, at most 20")
    return tuple((s.hint.signature_hint, s.signature.signature) for s in signatures)
