"""Upload, create and call contracts: what is returned, stored, emitted, and how calls fail."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.clock import START
from localnet.tests.support.contract import (
    CODE,
    CODE_HASH,
    CODE_KEY,
    Contract,
    Kind,
    address_of,
    code_key,
    counter,
    create,
    deploy,
    live_until,
    resources,
    stored,
    ttl_data,
    ttl_key,
    upload,
)
from localnet.tests.support.sender import Code, Sender, Sent, described
from stellar_sdk import Address, MuxedAccount, Operation, TextMemo, scval, xdr

from soroban_localnet import LocalNetwork

Invoked = xdr.InvokeHostFunctionResultCode

u32 = scval.to_uint32


def trapped(sent: Sent, error: str) -> None:
    assert (sent.code, sent.invoked) == (Code.txFAILED, Invoked.INVOKE_HOST_FUNCTION_TRAPPED)
    assert sent.error == error


# -- upload and create -----------------------------------------------------------------------


def test_uploaded_code_is_stored_under_its_hash(alice: Sender) -> None:
    sent = alice.invoke(upload())
    assert scval.from_bytes(sent.value) == CODE_HASH
    found = stored(alice, CODE_KEY)
    assert found is not None
    assert found.contract_code is not None
    assert found.contract_code.code == CODE


def test_an_upload_of_known_code_succeeds_and_changes_nothing(alice: Sender, bob: Sender) -> None:
    alice.invoke(upload())
    before = alice.network.entry(CODE_KEY.to_xdr_bytes())
    sent = bob.invoke(upload())
    assert scval.from_bytes(sent.value) == CODE_HASH
    assert alice.network.entry(CODE_KEY.to_xdr_bytes()) == before
    assert sent.changes == []


def test_what_is_no_wasm_cannot_be_uploaded(alice: Sender) -> None:
    code = b"no code"
    key = code_key(sha256(code).digest())
    trapped(alice.declare(resources([], [key]), upload(code)), "WASM_VM/INVALID_ACTION")
    assert stored(alice, key) is None


def test_code_above_the_networks_size_is_refused(alice: Sender) -> None:
    code = bytes(alice.network.settings.limits.contract_bytes + 1)
    sent = alice.declare(resources([], [code_key(sha256(code).digest())]), upload(code))
    assert (sent.refused, sent.code) == (True, Code.txFAILED)
    assert "exceeds network config maximum contract size" in sent.messages()


def test_a_contract_gets_the_address_of_its_creator_and_salt(alice: Sender) -> None:
    alice.invoke(upload())
    assert deploy(alice).id == address_of(alice)
    assert deploy(alice, bytes([1] * 32)).id == address_of(alice, bytes([1] * 32))


def test_the_same_salt_makes_no_second_contract(alice: Sender) -> None:
    alice.invoke(upload())
    envelope = alice.prepare(create(alice))
    assert deploy(alice).id == address_of(alice)
    before = stored(alice, Contract(address_of(alice)).instance)
    data = envelope.transaction.soroban_data
    assert data is not None
    sent = alice.declare(data, *envelope.transaction.operations)
    trapped(sent, "STORAGE/EXISTING_VALUE")
    assert stored(alice, Contract(address_of(alice)).instance) == before


def test_a_contract_needs_code_that_was_uploaded(alice: Sender) -> None:
    alice.invoke(upload())
    (operation,) = alice.prepare(create(alice)).transaction.operations
    alice.network.remove_entry(CODE_KEY.to_xdr_bytes())
    instance = Contract(address_of(alice)).instance
    sent = alice.declare(resources([CODE_KEY], [instance]), operation)
    trapped(sent, "STORAGE/MISSING_VALUE")
    assert stored(alice, instance) is None


def test_a_contract_creates_another(alice: Sender, contract: Contract) -> None:
    made = alice.invoke(
        contract.call("create", scval.to_bytes(CODE_HASH), scval.to_bytes(bytes(32)))
    )
    child = Contract(scval.from_address(made.value).address)
    assert child.id != contract.id
    assert alice.invoke(child.call("add", Kind.INSTANCE, "n", 5)).code == Code.txSUCCESS
    assert counter(alice, child, Kind.INSTANCE) == 5
    assert counter(alice, contract, Kind.INSTANCE) is None


# -- calls -----------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.sampled_from("ab"), st.integers(0, 2**60)), max_size=6
    )
)
def test_counters_add_up(calls: list[tuple[Kind, str, int]]) -> None:
    sender = Sender(LocalNetwork(start_time=START))
    sender.invoke(upload())
    contract = deploy(sender)
    sums: dict[tuple[Kind, str], int] = {}
    for kind, name, amount in calls:
        sums[kind, name] = sums.get((kind, name), 0) + amount
        sent = sender.invoke(contract.call("add", kind, name, amount))
        assert scval.from_uint64(sent.value) == sums[kind, name]
    for kind in Kind:
        for name in "ab":
            assert counter(sender, contract, kind, name) == sums.get((kind, name))


@pytest.mark.parametrize("kind", Kind)
def test_a_removed_counter_is_gone(alice: Sender, contract: Contract, kind: Kind) -> None:
    alice.invoke(contract.call("add", kind, "n", 5))
    assert alice.invoke(contract.call("remove", kind, "n")).code == Code.txSUCCESS
    assert counter(alice, contract, kind) is None
    assert alice.invoke(contract.call("get", kind, "n")).value == scval.to_void()


def test_a_call_that_only_reads_changes_nothing(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    sent = alice.invoke(contract.call("get", Kind.PERSISTENT, "n"))
    assert scval.from_uint64(sent.value) == 5
    assert sent.changes == []


def test_a_read_write_key_that_is_only_read_keeps_its_value(
    alice: Sender, contract: Contract
) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    entry = contract.entry(Kind.PERSISTENT, "n")
    sent = alice.declare(
        resources(contract.code, [entry]), contract.call("get", Kind.PERSISTENT, "n")
    )
    assert scval.from_uint64(sent.value) == 5
    assert counter(alice, contract, Kind.PERSISTENT) == 5


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("nothing_of_that_name", (), "WASM_VM/MISSING_VALUE"),
        ("trap", (1,), "WASM_VM/UNEXPECTED_SIZE"),
        ("get", (Kind.INSTANCE, 5), "WASM_VM/INVALID_ACTION"),
        ("trap", (), "WASM_VM/INVALID_ACTION"),
        ("fail", (u32(1),), "CONTRACT/1"),
        ("fail", (u32(77),), "CONTRACT/77"),
    ],
)
def test_a_failed_call_says_why(
    alice: Sender, contract: Contract, method: str, arguments: tuple[int], error: str
) -> None:
    trapped(alice.declare(resources(contract.code), contract.call(method, *arguments)), error)


def test_an_overflow_traps_and_keeps_the_counter(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.INSTANCE, "n", 2**64 - 1))
    data = resources([CODE_KEY], [contract.instance])
    sent = alice.declare(data, contract.call("add", Kind.INSTANCE, "n", 1))
    trapped(sent, "WASM_VM/INVALID_ACTION")
    assert counter(alice, contract, Kind.INSTANCE) == 2**64 - 1


def test_a_contract_that_does_not_exist_cannot_be_called(alice: Sender, contract: Contract) -> None:
    nobody = Contract(address_of(alice, bytes([9] * 32)))
    sent = alice.declare(resources(nobody.code), nobody.call("clock"))
    trapped(sent, "STORAGE/MISSING_VALUE")


def test_a_failed_call_pays_and_uses_up_its_sequence_number_and_nothing_else_happens(
    alice: Sender, contract: Contract
) -> None:
    entry = contract.entry(Kind.PERSISTENT, "n")
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    balance, sequence = alice.balance, alice.sequence
    sent = alice.declare(resources(contract.code, [entry]), contract.call("fail_late", "n"))
    trapped(sent, "CONTRACT/1")
    assert counter(alice, contract, Kind.PERSISTENT) == 5
    assert sent.fee_charged > 100
    assert (alice.balance, alice.sequence) == (balance - sent.fee_charged, sequence + 1)
    assert sent.meta is not None
    assert sent.meta.operations == []
    assert sent.meta.soroban_meta is None


def test_an_error_inside_the_host_is_an_internal_error_that_pays_too(
    alice: Sender, contract: Contract
) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    key = contract.entry(Kind.PERSISTENT, "n")
    found = alice.network.entry(key.to_xdr_bytes())
    assert found is not None
    alice.network.set_entry(found[0], live_until=None)  # the host rejects data without a TTL
    balance, sequence = alice.balance, alice.sequence
    sent = alice.declare(
        resources(contract.code, [key]), contract.call("add", Kind.PERSISTENT, "n", 1)
    )
    assert (sent.refused, sent.code) == (False, Code.txINTERNAL_ERROR)
    assert sent.error == "STORAGE/INTERNAL_ERROR"
    assert (alice.balance, alice.sequence) == (balance - sent.fee_charged, sequence + 1)
    assert counter(alice, contract, Kind.PERSISTENT) == 5


def test_events_of_a_failed_call_are_only_diagnostic(alice: Sender, contract: Contract) -> None:
    entry = contract.entry(Kind.PERSISTENT, "n")
    sent = alice.declare(resources(contract.code, [entry]), contract.call("fail_late", "n"))
    of_contract = [
        diagnostic.in_successful_contract_call
        for diagnostic in sent.diagnostics
        if diagnostic.event.type == xdr.ContractEventType.CONTRACT
    ]
    assert of_contract == [False]


# -- what may not enter a ledger ---------------------------------------------------------------


def refused(sender: Sender, sent: Sent, code: xdr.TransactionResultCode, before: object) -> None:
    assert sent.refused
    assert sent.code == code
    assert (sender.balance, sender.sequence) == before


def test_a_memo_is_refused(alice: Sender, contract: Contract) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.prepare(contract.call("clock"))
    envelope.transaction.memo = TextMemo("hello")
    envelope.sign(alice.key)
    refused(alice, alice.submit(envelope), Code.txSOROBAN_INVALID, before)


def test_a_muxed_source_is_refused(alice: Sender, contract: Contract) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.prepare(contract.call("clock"))
    envelope.transaction.source = MuxedAccount(alice.id, 7)
    envelope.sign(alice.key)
    refused(alice, alice.submit(envelope), Code.txSOROBAN_INVALID, before)


def test_more_than_one_operation_is_refused(alice: Sender, contract: Contract) -> None:
    before = alice.balance, alice.sequence
    call: Operation = contract.call("clock")
    sent = alice.declare(resources(contract.code), call, call)
    refused(alice, sent, Code.txMALFORMED, before)


def test_an_invocation_without_declared_resources_is_refused(
    alice: Sender, contract: Contract
) -> None:
    before = alice.balance, alice.sequence
    refused(alice, alice.send(contract.call("clock")), Code.txMALFORMED, before)


@pytest.mark.parametrize("twice", ["read_only", "read_write", "both"])
def test_a_key_twice_in_the_footprint_is_refused(
    alice: Sender, contract: Contract, twice: str
) -> None:
    before = alice.balance, alice.sequence
    key = contract.entry(Kind.PERSISTENT, "n")
    read_only = {"read_only": [key, key], "read_write": [], "both": [key]}[twice]
    read_write = {"read_only": [], "read_write": [key, key], "both": [key]}[twice]
    data = resources(contract.code + read_only, read_write)
    refused(alice, alice.declare(data, contract.call("clock")), Code.txSOROBAN_INVALID, before)


def test_a_wrong_signature_is_refused(alice: Sender, bob: Sender, contract: Contract) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.prepare(contract.call("clock"))
    envelope.sign(bob.key)
    refused(alice, alice.submit(envelope), Code.txBAD_AUTH, before)


def test_a_signature_that_nothing_needs_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    before = alice.balance, alice.sequence
    envelope = alice.prepare(contract.call("clock"))
    envelope.sign(alice.key)
    envelope.sign(bob.key)
    refused(alice, alice.submit(envelope), Code.txBAD_AUTH_EXTRA, before)


def test_a_sequence_number_is_used_once(alice: Sender, contract: Contract) -> None:
    first, second = (alice.prepare(contract.call("clock", source=s)) for s in (None, alice.id))
    for envelope in (first, second):
        envelope.sign(alice.key)
    assert alice.submit(first).code == Code.txSUCCESS
    before = alice.balance, alice.sequence
    refused(alice, alice.submit(second), Code.txBAD_SEQ, before)


# -- the footprint -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.TEMPORARY, Kind.PERSISTENT])
@pytest.mark.parametrize("method", ["get", "add"])
def test_a_key_outside_the_footprint_cannot_be_read(
    alice: Sender, contract: Contract, kind: Kind, method: str
) -> None:
    arguments = (1,) if method == "add" else ()
    sent = alice.declare(resources(contract.code), contract.call(method, kind, "n", *arguments))
    trapped(sent, "STORAGE/EXCEEDED_LIMIT")
    assert "outside of the footprint" in sent.messages()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("method", ["add", "remove"])
def test_a_read_only_key_cannot_be_written(
    alice: Sender, contract: Contract, kind: Kind, method: str
) -> None:
    alice.invoke(contract.call("add", kind, "n", 5))
    keys = contract.code if kind == Kind.INSTANCE else [*contract.code, contract.entry(kind, "n")]
    arguments = (1,) if method == "add" else ()
    sent = alice.declare(resources(keys), contract.call(method, kind, "n", *arguments))
    trapped(sent, "STORAGE/EXCEEDED_LIMIT")
    assert counter(alice, contract, kind) == 5


@pytest.mark.parametrize("missing", ["instance", "code"])
def test_a_call_needs_instance_and_code_in_its_footprint(
    alice: Sender, contract: Contract, missing: str
) -> None:
    key = contract.instance if missing == "code" else CODE_KEY
    sent = alice.declare(resources([key]), contract.call("clock"))
    trapped(sent, "STORAGE/EXCEEDED_LIMIT")


# -- meta --------------------------------------------------------------------------------------


def test_meta_names_the_entries_before_and_after(alice: Sender, contract: Contract) -> None:
    entry = contract.entry(Kind.PERSISTENT, "n")
    created = alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    first, lives = stored(alice, entry), live_until(alice, entry)
    updated = alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 2))
    second = stored(alice, entry)
    removed = alice.invoke(contract.call("remove", Kind.PERSISTENT, "n"))
    assert created.changes == [("created", first), ("created", ttl_data(entry, lives))]
    assert updated.changes == [("state", first), ("updated", second)]
    assert removed.changes == [
        ("state", second),
        ("removed", entry),
        ("state", ttl_data(entry, lives)),
        ("removed", ttl_key(entry)),
    ]


def test_meta_shows_the_sequence_number_before_the_operation(
    alice: Sender, contract: Contract
) -> None:
    before = alice.sequence
    sent = alice.invoke(contract.call("clock"))
    assert sent.meta is not None
    changes = described(sent.meta.tx_changes_before)
    assert [(name, data.account.seq_num.sequence_number.int64) for name, data in changes] == [
        ("state", before),
        ("updated", before + 1),
    ]
    assert sent.meta.tx_changes_after.ledger_entry_changes == []


def test_events_carry_the_contract_their_topics_and_data_in_order(
    alice: Sender, contract: Contract
) -> None:
    sent = alice.invoke(contract.call("emit", u32(3), u32(10)))
    assert sent.meta is not None
    assert len(sent.meta.operations) == 1
    for index, event in enumerate(sent.events):
        assert event.type == xdr.ContractEventType.CONTRACT
        assert event.body.v0 is not None
        assert event.contract_id is not None
        assert Address(contract.id).key == event.contract_id.contract_id.hash
        assert event.body.v0.topics == [scval.to_symbol("filled"), u32(index)]
        assert event.body.v0.data == scval.to_bytes(bytes(10))
    assert len(sent.events) == 3


def test_the_result_is_the_hash_of_value_and_events(alice: Sender, contract: Contract) -> None:
    sent = alice.invoke(contract.call("emit", u32(2), u32(10)))
    preimage = xdr.InvokeHostFunctionSuccessPreImage(sent.value, sent.events)
    assert sent.operation.tr is not None
    result = sent.operation.tr.invoke_host_function_result
    assert result is not None
    assert result.success is not None
    assert result.success.hash == sha256(preimage.to_xdr_bytes()).digest()


# -- random numbers ----------------------------------------------------------------------------


def test_each_transaction_draws_its_own_random_numbers(alice: Sender, contract: Contract) -> None:
    drawn = {scval.from_uint64(alice.invoke(contract.call("random")).value) for _ in range(4)}
    assert len(drawn) == 4


def test_a_transaction_draws_the_same_numbers_in_the_same_ledger(
    network: LocalNetwork, alice: Sender, contract: Contract
) -> None:
    mark = network.snapshot()
    envelope = alice.prepare(contract.call("random"))
    envelope.sign(alice.key)
    first = alice.submit(envelope)
    network.revert(mark)
    assert alice.submit(envelope).value == first.value
