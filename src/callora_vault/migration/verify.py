"""Verifying a migration by stored entries and events, whoever carried it out.

Conservation is about transactions: the sum of the migration's own withdrawals is the balance in the
new vault's init event, and the new vault's stored balance is the replay of its own events. The old
vault may be anybody's, with rules of its own: what does not follow in its history is reported, as
are calls that reach it later (late calls). Neither fails the verification, because neither can be
repaired.

An RPC drops events. Events that a history or the journal has kept count, and the verification says
which ledgers it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
from stellar_sdk import xdr

from callora_vault import wasm
from callora_vault.client.journal import Journal
from callora_vault.client.limits import Limits
from callora_vault.codec.entries import decode_stored
from callora_vault.codec.values import CannotDecode
from callora_vault.inspect import Verdict, export
from callora_vault.inspect.audit import balance_before
from callora_vault.migration.checks import check_network, find_new_vault
from callora_vault.migration.errors import HistoryGone
from callora_vault.migration.evidence import Evidence, decode
from callora_vault.migration.ledger import Held, LedgerView, look
from callora_vault.migration.plan import LIMITS, Mode, Plan
from callora_vault.migration.record import drains, is_of, journal_has, own_events
from callora_vault.model.events import (
    Event,
    InitEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    describe_event,
)
from callora_vault.model.layouts import LAYOUTS, UnknownLayout, VaultMeta
from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.network import Network


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

    `amount` is what moved; `assumed` lists what was assumed without evidence. `evidence` lists the
    ledgers whose events are known; `reported` what does not follow in the old vault, which fails
    nothing.
    """

    old: Address
    new: Address
    ledger: int
    amount: int
    checks: tuple[Check, ...]
    late: tuple[Late, ...]
    old_balance: int
    assumed: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that do not hold, in words."""
        return tuple(f"{check.name}: {check.found}" for check in self.checks if not check.holds)

    @property
    def passed(self) -> bool:
        """Whether all checks hold."""
        return not self.failed


@attrs.frozen
class _Withdrawn:
    """The migration's own withdrawals, and the event id after which calls are late.

    `left` is what was in the old vault then, None if no event shows it.
    """

    amount: int
    last: str
    left: int | None


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
    old_known, new_known = (
        Evidence.of(
            export(network, contract, path, until, progress=progress),
            () if journal is None else own_events(journal, plan, contract),
        )
        for contract, path in zip((plan.old, new), histories, strict=True)
    )
    born = _init(new_known)
    if born is None:
        raise HistoryGone(new, plan.ledger)
    record, init = born
    own = _own(network, plan, old_known, record, journal, until())
    checks = (
        *_conserved(plan, own, init),
        _replayed(new_known, held, record),
        *_carried(plan, view, held, old_known, new_known, record),
    )
    state = old_known.last.state
    return Verification(
        old=plan.old,
        new=new,
        ledger=new_known.last.through,
        amount=own.amount,
        checks=checks,
        late=tuple(Late(found, event) for found, event in old_known.events if found.id > own.last),
        old_balance=0 if state is None else state.balance,
        assumed=(
            *(f"in the old vault's replay {text}" for text in old_known.last.assumed),
            *(f"in the new vault's replay {text}" for text in new_known.last.assumed),
            *_trusted(plan, journal, own),
        ),
        evidence=(
            *old_known.lines("the old vault", min(plan.ledger, record.ledger)),
            *new_known.lines("the new vault", record.ledger),
        ),
        reported=tuple(_reported(plan, view, old_known)),
    )


def _init(known: Evidence) -> tuple[EventRecord, InitEvent] | None:
    for record, event in known.events:
        if isinstance(event, InitEvent):
            return record, event
    return None


def _own(
    network: Network,
    plan: Plan,
    old: Evidence,
    born: EventRecord,
    journal: Journal | None,
    until: float,
) -> _Withdrawn:
    """Find the migration's own withdrawals. Raises HistoryGone."""
    if plan.mode is Mode.ZERO:
        return _Withdrawn(0, born.id, None)
    if plan.mode is Mode.ATOMIC:
        known = old.covers(born.ledger, born.ledger) or (
            journal is not None and journal_has(journal, plan, born.transaction)
        )
        if not known:
            raise HistoryGone(old.history.contract, born.ledger)
        hashes = {born.transaction}
    elif journal is not None and is_of(journal, plan):
        hashes = {entry.hash for entry, _ in drains(journal, plan)}
    else:
        first = plan.ledger + 1
        if not old.covers(first, born.ledger):
            raise HistoryGone(old.history.contract, first)
        hashes = {
            record.transaction
            for record, _ in old.events
            if plan.ledger < record.ledger and record.id < born.id
        }
    found = [
        (record, event)
        for record, event in old.events
        if isinstance(event, WithdrawEvent) and record.transaction in hashes
    ]
    if found:
        return _taken(old, found, born)
    if plan.mode is Mode.ATOMIC:
        return _by_entries(network, plan, old, born, until)
    last = _emptied(plan, old, born)
    covered = old.covers(int(last[:19]) >> 32, born.ledger)
    return _Withdrawn(0, last, _balance_at(old, last) if covered else None)


def _taken(
    old: Evidence, found: Sequence[tuple[EventRecord, WithdrawEvent]], born: EventRecord
) -> _Withdrawn:
    """Sum up withdrawals. What the last one left may have been deducted before `init`."""
    amount = sum(event.amount for _, event in found)
    record, event = found[-1]
    if event.balance == 0:
        return _Withdrawn(amount, record.id, 0)
    for later, other in old.events:
        if record.id < later.id < born.id and _balance_after(other) == 0:
            return _Withdrawn(amount, later.id, 0)
    left = event.balance if old.covers(record.ledger, born.ledger) else None
    return _Withdrawn(amount, record.id, left)


def _by_entries(
    network: Network, plan: Plan, old: Evidence, born: EventRecord, until: float
) -> _Withdrawn:
    """Judge the transaction by the old vault's raw entry, because no event shows a withdrawal."""
    states = network.states(born.transaction, plan.old, until)
    metas = [_meta(state) for state in states or ()]
    if metas and metas[0] is not None and metas[-1] is not None:
        amount = metas[0].balance - metas[-1].balance
        return _Withdrawn(amount, born.id, metas[-1].balance)
    if states == ():  # the entry was not written, so nothing was withdrawn
        return _Withdrawn(0, born.id, _balance_at(old, born.id))
    return _Withdrawn(0, born.id, None)


def _meta(state: xdr.LedgerEntryData) -> VaultMeta | None:
    try:
        return decode_stored(state).meta
    except (CannotDecode, UnknownLayout):
        return None


def _emptied(plan: Plan, old: Evidence, born: EventRecord) -> str:
    """Return the last event before `init` that left nothing, if nothing was to be withdrawn."""
    last = f"{(plan.ledger + 1) << 32:019d}"  # ids of events begin with their ledger
    for record, event in old.events:
        if last < record.id < born.id and _balance_after(event) == 0:
            last = record.id
    return last


def _balance_after(event: Event | None) -> int | None:
    """Return the balance in an event, None if it has none."""
    return None if event is None or isinstance(event, SetAuthorizedCallerEvent) else event.balance


def _trusted(plan: Plan, journal: Journal | None, own: _Withdrawn) -> Iterator[str]:
    if plan.mode is Mode.STEPWISE and (journal is None or not is_of(journal, plan)):
        yield "every withdrawal between the plan and init was the migration's (no journal has them)"
    if plan.mode is Mode.ZERO:
        yield "the old vault's balance is not checked: --mode zero leaves it as it is"
    elif own.left is None:
        yield (
            "the old vault was empty when the new one was initialised: the migration checks that "
            "before it signs, and the events of that time are no longer known"
        )
    if plan.old_known is None and plan.mode is not Mode.ZERO:
        yield f"the events of the code {plan.old_code}, which is not this program's, are true"


def _reported(plan: Plan, view: LedgerView, old: Evidence) -> Iterator[str]:
    """Yield what is wrong with the old vault, which nobody can repair any more."""
    for part in old.audits:
        ledgers = f"ledgers {part.since:,} to {part.through:,}"
        for line in part.lines:
            yield f"the old vault, {ledgers}: {line}"
    if view.old.problem is not None:
        yield f"the old vault's entry is not a vault's now: {view.old.problem}"
    if view.old.code != plan.old_code:
        yield f"the old vault runs other code now: {view.old.code or 'none of its own'}"


def _conserved(plan: Plan, own: _Withdrawn, init: InitEvent) -> Iterator[Check]:
    yield Check(
        "the withdrawn amount is the new vault's initial balance",
        own.amount == init.balance,
        f"{own.amount:,} withdrawn, {init.balance:,} in init",
    )
    if plan.mode is not Mode.ZERO:
        words = "no longer known" if own.left is None else f"{own.left:,}"
        yield Check(
            "the last withdrawal left nothing in the old vault", own.left in (0, None), words
        )


def _replayed(new: Evidence, held: Held, born: EventRecord) -> Check:
    """Replay the new vault since init, as far as its events are known."""
    holds, words = True, []
    for part in new.audits:
        if part.through < born.ledger:
            continue
        since_init = new.covers(born.ledger, part.since)
        wanted = Verdict.CONSERVED if part.since <= born.ledger else Verdict.CONSISTENT
        said = part.verdict.value
        if part.verdict is not wanted:
            holds = False
            said += "".join(f", {line}" for line in part.lines)
        if not since_init or len(new.audits) > 1:
            said += f" in the ledgers {max(part.since, born.ledger):,} to {part.through:,}"
        words.append(said)
    gaps = [
        f"{span.first:,} to {span.last:,}"
        for span in new.missing(born.ledger + 1)
        if held.modified >= span.first  # otherwise nothing was written then
    ]
    if gaps:
        words.append(f"the events of the ledgers {', '.join(gaps)} are no longer known")
    return Check("the new vault's balance is the replay of its events", holds, "; ".join(words))


def _balance_at(old: Evidence, event_id: str) -> int | None:
    """Return the old vault's balance after an event, by the events around it."""
    balance: int | None = None
    for record, event in old.events:
        if event is None or isinstance(event, SetAuthorizedCallerEvent):
            continue
        if record.id > event_id:
            return balance_before(event) if balance is None else balance
        balance = event.balance
    if balance is None and old.last.state is not None:
        return old.last.state.balance
    return balance


def _carried(
    plan: Plan, view: LedgerView, held: Held, old: Evidence, new: Evidence, born: EventRecord
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
    wanted = _layout(plan.new_code)
    yield Check(
        "the new vault stores the layout of its code",
        layout.name in wanted,
        f"{layout.name}, expected {' or '.join(wanted)}",
    )


def _authorised(
    plan: Plan, view: LedgerView, old: Evidence, new: Evidence, born: EventRecord
) -> tuple[Address | None, Address | None]:
    """Return the authorised callers of the old vault at the migration, and of the new vault."""
    carried = _carried_caller(plan, new, born)
    moment = born.id if carried is None else carried[0].id
    changes = [(r, e) for r, e in old.events if isinstance(e, SetAuthorizedCallerEvent)]
    before = [(record, event) for record, event in changes if record.id < moment]
    stored, ledger = view.old.stored.meta, int(moment[:19]) >> 32
    same = len(before) == len(changes)
    if stored is not None and same and old.covers(ledger, old.history.through):
        expected = stored.authorized_caller  # nobody has changed it since
    elif before and old.covers(before[-1][0].ledger, ledger):
        expected = before[-1][1].caller
    elif carried is None or not same or old.covers(min(plan.ledger, ledger), ledger):
        expected = plan.meta.authorized_caller  # the plan has the last known one
    else:
        expected = carried[1].caller  # nothing else is known, so the carried one counts
    if carried is None and plan.mode is not Mode.ATOMIC:
        # stepwise it is carried over after init; until then the owner could revoke it
        revoked = any(e.caller is None for record, e in changes if record.id > moment)
        return None if revoked else expected, None
    return expected, None if carried is None else carried[1].caller


def _carried_caller(
    plan: Plan, new: Evidence, born: EventRecord
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
