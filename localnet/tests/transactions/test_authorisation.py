"""Who allows what: address credentials, source-account credentials, trees of calls, nonces."""

from __future__ import annotations

from copy import deepcopy

import pytest
from localnet.tests.support.contract import (
    Contract,
    Kind,
    data_key,
    deploy,
    live_until,
    resources,
    stored,
)
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import (
    Address,
    ExtendFootprintTTL,
    InvokeHostFunction,
    Keypair,
    SetOptions,
    Signer,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.auth import AuthorizationSigner, authorization_payload_hash, authorize_entry
from stellar_sdk.exceptions import PrepareTransactionException

Invoked = xdr.InvokeHostFunctionResultCode
Credentials = xdr.SorobanCredentialsType

REFUSED = "AUTH/INVALID_ACTION"
TERM = 100
MINIMUM_TEMPORARY_TTL = 720


@pytest.fixture
def carol(alice: Sender) -> Sender:
    return Sender(alice.network)


def call_in(envelope: TransactionEnvelope) -> InvokeHostFunction:
    (operation,) = envelope.transaction.operations
    assert isinstance(operation, InvokeHostFunction)
    return operation


def prepared(
    sender: Sender, operation: InvokeHostFunction, *, upgraded: bool = True
) -> TransactionEnvelope:
    """Build the transaction that `sender` sends, its authorisation entries not signed yet."""
    return sender.server.prepare_transaction(sender.build(operation), use_upgraded_auth=upgraded)


def authorise(
    envelope: TransactionEnvelope,
    sender: Sender,
    signer: Keypair | AuthorizationSigner,
    term: int = TERM,
    passphrase: str | None = None,
) -> None:
    """Sign all entries with address credentials, for `term` ledgers from the latest one."""
    operation = call_in(envelope)
    until = sender.network.latest_ledger + term
    name = passphrase or sender.network.passphrase
    operation.auth = [authorize_entry(entry, signer, until, name) for entry in operation.auth]


def give_room(envelope: TransactionEnvelope) -> None:
    """Declare more than a simulation found that knew of fewer signatures."""
    data = envelope.transaction.soroban_data
    assert data is not None
    data.resources.instructions.uint32 += 2_000_000
    data.resource_fee.int64 += 20_000
    envelope.transaction.fee += 20_000


def send(sender: Sender, envelope: TransactionEnvelope) -> Sent:
    envelope.sign(sender.key)
    return sender.submit(envelope)


def approved(sent: Sent) -> None:
    assert sent.code == Code.txSUCCESS, sent.messages()


def refused(sent: Sent, error: str = REFUSED) -> None:
    assert (sent.code, sent.invoked) == (Code.txFAILED, Invoked.INVOKE_HOST_FUNCTION_TRAPPED)
    assert sent.error == error


def credentials(entry: xdr.SorobanAuthorizationEntry) -> xdr.SorobanAddressCredentials:
    found = entry.credentials.address_v2 or entry.credentials.address
    assert found is not None
    return found


def nonce_key(entry: xdr.SorobanAuthorizationEntry) -> xdr.LedgerKey:
    held = credentials(entry)
    nonce = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_NONCE, nonce_key=xdr.SCNonceKey(held.nonce))
    return data_key(held.address, nonce, Kind.TEMPORARY)


# -- address credentials ---------------------------------------------------------------------


@pytest.mark.parametrize("upgraded", [True, False])
def test_an_account_allows_a_call_that_another_sends(
    alice: Sender, bob: Sender, contract: Contract, upgraded: bool
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5), upgraded=upgraded)
    authorise(envelope, alice, bob.key)
    kind = call_in(envelope).auth[0].credentials.type
    expected = (
        Credentials.SOROBAN_CREDENTIALS_ADDRESS_V2
        if upgraded
        else Credentials.SOROBAN_CREDENTIALS_ADDRESS
    )
    assert kind == expected
    before = bob.sequence, bob.balance
    sent = send(alice, envelope)
    approved(sent)
    assert scval.from_uint64(sent.value) == 5
    assert (bob.sequence, bob.balance) == before


@pytest.mark.parametrize("upgraded", [True, False])
def test_a_signature_of_another_key_is_refused(
    alice: Sender, bob: Sender, contract: Contract, upgraded: bool
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5), upgraded=upgraded)
    authorise(envelope, alice, alice.key)
    refused(send(alice, envelope))


def test_an_entry_without_signature_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    refused(send(alice, prepared(alice, contract.call("approve", bob.id, 5))))


def test_a_call_without_entry_is_refused(alice: Sender, bob: Sender, contract: Contract) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    call_in(envelope).auth = []
    refused(send(alice, envelope))


def test_the_sender_cannot_allow_for_another_with_its_own_credentials(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    call_in(envelope).auth[0].credentials = xdr.SorobanCredentials(
        Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
    )
    refused(send(alice, envelope))


def test_an_entry_for_other_arguments_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key)
    call_in(envelope).host_function = contract.call("approve", bob.id, 6).host_function
    sent = send(alice, envelope)
    refused(sent)
    assert "Unauthorized function call for address" in sent.messages()


def test_a_signature_over_other_arguments_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key)
    operation = call_in(envelope)
    operation.host_function = contract.call("approve", bob.id, 6).host_function
    function = operation.auth[0].root_invocation.function.contract_fn
    assert function is not None
    function.args[1] = scval.to_uint64(6)
    sent = send(alice, envelope)
    refused(sent)
    assert "failed account authentication" in sent.messages()


def test_an_entry_for_another_contract_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    other = deploy(alice, bytes([1] * 32))
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key)
    elsewhere = prepared(alice, other.call("approve", bob.id, 5))
    call_in(elsewhere).auth = call_in(envelope).auth
    refused(send(alice, elsewhere))


def test_a_signature_for_another_network_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key, passphrase="another network")
    refused(send(alice, envelope))


def test_both_of_two_addresses_have_to_sign(
    alice: Sender, bob: Sender, carol: Sender, contract: Contract
) -> None:
    keys = {bob.id: bob.key, carol.id: carol.key}
    envelope = prepared(alice, contract.call("approve_both", bob.id, carol.id))
    until = alice.network.latest_ledger + TERM
    unsigned = call_in(envelope).auth
    assert len(unsigned) == 2
    signed = [
        authorize_entry(
            entry,
            keys[Address.from_xdr_sc_address(credentials(entry).address).address],
            until,
            alice.network.passphrase,
        )
        for entry in unsigned
    ]
    data = envelope.transaction.soroban_data
    assert data is not None
    for auth in ([signed[0]], [signed[1]], [signed[0], unsigned[1]]):
        operation = contract.call("approve_both", bob.id, carol.id, auth=auth)
        refused(alice.declare(data, operation))
    operation = contract.call("approve_both", bob.id, carol.id, auth=signed)
    approved(alice.declare(data, operation))


def test_an_entry_that_nothing_needs_is_ignored(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key)
    spare = call_in(envelope).auth[0]
    idle = prepared(alice, contract.call("clock"))
    call_in(idle).auth = [spare]
    give_room(idle)
    approved(send(alice, idle))
    assert stored(alice, nonce_key(spare)) is None


# -- expiry and nonces -----------------------------------------------------------------------


@pytest.mark.parametrize(("term", "holds"), [(0, False), (1, True), (2, True)])
def test_a_signature_holds_up_to_its_last_ledger(
    alice: Sender, bob: Sender, contract: Contract, term: int, holds: bool
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key, term)
    sent = send(alice, envelope)
    if holds:
        approved(sent)
    else:
        refused(sent, "AUTH/INVALID_INPUT")
        assert "signature has expired" in sent.messages()


def test_a_signature_cannot_hold_longer_than_any_entry_lives(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key, alice.network.settings.limits.maximum_ttl + 1)
    refused(send(alice, envelope), "AUTH/INVALID_INPUT")


def test_a_signature_expires_while_it_waits(alice: Sender, bob: Sender, contract: Contract) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key, 10)
    alice.network.close_ledgers(10)
    refused(send(alice, envelope), "AUTH/INVALID_INPUT")


def test_a_nonce_is_used_once(alice: Sender, bob: Sender, contract: Contract) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key)
    data = envelope.transaction.soroban_data
    assert data is not None
    approved(send(alice, envelope))
    refused(alice.declare(data, call_in(envelope)), "AUTH/EXISTING_VALUE")


def test_a_failed_call_uses_up_no_nonce(alice: Sender, bob: Sender, contract: Contract) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key)
    data = envelope.transaction.soroban_data
    assert data is not None
    short = deepcopy(data)
    short.resources.write_bytes.uint32 = 1
    failed = alice.declare(short, call_in(envelope))
    assert failed.invoked == Invoked.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED
    approved(alice.declare(data, call_in(envelope)))


@pytest.mark.parametrize("term", [50, 1000])
def test_a_nonce_is_a_temporary_entry_that_outlives_the_signature(
    alice: Sender, bob: Sender, contract: Contract, term: int
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, bob.key, term)
    entry = call_in(envelope).auth[0]
    last = credentials(entry).signature_expiration_ledger.uint32
    data = envelope.transaction.soroban_data
    assert data is not None
    approved(send(alice, envelope))
    lives = live_until(alice, nonce_key(entry))
    assert lives == max(last, alice.network.latest_ledger + MINIMUM_TEMPORARY_TTL - 1)
    alice.network.advance_ledgers(lives - alice.network.latest_ledger + 1)
    assert stored(alice, nonce_key(entry)) is None
    refused(alice.declare(data, call_in(envelope)), "AUTH/INVALID_INPUT")


# -- source-account credentials --------------------------------------------------------------


def test_the_senders_signature_is_enough_for_the_sender(alice: Sender, contract: Contract) -> None:
    envelope = prepared(alice, contract.call("approve", alice.id, 5))
    (entry,) = call_in(envelope).auth
    assert entry.credentials.type == Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
    sent = send(alice, envelope)
    approved(sent)
    assert sent.changes == []


def test_the_senders_entry_is_for_its_arguments_too(alice: Sender, contract: Contract) -> None:
    envelope = prepared(alice, contract.call("approve", alice.id, 5))
    call_in(envelope).host_function = contract.call("approve", alice.id, 6).host_function
    refused(send(alice, envelope))


def test_the_account_that_counts_is_that_of_the_operation(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5, source=bob.id))
    kind = call_in(envelope).auth[0].credentials.type
    assert kind == Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
    envelope.sign(alice.key)
    envelope.sign(bob.key)
    approved(alice.submit(envelope))


def test_an_operation_of_another_account_needs_that_accounts_signature(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5, source=bob.id))
    sent = send(alice, envelope)
    assert sent.refused
    assert sent.operation.code == xdr.OperationResultCode.opBAD_AUTH


# -- calls within calls ----------------------------------------------------------------------


@pytest.fixture
def other(alice: Sender, contract: Contract) -> Contract:
    return deploy(alice, bytes([1] * 32))


def test_one_signature_allows_a_tree_of_calls(
    alice: Sender, bob: Sender, contract: Contract, other: Contract
) -> None:
    envelope = prepared(alice, contract.call("relay", other.id, bob.id, 5))
    (entry,) = call_in(envelope).auth
    (within,) = entry.root_invocation.sub_invocations
    assert within.function.contract_fn is not None
    assert within.function.contract_fn.contract_address == other.address
    authorise(envelope, alice, bob.key)
    sent = send(alice, envelope)
    approved(sent)
    assert scval.from_uint64(sent.value) == 5


@pytest.mark.parametrize("fault", ["missing", "argument", "contract", "method", "root alone"])
def test_the_tree_has_to_match(
    alice: Sender, bob: Sender, contract: Contract, other: Contract, fault: str
) -> None:
    envelope = prepared(alice, contract.call("relay", other.id, bob.id, 5))
    root = call_in(envelope).auth[0].root_invocation
    within = root.sub_invocations[0].function.contract_fn
    assert within is not None
    if fault == "missing":
        root.sub_invocations = []
    elif fault == "argument":
        within.args[1] = scval.to_uint64(6)
    elif fault == "contract":
        within.contract_address = contract.address
    elif fault == "method":
        within.function_name = xdr.SCSymbol(b"relay")
    else:
        root.function = root.sub_invocations[0].function
        root.sub_invocations = []
    authorise(envelope, alice, bob.key)
    refused(send(alice, envelope))


def test_a_tree_may_allow_more_than_is_called(
    alice: Sender, bob: Sender, contract: Contract, other: Contract
) -> None:
    envelope = prepared(alice, contract.call("relay", other.id, bob.id, 5))
    root = call_in(envelope).auth[0].root_invocation
    root.sub_invocations.append(deepcopy(root.sub_invocations[0]))
    authorise(envelope, alice, bob.key)
    give_room(envelope)
    approved(send(alice, envelope))


# -- accounts with several signers -----------------------------------------------------------


def signatures_of(*keys: Keypair) -> AuthorizationSigner:
    """Sign with each key, in this order."""

    def sign(preimage: xdr.HashIDPreimage) -> xdr.SCVal:
        payload = authorization_payload_hash(preimage)
        return scval.to_vec(
            [
                scval.to_map(
                    {
                        scval.to_symbol("public_key"): scval.to_bytes(key.raw_public_key()),
                        scval.to_symbol("signature"): scval.to_bytes(key.sign(payload)),
                    }
                )
                for key in keys
            ]
        )

    return sign


def ordered(*keys: Keypair) -> list[Keypair]:
    return sorted(keys, key=Keypair.raw_public_key)


@pytest.fixture
def shared(bob: Sender, carol: Sender) -> Sender:
    """Bob's account, which now needs two signatures; carol's weighs as much as his own."""
    signer = Signer.ed25519_public_key(carol.id, 1)
    bob.send(SetOptions(signer=signer, low_threshold=1, med_threshold=2, high_threshold=2))
    return bob


def approval(alice: Sender, of: Sender, contract: Contract, *keys: Keypair) -> TransactionEnvelope:
    envelope = prepared(alice, contract.call("approve", of.id, 5))
    authorise(envelope, alice, signatures_of(*keys))
    give_room(envelope)
    return envelope


def test_two_signatures_meet_a_threshold_of_two(
    alice: Sender, shared: Sender, carol: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", shared.id, 5))
    authorise(envelope, alice, signatures_of(*ordered(shared.key, carol.key)))
    enforced = alice.server.prepare_transaction(envelope)
    approved(send(alice, enforced))


def test_the_sender_of_a_call_needs_its_medium_threshold_and_of_an_extension_its_low_one(
    shared: Sender, carol: Sender, contract: Contract
) -> None:
    sent = send(shared, shared.prepare(contract.call("clock")))
    assert sent.refused
    assert sent.operation.code == xdr.OperationResultCode.opBAD_AUTH
    envelope = shared.prepare(contract.call("clock"))
    envelope.sign(carol.key)
    approved(send(shared, envelope))
    approved(shared.declare(resources([contract.instance]), ExtendFootprintTTL(130_000)))


def test_one_signature_weighs_too_little(
    alice: Sender, shared: Sender, carol: Sender, contract: Contract
) -> None:
    for key in (shared.key, carol.key):
        sent = send(alice, approval(alice, shared, contract, key))
        refused(sent)
        assert "signature weight is lower than threshold" in sent.messages()


def test_the_same_signature_twice_is_refused(
    alice: Sender, shared: Sender, contract: Contract
) -> None:
    sent = send(alice, approval(alice, shared, contract, shared.key, shared.key))
    refused(sent)
    assert "public keys are not ordered" in sent.messages()


def test_signatures_have_to_be_ordered_by_key(
    alice: Sender, shared: Sender, carol: Sender, contract: Contract
) -> None:
    keys = ordered(shared.key, carol.key)[::-1]
    refused(send(alice, approval(alice, shared, contract, *keys)))


def test_a_signature_of_no_signer_spoils_the_rest(
    alice: Sender, shared: Sender, carol: Sender, contract: Contract
) -> None:
    keys = ordered(shared.key, carol.key, alice.key)
    sent = send(alice, approval(alice, shared, contract, *keys))
    refused(sent)
    assert "signer does not belong to account" in sent.messages()


def test_a_removed_signer_counts_no_more(
    alice: Sender, bob: Sender, carol: Sender, contract: Contract
) -> None:
    bob.send(SetOptions(signer=Signer.ed25519_public_key(carol.id, 1)))
    approved(send(alice, approval(alice, bob, contract, carol.key)))
    bob.send(SetOptions(signer=Signer.ed25519_public_key(carol.id, 0)))
    refused(send(alice, approval(alice, bob, contract, carol.key)))


# -- simulation that enforces ----------------------------------------------------------------


def test_simulation_verifies_the_signatures_that_it_is_given(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    envelope = prepared(alice, contract.call("approve", bob.id, 5))
    authorise(envelope, alice, alice.key)
    with pytest.raises(PrepareTransactionException) as failed:
        alice.server.prepare_transaction(envelope)
    error = failed.value.simulate_transaction_response.error
    assert error is not None
    assert "Error(Auth, InvalidAction)" in error
