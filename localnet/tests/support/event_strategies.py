"""Made-up events and filters for Hypothesis, and a naive answer to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from hypothesis import strategies as st
from localnet.tests.support.get_events import text
from localnet.tests.support.made_up_history import append, contract_event, record, transaction_event
from stellar_sdk import StrKey, scval, xdr

from soroban_localnet import LocalNetwork
from soroban_localnet.history.closed_ledger import ClosedLedger

Stage = xdr.TransactionEventStage
BEFORE, AFTER_TX, AFTER = (
    Stage.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS,
    Stage.TRANSACTION_EVENT_STAGE_AFTER_TX,
    Stage.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS,
)

CONTRACTS = [bytes([n] * 32) for n in range(3)]
TOPICS = [
    scval.to_symbol("a"),
    scval.to_symbol("transfer"),
    scval.to_uint32(0),
    scval.to_uint64(1),
    scval.to_int128(-1),
    scval.to_uint256(1),
    scval.to_void(),
    scval.to_bool(True),
    scval.to_string("abcde"),
    scval.to_bytes(b""),
    scval.to_address(StrKey.encode_contract(CONTRACTS[0])),
    scval.to_address(StrKey.encode_ed25519_public_key(CONTRACTS[1])),
    scval.to_address(StrKey.encode_claimable_balance(bytes(33))),
    scval.to_address(StrKey.encode_liquidity_pool(CONTRACTS[2])),
    scval.to_vec([scval.to_void(), scval.to_symbol("a")]),
    scval.to_map({scval.to_symbol("a"): scval.to_vec([])}),
    xdr.SCVal(
        xdr.SCValType.SCV_ERROR,
        error=xdr.SCError(xdr.SCErrorType.SCE_CONTRACT, contract_code=xdr.Uint32(7)),
    ),
]
FEW = TOPICS[:2]

events_of_any_kind = st.builds(
    contract_event,
    st.sampled_from(CONTRACTS) | st.none(),
    st.lists(st.sampled_from(FEW), max_size=5) | st.lists(st.sampled_from(TOPICS), max_size=5),
    st.sampled_from(TOPICS),
    system=st.sampled_from([False, False, False, True]),
)


@attrs.frozen
class Transaction:
    operations: list[list[xdr.ContractEvent]]
    events: list[tuple[xdr.TransactionEventStage, xdr.ContractEvent]]
    success: bool


transactions = st.builds(
    Transaction,
    st.lists(st.lists(events_of_any_kind, max_size=3), max_size=2),
    st.lists(st.tuples(st.sampled_from(Stage), events_of_any_kind), max_size=2),
    st.booleans(),
)
ledgers = st.lists(transactions, max_size=3)
pasts = st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, 9_999]), ledgers), max_size=8)


def appended(network: LocalNetwork, gap: int, made_up: list[Transaction]) -> ClosedLedger:
    sequence = network.latest_ledger + gap
    records = [
        record(
            sequence,
            index,
            [[event.to_xdr_bytes() for event in emitted] for emitted in transaction.operations],
            [transaction_event(stage, event) for stage, event in transaction.events],
            success=transaction.success,
        )
        for index, transaction in enumerate(made_up, 1)
    ]
    return append(network, sequence, records)


Expected = tuple[str, xdr.ContractEvent]


def naive(sequence: int, made_up: list[Transaction]) -> Iterator[Expected]:
    """Give the events of a ledger their ids, as the documents say."""
    counted: dict[tuple[int, int], int] = {}
    found = []

    def put(transaction: int, operation: int, event: xdr.ContractEvent) -> None:
        index = counted.get((transaction, operation), 0)
        counted[transaction, operation] = index + 1
        toid = (sequence << 32) + (transaction << 12) + operation
        found.append((f"{toid:019d}-{index:010d}", event))

    for order, transaction in enumerate(made_up, 1):
        for stage, event in transaction.events:
            put(
                {BEFORE: 0, AFTER_TX: order, AFTER: 2**20 - 1}[stage],
                2**12 - 1 if stage == AFTER_TX else 0,
                event,
            )
        for operation, emitted in enumerate(transaction.operations):
            for event in emitted:
                put(order, operation, event)
    yield from sorted(found, key=lambda item: item[0])


def segments(topics: list[xdr.SCVal]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.just("*") | st.sampled_from(topics).map(text), max_size=4)


patterns = (segments(FEW) | segments(FEW) | segments(TOPICS)).flatmap(
    lambda found: st.sampled_from([found or ["*"], [*found, "**"]])
)
filters_of_any_kind = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["contract", "system", "contract,system", ""]),
        "contractIds": st.lists(
            st.sampled_from([StrKey.encode_contract(c) for c in CONTRACTS]), max_size=2
        ),
        "topics": st.lists(patterns, max_size=2),
    },
)


@st.composite
def apt_filters(draw: st.DrawFn, past: list[tuple[int, list[Transaction]]]) -> dict[str, Any]:
    """Draw a filter for topics of an event that there is, or any filter where there is none."""
    emitted = [
        event
        for _, made_up in past
        for transaction in made_up
        for of_operation in transaction.operations
        for event in of_operation
    ]
    topics = [event.body.v0.topics for event in emitted if event.body.v0]
    if not any(topics):
        return draw(filters_of_any_kind)
    like = draw(st.sampled_from([found for found in topics if found]))[:4]
    pattern = [text(topic) if draw(st.booleans()) else "*" for topic in like]
    if draw(st.booleans()):
        pattern = [*pattern[: draw(st.integers(0, len(pattern)))], "**"]
    return {**draw(filters_of_any_kind), "topics": [pattern]}


def holds(asked: dict[str, Any], event: xdr.ContractEvent) -> bool:
    """Apply a filter to what the SDK decodes."""
    body = event.body.v0
    assert body is not None
    kinds = {"contract": xdr.ContractEventType.CONTRACT, "system": xdr.ContractEventType.SYSTEM}
    if asked.get("type") and event.type not in [kinds[k] for k in asked["type"].split(",")]:
        return False
    if asked.get("contractIds"):
        contract = event.contract_id
        known = None if contract is None else StrKey.encode_contract(contract.contract_id.hash)
        if known not in asked["contractIds"]:
            return False
    return not asked.get("topics") or any(
        agrees(pattern, body.topics) for pattern in asked["topics"]
    )


def agrees(pattern: list[str], topics: Sequence[xdr.SCVal]) -> bool:
    if pattern == ["**"]:
        return True
    if not pattern or not topics:
        return not pattern and not topics
    same = pattern[0] == "*" or xdr.SCVal.from_xdr(pattern[0]) == topics[0]
    return same and agrees(pattern[1:], topics[1:])
