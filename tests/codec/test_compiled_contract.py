"""The codec against the compiled contract on the embedded network."""

import hashlib

import attrs
import pytest
from stellar_sdk import (
    Keypair,
    StrKey,
    TransactionBuilder,
    TransactionEnvelope,
    xdr,
)
from stellar_sdk.operation import InvokeHostFunction
from tests.support.strategies import CONTRACT

from callora_vault import wasm
from callora_vault.codec.calls import decode_returned, encode_authorisation, host_function
from callora_vault.codec.entries import StoredVault, decode_stored
from callora_vault.codec.errors import find_error
from callora_vault.codec.events import decode_event
from callora_vault.codec.keys import code_key, instance_key
from callora_vault.model.calls import (
    Balance,
    Call,
    Deduct,
    Deposit,
    GetMeta,
    Init,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import VaultErrorCode
from callora_vault.model.layouts import V1
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Accepted, Rejected, State, transition
from soroban_localnet import LocalNetwork

CODE = wasm.read("v1")
HASH = hashlib.sha256(CODE).digest()


@attrs.define
class Deployed:
    """The contract on a network of its own; its owner's account is every transaction's source."""

    network: LocalNetwork = attrs.field(factory=LocalNetwork)
    key: Keypair = attrs.field(factory=Keypair.random)
    contract_id: str = ""

    def __attrs_post_init__(self) -> None:
        self.network.fund(self.owner)
        self._prepared(self._builder().append_upload_contract_wasm_op(CODE))
        created = self._prepared(self._builder().append_create_contract_op(HASH, self.owner))
        assert created.soroban_meta is not None
        value = created.soroban_meta.return_value
        assert value is not None
        assert value.address is not None
        assert value.address.contract_id is not None
        self.contract_id = StrKey.encode_contract(value.address.contract_id.contract_id.hash)

    @property
    def owner(self) -> str:
        return self.key.public_key

    def call(self, call: Call, *, signed: bool = True) -> xdr.TransactionMetaV4:
        """Send a call without simulating it, so that refused ones are applied too."""
        entry = xdr.SorobanAuthorizationEntry(
            xdr.SorobanCredentials(xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT),
            encode_authorisation(self.contract_id, call),
        )
        function = host_function(self.contract_id, call)
        builder = self._builder().append_operation(
            InvokeHostFunction(function, [entry] if signed else [])
        )
        footprint = xdr.LedgerFootprint([code_key(HASH)], [instance_key(self.contract_id)])
        resources = xdr.SorobanTransactionData(
            xdr.SorobanTransactionDataExt(0),
            xdr.SorobanResources(
                footprint, xdr.Uint32(20_000_000), xdr.Uint32(50_000), xdr.Uint32(5_000)
            ),
            xdr.Int64(50_000_000),
        )
        return self._apply(builder.set_soroban_data(resources).build())

    def stored(self) -> StoredVault:
        found = self.network.server().get_ledger_entries([instance_key(self.contract_id)]).entries
        assert found
        return decode_stored(xdr.LedgerEntryData.from_xdr(found[0].xdr))

    def _builder(self) -> TransactionBuilder:
        account = self.network.server().load_account(self.owner)
        return TransactionBuilder(account, self.network.passphrase).add_time_bounds(0, 0)

    def _prepared(self, builder: TransactionBuilder) -> xdr.TransactionMetaV4:
        return self._apply(self.network.server().prepare_transaction(builder.build()))

    def _apply(self, envelope: TransactionEnvelope) -> xdr.TransactionMetaV4:
        server = self.network.server()
        envelope.sign(self.key)
        found = server.get_transaction(server.send_transaction(envelope).hash)
        assert found.result_meta_xdr is not None
        meta = xdr.TransactionMeta.from_xdr(found.result_meta_xdr).v4
        assert meta is not None
        return meta


@pytest.fixture
def vault() -> Deployed:
    return Deployed()


def test_every_answer_of_the_contract_decodes_to_what_the_model_says(vault: Deployed) -> None:
    signers = frozenset((vault.owner,))
    state: State = None
    assert (vault.stored().layout, vault.stored().meta) == (None, None)
    for call in (
        Balance(),
        Init(vault.owner, -1),
        Init(vault.owner, 0, -1),
        Init(vault.owner, 10, 2),
        Init(vault.owner),
        GetMeta(),
        Balance(),
        Deposit(0),
        Deposit(1),
        Deposit(I128_MAX),
        Deposit(2),
        Deduct(vault.owner, 3),
        Deduct(vault.owner, 3, "_" * 32),
        Deduct(vault.owner, 100),
        Withdraw(1),
        WithdrawTo(CONTRACT, 1),
        Withdraw(100),
    ):
        expected = transition(state, call, signers)
        answer = vault.call(call)
        if isinstance(expected, Accepted):
            state = expected.state
            assert answer.soroban_meta is not None
            assert answer.soroban_meta.return_value is not None
            assert decode_returned(call, answer.soroban_meta.return_value) == expected.returned
            told = answer.operations[0].events
            assert tuple(decode_event(e, vault.contract_id) for e in told) == expected.events
        else:
            assert isinstance(expected, Rejected)
            error = find_error(answer.diagnostic_events)
            assert error is not None
            assert error.vault_error is expected.error
        stored = vault.stored()
        assert (stored.meta, stored.extra) == (state, ())
        assert stored.layout is (None if state is None else V1)


def test_a_missing_signature_is_an_error_of_the_host(vault: Deployed) -> None:
    error = find_error(vault.call(Init(vault.owner), signed=False).diagnostic_events)
    assert str(error) == "Error(Auth, InvalidAction)"


def test_an_error_that_comes_before_the_signature_is_the_contract_s(vault: Deployed) -> None:
    vault.call(Init(vault.owner))
    error = find_error(vault.call(Init(vault.owner), signed=False).diagnostic_events)
    assert error is not None
    assert error.vault_error is VaultErrorCode.AlreadyInitialized
