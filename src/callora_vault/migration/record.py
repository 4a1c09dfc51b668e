"""What a journal has of a migration: its request keys, what was withdrawn, what was applied.

The journal is the index of what this program did, and the ledger the truth: what the network forgot
of a transaction is settled by what the ledger has of its effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import attrs
from stellar_sdk import StrKey

from callora_vault.client.errors import AppliedByOthers, Unknown, Unreadable, Unsettled
from callora_vault.client.journal import Journal, JournalEntry, State
from callora_vault.codec.events import decode_event
from callora_vault.codec.values import CannotDecode
from callora_vault.migration.plan import Plan
from callora_vault.model.calls import Withdraw
from callora_vault.model.events import WithdrawEvent
from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import Success

MIGRATE: Final = "migrate"
"""The request key of the factory's call."""
DRAIN: Final = "drain "
"""How the request keys of stepwise withdrawals begin; their number follows."""
INIT: Final = "init "
"""How the request keys of what gives an instance its owner begin; its number follows."""
AUTHORISE: Final = "authorise"
"""The request key of what carries the authorised caller over."""
SWEEP: Final = "sweep "
"""How the request keys of what is moved after a migration begin."""


@attrs.frozen
class Applied:
    """A migration that is done: from `old` to `new`.

    `transactions` are the hashes of what this journal has of it, in order, the upload of the new
    code among them; `fee` the stroops that they cost. `tries`: how often something was signed
    for the vaults; 0 where all was done before.
    """

    old: Address
    new: Address
    tries: int
    transactions: tuple[str, ...]
    fee: int


def applied(journal: Journal, plan: Plan, new: Address, tries: int) -> Applied:
    """Sum up what a journal has of a migration that is done."""
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
    """Return a contract's events in what this journal applied of a migration, but no sweep's.

    They are kept for ever; their ids order them by ledger alone, and their close time is 0.
    """
    emitter = StrKey.decode_contract(contract)
    found = []
    for entry in journal.listed(plan.network, State.APPLIED):
        if entry.scope != plan.scope or entry.key.startswith(SWEEP):
            continue
        assert isinstance(entry.result, Success)  # noqa: S101 - it was applied
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
    """Say whether this journal has a transaction of a migration as applied."""
    applied = journal.listed(plan.network, State.APPLIED)
    return any(entry.scope == plan.scope and entry.hash == transaction for entry in applied)


def is_of(journal: Journal, plan: Plan) -> bool:
    """Say whether it is from this journal that the new vault was given its owner."""
    return any(
        entry.scope == plan.scope and entry.key.startswith(INIT)
        for entry in journal.listed(plan.network, State.APPLIED)
    )


def drains(journal: Journal, plan: Plan) -> Iterator[tuple[JournalEntry, int]]:
    """Yield what this migration has withdrawn: the applied transactions and their amounts.

    Raises Unreadable, Unsettled, Unknown, AppliedByOthers, at the first that is none of them.
    """
    for number in count():
        key = drain_key(number)
        amount = withdrawn(journal, plan, key)
        entry = journal.find(plan.network, plan.scope, key)
        if amount is None or entry is None:
            return
        yield entry, amount


def withdrawn(journal: Journal, plan: Plan, key: str) -> int | None:
    """Return what the withdrawal of this key took out; None where it was not applied.

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
    """Return what an applied withdrawal took out: what was signed, and the result says so."""
    assert isinstance(entry.result, Success)  # noqa: S101 - it was applied
    about = entry.key, entry.contract, entry.hash
    for event in entry.result.events:
        try:
            decoded = decode_event(event, old)
        except CannotDecode as error:
            raise Unreadable(*about, str(error)) from error
        if isinstance(decoded, WithdrawEvent) and entry.request == repr(Withdraw(decoded.amount)):
            return decoded.amount
    raise Unreadable(*about, f"it has no event of {entry.request}")


def settle_by_ledger(
    network: Network,
    journal: Journal,
    entry: JournalEntry,
    until: float,
    unknown: Unknown,
    look: Callable[[], tuple[int, bool]],
) -> None:
    """Settle a transaction that the network forgot, by what the ledger has of its effect.

    Arguments: `look` says in which ledger it looked, and whether the effect is there.
    Raises `unknown` where the transaction can still be applied.
    """
    tip = network.tip(until)
    if tip.close_time <= entry.max_time:
        raise unknown
    ledger_seen, applied = look()
    if ledger_seen < tip.ledger:
        raise unknown
    if not applied:
        journal.settle(entry, State.NEVER_APPLIED)
