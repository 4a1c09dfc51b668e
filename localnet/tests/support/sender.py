"""A key with a funded account, which sends transactions the way any client does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from stellar_sdk import (
    Account,
    FeeBumpTransactionEnvelope,
    Keypair,
    Operation,
    SorobanServer,
    TransactionBuilder,
    TransactionEnvelope,
    xdr,
)
from stellar_sdk.soroban_rpc import GetTransactionStatus, SendTransactionStatus

from soroban_localnet import LocalNetwork

Code = xdr.TransactionResultCode
Change = tuple[str, Any]


def described(changes: xdr.LedgerEntryChanges) -> list[Change]:
    """Name each change (created, updated, removed, state, restored), with its entry or its key."""
    named: list[Change] = []
    for change in changes.ledger_entry_changes:
        name = change.type.name.removeprefix("LEDGER_ENTRY_").lower()
        value = getattr(change, name)
        named.append((name, value if name == "removed" else value.data))
    return named


@attrs.frozen
class Sent:
    """What became of a transaction: refused before any ledger, or applied in one."""

    refused: bool
    result: xdr.TransactionResult
    meta: xdr.TransactionMetaV4 | None
    diagnostics: tuple[xdr.DiagnosticEvent, ...]

    @property
    def code(self) -> xdr.TransactionResultCode:
        return self.result.result.code

    @property
    def fee_charged(self) -> int:
        return self.result.fee_charged.int64

    @property
    def inner(self) -> xdr.InnerTransactionResult:
        """The result of the transaction inside a fee bump."""
        assert self.result.result.inner_result_pair is not None
        return self.result.result.inner_result_pair.result

    @property
    def operation(self) -> xdr.OperationResult:
        results = self.result.result.results
        assert results
        return results[0]

    @property
    def outcomes(self) -> list[str]:
        """The name of the code of each operation, as `PAYMENT_SUCCESS` or `opNOT_SUPPORTED`."""
        inside = self.result.result.inner_result_pair is not None
        result = self.inner.result if inside else self.result.result
        return [_outcome(operation) for operation in result.results or ()]

    @property
    def invoked(self) -> xdr.InvokeHostFunctionResultCode:
        assert self.operation.tr is not None
        assert self.operation.tr.invoke_host_function_result is not None
        return self.operation.tr.invoke_host_function_result.code

    @property
    def value(self) -> xdr.SCVal:
        assert self.meta is not None
        assert self.meta.soroban_meta is not None
        assert self.meta.soroban_meta.return_value is not None
        return self.meta.soroban_meta.return_value

    @property
    def events(self) -> list[xdr.ContractEvent]:
        assert self.meta is not None
        return self.meta.operations[0].events

    @property
    def changes(self) -> list[Change]:
        """What the operation changed."""
        assert self.meta is not None
        return described(self.meta.operations[0].changes)

    @property
    def error(self) -> str:
        """The error that the last diagnostic event with one names, as `STORAGE/MISSING_VALUE`."""
        for diagnostic in reversed(self.diagnostics):
            body = diagnostic.event.body.v0
            assert body is not None
            for topic in body.topics:
                error = topic.error
                if error is None:
                    continue
                if error.contract_code is not None:
                    return f"CONTRACT/{error.contract_code.uint32}"
                assert error.code is not None
                kind, code = error.type.name, error.code.name
                return f"{kind.removeprefix('SCE_')}/{code.removeprefix('SCEC_')}"
        raise AssertionError("no diagnostic event names an error")

    def messages(self) -> str:
        """All texts of the diagnostic events, one a line."""
        found: list[str] = []
        for diagnostic in self.diagnostics:
            body = diagnostic.event.body.v0
            assert body is not None
            data = body.data
            items = data.vec.sc_vec if data.vec is not None else [data]
            found += [i.str.sc_string.decode() for i in items if i.str is not None]
        return "\n".join(found)


@attrs.define
class Sender:
    """A key with a funded account on a network."""

    network: LocalNetwork
    key: Keypair = attrs.field(factory=Keypair.random)
    server: SorobanServer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = self.network.server()
        self.network.fund(self.id)

    @property
    def id(self) -> str:
        return self.key.public_key

    def account(self) -> Account:
        return self.server.load_account(self.id)

    def entry(self) -> xdr.AccountEntry:
        key = xdr.LedgerKey(
            xdr.LedgerEntryType.ACCOUNT,
            account=xdr.LedgerKeyAccount(self.key.xdr_account_id()),
        )
        found = self.server.get_ledger_entries([key]).entries
        assert found
        account = xdr.LedgerEntryData.from_xdr(found[0].xdr).account
        assert account is not None
        return account

    @property
    def balance(self) -> int:
        return self.entry().balance.int64

    @property
    def sequence(self) -> int:
        return self.entry().seq_num.sequence_number.int64

    def build(
        self,
        *operations: Operation,
        fee: int = 100,
        sequence: int | None = None,
    ) -> TransactionEnvelope:
        """Build a transaction, unsigned. `sequence` is the number it uses up."""
        used = self.sequence + 1 if sequence is None else sequence
        builder = TransactionBuilder(
            Account(self.id, used - 1), self.network.passphrase, base_fee=fee
        )
        for operation in operations:
            builder.append_operation(operation)
        return builder.add_time_bounds(0, 0).build()

    def submit(self, envelope: TransactionEnvelope | FeeBumpTransactionEnvelope) -> Sent:
        """Send a transaction as it is."""
        answer = self.server.send_transaction(envelope)
        if answer.status == SendTransactionStatus.ERROR:
            assert answer.error_result_xdr is not None
            return Sent(
                True,
                xdr.TransactionResult.from_xdr(answer.error_result_xdr),
                None,
                _events(answer.diagnostic_events_xdr),
            )
        assert answer.status == SendTransactionStatus.PENDING
        self.wait()
        return self.found(answer.hash)

    def wait(self) -> None:
        """Wait until a ledger has what was sent: none to wait for without a pace."""

    def found(self, transaction_hash: str) -> Sent:
        """Ask what became of a transaction that is in a ledger."""
        got = self.server.get_transaction(transaction_hash)
        assert got.status != GetTransactionStatus.NOT_FOUND
        assert got.result_xdr is not None
        assert got.result_meta_xdr is not None
        result = xdr.TransactionResult.from_xdr(got.result_xdr)
        success = (Code.txSUCCESS, Code.txFEE_BUMP_INNER_SUCCESS)
        assert (got.status == GetTransactionStatus.SUCCESS) == (result.result.code in success)
        meta = xdr.TransactionMeta.from_xdr(got.result_meta_xdr).v4
        return Sent(False, result, meta, _events(got.diagnostic_events_xdr))

    def send(self, *operations: Operation, signers: tuple[Keypair, ...] | None = None) -> Sent:
        """Build a classic transaction, sign it and send it."""
        envelope = self.build(*operations)
        for signer in (self.key,) if signers is None else signers:
            envelope.sign(signer)
        return self.submit(envelope)

    def prepare(self, *operations: Operation) -> TransactionEnvelope:
        """Build a Soroban transaction with the footprint and fee that simulation found."""
        return self.server.prepare_transaction(self.build(*operations))

    def invoke(
        self,
        *operations: Operation,
        alter: Callable[[xdr.SorobanTransactionData], None] | None = None,
    ) -> Sent:
        """Prepare, sign and send a Soroban transaction.

        Arguments: `alter` changes what the transaction declares before it is signed.
        """
        envelope = self.prepare(*operations)
        if alter is not None:
            data = envelope.transaction.soroban_data
            assert data is not None
            alter(data)
        envelope.sign(self.key)
        return self.submit(envelope)

    def declare(
        self, data: xdr.SorobanTransactionData, *operations: Operation, fee: int = 100
    ) -> Sent:
        """Sign and send a Soroban transaction that no simulation prepared."""
        envelope = self.declared(data, *operations, fee=fee)
        envelope.sign(self.key)
        return self.submit(envelope)

    def declared(
        self, data: xdr.SorobanTransactionData, *operations: Operation, fee: int = 100
    ) -> TransactionEnvelope:
        """Build a Soroban transaction that no simulation prepared, unsigned."""
        envelope = self.build(*operations, fee=fee)
        envelope.transaction.soroban_data = data
        envelope.transaction.fee += data.resource_fee.int64
        return envelope


def _outcome(result: xdr.OperationResult) -> str:
    if result.tr is None:
        return result.code.name
    (tried,) = (arm for arm in vars(result.tr).values() if hasattr(arm, "code"))
    return str(tried.code.name)


def _events(texts: list[str] | None) -> tuple[xdr.DiagnosticEvent, ...]:
    return tuple(xdr.DiagnosticEvent.from_xdr(text) for text in texts or ())
