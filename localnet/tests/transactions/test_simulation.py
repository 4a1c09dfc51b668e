"""simulateTransaction: what it finds, in which mode, and how it says that something is wrong."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
import wasmtime
from localnet.tests.support.contract import CODE_KEY, Contract, Kind, create, resources, upload
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import (
    Address,
    Asset,
    ExtendFootprintTTL,
    InvokeHostFunction,
    Keypair,
    Operation,
    Payment,
    RestoreFootprint,
    TransactionBuilder,
    scval,
    xdr,
)
from stellar_sdk.auth import authorize_entry

PERSISTENT_TTL = 120_960
CREDENTIALS = xdr.SorobanCredentialsType
SOURCE = CREDENTIALS.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
ADDRESS = CREDENTIALS.SOROBAN_CREDENTIALS_ADDRESS
ADDRESS_V2 = CREDENTIALS.SOROBAN_CREDENTIALS_ADDRESS_V2


def simulated(
    sender: Sender,
    *operations: Operation,
    data: xdr.SorobanTransactionData | None = None,
    latest: int | None = None,
    **params: object,
) -> dict[str, Any]:
    """Simulate, and see to it that nothing changed."""
    network = sender.network
    envelope = sender.build(*operations)
    envelope.transaction.soroban_data = data
    before = network.latest_ledger, network.entries()
    answer = network.dispatcher.call(
        "simulateTransaction", {"transaction": envelope.to_xdr(), **params}
    )
    assert answer.pop("latestLedger") == (network.latest_ledger if latest is None else latest)
    assert (network.latest_ledger, network.entries()) == before
    return answer


def failed(sender: Sender, *operations: Operation, **params: Any) -> str:
    answer = simulated(sender, *operations, **params)
    assert not {"results", "transactionData", "minResourceFee", "stateChanges"} & set(answer)
    error: str = answer["error"]
    return error


def refused(sender: Sender, *operations: Operation, **params: Any) -> str:
    """Simulate what is refused before any ledger is looked at."""
    answer = simulated(sender, *operations, latest=0, **params)
    assert set(answer) == {"error"}
    error: str = answer["error"]
    return error


def auth_of(answer: dict[str, Any]) -> list[xdr.SorobanAuthorizationEntry]:
    (found,) = answer["results"]
    return [xdr.SorobanAuthorizationEntry.from_xdr(entry) for entry in found["auth"]]


def data_of(answer: dict[str, Any]) -> xdr.SorobanTransactionData:
    return xdr.SorobanTransactionData.from_xdr(answer["transactionData"])


def entry_of(text: str | None) -> xdr.LedgerEntryData | None:
    return None if text is None else xdr.LedgerEntry.from_xdr(text).data


# -- what it finds ---------------------------------------------------------------------------


def test_a_call_comes_with_value_resources_and_fee(alice: Sender, contract: Contract) -> None:
    answer = simulated(alice, contract.call("add", Kind.PERSISTENT, "n", 5))
    assert set(answer) == {
        "results",
        "transactionData",
        "minResourceFee",
        "events",
        "stateChanges",
    }
    assert answer["results"] == [{"auth": [], "xdr": scval.to_uint64(5).to_xdr()}]
    data = data_of(answer)
    assert str(data.resource_fee.int64) == answer["minResourceFee"]
    footprint = data.resources.footprint
    assert footprint.read_write == [contract.entry(Kind.PERSISTENT, "n")]
    assert set(map(xdr.LedgerKey.to_xdr, footprint.read_only)) == {
        key.to_xdr() for key in contract.code
    }


def test_what_is_simulated_is_what_happens(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
    for method, arguments in (
        ("add", (Kind.PERSISTENT, "n", 5)),
        ("add", (Kind.TEMPORARY, "m", 5)),
        ("add", (Kind.INSTANCE, "n", 5)),
        ("remove", (Kind.PERSISTENT, "n")),
    ):
        operation = contract.call(method, *arguments)
        answer = simulated(alice, operation)
        sent = alice.invoke(operation)
        assert sent.code == Code.txSUCCESS
        assert answer["results"][0]["xdr"] == sent.value.to_xdr()
        for change in answer["stateChanges"]:
            stored = alice.network.entry(b64decode(change["key"]))
            after = None if stored is None else xdr.LedgerEntry.from_xdr_bytes(stored[0]).data
            assert entry_of(change["after"]) == after


def test_state_changes_tell_what_is_created_updated_and_deleted(
    alice: Sender, contract: Contract
) -> None:
    key = contract.entry(Kind.PERSISTENT, "n").to_xdr()
    add, remove = (contract.call(m, Kind.PERSISTENT, "n", *a) for m, a in CHANGES)
    (created,) = simulated(alice, add)["stateChanges"]
    assert (created["type"], created["key"], created["before"]) == ("created", key, None)
    assert created["after"]
    alice.invoke(add)
    (updated,) = simulated(alice, add)["stateChanges"]
    assert (updated["type"], updated["key"]) == ("updated", key)
    assert entry_of(updated["before"]) == entry_of(created["after"])
    (deleted,) = simulated(alice, remove)["stateChanges"]
    assert (deleted["type"], deleted["key"], deleted["after"]) == ("deleted", key, None)
    assert entry_of(deleted["before"]) == entry_of(created["after"])


CHANGES: list[tuple[str, tuple[int, ...]]] = [("add", (1,)), ("remove", ())]


def test_a_call_that_only_reads_changes_nothing(alice: Sender, contract: Contract) -> None:
    assert "stateChanges" not in simulated(alice, contract.call("get", Kind.PERSISTENT, "n"))


def test_events_of_the_call_are_among_the_diagnostic_ones(
    alice: Sender, contract: Contract
) -> None:
    three, size = scval.to_uint32(3), scval.to_uint32(10)
    answer = simulated(alice, contract.call("emit", three, size))
    events = [xdr.DiagnosticEvent.from_xdr(event).event for event in answer["events"]]
    emitted = [e for e in events if e.type == xdr.ContractEventType.CONTRACT]
    assert len(emitted) == 3


def test_uploads_and_creations_are_simulated(alice: Sender) -> None:
    answer = simulated(alice, upload())
    assert scval.from_bytes(answer["results"][0]["xdr"]) == CODE_KEY.contract_code.hash.hash  # type: ignore[union-attr]
    alice.invoke(upload())
    created = simulated(alice, create(alice))
    (entry,) = auth_of(created)
    assert entry.credentials.type == SOURCE
    assert [change["type"] for change in created["stateChanges"]] == ["created"]


def test_an_account_that_does_not_exist_can_simulate(alice: Sender, contract: Contract) -> None:
    stranger = Keypair.random().public_key
    answer = simulated(alice, contract.call("approve", stranger, 5, source=stranger))
    assert [entry.credentials.type for entry in auth_of(answer)] == [SOURCE]


@pytest.mark.parametrize("leeway", [0, 1_000, 5_000_000])
def test_a_leeway_adds_instructions_and_raises_the_fee(
    alice: Sender, contract: Contract, leeway: int
) -> None:
    operation = contract.call("clock")
    plain = simulated(alice, operation)
    config = {"instructionLeeway": leeway}
    more = simulated(alice, operation, resourceConfig=config)
    instructions = [data_of(a).resources.instructions.uint32 for a in (plain, more)]
    if leeway < 50_000:  # the RPC adds this much in any case
        assert plain == more
    else:
        assert instructions[1] - instructions[0] == leeway - 50_000
        assert int(more["minResourceFee"]) > int(plain["minResourceFee"])


# -- authorisation ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upgraded", "kind"), [(None, ADDRESS), (False, ADDRESS), (True, ADDRESS_V2)]
)
@pytest.mark.parametrize("mode", [None, "", "record", "record_allow_nonroot"])
def test_recording_finds_who_has_to_sign(
    alice: Sender,
    bob: Sender,
    contract: Contract,
    mode: str | None,
    upgraded: bool | None,
    kind: xdr.SorobanCredentialsType,
) -> None:
    operation = contract.call("approve_both", alice.id, bob.id)
    answer = simulated(alice, operation, authMode=mode, useUpgradedAuth=upgraded)
    own, others = sorted(auth_of(answer), key=lambda entry: entry.credentials.type)
    assert own.credentials.type == SOURCE
    assert others.credentials.type == kind
    held = others.credentials.address or others.credentials.address_v2
    assert held is not None
    assert Address.from_xdr_sc_address(held.address).address == bob.id
    assert held.signature.type == xdr.SCValType.SCV_VOID
    assert held.nonce.int64 != 0


def signed_by(
    bob: Sender, operation: InvokeHostFunction, answer: dict[str, Any]
) -> InvokeHostFunction:
    until = bob.network.latest_ledger + 100
    operation.auth = [
        authorize_entry(entry, bob.key, until, bob.network.passphrase) for entry in auth_of(answer)
    ]
    return operation


@pytest.mark.parametrize("mode", [None, "enforce"])
def test_signed_entries_are_enforced_and_cost_their_verification(
    alice: Sender, bob: Sender, contract: Contract, mode: str | None
) -> None:
    operation = contract.call("approve", bob.id, 5)
    recorded = simulated(alice, operation, useUpgradedAuth=True)
    enforced = simulated(alice, signed_by(bob, operation, recorded), authMode=mode)
    assert enforced["results"][0]["xdr"] == recorded["results"][0]["xdr"]
    assert auth_of(enforced) == operation.auth


def test_entries_that_are_not_signed_are_refused_where_they_are_enforced(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    operation = contract.call("approve", bob.id, 5)
    operation.auth = auth_of(simulated(alice, operation))
    assert failed(alice, operation).startswith("HostError: Error(Auth, InvalidAction)")


def test_no_entry_at_all_is_refused_where_entries_are_enforced(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    operation = contract.call("approve", bob.id, 5)
    error = failed(alice, operation, authMode="enforce")
    assert error.startswith("HostError: Error(Auth, InvalidAction)")


@pytest.mark.parametrize("mode", ["record", "record_allow_nonroot"])
def test_what_has_entries_cannot_be_recorded(
    alice: Sender, bob: Sender, contract: Contract, mode: str
) -> None:
    operation = contract.call("approve", bob.id, 5)
    signed_by(bob, operation, simulated(alice, operation))
    error = refused(alice, operation, authMode=mode)
    assert error == f"cannot set authMode to '{mode}' with an auth footprint"


@pytest.mark.parametrize("mode", ["Record", "none", "0"])
def test_an_unknown_mode_is_refused(alice: Sender, contract: Contract, mode: str) -> None:
    error = refused(alice, contract.call("clock"), authMode=mode)
    assert error == (
        "optional 'authMode' must be one of enforce,record,record_allow_nonroot when included"
    )


def passing_on() -> bytes:
    """Make a contract whose one method passes a call on and asks nobody."""
    code = wasmtime.wat2wasm(
        """
        (module
          (import "d" "_" (func $call (param i64 i64 i64) (result i64)))
          (func (export "pass") (param i64 i64 i64) (result i64)
            (call $call (local.get 0) (local.get 1) (local.get 2))))
        """
    )
    version = xdr.SCEnvMetaEntry(
        xdr.SCEnvMetaKind.SC_ENV_META_KIND_INTERFACE_VERSION,
        interface_version=xdr.SCEnvMetaEntryInterfaceVersion(xdr.Uint32(27), xdr.Uint32(0)),
    ).to_xdr_bytes()
    name = b"contractenvmetav0"
    section = bytes([len(name)]) + name + version
    return bytes(code) + bytes([0, len(section)]) + section


def test_a_signature_that_the_called_contract_does_not_ask_for_is_recorded_where_it_may(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    sent = alice.invoke(upload(passing_on()))
    code_hash = scval.from_bytes(sent.value)
    passer = Contract(
        scval.from_address(
            alice.invoke(create(alice, salt=b"\x01" * 32, code_hash=code_hash)).value
        ).address
    )
    arguments = scval.to_vec([scval.to_address(bob.id), scval.to_uint64(5)])
    operation = passer.call("pass", contract.id, "approve", arguments)
    for mode in (None, "record"):
        error = failed(alice, operation, authMode=mode)
        assert error.startswith("HostError: Error(Auth, InvalidAction)")
        assert "authorization not tied to the root contract invocation" in error
    answer = simulated(alice, operation, authMode="record_allow_nonroot")
    (entry,) = auth_of(answer)
    called = entry.root_invocation.function.contract_fn
    assert called is not None
    assert called.function_name.sc_symbol == b"approve"


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("fail", (scval.to_uint32(7),), "Error(Contract, #7)"),
        ("trap", (), "Error(WasmVm, InvalidAction)"),
        ("missing", (), "Error(WasmVm, MissingValue)"),
        ("clock", (1,), "Error(WasmVm, UnexpectedSize)"),
    ],
)
def test_a_failure_comes_with_the_log_and_the_events(
    alice: Sender, contract: Contract, method: str, arguments: tuple[Any, ...], error: str
) -> None:
    answer = simulated(alice, contract.call(method, *arguments))
    assert set(answer) == {"error", "events"}
    first, _, log = answer["error"].partition("\n")
    assert first == f"HostError: {error}"
    assert "Event log (newest first):" in log
    assert "fn_call" in log
    for event in answer["events"]:
        assert not xdr.DiagnosticEvent.from_xdr(event).in_successful_contract_call


def test_a_call_that_needs_more_than_any_transaction_may_use_fails(
    alice: Sender, contract: Contract
) -> None:
    error = failed(alice, contract.call("give", scval.to_uint32(10_000_000)))
    assert error.startswith("HostError: Error(Budget, ExceededLimit)")


def test_a_contract_that_is_not_there_is_named(alice: Sender, contract: Contract) -> None:
    stranger = Address.from_raw_contract(bytes(32)).address
    error = failed(alice, Contract(stranger).call("clock"))
    assert error.startswith("HostError: Error(Storage, MissingValue)")
    assert stranger in error


def test_arguments_that_nest_too_deep_are_refused(alice: Sender, contract: Contract) -> None:
    value = scval.to_void()
    for _ in range(200):
        value = scval.to_vec([value])
    assert "depth limit" in failed(alice, contract.call("clock", value)).lower()
    simulated(alice, contract.call("clock"))


# -- what cannot be simulated ----------------------------------------------------------------


def pay(sender: Sender) -> Payment:
    return Payment(sender.id, Asset.native(), "1")


@pytest.mark.parametrize("count", [0, 2])
def test_one_operation_is_simulated(alice: Sender, contract: Contract, count: int) -> None:
    error = refused(alice, *[contract.call("clock")] * count)
    assert error == "Transaction contains more than one operation"


def test_a_classic_operation_is_refused_by_its_type(alice: Sender) -> None:
    assert refused(alice, pay(alice)) == (
        "transaction contains unsupported operation type: OperationTypePayment"
    )


def test_a_memo_is_refused(alice: Sender, contract: Contract) -> None:
    builder = TransactionBuilder(alice.account(), alice.network.passphrase).add_text_memo("x")
    envelope = builder.append_operation(contract.call("clock")).add_time_bounds(0, 0).build()
    answer = alice.network.dispatcher.call(
        "simulateTransaction", {"transaction": envelope.to_xdr()}
    )
    assert answer == {
        "error": "Transaction contains a memo. Soroban transactions do not support memos.",
        "latestLedger": 0,
    }


# -- extend and restore ----------------------------------------------------------------------


@pytest.fixture
def key(alice: Sender, contract: Contract) -> xdr.LedgerKey:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 1))
    return contract.entry(Kind.PERSISTENT, "n")


def test_an_extension_is_priced(alice: Sender, key: xdr.LedgerKey) -> None:
    declared = resources([key], instructions=7, fee=7)
    answer = simulated(alice, ExtendFootprintTTL(200_000), data=declared)
    assert set(answer) == {"transactionData", "minResourceFee"}
    data = data_of(answer)
    assert data.resources.footprint == xdr.LedgerFootprint([key], [])
    assert str(data.resource_fee.int64) == answer["minResourceFee"]


def test_what_is_archived_has_to_be_restored_before_it_is_extended(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    alice.network.advance_ledgers(PERSISTENT_TTL + 1)
    extension = ExtendFootprintTTL(200_000)
    answer = simulated(alice, extension, data=resources([key, CODE_KEY]))
    assert set(answer) == {"transactionData", "minResourceFee", "restorePreamble"}
    preamble = answer["restorePreamble"]
    assert set(preamble) == {"transactionData", "minResourceFee"}
    data = xdr.SorobanTransactionData.from_xdr(preamble["transactionData"])
    assert str(data.resource_fee.int64) == preamble["minResourceFee"]
    assert set(map(xdr.LedgerKey.to_xdr, data.resources.footprint.read_write)) == {
        key.to_xdr(),
        CODE_KEY.to_xdr(),
    }
    # both, one after the other, are accepted as they were priced
    for operation, declared in ((RestoreFootprint(), data), (extension, data_of(answer))):
        envelope = alice.build(operation)
        envelope.transaction.soroban_data = declared
        envelope.transaction.fee += declared.resource_fee.int64
        envelope.sign(alice.key)
        assert alice.submit(envelope).code == Code.txSUCCESS
    again = simulated(alice, extension, data=resources([key, CODE_KEY]))
    assert "restorePreamble" not in again


def test_a_restore_is_priced(alice: Sender, contract: Contract, key: xdr.LedgerKey) -> None:
    alice.network.advance_ledgers(PERSISTENT_TTL + 1)
    answer = simulated(alice, RestoreFootprint(), data=resources([], [key]))
    assert set(answer) == {"transactionData", "minResourceFee"}
    assert data_of(answer).resources.footprint == xdr.LedgerFootprint([], [key])


def test_a_restore_of_what_lives_needs_nothing(alice: Sender, key: xdr.LedgerKey) -> None:
    answer = simulated(alice, RestoreFootprint(), data=resources([], [key]))
    assert data_of(answer).resources.footprint == xdr.LedgerFootprint([], [])


def test_a_restore_of_what_never_was_is_refused(alice: Sender, contract: Contract) -> None:
    missing = contract.entry(Kind.PERSISTENT, "never")
    error = failed(alice, RestoreFootprint(), data=resources([], [missing]))
    assert error.startswith("Missing entry to restore")


def test_a_temporary_entry_cannot_be_restored(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", Kind.TEMPORARY, "n", 1))
    alice.network.advance_ledgers(1_000)
    key = contract.entry(Kind.TEMPORARY, "n")
    error = failed(alice, RestoreFootprint(), data=resources([], [key]))
    assert error.startswith("Can't restore a ledger entry")


def test_a_term_past_the_last_ledger_there_can_be_is_an_error(
    alice: Sender, key: xdr.LedgerKey
) -> None:
    error = failed(alice, ExtendFootprintTTL(2**32 - 1), data=resources([key]))
    assert error.startswith("the Soroban host trapped in simulate_extend")
    test_an_extension_is_priced(alice, key)


@pytest.mark.parametrize("operation", [ExtendFootprintTTL(100), RestoreFootprint()])
def test_extension_and_restore_need_a_footprint_and_no_mode(
    alice: Sender, operation: Operation
) -> None:
    assert "SorobanTransactionData must be provided" in refused(alice, operation)
    error = refused(alice, operation, data=resources(), authMode="record")
    assert error == "cannot set authMode with non-InvokeHostFunction operations"
