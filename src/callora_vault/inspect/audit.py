"""A vault's events, replayed through the model: does each follow from the one before?

An event shows which call was accepted. The model makes that call on the state so far and must emit
the same event; at the end it must have the state that the vault stores. No event has the minimum
deposit, so it comes from the stored entry, as does the owner if the history has no init.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import assert_never

import attrs
from stellar_sdk import xdr

from callora_vault.codec.entries import StoredVault, decode_stored
from callora_vault.codec.values import CannotDecode
from callora_vault.errors import CalloraError
from callora_vault.inspect.history import History
from callora_vault.model.calls import (
    Call,
    Deduct,
    Deposit,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.events import (
    DeductEvent,
    DepositEvent,
    Event,
    InitEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    WithdrawToEvent,
    describe_event,
)
from callora_vault.model.layouts import UnknownLayout, VaultMeta, describe_meta
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, Outcome, Rejected, State, Unsigned, transition
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.reading import read_event


class Verdict(Enum):
    """The result of a replay; the value is its word in JSON."""

    CONSERVED = "conserved since init"
    """Every unit since init is accounted for."""
    CONSISTENT = "consistent"
    """Every event follows from the one before, since the first ledger of the history."""
    BROKEN = "broken"
    """An event does not follow, or the stored state does not follow from the events."""

    @property
    def exit_code(self) -> int:
        """0 where everything follows, 1 where something does not."""
        return 1 if self is Verdict.BROKEN else 0


@attrs.frozen
class Break:
    """The first event that does not follow, None for the stored state; and both sides."""

    event: EventRecord | None
    expected: str
    found: str


@attrs.frozen
class Sums:
    """What moved, in the vault's own unit; `opening` is the balance before the first event."""

    opening: int = 0
    deposited: int = 0
    deducted: int = 0
    withdrawn: int = 0

    @property
    def closing(self) -> int:
        """The balance after the last event."""
        return self.opening + self.deposited - self.deducted - self.withdrawn


@attrs.frozen
class Audit:
    """The result of the replay of a history.

    `since` is the first ledger that it covers; `through` is the ledger of the stored state at its
    end. `assumed` lists what was taken from the stored entry, or assumed without evidence.
    """

    contract: Address
    verdict: Verdict
    since: int
    through: int
    events: int
    sums: Sums
    state: State
    broken: Break | None
    assumed: tuple[str, ...]
    digest: str


@attrs.frozen
class NoState(CalloraError):
    """The history has no stored state to compare the events with; `reason` says why."""

    reason: str

    def __str__(self) -> str:
        return f"there is no stored state to compare the events with: {self.reason}"


def audit(history: History) -> Audit:
    """Replay a history up to the last state that it has. Raises NoState."""
    if not history.states or not history.seen:
        raise NoState("the history has none; export again")
    last = history.states[-1]
    since = history.unbroken_since
    stored = _stored(last.entry)
    records = [e for e in history.events if since <= e.ledger <= last.ledger]
    replay = _Replay(stored.meta)
    broken = replay.run(records)
    if broken is None and replay.state != stored.meta:
        broken = Break(None, describe_meta(replay.state), describe_meta(stored.meta))
    if broken is not None:
        verdict = Verdict.BROKEN
    else:
        verdict = Verdict.CONSERVED if replay.since_init else Verdict.CONSISTENT
    return Audit(
        contract=history.contract,
        verdict=verdict,
        since=since,
        through=last.ledger,
        events=replay.count,
        sums=replay.sums,
        state=stored.meta,
        broken=broken,
        assumed=tuple(replay.assumed),
        digest=history.digest,
    )


def _stored(entry: str) -> StoredVault:
    try:
        return decode_stored(xdr.LedgerEntryData.from_xdr(entry))
    except (UnknownLayout, CannotDecode) as error:
        raise NoState(str(error)) from error


class _Replay:
    """Makes the calls of the events. `stored` is what the vault stores at the end."""

    def __init__(self, stored: VaultMeta | None) -> None:
        self._stored = stored
        self.state: State = None
        self.since_init = False
        self._caller_known = False
        self.count = 0
        self.sums = Sums()
        self.assumed: list[str] = []

    def run(self, records: Sequence[EventRecord]) -> Break | None:
        """Replay events; return the first that does not follow, or None."""
        events: list[Event] = []
        unreadable: Break | None = None
        for record in records:
            try:
                events.append(read_event(record))
            except (CannotDecode, UnknownLayout, ValueError) as error:
                unreadable = Break(record, "an event of a vault", str(error))
                break
        self._open(events)
        for record, event in zip(records, events, strict=False):
            expected = self._follow(event)
            if expected is not None:
                return Break(record, expected, describe_event(event))
            self.count += 1
        if not self._caller_known and self.state is not None and self._stored is not None:
            caller = self._stored.authorized_caller
            self.state = attrs.evolve(self.state, authorized_caller=caller)
        return unreadable

    def _open(self, events: Sequence[Event]) -> None:
        """Find the state before the first event."""
        self.since_init = bool(events) and isinstance(events[0], InitEvent)
        self._caller_known = self.since_init
        if self._stored is None:
            return
        self.assumed.append(
            "the minimum deposit is that of the stored entry, because no event has it"
        )
        if self.since_init:
            return
        self.assumed.append(
            "the owner is that of the stored entry, because the history has no init"
        )
        balances = (b for b in map(balance_before, events) if b is not None)
        self.state = attrs.evolve(
            self._stored, balance=next(balances, self._stored.balance), authorized_caller=None
        )
        self.sums = Sums(opening=self.state.balance)

    def _follow(self, event: Event) -> str | None:
        """Make the call of an event; return what was expected, None if the event follows."""
        if isinstance(event, SetAuthorizedCallerEvent):
            self._caller_known = True
        elif isinstance(event, DeductEvent):
            self._meet(event.caller)
        call, signers = self._call(event)
        outcome = transition(self.state, call, signers)
        if not isinstance(outcome, Accepted) or outcome.events != (event,):
            return _words(outcome)
        self.state = outcome.state
        match event:
            case InitEvent():
                self.sums = Sums(opening=event.balance)
            case DepositEvent():
                deposited = self.sums.deposited + event.amount
                self.sums = attrs.evolve(self.sums, deposited=deposited)
            case DeductEvent():
                deducted = self.sums.deducted + event.amount
                self.sums = attrs.evolve(self.sums, deducted=deducted)
            case WithdrawEvent() | WithdrawToEvent():
                withdrawn = self.sums.withdrawn + event.amount
                self.sums = attrs.evolve(self.sums, withdrawn=withdrawn)
        return None

    def _meet(self, caller: Address) -> None:
        """Assume that the first caller other than the owner was authorised before the history."""
        if self._caller_known or self.state is None or caller == self.state.owner:
            return
        self._caller_known = True
        self.state = attrs.evolve(self.state, authorized_caller=caller)
        self.assumed.append(f"{caller} was authorised before the history begins")

    def _call(self, event: Event) -> tuple[Call, frozenset[Address]]:
        owner = "" if self.state is None else self.state.owner
        match event:
            case InitEvent():
                minimum = 0 if self._stored is None else self._stored.min_deposit
                return Init(event.owner, event.balance, minimum), frozenset({event.owner})
            case DepositEvent():
                return Deposit(event.amount), frozenset({owner})
            case DeductEvent():
                # the empty symbol stands for no request id
                call = Deduct(event.caller, event.amount, event.request_id or None)
                return call, frozenset({event.caller})
            case WithdrawEvent():
                return Withdraw(event.amount), frozenset({owner})
            case WithdrawToEvent():
                return WithdrawTo(event.to, event.amount), frozenset({owner})
            case SetAuthorizedCallerEvent():
                return SetAuthorizedCaller(event.caller), frozenset({owner})
        assert_never(event)


def balance_before(event: Event) -> int | None:
    """Return the balance before an event; None if the event does not show it."""
    match event:
        case DepositEvent():
            return event.balance - event.amount
        case DeductEvent() | WithdrawEvent() | WithdrawToEvent():
            return event.balance + event.amount
    return None


def _words(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return ", ".join(map(describe_event, outcome.events)) or "no event"
        case Rejected(error):
            return f"no event: the model refuses it, {error.name} ({error.value})"
        case Unsigned(address):
            return f"no event: the model refuses it, {address} did not sign"
