"""getTransactions and getLedgers: pages of what happened, with real headers and meta."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.contract import Contract, Kind
from localnet.tests.support.made_up_history import append, record
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Keypair, Payment, xdr
from stellar_sdk.exceptions import SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import GetTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.history.closed_ledger import ClosedLedger
from soroban_localnet.history.record import Record

some = settings(max_examples=60)


def ask(network: LocalNetwork, method: str, **params: object) -> Any:
    return network.dispatcher.answer(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    )


def answer(network: LocalNetwork, method: str, **params: object) -> dict[str, Any]:
    document = ask(network, method, **params)
    assert "result" in document, document
    result: dict[str, Any] = document["result"]
    return result


def refused(network: LocalNetwork, method: str, **params: object) -> tuple[int, str]:
    document = ask(network, method, **params)
    assert "error" in document, document
    return document["error"]["code"], document["error"]["message"]


def toid(ledger: int, transaction: int) -> str:
    return str((ledger << 32) + (transaction << 12) + 1)


def busy(sender: Sender, contract: Contract) -> list[Record]:
    """Apply three transactions, one of them without success, and return their records."""
    network = sender.network
    first = network.latest_ledger + 1
    sender.invoke(contract.call("add", Kind.PERSISTENT, "n", 1))
    sender.send(Payment(Keypair.random().public_key, Asset.native(), "1"))
    sender.send(*[Payment(sender.id, Asset.native(), "1")] * 2)
    return list(network.history.transactions(first))


def crowded(network: LocalNetwork, records: list[Record]) -> ClosedLedger:
    """Close a ledger that holds transactions of several ledgers together."""
    sequence = network.latest_ledger + 1
    together = [
        attrs.evolve(record, ledger=sequence, index=index)
        for index, record in enumerate(records, 1)
    ]
    return append(network, sequence, together)


# -- transactions ----------------------------------------------------------------------------


def test_the_sdk_gets_transactions_as_it_gets_each_alone(alice: Sender, contract: Contract) -> None:
    records = busy(alice, contract)
    page = alice.server.get_transactions(records[0].ledger)
    assert [t.status for t in page.transactions] == ["SUCCESS", "FAILED", "SUCCESS"]
    for listed, kept in zip(page.transactions, records, strict=True):
        alone = alice.server.get_transaction(kept.hash.hex())
        assert listed.transaction_hash == alone.transaction_hash
        assert listed.created_at == alone.create_at == kept.close_time
        shared = {"application_order", "fee_bump", "envelope_xdr", "result_xdr", "result_meta_xdr"}
        shared |= {"ledger", "diagnostic_events_xdr", "events"}
        assert listed.model_dump(include=shared) == alone.model_dump(include=shared)
    latest = alice.network.latest_ledger
    assert page.latest_ledger == latest
    assert page.latest_ledger_close_timestamp == alice.network.close_time
    assert page.oldest_ledger == 1
    assert page.oldest_ledger_close_timestamp == alice.network.history.oldest.close_time
    assert page.cursor == toid(latest, 1)


def test_transactions_of_one_ledger_are_listed_in_their_order(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    ledger = crowded(network, busy(alice, contract))
    everything = answer(network, "getTransactions", startLedger=ledger.sequence)
    hashes = [record_.hash.hex() for record_ in ledger.records]
    assert [t["txHash"] for t in everything["transactions"]] == hashes
    assert [t["applicationOrder"] for t in everything["transactions"]] == [1, 2, 3]
    assert everything["cursor"] == toid(ledger.sequence, 3)
    for limit in (1, 2, 3):
        page = answer(
            network,
            "getTransactions",
            startLedger=ledger.sequence,
            pagination={"limit": limit},
        )
        assert page["transactions"] == everything["transactions"][:limit]
        assert page["cursor"] == toid(ledger.sequence, limit)


def test_a_fee_bump_is_found_by_both_hashes_and_listed_by_its_own(network: LocalNetwork) -> None:
    outer, inner = b"\1" * 32, b"\2" * 32
    bumped = attrs.evolve(record(2, 1), hashes=(outer, inner))
    append(network, 2, [bumped])
    for found in (outer, inner):
        alone = answer(network, "getTransaction", hash=found.hex())
        assert alone["status"] == "SUCCESS"
        assert alone["txHash"] == found.hex()
        assert alone["feeBump"]
    (listed,) = answer(network, "getTransactions", startLedger=2)["transactions"]
    assert listed["txHash"] == outer.hex()
    assert listed["feeBump"]


def test_a_page_after_the_last_transaction_keeps_its_cursor(
    alice: Sender, contract: Contract
) -> None:
    busy(alice, contract)
    page = alice.server.get_transactions(1, limit=200)
    after = alice.server.get_transactions(cursor=page.cursor)
    assert after.transactions == []
    assert after.cursor == page.cursor
    alice.send(Payment(alice.id, Asset.native(), "1"))
    (new,) = alice.server.get_transactions(cursor=after.cursor).transactions
    assert new.ledger == alice.network.latest_ledger


def test_an_empty_page_ends_at_the_latest_ledger(network: LocalNetwork) -> None:
    network.close_ledgers(3)
    page = answer(network, "getTransactions", startLedger=1)
    assert page["transactions"] == []
    assert page["cursor"] == toid(4, 0)


def test_a_cursor_of_a_ledger_that_a_revert_undid_stays(alice: Sender, contract: Contract) -> None:
    mark = alice.network.snapshot()
    busy(alice, contract)
    cursor = alice.server.get_transactions(1).cursor
    alice.network.revert(mark)
    page = alice.server.get_transactions(cursor=cursor)
    assert page.transactions == []
    assert page.cursor == cursor


def test_a_revert_after_a_jump_ahead_brings_transactions_back(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    records = busy(alice, contract)
    before = alice.server.get_transactions(1)
    mark = network.snapshot()
    network.advance_ledgers(200_000)
    hash_ = records[0].hash.hex()
    assert alice.server.get_transaction(hash_).status == GetTransactionStatus.NOT_FOUND
    assert alice.server.get_health().oldest_ledger == network.latest_ledger
    network.revert(mark)
    assert alice.server.get_transaction(hash_).status == GetTransactionStatus.SUCCESS
    assert alice.server.get_transactions(1) == before


def test_a_transaction_that_is_there_twice_is_found_until_both_are_forgotten() -> None:
    network = LocalNetwork(retention=5)
    for ledger in (2, 5):
        append(network, ledger, [attrs.evolve(record(ledger, 1), hashes=(b"\1" * 32,))])
    for _ in range(8):
        found = answer(network, "getTransaction", hash="01" * 32)
        assert found["ledger"] == (5 if network.latest_ledger < 10 else 0)
        network.close_ledgers(1)


WINDOW = "the oldest ledger: 8 and the latest ledger: 12 for this rpc instance"


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({}, -32600, f"start ledger must be between {WINDOW}"),
        ({"startLedger": 7}, -32600, f"start ledger must be between {WINDOW}"),
        ({"startLedger": 13}, -32600, f"start ledger must be between {WINDOW}"),
        ({"pagination": {"cursor": ""}}, -32600, f"start ledger must be between {WINDOW}"),
        (
            {"startLedger": 9, "pagination": {"cursor": toid(9, 1)}},
            -32600,
            "startLedger and cursor cannot both be set",
        ),
        (
            {"startLedger": 9, "pagination": {"limit": 201}},
            -32600,
            "limit must not exceed 200",
        ),
        (
            {"pagination": {"cursor": toid(7, 1)}},
            -32602,
            "database does not contain metadata for ledger: 7",
        ),
        ({"pagination": {"cursor": "x"}}, -32602, "cursor ('x') must be a TOID"),
        ({"pagination": {"cursor": "-1"}}, -32602, "cursor ('-1') must be a TOID"),
        (
            {"pagination": {"cursor": str(2**63)}},
            -32602,
            f"cursor ('{2**63}') must be a TOID",
        ),
    ],
)
def test_bad_parameters_of_get_transactions_are_refused(
    params: dict[str, object], code: int, message: str
) -> None:
    network = LocalNetwork(retention=5)
    network.close_ledgers(11)
    assert refused(network, "getTransactions", **params) == (code, message)


# -- ledgers ---------------------------------------------------------------------------------


def decoded(ledger: dict[str, Any]) -> tuple[xdr.LedgerHeaderHistoryEntry, xdr.LedgerCloseMetaV2]:
    meta = xdr.LedgerCloseMeta.from_xdr(ledger["metadataXdr"]).v2
    assert meta is not None
    return xdr.LedgerHeaderHistoryEntry.from_xdr(ledger["headerXdr"]), meta


def test_ledgers_come_with_header_and_meta_and_form_a_chain(
    alice: Sender, contract: Contract
) -> None:
    network = alice.network
    crowded(network, busy(alice, contract))
    network.close_ledgers(2)
    found = answer(network, "getLedgers", startLedger=1)["ledgers"]
    assert [ledger["sequence"] for ledger in found] == [*range(1, network.latest_ledger + 1)]
    previous = bytes(32)
    for ledger in found:
        entry, meta = decoded(ledger)
        header = entry.header
        assert header.previous_ledger_hash.hash == previous
        previous = sha256(header.to_xdr_bytes()).digest()
        assert entry.hash.hash == previous
        assert ledger["hash"] == previous.hex()
        assert meta.ledger_header == entry
        assert header.ledger_seq.uint32 == ledger["sequence"]
        closed = header.scp_value.close_time.time_point.uint64
        assert ledger["ledgerCloseTime"] == str(closed)
        assert meta.tx_set.v1_tx_set is not None
        contents = meta.tx_set.to_xdr_bytes()
        assert header.scp_value.tx_set_hash.hash == sha256(contents).digest()
        results = xdr.TransactionResultSet([p.result for p in meta.tx_processing])
        assert header.tx_set_result_hash.hash == sha256(results.to_xdr_bytes()).digest()
    assert answer(network, "getLatestLedger")["id"] == found[-1]["hash"]


def envelopes(meta: xdr.LedgerCloseMetaV2) -> list[bytes]:
    """Collect the envelopes of a transaction set, as they stand in it."""
    assert meta.tx_set.v1_tx_set is not None
    found = []
    for phase in meta.tx_set.v1_tx_set.phases:
        for component in phase.v0_components or ():
            assert component.txs_maybe_discounted_fee is not None
            found += component.txs_maybe_discounted_fee.txs
        if phase.parallel_txs_component is not None:
            for stage in phase.parallel_txs_component.execution_stages:
                for thread in stage.parallel_tx_execution_stage:
                    found += thread.dependent_tx_cluster
    return [envelope.to_xdr_bytes() for envelope in found]


def test_the_meta_of_a_ledger_holds_its_transactions(alice: Sender, contract: Contract) -> None:
    network = alice.network
    ledger = crowded(network, busy(alice, contract))
    (info,) = answer(network, "getLedgers", startLedger=ledger.sequence)["ledgers"]
    listed = answer(network, "getTransactions", startLedger=ledger.sequence)["transactions"]
    _, meta = decoded(info)
    assert len(meta.tx_processing) == len(listed) == 3
    for processed, transaction in zip(meta.tx_processing, listed, strict=True):
        assert processed.result.transaction_hash.hash.hex() == transaction["txHash"]
        assert processed.result.result.to_xdr() == transaction["resultXdr"]
        assert processed.tx_apply_processing.to_xdr() == transaction["resultMetaXdr"]
    in_set = envelopes(meta)
    assert sorted(in_set) == sorted(b64decode(t["envelopeXdr"]) for t in listed)
    soroban, classic = in_set[2:], in_set[:2]
    assert classic == sorted(classic, key=lambda e: sha256(e).digest())
    assert soroban == [b64decode(listed[0]["envelopeXdr"])]


def test_the_sdk_gets_ledgers(alice: Sender) -> None:
    network = alice.network
    page = alice.server.get_ledgers(1, limit=1)
    network.close_ledgers(4)
    rest = alice.server.get_ledgers(cursor=page.cursor)
    ledgers = [*page.ledgers, *rest.ledgers]
    assert [ledger.sequence for ledger in ledgers] == [*range(1, network.latest_ledger + 1)]
    assert rest.cursor == str(network.latest_ledger)
    assert rest.latest_ledger == network.latest_ledger
    assert rest.latest_ledger_close_time == network.close_time
    assert rest.oldest_ledger == 1
    assert rest.oldest_ledger_close_time == network.history.oldest.close_time
    with pytest.raises(SorobanRpcErrorResponse):
        alice.server.get_ledgers(cursor=rest.cursor)


def test_ledgers_that_a_jump_left_out_are_left_out(network: LocalNetwork) -> None:
    network.close_ledgers(1)
    network.advance_ledgers(1_000)
    network.close_ledgers(1)
    page = answer(network, "getLedgers", startLedger=1, pagination={"limit": 3})
    assert [ledger["sequence"] for ledger in page["ledgers"]] == [1, 2, 1_002]
    (last,) = answer(network, "getLedgers", startLedger=1_003)["ledgers"]
    before, _ = decoded(page["ledgers"][2])
    after, _ = decoded(last)
    assert after.header.previous_ledger_hash == before.hash
    assert answer(network, "getLedgers", startLedger=500)["ledgers"] == [page["ledgers"][2], last]


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({}, -32600, f"start ledger (0) must be between {WINDOW}"),
        ({"startLedger": 7}, -32600, f"start ledger (7) must be between {WINDOW}"),
        (
            {"startLedger": 13, "pagination": {"limit": 5}},
            -32600,
            f"start ledger (13) must be between {WINDOW}",
        ),
        (
            {"startLedger": 9, "pagination": {"cursor": "9"}},
            -32600,
            "startLedger (9) and cursor (9) cannot both be set",
        ),
        ({"pagination": {"cursor": "9", "limit": 201}}, -32600, "limit must not exceed 200"),
        ({"pagination": {"cursor": "6"}}, -32602, f"cursor ('6') must be between {WINDOW}"),
        ({"pagination": {"cursor": "12"}}, -32602, f"cursor ('12') must be between {WINDOW}"),
        (
            {"pagination": {"cursor": "x"}},
            -32602,
            "cursor ('x') must be the sequence of a ledger",
        ),
    ],
)
def test_bad_parameters_of_get_ledgers_are_refused(
    params: dict[str, object], code: int, message: str
) -> None:
    network = LocalNetwork(retention=5)
    network.close_ledgers(11)
    assert refused(network, "getLedgers", **params) == (code, message)


# -- properties ------------------------------------------------------------------------------

pasts = st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 50]), st.integers(0, 4)), max_size=10)
limits = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@some
@given(pasts, limits, st.integers(0, 10))
def test_pages_of_transactions_hold_each_once_in_order(
    past: list[tuple[int, int]], asked: list[int], ahead: int
) -> None:
    network = LocalNetwork()
    everything = []
    for gap, count in past:
        sequence = network.latest_ledger + gap
        records = [record(sequence, index) for index in range(1, count + 1)]
        append(network, sequence, records)
        everything += [(sequence, r.index, r.hash.hex()) for r in records]
    start = min(1 + ahead, network.latest_ledger)
    found = []
    params: dict[str, Any] = {"startLedger": start, "pagination": {}}
    for turn in range(100):
        limit = asked[turn % len(asked)]
        params["pagination"]["limit"] = limit
        page = answer(network, "getTransactions", **params)
        found += [(t["ledger"], t["applicationOrder"], t["txHash"]) for t in page["transactions"]]
        if len(page["transactions"]) < limit:
            break
        params = {"pagination": {"cursor": page["cursor"]}}
    assert found == [item for item in everything if item[0] >= start]


@some
@given(pasts, limits, st.integers(0, 10), st.integers(1, 8))
def test_pages_of_ledgers_hold_each_once_in_order(
    past: list[tuple[int, int]], asked: list[int], ahead: int, retention: int
) -> None:
    network = LocalNetwork(retention=retention)
    sequences = [1]
    for gap, _ in past:
        sequences.append(append(network, network.latest_ledger + gap, []).sequence)
    latest = sequences[-1]
    in_sight = [s for s in sequences if s > latest - retention]
    start = min(in_sight[0] + ahead, latest)
    found: list[int] = []
    params: dict[str, Any] = {"startLedger": start, "pagination": {}}
    for turn in range(100):
        params["pagination"]["limit"] = asked[turn % len(asked)]
        page = answer(network, "getLedgers", **params)
        assert len(page["ledgers"]) <= asked[turn % len(asked)]
        found += [ledger["sequence"] for ledger in page["ledgers"]]
        assert page["cursor"] == str(found[-1])
        if found[-1] == latest:
            break
        params = {"pagination": {"cursor": page["cursor"]}}
    assert found == [s for s in in_sight if s >= start]
    assert page["oldestLedger"] == in_sight[0]
