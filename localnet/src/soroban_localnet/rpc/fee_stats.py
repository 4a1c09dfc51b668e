"""getFeeStats: what transactions paid for their place in the latest ledgers.

Source: stellar-rpc's fee windows and their default sizes.
"""

from __future__ import annotations

from statistics import mode
from typing import Any

from soroban_localnet.history.history import History
from soroban_localnet.history.record import Record
from soroban_localnet.node.node import Node
from soroban_localnet.rpc.parameters import NoParameters

SOROBAN_LEDGERS, CLASSIC_LEDGERS = 50, 10
PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)


def get_fee_stats(node: Node, params: NoParameters) -> dict[str, Any]:
    """Return the distributions of inclusion fees in stroops, of the classic ones an operation."""
    history = node.history
    return {
        "sorobanInclusionFee": _distribution(history, SOROBAN_LEDGERS, soroban=True),
        "inclusionFee": _distribution(history, CLASSIC_LEDGERS, soroban=False),
        "latestLedger": history.latest.sequence,
    }


def _distribution(history: History, ledgers: int, *, soroban: bool) -> dict[str, Any]:
    first = max(history.latest.sequence - ledgers + 1, history.oldest.sequence)
    paid = sorted(
        fee
        for record in history.transactions(first)
        if record.is_soroban == soroban and (fee := _inclusion_fee(record)) is not None
    )
    count = len(paid)
    fees = {"max": max(paid, default=0), "min": min(paid, default=0)}
    fees["mode"] = mode(paid) if paid else 0  # the lowest of several
    for percent in PERCENTILES:  # by the nearest rank
        fees[f"p{percent}"] = paid[-(-percent * count // 100) - 1] if paid else 0
    return {
        **{name: str(fee) for name, fee in fees.items()},
        "transactionCount": str(count),
        "ledgerCount": history.latest.sequence - first + 1 if paid else 0,
    }


def _inclusion_fee(record: Record) -> int | None:
    """Return what was paid beyond resources; None for a Soroban transaction that failed.

    Its meta does not say what the resources cost.
    """
    applied = record.applied
    if not record.is_soroban:
        return applied.fee_charged // record.operations
    soroban = applied.meta.soroban
    if soroban is None:
        return None
    return applied.fee_charged - soroban.non_refundable_fee - soroban.refundable_fee
