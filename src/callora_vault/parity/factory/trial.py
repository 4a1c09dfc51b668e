"""The factory judged by its model: one example, compared step by step, and what draws examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from stellar_sdk import StrKey, xdr

from callora_vault.codec.entries import decode_stored, decode_successor
from callora_vault.codec.events import decode_event, decode_factory_event, encode_event
from callora_vault.codec.values import CannotDecode, encode_optional_address
from callora_vault.model.calls import Create, FactoryCall, Migrate
from callora_vault.model.factory import (
    FactoryAccepted,
    FactoryOutcome,
    FactoryState,
    Instance,
    Signed,
    transition,
)
from callora_vault.model.layouts import UnknownLayout
from callora_vault.model.renewal import live_until_after_write
from callora_vault.parity import outcomes
from callora_vault.parity.errors import Inconclusive
from callora_vault.parity.factory import table as factory_cases
from callora_vault.parity.factory.contract import PLACES, FactoryChain, Id, Kind, World
from callora_vault.parity.factory.table import Scene, factory_table
from callora_vault.parity.network.connection import Connection, Observation
from callora_vault.parity.steps import Age, Code, Made, Place, Restore, Role, Salt, Step, Submit
from callora_vault.parity.trial import Finding, Line, Tally, Trial
from callora_vault.parity.vault import strategies
from callora_vault.parity.vault.comparison import (
    EXTRA_ENTRY,
    WRONG_EVENTS,
    WRONG_RETURN,
    Mismatch,
    runs,
    simulated,
    unchanged,
)
from callora_vault.parity.vault.machine import Driver

WRONG_VAULT: Final = "accepted:wrong-{}-vault"
WRONG_SUCCESSOR: Final = "accepted:wrong-successor"
WRONG_LIFE: Final = "accepted:wrong-life-of-{}"


class FactoryTrial(Trial):
    """A factory that nobody has called, beside its model.

    `ended` says that a difference was seen, or that a call said nothing: there is nothing to go on
    from.
    """

    def __init__(self, chain: FactoryChain, tally: Tally, *, foreign: bool = False) -> None:
        super().__init__(tally, foreign=foreign)
        self._chain = chain
        self.state = chain.fresh()
        self._vaults = [chain.people[role] for role in PLACES]
        self.world = chain.read(self._vaults)
        self.made: list[Made] = []

    @property
    def left(self) -> int:
        """Ledgers that the factory's instance has to live after that of the next call."""
        return (self.world.lives(self._chain.instance_id) or 0) - self.world.ledger - 1

    @property
    def archived(self) -> bool:
        """Whether anything is archived."""
        return any(self.world.lives(entry) == 0 for entry in self.world.entries)

    def known(self, vault: Role | Made) -> tuple[Code, Role | None] | None:
        """Tell code and owner of a vault; None where there is no vault."""
        address = self._chain.resolve(vault)
        instance = self.state.vaults.get(str(address))
        if instance is None:
            return None
        owner = None if instance.state is None else instance.state.owner
        people = self._chain.people.items()
        role = next((role for role, known in people if known == owner), None)
        hashes = self._chain.hashes.items()
        return next(code for code, known in hashes if known == instance.wasm_hash), role

    def run(self, step: Step) -> list[Finding]:
        """Make one step on both sides; return what differs. Raises CannotRun."""
        self._tally.steps += 1
        if isinstance(step, Submit):
            return self._submit(step)
        match step:
            case Age(ledgers):
                self._chain.age(ledgers)
            case Place(role):
                self._chain.place(step)
                vault = self._chain.people[role]
                placed = {**self.state.vaults, vault: self._chain.instance(step)}
                self.state = attrs.evolve(self.state, vaults=placed)
            case _:
                self._chain.restore(self.world)
        self.world = self._chain.read(self._vaults)
        self.lines.append(Line(step, "unchanged", "unchanged"))
        return []

    def _submit(self, step: Submit) -> list[Finding]:
        chain, state = self._chain, self.state
        call = step.factory_call(chain.resolve)
        self._watch(call)
        before = self._past_last_ledger()
        try:
            seen = chain.submit(step, call, state, before)
        except Inconclusive as reason:
            return self._inconclusive(step, reason)
        after = self.world = chain.read(self._vaults)
        address = frozenset({chain.people[step.signer]})
        signed = Signed(
            address if seen.counts else frozenset(),
            address if seen.nested_counts else frozenset(),
        )
        expected = transition(chain.factory, state, call, signed)
        mismatches = self._compare(call, expected, seen, before, after)
        scene = Scene.of(chain.factory, state, call, keeper=chain.hashes[Code.KEEPER])
        lived = before.lives(chain.instance_id) or 0
        word = outcomes.of_model(expected)
        findings = self._conclude(step, scene, word, seen, mismatches, lived)
        if findings or seen.outcome != word:
            self.ended = True
        elif isinstance(expected, FactoryAccepted):
            self.state = expected.state
            self._remember(step)
        return findings

    def _watch(self, call: FactoryCall) -> None:
        """Look at the vaults of a call from now on, those that it could deploy among them."""
        new = self._chain.new_vault(call, self.state)
        old = None if isinstance(call, Create) else call.old
        unseen = [vault for vault in (new, old) if vault and vault not in self._vaults]
        if unseen:
            self._vaults += dict.fromkeys(unseen)
            self.world = self._chain.read(self._vaults)

    def _remember(self, step: Submit) -> None:
        """Note a vault that was deployed, for later calls."""
        arguments = dict(step.arguments)
        salt, owner = arguments.get("salt"), arguments.get("owner", step.signer)
        if isinstance(salt, Salt) and isinstance(owner, Role):
            self.made.append(Made(owner, salt.number))

    def _past_last_ledger(self) -> World:
        """Close ledgers until none is the last one of an entry's life; see Chain."""
        while any(self.world.lives(entry) == self.world.ledger for entry in self.world.entries):
            self._chain.close_ledger()
            self.world = self._chain.read(self._vaults)
        return self.world

    def _compare(
        self,
        call: FactoryCall,
        expected: FactoryOutcome,
        seen: Observation,
        before: World,
        after: World,
    ) -> list[Mismatch]:
        """List every difference between the two sides, the outcome's class first."""
        word = outcomes.of_model(expected)
        if word != seen.outcome:
            detail = f"expected {word}, observed {seen.outcome}"
            return [Mismatch(word, seen.outcome, detail), *simulated(word, seen)]
        if isinstance(expected, FactoryAccepted):
            differs = [
                *self._answer(expected, seen),
                *self._written(call, expected, seen),
                *self._stored(call, expected.state, after),
                *self._lives(call, expected, seen.ledger, before, after),
            ]
            found = [Mismatch(word, observed, detail) for observed, detail in differs]
        else:
            found = unchanged(word, before, after)
        return found + simulated(word, seen)

    def _answer(self, expected: FactoryAccepted, seen: Observation) -> Iterator[tuple[str, str]]:
        if seen.returned != encode_optional_address(expected.returned):
            shown = "nothing" if seen.returned is None else seen.returned.to_json()
            yield WRONG_RETURN, f"returned {shown}, expected {expected.returned}"
        events = tuple(encode_event(event, emitter) for emitter, event in expected.events)
        if seen.events != events:
            wanted = _shown_events(events)
            yield WRONG_EVENTS, f"events {_shown_events(seen.events)}, expected {wanted}"

    def _written(
        self, call: FactoryCall, expected: FactoryAccepted, seen: Observation
    ) -> Iterator[tuple[str, str]]:
        chain = self._chain
        allowed = [
            chain.key((Kind.INSTANCE, vault))
            for vault, instance in expected.state.vaults.items()
            if self.state.vaults.get(vault) != instance
        ]
        if isinstance(call, Migrate):
            allowed.append(chain.key((Kind.SUCCESSOR, call.old)))
        for key in seen.changed:
            if key not in allowed:
                yield EXTRA_ENTRY, f"touched {key.to_json()}"
                return

    def _stored(
        self, call: FactoryCall, state: FactoryState, after: World
    ) -> Iterator[tuple[str, str]]:
        old = None if isinstance(call, Create) else call.old
        new = self._chain.new_vault(call, self.state)
        for vault in self._vaults:
            which = "old" if vault == old else "new" if vault == new else "other"
            instance = state.vaults.get(vault)
            found = after.entries[Kind.INSTANCE, vault]
            wrong = self._wrong_instance(instance, found)
            if wrong:
                yield WRONG_VAULT.format(which), wrong
            wanted = state.successors.get(vault)
            entry = after.entries[Kind.SUCCESSOR, vault]
            told = None if entry is None else _successor(entry[0])
            if told != wanted:
                yield WRONG_SUCCESSOR, f"stored {told} as successor of {vault}, expected {wanted}"

    def _wrong_instance(self, expected: Instance | None, found: tuple[str, int] | None) -> str:
        """Say how an instance differs from the model's; nothing where it does not."""
        if expected is None or found is None:
            here, there = expected is not None, found is not None
            return "" if here is there else f"there is {found}, expected {expected}"
        if expected.wasm_hash == self._chain.hashes[Code.RAW]:
            return ""  # what it stores is nothing that the model knows
        try:
            stored = decode_stored(xdr.LedgerEntryData.from_xdr(found[0]))
        except (UnknownLayout, CannotDecode) as error:
            return f"stored {error}, expected {expected.state}"
        layout = self._chain.codes[expected.wasm_hash].abi.layout
        if stored.meta != expected.state or stored.layout not in (None, layout):
            return f"stored {stored.meta}, expected {expected.state}"
        if stored.extra:
            return f"the instance stores {stored.extra[0].key.to_json()} too"
        return "" if runs(stored, expected.wasm_hash) else "the instance has other code"

    def _lives(
        self,
        call: FactoryCall,
        expected: FactoryAccepted,
        ledger: int,
        before: World,
        after: World,
    ) -> Iterator[tuple[str, str]]:
        chain = self._chain
        touched = chain.touched(call, self.state)
        renewed: set[Id] = set()
        for emitter, _ in expected.events:
            code = chain.code_of(emitter, expected.state)
            renewed |= {(Kind.INSTANCE, emitter), (Kind.CODE, code)}
        if isinstance(call, Migrate):
            renewed.add((Kind.SUCCESSOR, call.old))
        fresh = ledger + chain.minimum_ttl - 1
        for entry in after.entries:
            lives = before.lives(entry)
            if entry in touched and not lives and after.entries[entry] is not None:
                lives = fresh
            if lives is not None and entry in renewed:
                lives = live_until_after_write(ledger, lives)
            if after.lives(entry) != lives:
                detail = f"lives until ledger {after.lives(entry)}, expected {lives}"
                yield WRONG_LIFE.format(self._name(entry, call)), detail

    def _name(self, entry: Id, call: FactoryCall) -> str:
        """Name an entry in the words of a divergence."""
        chain, (kind, of) = self._chain, entry
        if entry in (chain.instance_id, chain.code_id):
            return f"factory-{kind.value}"
        if kind is Kind.INSTANCE:
            return "new-vault" if of == chain.new_vault(call, self.state) else "old-vault"
        return "vault-code" if kind is Kind.CODE else kind.value


def _successor(entry: str) -> str:
    try:
        return decode_successor(xdr.LedgerEntryData.from_xdr(entry))
    except CannotDecode as error:
        return str(error)


def _shown_events(events: tuple[xdr.ContractEvent, ...]) -> str:
    shown = []
    for event in events:
        emitter = b"" if event.contract_id is None else event.contract_id.contract_id.hash
        address = StrKey.encode_contract(emitter)
        for decode in (decode_event, decode_factory_event):
            try:
                shown.append(f"{decode(event, address)} of {address}")
                break
            except CannotDecode as error:
                reason = str(error)
        else:
            shown.append(reason)
    return ", ".join(shown) or "none"


class FactoryMachine(RuleBasedStateMachine):
    """Vaults that are created and migrated in any order, with time going by between."""

    def __init__(self, driver: Driver[FactoryTrial]) -> None:
        super().__init__()
        self._driver = driver
        self._trial = driver.begin()

    def _step(self, step: Step) -> None:
        if not self._trial.ended:
            self._driver.step(self._trial, step)

    @rule(step=factory_cases.places())
    def place(self, step: Step) -> None:
        """Put a vault in some state."""
        self._step(step)

    @rule(step=factory_cases.creations())
    def create(self, step: Step) -> None:
        """Call create."""
        self._step(step)

    @rule(data=st.data())
    def migrate(self, data: st.DataObject) -> None:
        """Call migrate."""
        self._step(data.draw(factory_cases.migrations(self._trial.made, self._trial.known)))

    @rule(data=st.data())
    def successor(self, data: st.DataObject) -> None:
        """Call successor."""
        self._step(data.draw(factory_cases.successors(self._trial.made)))

    @rule(data=st.data())
    def age(self, data: st.DataObject) -> None:
        """Let ledgers go by."""
        self._step(Age(data.draw(strategies.ages(self._trial.left))))

    @rule()
    def restore(self) -> None:
        """Restore what is archived."""
        if self._trial.archived:
            self._step(Restore())


class FactorySubject:
    """A factory, judged by its model. Raises CannotRun."""

    can_age = True

    def __init__(self, connection: Connection, code: bytes) -> None:
        self._chain = FactoryChain(connection, code)
        self.table = factory_table()

    def trial(self, tally: Tally, *, foreign: bool) -> FactoryTrial:
        """Start an example: a factory that nobody has called yet."""
        return FactoryTrial(self._chain, tally, foreign=foreign)

    def tour(self) -> Iterator[tuple[Step, ...]]:
        """Yield each edge once, for each kind of vault."""
        return factory_cases.examples()

    def machine(self, driver: Driver[FactoryTrial]) -> RuleBasedStateMachine:
        """Build the state machine that draws calls."""
        return FactoryMachine(driver)
