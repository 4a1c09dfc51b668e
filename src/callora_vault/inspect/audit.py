"""A vault's events, replayed through the model: does each follow from the one before?

An event shows which call was accepted. The model makes that call on the state so far and must emit
the same event; at the end it must have the state that the vault stores. An event that does not
follow is noted with every rule that it breaks, and the replay continues from the balance in that
event. No event has the minimum deposit, so it comes from the stored entry, as does the owner if the
history has no init.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, assert_never

import attrs
from stellar_sdk import xdr

from callora_vault.codec.entries import StoredVault, decode_vault
from callora_vault.codec.values import CannotDecode
from callora_vault.errors import CalloraError
from callora_vault.inspect.breaks import Break, Breaks, Rule
from callora_vault.inspect.history import History, Span, StoredEntry
from callora_vault.model.calls import (
    Call,
    Deduct,
    Deposit,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.errors import VaultErrorCode
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
from callora_vault.model.layouts import V0, V1, UnknownLayout, VaultMeta, describe_meta
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, Outcome, Rejected, State, Unsigned, transition
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.reading import read_balance, read_event


class Verdict(Enum):
    """The result of a replay; the value is its word in JSON."""

    CONSERVED = "conserved since init"
    """Every unit since init is accounted for."""
    CONSISTENT = "consistent"
    """Every event follows from the one before, since the first ledger of the history."""
    BROKEN = "broken"
    """An event does not follow, or the stored state does not follow from the events."""
    UNREADABLE = "unreadable"
    """An event, or the stored entry, cannot be read; what came before it follows."""

    @property
    def exit_code(self) -> int:
        """0 if everything follows, 1 if something does not, or cannot be read."""
        return 0 if self in (Verdict.CONSERVED, Verdict.CONSISTENT) else 1


@attrs.frozen
class Sums:
    """What moved as the events claim, in the vault's own unit.

    `opening` is the balance before the first event; `unexplained` is by how much balances changed
    that no amount explains.
    """

    opening: int = 0
    deposited: int = 0
    deducted: int = 0
    withdrawn: int = 0
    unexplained: int = 0

    @property
    def closing(self) -> int:
        """The balance after the last event."""
        return self.opening + self.deposited - self.deducted - self.withdrawn + self.unexplained


@attrs.frozen
class Audit:
    """The result of the replay of a history.

    `since` is the first ledger that it covers; `through` is the ledger of the stored state at its
    end. `events` is how many were replayed. `breaks` are all distinct ones, worst first.
    `unreadable` says why the replay ended early, or why there is no state to compare it with; then
    the stored entry alone shows what the vault has. `assumed` lists what was taken from the stored
    entry, or assumed without evidence.
    """

    contract: Address
    verdict: Verdict
    since: int
    through: int
    events: int
    sums: Sums
    state: State
    breaks: tuple[Break, ...]
    unreadable: str | None
    assumed: tuple[str, ...]
    digest: str
    marks: dict[str, tuple[Rule, ...]] = attrs.field(factory=dict, repr=False)
    """The rules that each event breaks, by its id."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What does not follow, a line each; none where everything does."""
        ends = () if self.unreadable is None else (self.unreadable,)
        return (*map(str, self.breaks), *ends)


@attrs.frozen
class NoState(CalloraError):
    """The history has no stored state to compare the events with; `reason` says why."""

    reason: str

    def __str__(self) -> str:
        return f"there is no stored state to compare the events with: {self.reason}"


def audit(history: History) -> Audit:
    """Replay a history since its last gap, up to the last state that it has. Raises NoState."""
    if not history.states or not history.seen:
        raise NoState("the history has none; export again")
    return _audited(history, history.seen[-1], history.states[-1])


def audits(history: History) -> Iterator[Audit]:
    """Replay each part of a history between two gaps, up to the last state known of that part."""
    for span in history.seen:
        states = [s for s in history.states if span.first <= s.ledger <= span.last]
        if states:
            yield _audited(history, span, states[-1])


def _audited(history: History, span: Span, last: StoredEntry) -> Audit:
    stored, problem = _stored(last.entry)
    replay = _Replay(stored, problem)
    replay.run([e for e in history.events if span.first <= e.ledger <= last.ledger])
    breaks = replay.breaks.listed()
    meta = None if stored is None else stored.meta
    unreadable = replay.unreadable
    if unreadable is None and problem is not None:
        unreadable = f"the stored entry is not a vault's: {problem}"
    if unreadable is None and replay.state != meta:
        closing = _closing(replay.state, meta, last.ledger)
        breaks = tuple(sorted((*breaks, closing), key=lambda found: _ORDER[found.rule]))
    if breaks:
        verdict = Verdict.BROKEN
    elif unreadable is not None:
        verdict = Verdict.UNREADABLE
    else:
        verdict = Verdict.CONSERVED if replay.since_init else Verdict.CONSISTENT
    return Audit(
        contract=history.contract,
        verdict=verdict,
        since=span.first,
        through=last.ledger,
        events=replay.count,
        sums=replay.sums,
        state=meta,
        breaks=breaks,
        unreadable=unreadable,
        assumed=tuple(replay.assumed),
        digest=history.digest,
        marks=replay.breaks.marks,
    )


_ORDER: Final = {rule: place for place, rule in enumerate(Rule)}


def _stored(entry: str) -> tuple[StoredVault | None, str | None]:
    try:
        return decode_vault(xdr.LedgerEntryData.from_xdr(entry)), None
    except (UnknownLayout, CannotDecode) as error:
        return None, str(error)


def _closing(state: State, stored: State, ledger: int) -> Break:
    difference = 0
    if state is not None and stored is not None:
        difference = stored.balance - state.balance
    expected, found = describe_meta(state), describe_meta(stored)
    return Break(Rule.STORED, "", 1, difference, ledger, ledger, None, expected, found)


class _Replay:
    """Makes the calls of the events. `stored` is what the vault stores at the end."""

    def __init__(self, stored: StoredVault | None, problem: str | None) -> None:
        self._stored = None if stored is None else stored.meta
        self._problem = problem
        # before v2 nobody could be authorised
        self._caller_known = stored is not None and stored.layout in (V0, V1)
        self.state: State = None
        self.since_init = False
        self.count = 0
        self.sums = Sums()
        self.breaks = Breaks()
        self.unreadable: str | None = None
        self.assumed: list[str] = []

    def run(self, records: Sequence[EventRecord]) -> None:
        """Replay events, up to the first that shows no balance and cannot be read."""
        events = [_read(record) for record in records]
        self._open([event for event in events if not isinstance(event, _Strange)])
        if self._problem is not None and not self.since_init:
            return
        for record, event in zip(records, events, strict=True):
            if isinstance(event, _Strange):
                if event.balance is None:
                    self.unreadable = f"unreadable from ledger {record.ledger:,}: {event.reason}"
                    return
                self._resume(record, event.name, event.balance, event.reason)
            else:
                self._follow(record, event)
            self.count += 1
        if not self._caller_known and self.state is not None and self._stored is not None:
            caller = self._stored.authorized_caller
            self.state = attrs.evolve(self.state, authorized_caller=caller)

    def _open(self, events: Sequence[Event]) -> None:
        """Find the state before the first event."""
        self.since_init = bool(events) and isinstance(events[0], InitEvent)
        self._caller_known = self._caller_known or self.since_init
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

    def _resume(self, record: EventRecord, name: str, balance: int, reason: str) -> None:
        """Continue from the balance of an event that has another shape."""
        before = 0 if self.state is None else self.state.balance
        self.breaks.add(Rule.SHAPE, name, record, balance - before, "an event of a vault", reason)
        self._unexplained(balance - before)
        if self.state is not None:
            self.state = attrs.evolve(self.state, balance=balance)

    def _follow(self, record: EventRecord, event: Event) -> None:
        """Make the call of an event; note every rule that it breaks."""
        if isinstance(event, SetAuthorizedCallerEvent):
            self._caller_known = True
        elif isinstance(event, DeductEvent):
            self._meet(event.caller)
        before = self.state
        self._count(event)
        outcome = transition(before, *self._call(event, before))
        if isinstance(outcome, Accepted) and outcome.events == (event,):
            self.state = outcome.state
            return
        for rule, amount in self._broken(event, before):
            name = event.shape.name
            self.breaks.add(rule, name, record, amount, _words(outcome), describe_event(event))
        self.state = self._after(event, before)

    def _broken(self, event: Event, before: State) -> Iterator[tuple[Rule, int]]:
        """Yield each rule that an event breaks, and the amount that counts for it."""
        amount = _amount(event)
        if isinstance(event, InitEvent) and before is not None:
            yield Rule.AGAIN, 0
            self._unexplained(event.balance - before.balance)
            before = None
        elif before is None and not isinstance(event, InitEvent):
            yield Rule.BEFORE, amount
            before = VaultMeta(getattr(event, "owner", ""), balance_before(event) or 0)
            self.sums = attrs.evolve(self.sums, opening=before.balance)
        if before is not None and getattr(event, "owner", before.owner) != before.owner:
            yield Rule.OWNER, amount
        for code in _refusals(event, before, self._call(event, before)):
            yield _RULES.get(code) or (Rule.NEGATIVE if amount < 0 else Rule.ZERO), amount
        if before is not None and not isinstance(event, SetAuthorizedCallerEvent | InitEvent):
            apart = (balance_before(event) or 0) - before.balance
            if apart:
                yield Rule.GAINED if apart > 0 else Rule.LOST, apart
                self._unexplained(apart)

    def _after(self, event: Event, before: State) -> State:
        """Return the state after an event that does not follow."""
        if isinstance(event, InitEvent):
            return VaultMeta(event.owner, event.balance, self._minimum)
        if before is None:
            before = VaultMeta(getattr(event, "owner", ""), 0, self._minimum)
        if isinstance(event, SetAuthorizedCallerEvent):
            return attrs.evolve(before, authorized_caller=event.caller)
        return attrs.evolve(before, balance=event.balance)

    def _count(self, event: Event) -> None:
        match event:
            case InitEvent():
                if self.state is None:
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

    def _unexplained(self, amount: int) -> None:
        self.sums = attrs.evolve(self.sums, unexplained=self.sums.unexplained + amount)

    def _meet(self, caller: Address) -> None:
        """Assume that the first caller other than the owner was authorised before the history."""
        if self._caller_known or self.state is None or caller == self.state.owner:
            return
        self._caller_known = True
        self.state = attrs.evolve(self.state, authorized_caller=caller)
        self.assumed.append(f"{caller} was authorised before the history begins")

    @property
    def _minimum(self) -> int:
        return 0 if self._stored is None else self._stored.min_deposit

    def _call(self, event: Event, state: State) -> tuple[Call, frozenset[Address]]:
        owner = "" if state is None else state.owner
        match event:
            case InitEvent():
                call = Init(event.owner, event.balance, self._minimum)
                return call, frozenset({event.owner})
            case DepositEvent():
                return Deposit(event.amount), frozenset({owner})
            case DeductEvent():
                # the empty symbol stands for no request id
                deduct = Deduct(event.caller, event.amount, event.request_id or None)
                return deduct, frozenset({event.caller})
            case WithdrawEvent():
                return Withdraw(event.amount), frozenset({owner})
            case WithdrawToEvent():
                return WithdrawTo(event.to, event.amount), frozenset({owner})
            case SetAuthorizedCallerEvent():
                return SetAuthorizedCaller(event.caller), frozenset({owner})
        assert_never(event)


@attrs.frozen
class _Strange:
    """An event that is not a vault's: its name, the balance in it, and the reason."""

    name: str
    balance: int | None
    reason: str


def _read(record: EventRecord) -> Event | _Strange:
    try:
        return read_event(record)
    except (CannotDecode, UnknownLayout, ValueError) as error:
        name, balance = read_balance(record)
        return _Strange(name, balance, str(error))


_RULES: Final = {
    VaultErrorCode.NegativeInitialBalance: Rule.NEGATIVE,
    VaultErrorCode.NegativeMinDeposit: Rule.NEGATIVE_MINIMUM,
    VaultErrorCode.BelowMinDeposit: Rule.MINIMUM,
    VaultErrorCode.InsufficientBalance: Rule.FUNDS,
    VaultErrorCode.BalanceOverflow: Rule.OVERFLOW,
    VaultErrorCode.Unauthorized: Rule.CALLER,
}
"""The rule behind each refusal of the model; AmountNotPositive depends on the amount."""


def _refusals(
    event: Event, state: State, call: tuple[Call, frozenset[Address]]
) -> Iterator[VaultErrorCode]:
    """Yield each refusal of the model; the next one is found with the cause of this one removed."""
    asked, signers = call
    while True:
        outcome = transition(state, asked, signers)
        if not isinstance(outcome, Rejected):
            return
        yield outcome.error
        match outcome.error:
            case VaultErrorCode.Unauthorized if isinstance(event, DeductEvent) and state:
                state = attrs.evolve(state, authorized_caller=event.caller)
            case VaultErrorCode.BelowMinDeposit if state:
                state = attrs.evolve(state, min_deposit=0)
            case VaultErrorCode.NegativeInitialBalance if isinstance(asked, Init):
                asked = attrs.evolve(asked, initial_balance=0)
            case _:
                return


def _amount(event: Event) -> int:
    if isinstance(event, InitEvent):
        return event.balance
    return 0 if isinstance(event, SetAuthorizedCallerEvent) else event.amount


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
