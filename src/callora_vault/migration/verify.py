"""Verifying a migration by stored entries and events, whoever carried it out.

Conservation is about transactions: the sum of the migration's own withdrawals is the balance in the
new vault's init event, and each vault's stored balance is the replay of its own events. Calls that
reach the old vault later are late calls: they are listed and do not fail the verification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from callora_vault import wasm
from callora_vault.client.journal import Journal
from callora_vault.client.limits import Limits
from callora_vault.codec.values import CannotDecode
from callora_vault.inspect import Audit, History, Verdict, audit, export
from callora_vault.inspect.audit import balance_before
from callora_vault.migration.checks import check_network, find_new_vault
from callora_vault.migration.errors import HistoryGone
from callora_vault.migration.ledger import Held, LedgerView, look
from callora_vault.migration.plan import LIMITS, Mode, Plan
from callora_vault.migration.record import drains, is_of
from callora_vault.model.events import (
    Event,
    InitEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    describe_event,
)
from callora_vault.model.layouts import LAYOUTS
from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import read_event
from callora_vault.rpc.results import Success


@attrs.frozen
class Check:
    """One check: its name, whether it holds, and the values."""

    name: str
    holds: bool
    found: str


@attrs.frozen
class Late:
    """A call that was applied to an old vault after its migration: its event.

    `event` is None if it is not a vault's.
    """

    record: EventRecord
    event: Event | None

    def __str__(self) -> str:
        event = "an unknown event" if self.event is None else describe_event(self.event)
        return f"{event} in ledger {self.record.ledger:,}, transaction {self.record.transaction}"


def late_call(record: EventRecord) -> Late:
    """Decode an event of an old vault after its migration."""
    return Late(record, decode(record))


@attrs.frozen
class Verification:
    """The verification of the migration of `old` to `new`, as of `ledger`.

    `amount` is what moved; `assumed` lists what was assumed without evidence.
    """

    old: Address
    new: Address
    ledger: int
    amount: int
    checks: tuple[Check, ...]
    late: tuple[Late, ...]
    old_balance: int
    assumed: tuple[str, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that do not hold, in words."""
        return tuple(f"{check.name}: {check.found}" for check in self.checks if not check.holds)

    @property
    def passed(self) -> bool:
        """Whether all checks hold."""
        return not self.failed


@attrs.frozen
class _Decoded:
    """A vault's history with its decoded events; one that is not a vault's is None."""

    history: History
    events: tuple[tuple[EventRecord, Event | None], ...]
    audit: Audit

    @classmethod
    def of(cls, history: History) -> _Decoded:
        decoded = tuple((record, decode(record)) for record in history.events)
        return cls(history, decoded, audit(history))


@attrs.frozen
class _Withdrawn:
    """The migration's own withdrawals, and the event id after which calls are late."""

    events: tuple[tuple[EventRecord, WithdrawEvent], ...]
    last: str

    @property
    def amount(self) -> int:
        return sum(event.amount for _, event in self.events)


def verify(
    network: Network,
    plan: Plan,
    histories: tuple[Path, Path],
    *,
    journal: Journal | None = None,
    limits: Limits = LIMITS,
    progress: Callable[[int, int], None] = lambda _ledger, _latest: None,
) -> Verification:
    """Read both vaults and all their events, and verify the migration.

    Arguments: `histories`, the files of the old and the new vault's events, as written by
    `inspect.export`; they are updated first. `journal`, which lists the withdrawals of a stepwise
    migration; without it all withdrawals between plan and `init` count as such.
    Raises NotMigrated, MigratedElsewhere, CannotMigrate, HistoryGone, HistoryUnusable, NoState,
    NoVault, WrongNetwork, what Network raises, and as `record.drains`.
    """
    check_network(network, plan)

    def until() -> float:
        return network.deadline(limits.timeout)

    view = look(network, plan, until())
    new, held = find_new_vault(network, plan, view, until())
    old_decoded, new_decoded = (
        _Decoded.of(export(network, contract, path, until, progress=progress))
        for contract, path in zip((plan.old, new), histories, strict=True)
    )
    born = _init(new_decoded)
    if born is None:
        raise HistoryGone(new, plan.ledger)
    record, init = born
    own = _own(plan, old_decoded, record, journal)
    checks = (
        *_conserved(plan, old_decoded, new_decoded, own, init),
        *_carried(plan, view, held, old_decoded, new_decoded, record),
    )
    state = old_decoded.audit.state
    return Verification(
        old=plan.old,
        new=new,
        ledger=new_decoded.audit.through,
        amount=own.amount,
        checks=checks,
        late=tuple(_late(old_decoded, own.last)),
        old_balance=0 if state is None else state.balance,
        assumed=(
            *(f"in the old vault's replay {text}" for text in old_decoded.audit.assumed),
            *(f"in the new vault's replay {text}" for text in new_decoded.audit.assumed),
            *_trusted(plan, journal),
        ),
    )


def decode(record: EventRecord) -> Event | None:
    """Decode an event of a vault; None if it is not one."""
    try:
        return read_event(record)
    except (CannotDecode, ValueError):
        return None


def _init(decoded: _Decoded) -> tuple[EventRecord, InitEvent] | None:
    for record, event in decoded.events:
        if isinstance(event, InitEvent):
            return record, event
    return None


def _own(plan: Plan, old: _Decoded, born: EventRecord, journal: Journal | None) -> _Withdrawn:
    """Find the migration's own withdrawals."""
    if plan.mode is Mode.ZERO:
        return _Withdrawn((), born.id)
    first = plan.ledger + 1
    if plan.mode is Mode.ATOMIC:
        hashes = {born.transaction}
        first = born.ledger
    elif journal is not None and is_of(journal, plan):
        drained = list(drains(journal, plan))
        hashes = {entry.hash for entry, _ in drained}
        ledgers = [e.result.ledger for e, _ in drained if isinstance(e.result, Success)]
        first = min(ledgers, default=first)
    else:
        hashes = {
            record.transaction
            for record, _ in old.events
            if plan.ledger < record.ledger and record.id < born.id
        }
    if not any(span.first <= first and born.ledger <= span.last for span in old.history.seen):
        raise HistoryGone(old.history.contract, first)
    found = tuple(
        (record, event)
        for record, event in old.events
        if isinstance(event, WithdrawEvent) and record.transaction in hashes
    )
    if found:
        return _Withdrawn(found, found[-1][0].id)
    return _Withdrawn((), born.id if plan.mode is Mode.ATOMIC else _emptied(plan, old, born))


def _emptied(plan: Plan, old: _Decoded, born: EventRecord) -> str:
    """Return the last event before `init` that left nothing, if nothing was to be withdrawn."""
    last = f"{(plan.ledger + 1) << 32:019d}"  # ids of events begin with their ledger
    for record, event in old.events:
        nothing_left = not isinstance(event, SetAuthorizedCallerEvent) and (
            event is not None and event.balance == 0
        )
        if last < record.id < born.id and nothing_left:
            last = record.id
    return last


def _trusted(plan: Plan, journal: Journal | None) -> Iterator[str]:
    if plan.mode is Mode.STEPWISE and (journal is None or not is_of(journal, plan)):
        yield "every withdrawal between the plan and init was the migration's (no journal has them)"
    if plan.mode is Mode.ZERO:
        yield "the old vault's balance is not checked: --mode zero leaves it as it is"
    if plan.old_known is None and plan.mode is not Mode.ZERO:
        yield f"the events of the code {plan.old_code}, which is not this program's, are true"


def _conserved(
    plan: Plan, old: _Decoded, new: _Decoded, own: _Withdrawn, init: InitEvent
) -> Iterator[Check]:
    yield Check(
        "the withdrawn amount is the new vault's initial balance",
        own.amount == init.balance,
        f"{own.amount:,} withdrawn, {init.balance:,} in init",
    )
    if plan.mode is not Mode.ZERO:
        left = _balance_at(old, own.last)
        words = "unknown" if left is None else f"{left:,}"
        yield Check("the last withdrawal left nothing in the old vault", left == 0, words)
    for name, decoded, good in (
        ("old", old, (Verdict.CONSERVED, Verdict.CONSISTENT)),
        ("new", new, (Verdict.CONSERVED,)),
    ):
        if decoded is old and plan.mode is Mode.ZERO:
            continue
        broken = decoded.audit.broken
        words = decoded.audit.verdict.value
        if broken is not None:
            words += f", expected {broken.expected}, found {broken.found}"
        holds = decoded.audit.verdict in good
        yield Check(f"the {name} vault's balance is the replay of its events", holds, words)


def _balance_at(old: _Decoded, event_id: str) -> int | None:
    """Return the old vault's balance after an event, by the events around it."""
    balance: int | None = None
    for record, event in old.events:
        if event is None or isinstance(event, SetAuthorizedCallerEvent):
            continue
        if record.id > event_id:
            return balance_before(event) if balance is None else balance
        balance = event.balance
    if balance is None and old.audit.state is not None:
        return old.audit.state.balance
    return balance


def _carried(
    plan: Plan, view: LedgerView, held: Held, old: _Decoded, new: _Decoded, born: EventRecord
) -> Iterator[Check]:
    meta, layout = held.stored.meta, held.stored.layout
    assert meta is not None  # noqa: S101 - it is initialised
    assert layout is not None  # noqa: S101 - likewise
    yield Check("the owner is the same", meta.owner == plan.owner, meta.owner)
    yield Check(
        "the minimum deposit is the planned one",
        meta.min_deposit == plan.min_deposit,
        f"{meta.min_deposit:,}, planned {plan.min_deposit:,}",
    )
    expected, found = _authorised(plan, view, old, new, born)
    yield Check(
        "the authorised caller was carried over",
        expected == found,
        f"{found or 'nobody'}, in the old vault {expected or 'nobody'}",
    )
    yield Check("the new vault runs the planned code", held.code == plan.new_code, held.code)
    yield Check(
        "the old vault runs the planned code", view.old.code == plan.old_code, view.old.code
    )
    wanted = _layout(plan.new_code)
    yield Check(
        "the new vault stores the layout of its code",
        layout.name in wanted,
        f"{layout.name}, expected {' or '.join(wanted)}",
    )


def _authorised(
    plan: Plan, view: LedgerView, old: _Decoded, new: _Decoded, born: EventRecord
) -> tuple[Address | None, Address | None]:
    """Return the authorised callers of the old vault at the migration, and of the new vault."""
    carried = _carried_caller(plan, new, born)
    moment = born.id if carried is None else carried[0].id
    stored = view.old.stored.meta
    expected = plan.meta.authorized_caller if stored is None else stored.authorized_caller
    changes = [(r, e) for r, e in old.events if isinstance(e, SetAuthorizedCallerEvent)]
    before = [event for record, event in changes if record.id < moment]
    if before:
        expected = before[-1].caller
    elif changes:  # changed since, so the plan has the last known one
        expected = plan.meta.authorized_caller
    if carried is None and plan.mode is not Mode.ATOMIC:
        # stepwise it is carried over after init; until then the owner could revoke it
        revoked = any(e.caller is None for record, e in changes if record.id > moment)
        return None if revoked else expected, None
    return expected, None if carried is None else carried[1].caller


def _carried_caller(
    plan: Plan, new: _Decoded, born: EventRecord
) -> tuple[EventRecord, SetAuthorizedCallerEvent] | None:
    """Find the event that carried over the caller; a later change by the owner is not one."""
    for record, event in new.events:
        if isinstance(event, SetAuthorizedCallerEvent):
            apart = plan.mode is Mode.ATOMIC and record.transaction != born.transaction
            return None if apart else (record, event)
    return None


def _layout(code: str) -> tuple[str, ...]:
    """Name the layouts that code may store: its own, or any known one for unknown code."""
    for file in wasm.manifest()["files"].values():
        if file["sha256"] == code and "layout" in file:
            return (str(file["layout"]),)
    return tuple(layout.name for layout in LAYOUTS)


def _late(old: _Decoded, last: str) -> Iterator[Late]:
    for record, event in old.events:
        if record.id > last:
            yield Late(record, event)
