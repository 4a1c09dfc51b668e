"""How long entries live: expiry, archived entries, restoring and extending."""

from __future__ import annotations

import pytest
from localnet.tests.support.contract import (
    CODE_KEY,
    Contract,
    Kind,
    account_key,
    counter,
    live_until,
    resources,
    stored,
    ttl_data,
)
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import ExtendFootprintTTL, RestoreFootprint, scval, xdr
from stellar_sdk.exceptions import PrepareTransactionException

Invoked = xdr.InvokeHostFunctionResultCode
Extended = xdr.ExtendFootprintTTLResultCode
Restored = xdr.RestoreFootprintResultCode

TEMPORARY_TTL, PERSISTENT_TTL, MAXIMUM_TTL = 720, 120_960, 3_110_400
READ_FEE, WRITE_FEE = 1_563, 2_500
PERSISTENT, TEMPORARY, INSTANCE = Kind.PERSISTENT, Kind.TEMPORARY, Kind.INSTANCE

u32 = scval.to_uint32


@pytest.fixture
def key(alice: Sender, contract: Contract) -> xdr.LedgerKey:
    """The key of a persistent counter that stands at 5, while instance and code live longer."""
    alice.invoke(contract.call("add", PERSISTENT, "n", 5))
    extend(alice, 2 * PERSISTENT_TTL, contract.instance, CODE_KEY)
    return contract.entry(PERSISTENT, "n")


def extend(sender: Sender, ledgers: int, *keys: xdr.LedgerKey, fee: int = 100_000_000) -> Sent:
    return sender.declare(resources(keys, fee=fee), ExtendFootprintTTL(ledgers))


def extended(sent: Sent) -> Extended:
    assert sent.operation.tr is not None
    assert sent.operation.tr.extend_footprint_ttl_result is not None
    return sent.operation.tr.extend_footprint_ttl_result.code


def restore(sender: Sender, *keys: xdr.LedgerKey, fee: int = 100_000_000) -> Sent:
    return sender.declare(resources([], keys, fee=fee), RestoreFootprint())


def restored(sent: Sent) -> Restored:
    assert sent.operation.tr is not None
    assert sent.operation.tr.restore_footprint_result is not None
    return sent.operation.tr.restore_footprint_result.code


def left(sender: Sender, key: xdr.LedgerKey) -> int:
    """For how many more ledgers an entry lives after the latest one."""
    return live_until(sender, key) - sender.network.latest_ledger


def expire(sender: Sender, key: xdr.LedgerKey) -> None:
    """Let the latest ledger be the first in which the entry does not live."""
    sender.network.advance_ledgers(left(sender, key) + 1)


def rent(sent: Sent) -> int:
    assert sent.meta is not None
    assert sent.meta.soroban_meta is not None
    assert sent.meta.soroban_meta.ext.v1 is not None
    return sent.meta.soroban_meta.ext.v1.rent_fee_charged.int64


def fixed_fee(sent: Sent) -> int:
    assert sent.meta is not None
    assert sent.meta.soroban_meta is not None
    assert sent.meta.soroban_meta.ext.v1 is not None
    return sent.meta.soroban_meta.ext.v1.total_non_refundable_resource_fee_charged.int64


# -- expiry ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ttl"), [(TEMPORARY, TEMPORARY_TTL), (PERSISTENT, PERSISTENT_TTL)]
)
def test_a_new_entry_lives_for_the_networks_minimum(
    alice: Sender, contract: Contract, kind: Kind, ttl: int
) -> None:
    alice.invoke(contract.call("add", kind, "n", 5))
    assert left(alice, contract.entry(kind, "n")) == ttl - 1


def test_a_write_does_not_prolong_a_life(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    before = live_until(alice, key)
    alice.network.advance_ledgers(100)
    alice.invoke(contract.call("add", PERSISTENT, "n", 1))
    assert live_until(alice, key) == before


def test_an_entry_lives_in_its_last_ledger_too(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    alice.network.advance_ledgers(left(alice, key) - 1)
    sent = alice.declare(resources([*contract.code, key]), contract.call("get", PERSISTENT, "n"))
    assert alice.network.latest_ledger == live_until(alice, key)
    assert scval.from_uint64(sent.value) == 5
    sent = alice.declare(resources([*contract.code, key]), contract.call("get", PERSISTENT, "n"))
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED


def test_an_expired_temporary_entry_is_absent(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", TEMPORARY, "n", 5))
    key = contract.entry(TEMPORARY, "n")
    alice.network.advance_ledgers(TEMPORARY_TTL - 2)
    call = contract.call("get", TEMPORARY, "n")
    assert scval.from_uint64(alice.declare(resources([*contract.code, key]), call).value) == 5
    assert alice.declare(resources([*contract.code, key]), call).value == scval.to_void()
    assert stored(alice, key) is None


def test_an_expired_temporary_entry_can_be_written_anew(alice: Sender, contract: Contract) -> None:
    alice.invoke(contract.call("add", TEMPORARY, "n", 5))
    key = contract.entry(TEMPORARY, "n")
    before, lived = stored(alice, key), live_until(alice, key)
    expire(alice, key)
    sent = alice.invoke(contract.call("add", TEMPORARY, "n", 2))
    assert scval.from_uint64(sent.value) == 2
    assert left(alice, key) == TEMPORARY_TTL - 1
    # until the network evicts it, the expired entry is still what the meta compares with
    assert sent.changes == [
        ("state", before),
        ("updated", stored(alice, key)),
        ("state", ttl_data(key, lived)),
        ("updated", ttl_data(key, live_until(alice, key))),
    ]


@pytest.mark.parametrize("writable", [False, True])
def test_an_archived_entry_stops_the_call(
    alice: Sender, contract: Contract, key: xdr.LedgerKey, writable: bool
) -> None:
    expire(alice, key)
    balance = alice.balance
    read_write = [key] if writable else []
    read_only = contract.code if writable else [*contract.code, key]
    sent = alice.declare(resources(read_only, read_write), contract.call("get", PERSISTENT, "n"))
    assert (sent.code, sent.refused) == (Code.txFAILED, False)
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED
    assert sent.error == "VALUE/INVALID_INPUT"
    assert alice.balance == balance - sent.fee_charged


@pytest.mark.parametrize("part", ["instance", "code"])
def test_a_contract_whose_instance_or_code_is_archived_stops_the_call(
    alice: Sender, contract: Contract, part: str
) -> None:
    other = CODE_KEY if part == "instance" else contract.instance
    extend(alice, 2 * PERSISTENT_TTL, other)
    alice.network.advance_ledgers(PERSISTENT_TTL)
    sent = alice.declare(resources(contract.code), contract.call("clock"))
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED
    assert f"archived contract {'code' if part == 'code' else 'data'} entry" in sent.messages()


def test_an_archived_entry_can_be_read_with_no_life_left(alice: Sender, key: xdr.LedgerKey) -> None:
    before = stored(alice, key)
    expire(alice, key)
    assert stored(alice, key) == before
    assert live_until(alice, key) == 0


# -- restored by the call that needs it ------------------------------------------------------


def marked(data: xdr.SorobanTransactionData, *indexes: int) -> xdr.SorobanTransactionData:
    """Mark read-write keys as archived."""
    data.ext = xdr.SorobanTransactionDataExt(
        1, resource_ext=xdr.SorobanResourcesExtV0([xdr.Uint32(index) for index in indexes])
    )
    return data


def test_simulation_marks_archived_entries_and_the_call_restores_them(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    expire(alice, key)
    before = stored(alice, key)
    sent = alice.invoke(contract.call("get", PERSISTENT, "n"))
    assert scval.from_uint64(sent.value) == 5
    assert left(alice, key) == PERSISTENT_TTL - 1
    assert sent.changes == [
        ("restored", before),
        ("restored", ttl_data(key, live_until(alice, key))),
    ]


def test_a_restored_entry_can_be_written_in_the_same_call(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    expire(alice, key)
    before = stored(alice, key)
    sent = alice.invoke(contract.call("add", PERSISTENT, "n", 2))
    assert counter(alice, contract, PERSISTENT) == 7
    assert sent.changes == [
        ("restored", before),
        ("updated", stored(alice, key)),
        ("restored", ttl_data(key, live_until(alice, key))),
    ]


def test_only_the_marked_entries_are_restored(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    alice.invoke(contract.call("add", PERSISTENT, "m", 1))
    other = contract.entry(PERSISTENT, "m")
    expire(alice, other)
    call = contract.call("get", PERSISTENT, "n")
    sent = alice.declare(marked(resources(contract.code, [key, other]), 0), call)
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED
    assert live_until(alice, key) == 0
    sent = alice.declare(marked(resources(contract.code, [key, other]), 0, 1), call)
    assert sent.code == Code.txSUCCESS
    assert left(alice, key) == left(alice, other) == PERSISTENT_TTL - 1


def test_a_mark_on_a_live_entry_does_no_harm(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    before = live_until(alice, key)
    call = contract.call("get", PERSISTENT, "n")
    sent = alice.declare(marked(resources(contract.code, [key]), 0), call)
    assert scval.from_uint64(sent.value) == 5
    assert live_until(alice, key) == before


def test_a_failed_call_restores_nothing(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    expire(alice, key)
    data = marked(resources(contract.code, [key]), 0)
    sent = alice.declare(data, contract.call("fail_late", "n"))
    assert sent.error == "CONTRACT/1"
    assert live_until(alice, key) == 0


def test_a_restore_reads_from_disk_and_is_held_to_the_declared_bytes(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    expire(alice, key)
    data = marked(resources(contract.code, [key], disk_read_bytes=50), 0)
    sent = alice.declare(data, contract.call("get", PERSISTENT, "n"))
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED
    assert "byte-read resources" in sent.messages()
    assert live_until(alice, key) == 0


def test_a_restore_pays_rent(alice: Sender, contract: Contract, key: xdr.LedgerKey) -> None:
    call = contract.call("get", PERSISTENT, "n")
    assert rent(alice.invoke(call)) == 0
    expire(alice, key)
    assert rent(alice.invoke(call)) > 0


def test_each_marked_entry_pays_for_a_read_from_disk(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    keys = [key, contract.entry(PERSISTENT, "m")]
    paid = []
    for indexes in ((0,), (0, 1)):
        data = marked(resources(contract.code, keys), *indexes)
        paid.append(fixed_fee(alice.declare(data, contract.call("clock"))))
    assert paid[1] - paid[0] >= READ_FEE


@pytest.mark.parametrize(
    "indexes", [(1, 0), (0, 0), (2,), (1,)], ids=["unsorted", "twice", "outside", "temporary"]
)
def test_wrong_marks_are_refused(
    alice: Sender, contract: Contract, key: xdr.LedgerKey, indexes: tuple[int, ...]
) -> None:
    before = alice.balance, alice.sequence
    data = resources(contract.code, [key, contract.entry(TEMPORARY, "n")])
    sent = alice.declare(marked(data, *indexes), contract.call("clock"))
    assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
    assert (alice.balance, alice.sequence) == before


# -- RestoreFootprint ------------------------------------------------------------------------


def test_restore_footprint_brings_entries_back(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    expire(alice, key)
    before = stored(alice, key)
    sent = restore(alice, key)
    assert (sent.code, restored(sent)) == (Code.txSUCCESS, Restored.RESTORE_FOOTPRINT_SUCCESS)
    assert left(alice, key) == PERSISTENT_TTL - 1
    assert counter(alice, contract, PERSISTENT) == 5
    assert sent.changes == [
        ("restored", before),
        ("restored", ttl_data(key, live_until(alice, key))),
    ]
    assert rent(sent) > 0


def test_restore_footprint_brings_back_a_whole_contract(alice: Sender, contract: Contract) -> None:
    alice.network.advance_ledgers(PERSISTENT_TTL)
    operation = RestoreFootprint()
    envelope = alice.declared(resources([], contract.code), operation)
    envelope = alice.server.prepare_transaction(envelope)
    envelope.sign(alice.key)
    assert alice.submit(envelope).code == Code.txSUCCESS
    assert left(alice, contract.instance) == left(alice, CODE_KEY) == PERSISTENT_TTL - 1
    sent = alice.declare(resources(contract.code), contract.call("clock"))
    assert sent.code == Code.txSUCCESS


def test_restoring_what_lives_or_never_was_changes_nothing(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    before = live_until(alice, key)
    sent = restore(alice, key, contract.entry(PERSISTENT, "never"))
    assert sent.code == Code.txSUCCESS
    assert sent.changes == []
    assert rent(sent) == 0
    assert live_until(alice, key) == before


def test_each_entry_to_restore_pays_for_a_read_and_a_write(
    alice: Sender, contract: Contract
) -> None:
    first, second = contract.entry(PERSISTENT, "a"), contract.entry(PERSISTENT, "b")
    paid = [fixed_fee(restore(alice, *keys)) for keys in ([first], [first, second])]
    assert paid[1] - paid[0] >= READ_FEE + WRITE_FEE


def test_a_restore_needs_read_write_keys_of_persistent_entries(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    for data in (
        resources([key]),
        resources([key], [contract.instance]),
        resources([], [contract.entry(TEMPORARY, "n")]),
        resources([], [account_key(alice.id)]),
    ):
        sent = alice.declare(data, RestoreFootprint())
        assert (sent.refused, sent.code) == (True, Code.txFAILED)
        assert restored(sent) == Restored.RESTORE_FOOTPRINT_MALFORMED


@pytest.mark.parametrize("short", ["disk_read_bytes", "write_bytes"])
def test_a_restore_is_held_to_its_declared_bytes(
    alice: Sender, key: xdr.LedgerKey, short: str
) -> None:
    expire(alice, key)
    data = resources([], [key])
    setattr(data.resources, short, xdr.Uint32(50))
    sent = alice.declare(data, RestoreFootprint())
    assert restored(sent) == Restored.RESTORE_FOOTPRINT_RESOURCE_LIMIT_EXCEEDED
    assert live_until(alice, key) == 0


def test_a_restore_needs_a_refundable_fee_for_the_rent(alice: Sender, key: xdr.LedgerKey) -> None:
    expire(alice, key)
    mark = alice.network.snapshot()
    sent = restore(alice, key)
    assert sent.meta is not None
    needed = sent.fee_charged - 100
    alice.network.revert(mark)
    sent = restore(alice, key, fee=needed - 1)
    assert restored(sent) == Restored.RESTORE_FOOTPRINT_INSUFFICIENT_REFUNDABLE_FEE
    assert live_until(alice, key) == 0
    assert restore(alice, key, fee=needed).code == Code.txSUCCESS


# -- ExtendFootprintTTL ----------------------------------------------------------------------


def test_an_extension_counts_from_its_ledger(alice: Sender, key: xdr.LedgerKey) -> None:
    before = live_until(alice, key)
    sent = extend(alice, 200_000, key)
    assert (sent.code, extended(sent)) == (Code.txSUCCESS, Extended.EXTEND_FOOTPRINT_TTL_SUCCESS)
    assert left(alice, key) == 200_000
    assert sent.changes == [
        ("state", ttl_data(key, before)),
        ("updated", ttl_data(key, live_until(alice, key))),
    ]


def test_an_extension_changes_no_entry_but_its_ttl(alice: Sender, key: xdr.LedgerKey) -> None:
    before = alice.server.get_ledger_entries([key]).entries
    extend(alice, 200_000, key)
    after = alice.server.get_ledger_entries([key]).entries
    assert before
    assert after
    assert (before[0].xdr, before[0].last_modified_ledger) == (
        after[0].xdr,
        after[0].last_modified_ledger,
    )


def test_what_changes_is_dated_with_its_ledger(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    for sent in (
        alice.invoke(contract.call("add", TEMPORARY, "n", 5)),
        alice.invoke(contract.call("add", PERSISTENT, "n", 1)),
        extend(alice, 200_000, key),
        alice.invoke(contract.call("extend", PERSISTENT, "n", u32(300_000), u32(300_000))),
    ):
        assert sent.meta is not None
        ledger = sent.meta.tx_changes_before.ledger_entry_changes[1].updated
        assert ledger is not None
        changes = sent.meta.operations[0].changes.ledger_entry_changes
        entries = [change.created or change.updated for change in changes]
        dates = {entry.last_modified_ledger_seq for entry in entries if entry is not None}
        assert dates == {ledger.last_modified_ledger_seq}


def test_an_extension_never_shortens_a_life(alice: Sender, key: xdr.LedgerKey) -> None:
    before = live_until(alice, key)
    sent = extend(alice, 100, key)
    assert sent.code == Code.txSUCCESS
    assert (sent.changes, rent(sent)) == ([], 0)
    assert live_until(alice, key) == before


def test_a_longer_extension_costs_more_rent(alice: Sender, key: xdr.LedgerKey) -> None:
    start = left(alice, key) - 1
    mark = alice.network.snapshot()
    costs = []
    for ledgers in (500_000, 1_000_000):
        costs.append(rent(extend(alice, start + ledgers, key)))
        alice.network.revert(mark)
    assert 1.9 < costs[1] / costs[0] < 2.0


def test_what_is_archived_or_absent_is_not_extended(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    alice.invoke(contract.call("add", TEMPORARY, "n", 5))
    temporary, never = contract.entry(TEMPORARY, "n"), contract.entry(PERSISTENT, "never")
    expire(alice, key)
    sent = extend(alice, 200_000, key, temporary, never)
    assert sent.code == Code.txSUCCESS
    assert sent.changes == []
    assert live_until(alice, key) == 0
    assert stored(alice, temporary) is None


def test_the_longest_extension_is_one_less_than_the_maximum(
    alice: Sender, key: xdr.LedgerKey
) -> None:
    sent = extend(alice, MAXIMUM_TTL, key)
    assert (sent.refused, sent.code) == (True, Code.txFAILED)
    assert extended(sent) == Extended.EXTEND_FOOTPRINT_TTL_MALFORMED
    assert extend(alice, MAXIMUM_TTL - 1, key).code == Code.txSUCCESS
    assert left(alice, key) == MAXIMUM_TTL - 1


def test_an_extension_needs_read_only_keys_of_soroban_entries(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    for data in (
        resources([], [key]),
        resources([contract.instance], [key]),
        resources([account_key(alice.id)]),
    ):
        sent = alice.declare(data, ExtendFootprintTTL(200_000))
        assert (sent.refused, sent.code) == (True, Code.txFAILED)
        assert extended(sent) == Extended.EXTEND_FOOTPRINT_TTL_MALFORMED


def test_an_extension_needs_a_refundable_fee_for_the_rent(
    alice: Sender, key: xdr.LedgerKey
) -> None:
    before = live_until(alice, key)
    mark = alice.network.snapshot()
    needed = extend(alice, 200_000, key).fee_charged - 100
    alice.network.revert(mark)
    sent = extend(alice, 200_000, key, fee=needed - 1)
    assert extended(sent) == Extended.EXTEND_FOOTPRINT_TTL_INSUFFICIENT_REFUNDABLE_FEE
    assert live_until(alice, key) == before
    assert extend(alice, 200_000, key, fee=needed).code == Code.txSUCCESS


def test_simulation_prices_an_extension(alice: Sender, key: xdr.LedgerKey) -> None:
    envelope = alice.declared(resources([key], fee=0), ExtendFootprintTTL(200_000))
    envelope = alice.server.prepare_transaction(envelope)
    envelope.sign(alice.key)
    assert alice.submit(envelope).code == Code.txSUCCESS
    assert left(alice, key) == 200_000


# -- extended by the contract ----------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_a_contract_extends_its_entries(alice: Sender, contract: Contract, kind: Kind) -> None:
    alice.invoke(contract.call("add", kind, "n", 5))
    sent = alice.invoke(contract.call("extend", kind, "n", u32(500_000), u32(500_000)))
    assert sent.code == Code.txSUCCESS
    assert left(alice, contract.entry(kind, "n")) == 500_000
    if kind == INSTANCE:
        assert left(alice, CODE_KEY) == 500_000
    assert counter(alice, contract, kind) == 5


def test_a_read_only_key_can_be_extended(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    call = contract.call("extend", PERSISTENT, "n", u32(500_000), u32(500_000))
    sent = alice.declare(resources([*contract.code, key]), call)
    assert sent.code == Code.txSUCCESS
    assert left(alice, key) == 500_000


def test_a_contract_extends_only_what_is_below_its_threshold(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    before = live_until(alice, key)
    threshold = left(alice, key) - 1
    alice.invoke(contract.call("extend", PERSISTENT, "n", u32(threshold - 1), u32(500_000)))
    assert live_until(alice, key) == before
    alice.invoke(contract.call("extend", PERSISTENT, "n", u32(threshold), u32(500_000)))
    assert left(alice, key) == 500_000


def test_a_contract_extends_persistent_entries_to_the_maximum_at_most(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    longest = u32(2 * MAXIMUM_TTL)
    assert alice.invoke(contract.call("extend", PERSISTENT, "n", longest, longest)).code == (
        Code.txSUCCESS
    )
    assert left(alice, key) == MAXIMUM_TTL - 1


def test_a_contract_cannot_extend_temporary_entries_past_the_maximum(
    alice: Sender, contract: Contract
) -> None:
    alice.invoke(contract.call("add", TEMPORARY, "n", 5))
    longest = u32(MAXIMUM_TTL)
    call = contract.call("extend", TEMPORARY, "n", longest, longest)
    with pytest.raises(PrepareTransactionException):
        alice.prepare(call)
    sent = alice.declare(resources([*contract.code, contract.entry(TEMPORARY, "n")]), call)
    assert (sent.invoked, sent.error) == (
        Invoked.INVOKE_HOST_FUNCTION_TRAPPED,
        "STORAGE/INVALID_ACTION",
    )


def test_a_failed_call_extends_nothing(
    alice: Sender, contract: Contract, key: xdr.LedgerKey
) -> None:
    before = live_until(alice, key)
    call = contract.call("extend", PERSISTENT, "n", u32(500_000), u32(500_000))
    sent = alice.declare(resources([*contract.code, key], fee=30_000), call)
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_INSUFFICIENT_REFUNDABLE_FEE
    assert live_until(alice, key) == before
