"""getFeeStats: distributions of what was paid for a place, over the latest ledgers."""

from __future__ import annotations

import math
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.contract import Contract, Kind
from localnet.tests.support.made_up_history import append, record
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Payment, xdr

from soroban_localnet import LocalNetwork
from soroban_localnet.history.record import Record
from soroban_localnet.transactions.meta import SorobanMeta

PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
NOTHING = {
    **dict.fromkeys(["max", "min", "mode", *(f"p{p}" for p in PERCENTILES)], "0"),
    "transactionCount": "0",
    "ledgerCount": 0,
}


def stats(network: LocalNetwork) -> dict[str, Any]:
    return network.dispatcher.call("getFeeStats", None)


def paid(
    ledger: int, index: int, fee: int, *, operations: int = 1, soroban: bool = False
) -> Record:
    """Make a transaction that paid `fee` stroops, 70 of them for resources where it is Soroban."""
    made = record(ledger, index, [[]] * operations)
    applied = made.applied
    if soroban:
        meta = attrs.evolve(applied.meta, soroban=SorobanMeta(60, 10, 0, None))
        applied = attrs.evolve(applied, meta=meta, fee_charged=fee)
    else:
        applied = attrs.evolve(applied, fee_charged=fee)
    return attrs.evolve(made, applied=applied, operations=operations, is_soroban=soroban)


def test_without_transactions_all_is_zero(network: LocalNetwork) -> None:
    network.close_ledgers(60)
    assert stats(network) == {
        "sorobanInclusionFee": NOTHING,
        "inclusionFee": NOTHING,
        "latestLedger": 61,
    }


def test_what_transactions_paid_is_in_the_answer_that_the_sdk_parses(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    network.advance_ledgers(50)
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 1))
    alice.send(*[Payment(alice.id, Asset.native(), "1")] * 3)
    answer = alice.server.get_fee_stats()
    assert answer.latest_ledger == network.latest_ledger
    for fees, ledgers in ((answer.soroban_inclusion_fee, 50), (answer.inclusion_fee, 10)):
        assert fees.min == fees.mode == fees.p50 == fees.p99 == fees.max == 100
        assert fees.transaction_count == 1
        assert fees.ledger_count == ledgers


def test_a_soroban_transaction_that_failed_does_not_count(
    alice: Sender, contract: Contract
) -> None:
    alice.network.advance_ledgers(50)
    prepared = alice.prepare(contract.call("add", Kind.PERSISTENT, "n", 1))
    assert prepared.transaction.soroban_data is not None
    prepared.transaction.soroban_data.resources.instructions = xdr.Uint32(1)
    prepared.sign(alice.key)
    assert alice.submit(prepared).code == xdr.TransactionResultCode.txFAILED
    assert stats(alice.network)["sorobanInclusionFee"] == NOTHING


def test_a_classic_fee_is_that_of_one_operation(network: LocalNetwork) -> None:
    append(network, 2, [paid(2, 1, 1_003, operations=5), paid(2, 2, 300)])
    fees = stats(network)["inclusionFee"]
    assert (fees["min"], fees["max"], fees["transactionCount"]) == ("200", "300", "2")


def test_the_windows_are_fifty_and_ten_ledgers(network: LocalNetwork) -> None:
    append(network, 2, [paid(2, 1, 111), paid(2, 2, 292, soroban=True)])

    def counted() -> tuple[str, str]:
        answer = stats(network)
        return (
            answer["inclusionFee"]["transactionCount"],
            answer["sorobanInclusionFee"]["transactionCount"],
        )

    network.close_ledgers(9)
    assert counted() == ("1", "1")
    assert stats(network)["sorobanInclusionFee"]["ledgerCount"] == 11
    network.close_ledgers(1)
    assert counted() == ("0", "1")
    network.close_ledgers(39)
    assert counted() == ("0", "1")
    fees = stats(network)["sorobanInclusionFee"]
    assert (fees["max"], fees["ledgerCount"]) == ("222", 50)
    network.close_ledgers(1)
    assert counted() == ("0", "0")


def test_a_revert_takes_its_fees_along(alice: Sender) -> None:
    before = stats(alice.network)
    mark = alice.network.snapshot()
    alice.send(Payment(alice.id, Asset.native(), "1"))
    assert stats(alice.network) != before
    alice.network.revert(mark)
    assert stats(alice.network) == before


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(100, 105) | st.integers(0, 10**12), st.booleans()), max_size=40)
)
def test_the_distribution_is_by_nearest_rank(bids: list[tuple[int, bool]]) -> None:
    network = LocalNetwork()
    append(
        network,
        2,
        [
            paid(2, index, fee + 70 * soroban, soroban=soroban)
            for index, (fee, soroban) in enumerate(bids, 1)
        ],
    )
    answer = stats(network)
    for name, soroban in (("inclusionFee", False), ("sorobanInclusionFee", True)):
        fees = sorted(fee for fee, is_soroban in bids if is_soroban == soroban)
        if not fees:
            assert answer[name] == NOTHING
            continue
        most = max(fees.count(fee) for fee in fees)
        expected = {
            "max": fees[-1],
            "min": fees[0],
            "mode": min(fee for fee in fees if fees.count(fee) == most),
        }
        for percent in PERCENTILES:
            below = math.ceil(len(fees) * percent / 100)
            expected[f"p{percent}"] = fees[below - 1]
        assert answer[name] == {
            **{key: str(value) for key, value in expected.items()},
            "transactionCount": str(len(fees)),
            "ledgerCount": 2,
        }
