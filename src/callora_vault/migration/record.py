"""A migration in the journal: its request keys, its withdrawals, its applied transactions.

The journal lists what this program sent; the ledger decides. If the RPC no longer has a
transaction, the ledger entries show whether it was applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import attrs
from stellar_sdk import StrKey

from callora_vault.client.entries import JournalEntry, State
from callora_vault.client.errors import AppliedByOthers, Unknown, Unreadable, Unsettled
from callora_vault.client.journal import Journal
from callora_vault.codec.calls import host_function, identity
from callora_vault.codec.events import decode_event
from callora_vault.codec.values import CannotDecode
from callora_vault.migration.plan import Plan
from callora_vault.model.calls import Withdraw
from callora_vault.model.events import WithdrawEvent
from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import Success, Unread

MIGRATE: Final = "migrate"
"""The request key of the factory's call."""
DRAIN: Final = "drain "
"""The prefix of the request keys of stepwise withdrawals; a number follows."""
INIT: Final = "init "
"""The prefix of the request keys of `init`; the number of the instance follows."""
AUTHORISE: Final = "authorise"
"""The request key of the call that carries over the authorised caller."""
SWEEP: Final = "sweep "
"""The prefix of the request keys of a sweep."""


@attrs.frozen
class Applied:
    """A finished migration from `old` to `new`.

    `transactions` are the hashes of its transactions in this journal, in order, with the upload of
    the new code; `fee` is their cost in stroops. `tries` is how often something was signed for the
    vaults; 0 if all was already done.
    """

    old: Address
    new: Address
    tries: int
    transactions: tuple[str, ...]
    fee: int


def applied(journal: Journal, plan: Plan, new: Address, tries: int) -> Applied:
    """Sum up the transactions of a finished migration in a journal."""
    found = [
        (entry.hash, entry.result.fee.charged)
        for entry in journal.listed(plan.network, State.APPLIED)
        if isinstance(entry.result, Success) and _belongs(entry, plan, new)
    ]
    fee = sum(charged for _, charged in found)
    return Applied(plan.old, new, tries, tuple(hashed for hashed, _ in found), fee)


def _belongs(entry: JournalEntry, plan: Plan, new: Address) -> bool:
    if entry.scope == plan.scope:
        return not entry.key.startswith(SWEEP)
    if entry.scope == new:
        return entry.key == "create"
    return entry.request == f"upload {plan.new_code}"


def own_events(journal: Journal, plan: Plan, contract: Address) -> tuple[EventRecord, ...]:
    """Return a contract's events in a migration's applied transactions, without those of a sweep.

    The journal keeps them after the RPC has dropped them. Their ids order them by ledger only, and
    their close time is 0.
    """
    emitter = StrKey.decode_contract(contract)
    found = []
    for entry in journal.listed(plan.network, State.APPLIED):
        if entry.scope != plan.scope or entry.key.startswith(SWEEP):
            continue
        if not isinstance(entry.result, Success):
            continue  # this program cannot read its events
        for number, event in enumerate(entry.result.events):
            body, told = event.body.v0, event.contract_id
            if body is None or told is None or told.contract_id.hash != emitter:
                continue
            found.append(
                EventRecord(
                    f"{entry.result.ledger << 32:019d}-{number:010d}",
                    entry.result.ledger,
                    0,
                    entry.hash,
                    tuple(topic.to_xdr() for topic in body.topics),
                    body.data.to_xdr(),
                )
            )
    return tuple(found)


def journal_has(journal: Journal, plan: Plan, transaction: str) -> bool:
    """Return whether this journal has a transaction of a migration as applied."""
    applied = journal.listed(plan.network, State.APPLIED)
    return any(entry.scope == plan.scope and entry.hash == transaction for entry in applied)


def is_of(journal: Journal, plan: Plan) -> bool:
    """Return whether the `init` of the new vault is in this journal."""
    return any(
        entry.scope == plan.scope and entry.key.startswith(INIT)
        for entry in journal.listed(plan.network, State.APPLIED)
    )


def drains(journal: Journal, plan: Plan) -> Iterator[tuple[JournalEntry, int]]:
    """Yield the withdrawals of this migration: the applied transactions and their amounts.

    Raises Unreadable, Unsettled, Unknown, AppliedByOthers at the first one without a known amount.
    """
    for number in count():
        key = drain_key(number)
        amount = withdrawn(journal, plan, key)
        entry = journal.find(plan.network, plan.scope, key)
        if amount is None or entry is None:
            return
        yield entry, amount


def withdrawn(journal: Journal, plan: Plan, key: str) -> int | None:
    """Return the amount of the withdrawal with this key; None if it was not applied.

    Raises Unreadable, Unsettled, Unknown, AppliedByOthers.
    """
    entry = journal.find(plan.network, plan.scope, key)
    if entry is None or entry.state in (State.FAILED, State.NEVER_APPLIED):
        return None
    _settled(entry)
    return _amount(plan.old, entry)


def _settled(entry: JournalEntry) -> None:
    about = entry.key, entry.contract, entry.hash
    if entry.state is State.OPEN:
        raise Unsettled(*about, entry.max_time)
    if entry.state is State.UNKNOWN:
        raise Unknown(*about, entry.signed_ledger)
    if entry.state is State.APPLIED_BY_OTHERS:
        raise AppliedByOthers(*about)


def drain_key(number: int) -> str:
    """Return the request key of a stepwise withdrawal, counted from 0."""
    return f"{DRAIN}{number}"


def _amount(old: Address, entry: JournalEntry) -> int:
    """Return the amount of an applied withdrawal, which its event and its request must share."""
    about = entry.key, entry.contract, entry.hash
    if isinstance(entry.result, Unread):
        raise Unreadable(*about, f"{entry.result.reason}; a newer program may read it")
    assert isinstance(entry.result, Success)  # noqa: S101 - it was applied
    for event in entry.result.events:
        try:
            decoded = decode_event(event, old)
        except CannotDecode as error:
            raise Unreadable(*about, str(error)) from error
        if isinstance(decoded, WithdrawEvent) and _is(entry, Withdraw(decoded.amount)):
            return decoded.amount
    raise Unreadable(*about, f"it has no event of {entry.request}")


def _is(entry: JournalEntry, call: Withdraw) -> bool:
    return entry.call == identity(host_function(entry.contract, call))


def settle_by_ledger(
    network: Network,
    journal: Journal,
    entry: JournalEntry,
    until: float,
    unknown: Unknown,
    look: Callable[[], tuple[int, bool]],
) -> None:
    """Settle a transaction that the RPC no longer has, by its effect on the ledger.

    Arguments: `look` returns the ledger that it read, and whether that shows the effect.
    Raises `unknown` if the transaction can still be applied.
    """
    tip = network.tip(until)
    if tip.close_time <= entry.max_time:
        raise unknown
    ledger_seen, applied = look()
    if ledger_seen < tip.ledger:
        raise unknown
    if not applied:
        journal.settle(entry, State.NEVER_APPLIED)
