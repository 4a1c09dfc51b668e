"""What a Soroban transaction declares, what it may use, what it pays and what it gets back."""

from __future__ import annotations

from copy import deepcopy

import pytest
from localnet.tests.support.contract import Contract, Kind, account_key, counter, resources, upload
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import Asset, Keypair, Payment, scval, xdr

Invoked = xdr.InvokeHostFunctionResultCode
PERSISTENT, INSTANCE = Kind.PERSISTENT, Kind.INSTANCE

u32 = scval.to_uint32


def exceeded(sent: Sent, message: str) -> None:
    assert not sent.refused
    assert (sent.code, sent.invoked) == (
        Code.txFAILED,
        Invoked.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED,
    )
    assert message in sent.messages()


def fees(sent: Sent) -> xdr.SorobanTransactionMetaExtV1:
    """What soroban_meta says of the fees."""
    assert sent.meta is not None
    assert sent.meta.soroban_meta is not None
    assert sent.meta.soroban_meta.ext.v1 is not None
    return sent.meta.soroban_meta.ext.v1


def fee_events(sent: Sent) -> list[tuple[str, int]]:
    """Stage and stroops of the network's own events."""
    assert sent.meta is not None
    found = []
    for emitted in sent.meta.events:
        body = emitted.event.body.v0
        assert body is not None
        assert body.topics[0] == scval.to_symbol("fee")
        stage = emitted.stage.name.removeprefix("TRANSACTION_EVENT_STAGE_")
        found.append((stage, scval.from_int128(body.data)))
    return found


# -- declared above the network's limits -----------------------------------------------------


@pytest.mark.parametrize(
    ("field", "limit"),
    [
        ("instructions", "instructions"),
        ("disk_read_bytes", "disk_read_bytes"),
        ("write_bytes", "write_bytes"),
    ],
)
def test_more_than_the_network_allows_cannot_be_declared(
    alice: Sender, contract: Contract, field: str, limit: str
) -> None:
    before = alice.balance, alice.sequence
    most = getattr(alice.network.settings.limits, limit)
    data = resources(contract.code, fee=50_000_000)
    setattr(data.resources, field, xdr.Uint32(most + 1))
    sent = alice.declare(data, contract.call("clock"))
    assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
    assert "exceed network config limit" in sent.messages()
    assert (alice.balance, alice.sequence) == before
    setattr(data.resources, field, xdr.Uint32(most))
    assert alice.declare(data, contract.call("clock")).code == Code.txSUCCESS


def keys(contract: Contract, count: int) -> list[xdr.LedgerKey]:
    return [contract.entry(PERSISTENT, f"n{index}") for index in range(count)]


def accounts(count: int) -> list[xdr.LedgerKey]:
    return [account_key(Keypair.random().public_key) for _ in range(count)]


def test_the_footprints_size_is_limited(alice: Sender, contract: Contract) -> None:
    limits = alice.network.settings.limits
    call = contract.call("clock")
    footprint = [*contract.code, *keys(contract, limits.footprint_entries - 2)]
    most = resources(footprint, instructions=100_000_000)
    assert alice.declare(most, call).code == Code.txSUCCESS
    for data, message in (
        (
            resources([*contract.code, *keys(contract, limits.footprint_entries - 1)]),
            "entries in transaction footprint",
        ),
        (
            resources(contract.code, keys(contract, limits.write_entries + 1)),
            "entry-write resources",
        ),
        (
            resources([*contract.code, *accounts(limits.disk_read_entries + 1)]),
            "entry-disk-read resources",
        ),
    ):
        sent = alice.declare(data, call)
        assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
        assert message in sent.messages()


def test_the_size_of_a_footprint_key_is_limited(alice: Sender, contract: Contract) -> None:
    key = contract.entry(PERSISTENT, "n")
    assert key.contract_data is not None
    key.contract_data.key = scval.to_bytes(bytes(250))
    sent = alice.declare(resources([*contract.code, key]), contract.call("clock"))
    assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
    assert "footprint key exceeds" in sent.messages()


def test_keys_of_other_entries_have_no_place_in_a_footprint(
    alice: Sender, contract: Contract
) -> None:
    offer = xdr.LedgerKey(
        xdr.LedgerEntryType.OFFER,
        offer=xdr.LedgerKeyOffer(alice.key.xdr_account_id(), xdr.Int64(1)),
    )
    sent = alice.declare(resources([*contract.code, offer]), contract.call("clock"))
    assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
    assert "unsupported ledger key type" in sent.messages()


def test_the_size_of_a_transaction_is_limited(alice: Sender, contract: Contract) -> None:
    size = alice.network.settings.limits.transaction_bytes
    call = contract.call("fail", scval.to_bytes(bytes(size)))
    sent = alice.declare(resources(contract.code), call)
    assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
    assert "total transaction size" in sent.messages()


# -- used above what was declared ------------------------------------------------------------


def test_a_call_that_needs_more_instructions_than_declared_fails(
    alice: Sender, contract: Contract
) -> None:
    sent = alice.declare(resources(contract.code, instructions=50_000), contract.call("clock"))
    exceeded(sent, "operation instructions exceeds amount specified")


def test_a_call_that_hashes_too_long_fails(alice: Sender, contract: Contract) -> None:
    call = contract.call("burn", u32(20_000))
    sent = alice.declare(resources(contract.code, instructions=3_000_000), call)
    exceeded(sent, "operation instructions exceeds amount specified")
    assert sent.error == "BUDGET/EXCEEDED_LIMIT"


def test_a_call_cannot_use_more_memory_than_the_network_allows(
    alice: Sender, contract: Contract
) -> None:
    data = resources(contract.code, instructions=400_000_000)
    assert alice.declare(data, contract.call("allocate", u32(10))).code == Code.txSUCCESS
    sent = alice.declare(data, contract.call("allocate", u32(16)))
    exceeded(sent, "operation memory usage exceeds network config limit")


def stored_size(contract: Contract, size: int) -> int:
    """How large the entry is that holds `size` bytes."""
    data = xdr.LedgerEntryData(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.ContractDataEntry(
            xdr.ExtensionPoint(0),
            contract.address,
            scval.to_symbol("n"),
            xdr.ContractDataDurability.PERSISTENT,
            scval.to_bytes(bytes(size)),
        ),
    )
    return len(xdr.LedgerEntry(xdr.Uint32(0), data, xdr.LedgerEntryExt(0)).to_xdr_bytes())


def test_a_call_writes_no_more_bytes_than_declared(alice: Sender, contract: Contract) -> None:
    size = stored_size(contract, 400)
    key = contract.entry(PERSISTENT, "n")
    call = contract.call("store", "n", u32(400))
    sent = alice.declare(resources(contract.code, [key], write_bytes=size - 1), call)
    exceeded(sent, "operation byte-write resources exceeds amount specified")
    assert alice.network.entry(key.to_xdr_bytes()) is None
    sent = alice.declare(resources(contract.code, [key], write_bytes=size), call)
    assert sent.code == Code.txSUCCESS


def test_an_entry_that_is_only_declared_for_writing_counts_as_written(
    alice: Sender, contract: Contract
) -> None:
    alice.invoke(contract.call("store", "n", u32(400)))
    key = contract.entry(PERSISTENT, "n")
    sent = alice.declare(resources(contract.code, [key], write_bytes=100), contract.call("clock"))
    exceeded(sent, "operation byte-write resources exceeds amount specified")


def test_a_call_reads_no_more_bytes_from_disk_than_declared(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    classic = [account_key(bob.id)]
    found = alice.network.entry(classic[0].to_xdr_bytes())
    assert found is not None
    size = len(found[0])
    data = resources([*contract.code, *classic], disk_read_bytes=size - 1)
    exceeded(
        alice.declare(data, contract.call("clock")),
        "operation byte-read resources exceeds amount specified",
    )
    data = resources([*contract.code, *classic], disk_read_bytes=size)
    assert alice.declare(data, contract.call("clock")).code == Code.txSUCCESS


def test_reading_live_soroban_entries_takes_nothing_from_disk(
    alice: Sender, contract: Contract
) -> None:
    data = resources(contract.code, disk_read_bytes=0)
    assert alice.declare(data, contract.call("clock")).code == Code.txSUCCESS


def test_an_entry_cannot_grow_past_the_networks_size(alice: Sender, contract: Contract) -> None:
    key = contract.entry(PERSISTENT, "n")
    data = resources(contract.code, [key], write_bytes=100_000, fee=500_000_000)
    most = alice.network.settings.limits.data_entry_bytes
    fits = most - stored_size(contract, 0)
    assert alice.declare(data, contract.call("store", "n", u32(fits))).code == Code.txSUCCESS
    exceeded(
        alice.declare(data, contract.call("store", "n", u32(fits + 1))),
        "ContractData size exceeds network config maximum size",
    )


# -- events and return value -----------------------------------------------------------------


def test_events_are_limited_in_size(alice: Sender, contract: Contract) -> None:
    data = resources(contract.code, instructions=100_000_000)
    sent = alice.declare(data, contract.call("emit", u32(14), u32(1_000)))
    assert sent.code == Code.txSUCCESS
    assert sum(len(event.to_xdr_bytes()) for event in sent.events) <= 16_384
    sent = alice.declare(data, contract.call("emit", u32(16), u32(1_000)))
    exceeded(sent, "total events size exceeds network config maximum")


def test_the_return_value_counts_with_the_events(alice: Sender, contract: Contract) -> None:
    data = resources(contract.code, instructions=100_000_000)
    fits = 16_384 - len(scval.to_bytes(b"").to_xdr_bytes())
    assert alice.declare(data, contract.call("give", u32(fits))).code == Code.txSUCCESS
    sent = alice.declare(data, contract.call("give", u32(fits + 1)))
    exceeded(sent, "return value pushes events size above network config maximum")


# -- fees ------------------------------------------------------------------------------------


def test_a_resource_fee_below_that_of_the_declared_resources_is_refused(
    alice: Sender, contract: Contract
) -> None:
    before = alice.balance, alice.sequence
    call = contract.call("clock")
    mark = alice.network.snapshot()
    needed = fees(alice.declare(resources(contract.code), call))
    alice.network.revert(mark)
    fixed = needed.total_non_refundable_resource_fee_charged.int64
    sent = alice.declare(resources(contract.code, fee=fixed - 1), call)
    assert (sent.refused, sent.code) == (True, Code.txSOROBAN_INVALID)
    assert "lower than the actual Soroban resource fee" in sent.messages()
    assert (alice.balance, alice.sequence) == before
    # the fixed fee alone lets it in, but leaves nothing for the return value
    sent = alice.declare(resources(contract.code, fee=fixed), call)
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_INSUFFICIENT_REFUNDABLE_FEE


def test_a_resource_fee_above_the_transactions_fee_is_refused(
    alice: Sender, contract: Contract
) -> None:
    envelope = alice.declared(resources(contract.code), contract.call("clock"))
    envelope.transaction.fee = 4_999_999
    envelope.sign(alice.key)
    sent = alice.submit(envelope)
    assert (sent.refused, sent.code, sent.diagnostics) == (True, Code.txMALFORMED, ())


def test_the_bid_beside_the_resource_fee_has_to_reach_the_base_fee(
    alice: Sender, contract: Contract
) -> None:
    sent = alice.declare(resources(contract.code), contract.call("clock"), fee=99)
    assert (sent.refused, sent.code) == (True, Code.txINSUFFICIENT_FEE)


def test_a_bid_above_the_base_fee_costs_the_base_fee(alice: Sender, contract: Contract) -> None:
    call = contract.call("clock")
    low = alice.declare(resources(contract.code), call, fee=100)
    high = alice.declare(resources(contract.code), call, fee=50_000)
    assert low.fee_charged == high.fee_charged


def test_an_account_that_cannot_pay_the_declared_fee_is_refused(
    alice: Sender, bob: Sender, contract: Contract
) -> None:
    reserve, left = 2 * 5_000_000, 5_000_000
    rest = alice.balance - 100 - reserve - left
    alice.send(Payment(bob.id, Asset.native(), f"{rest // 10**7}.{rest % 10**7:07d}"))
    call = contract.call("clock")
    sent = alice.declare(resources(contract.code, fee=left - 99), call)
    assert (sent.refused, sent.code) == (True, Code.txINSUFFICIENT_BALANCE)
    assert alice.balance == reserve + left
    assert alice.declare(resources(contract.code, fee=left - 100), call).code == Code.txSUCCESS


def test_what_is_not_used_of_the_refundable_fee_comes_back(
    alice: Sender, contract: Contract
) -> None:
    before = alice.balance
    sent = alice.declare(resources(contract.code), contract.call("clock"))
    charged = fees(sent)
    fixed = charged.total_non_refundable_resource_fee_charged.int64
    refundable = charged.total_refundable_resource_fee_charged.int64
    assert sent.fee_charged == 100 + fixed + refundable
    assert alice.balance == before - sent.fee_charged
    bid = 100 + 5_000_000
    assert fee_events(sent) == [
        ("BEFORE_ALL_TXS", bid),
        ("AFTER_ALL_TXS", sent.fee_charged - bid),
    ]


def test_a_failed_call_gets_all_of_the_refundable_fee_back(
    alice: Sender, contract: Contract
) -> None:
    before = alice.balance
    failed = alice.declare(resources(contract.code), contract.call("fail", u32(1)))
    assert failed.code == Code.txFAILED
    assert alice.balance == before - failed.fee_charged
    same_size = alice.declare(resources(contract.code), contract.call("give", u32(1)))
    fixed = fees(same_size).total_non_refundable_resource_fee_charged.int64
    assert failed.fee_charged == 100 + fixed
    assert fee_events(failed)[1] == ("AFTER_ALL_TXS", fixed - 5_000_000)


def test_the_rent_of_a_new_entry_is_refundable_fee(alice: Sender, contract: Contract) -> None:
    sent = alice.invoke(contract.call("add", PERSISTENT, "n", 1))
    first = fees(sent)
    second = fees(alice.invoke(contract.call("add", PERSISTENT, "n", 1)))
    assert first.rent_fee_charged.int64 > 0 == second.rent_fee_charged.int64
    assert (
        first.total_refundable_resource_fee_charged.int64
        - second.total_refundable_resource_fee_charged.int64
        == first.rent_fee_charged.int64
    )


def test_larger_entries_pay_more_rent_and_growth_pays_too(
    alice: Sender, contract: Contract
) -> None:
    small, grown, shrunk = (
        fees(alice.invoke(contract.call("store", "n", u32(size)))).rent_fee_charged.int64
        for size in (100, 2_000, 100)
    )
    large = fees(alice.invoke(contract.call("store", "m", u32(2_000)))).rent_fee_charged.int64
    assert 0 < small < large
    assert 0 < grown < large
    assert shrunk == 0


@pytest.mark.parametrize("missing", ["rent", "events"])
def test_a_refundable_fee_that_is_too_low_fails_the_call(
    alice: Sender, contract: Contract, missing: str
) -> None:
    key = contract.entry(PERSISTENT, "n")
    if missing == "rent":
        data, call = resources(contract.code, [key]), contract.call("store", "n", u32(1_000))
    else:
        data, call = resources(contract.code), contract.call("emit", u32(4), u32(500))
    mark = alice.network.snapshot()
    needed = alice.declare(deepcopy(data), call).fee_charged - 100
    alice.network.revert(mark)
    data.resource_fee = xdr.Int64(needed - 1)
    before = alice.balance
    sent = alice.declare(deepcopy(data), call)
    assert sent.invoked == Invoked.INVOKE_HOST_FUNCTION_INSUFFICIENT_REFUNDABLE_FEE
    assert missing in sent.messages()
    assert sent.fee_charged < 100 + needed
    assert alice.balance == before - sent.fee_charged
    assert alice.network.entry(key.to_xdr_bytes()) is None
    data.resource_fee = xdr.Int64(needed)
    assert alice.declare(data, call).code == Code.txSUCCESS


def test_the_fee_of_events_grows_with_their_size(alice: Sender, contract: Contract) -> None:
    charged = [
        fees(
            alice.invoke(contract.call("emit", u32(count), u32(1_000)))
        ).total_refundable_resource_fee_charged.int64
        for count in (1, 2, 4)
    ]
    assert charged[0] < charged[1] < charged[2]


@pytest.mark.parametrize("resource", ["instructions", "disk_read_bytes", "write_bytes"])
def test_what_is_declared_is_paid_used_or_not(
    alice: Sender, contract: Contract, resource: str
) -> None:
    fixed = []
    start = 5_000_000 if resource == "instructions" else 0
    for amount in (start, start + 100_000):
        data = resources(contract.code, disk_read_bytes=0, write_bytes=0)
        setattr(data.resources, resource, xdr.Uint32(amount))
        sent = alice.declare(data, contract.call("clock"))
        fixed.append(fees(sent).total_non_refundable_resource_fee_charged.int64)
    assert fixed[0] < fixed[1]


def test_what_simulation_declares_is_enough(alice: Sender, contract: Contract) -> None:
    calls = [
        contract.call("add", PERSISTENT, "n", 1),
        contract.call("emit", u32(5), u32(500)),
        contract.call("store", "m", u32(5_000)),
        contract.call("burn", u32(1_000)),
        contract.call("add", INSTANCE, "n", 1),
    ]
    for call in calls:
        envelope = alice.prepare(call)
        envelope.sign(alice.key)
        sent = alice.submit(envelope)
        assert sent.code == Code.txSUCCESS
        assert sent.fee_charged < envelope.transaction.fee
    assert counter(alice, contract, PERSISTENT) == 1


def test_an_upload_pays_for_its_size(alice: Sender) -> None:
    sent = alice.invoke(upload())
    assert fees(sent).rent_fee_charged.int64 > 1_000_000
