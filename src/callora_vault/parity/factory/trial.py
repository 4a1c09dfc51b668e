"""One example of a factory: the same steps on model and contract, compared after each."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from callora_vault.model.calls import Create, FactoryCall
from callora_vault.model.factory import (
    FactoryAccepted,
    Signed,
    transition,
)
from callora_vault.parity import outcomes
from callora_vault.parity.errors import Inconclusive
from callora_vault.parity.factory.comparison import Sides, compare
from callora_vault.parity.factory.contract import VAULTS, FactoryContract, Reading
from callora_vault.parity.factory.table import StateClass
from callora_vault.parity.mismatch import (
    Finding,
)
from callora_vault.parity.steps import Age, Code, Made, Place, Role, Salt, Step, Submit
from callora_vault.parity.trial import Line, Tally, Trial


class FactoryTrial(Trial):
    """A new factory, beside its model.

    `ended` says that a difference was seen, or that a call said nothing: there is nothing to go on
    from.
    """

    def __init__(self, contract: FactoryContract, tally: Tally, *, foreign: bool = False) -> None:
        super().__init__(tally, foreign=foreign)
        self._contract = contract
        self.state = contract.fresh()
        self._vaults = [contract.addresses[role] for role in VAULTS]
        self.reading = contract.read(self._vaults)
        self.made: list[Made] = []

    @property
    def left(self) -> int:
        """The TTL of the factory's instance after the next call's ledger."""
        return (self.reading.lives(self._contract.instance_id) or 0) - self.reading.ledger - 1

    @property
    def archived(self) -> bool:
        """Whether anything is archived."""
        return any(self.reading.lives(entry) == 0 for entry in self.reading.entries)

    def known(self, vault: Role | Made) -> tuple[Code, Role | None] | None:
        """Return code and owner of a vault; None if it does not exist."""
        address = self._contract.resolve(vault)
        instance = self.state.vaults.get(str(address))
        if instance is None:
            return None
        owner = None if instance.state is None else instance.state.owner
        addresses = self._contract.addresses.items()
        role = next((role for role, known in addresses if known == owner), None)
        hashes = self._contract.hashes.items()
        return next(code for code, known in hashes if known == instance.wasm_hash), role

    def run(self, step: Step) -> list[Finding]:
        """Run one step on both sides; return the differences. Raises CannotRun."""
        self._tally.steps += 1
        if isinstance(step, Submit):
            return self._submit(step)
        match step:
            case Age(ledgers):
                self._contract.age(ledgers)
            case Place(role):
                self._contract.place(step)
                vault = self._contract.addresses[role]
                vaults = {**self.state.vaults, vault: self._contract.instance(step)}
                self.state = attrs.evolve(self.state, vaults=vaults)
            case _:
                self._contract.restore(self.reading)
        self.reading = self._contract.read(self._vaults)
        self.lines.append(Line(step, "unchanged", "unchanged"))
        return []

    def mark(self) -> Callable[[], None]:
        """Mark where the example stands; what is returned goes back to it."""
        mark = self._contract.mark()
        reading, state, ended = self.reading, self.state, self.ended
        vaults, made, lines = tuple(self._vaults), tuple(self.made), tuple(self.lines)

        def go_back() -> None:
            self._contract.revert(mark)
            self.reading, self.state, self.ended = reading, state, ended
            self._vaults, self.made, self.lines = list(vaults), list(made), list(lines)

        return go_back

    def _submit(self, step: Submit) -> list[Finding]:
        contract, state = self._contract, self.state
        call = step.factory_call(contract.resolve)
        self._watch(call)
        before = self._past_last_ledger()
        try:
            seen = contract.submit(step, call, state, before)
        except Inconclusive as reason:
            return self._inconclusive(step, reason)
        after = self.reading = contract.read(self._vaults)
        address = frozenset({contract.addresses[step.signer]})
        signed = Signed(
            address if seen.counts else frozenset(),
            address if seen.nested_counts else frozenset(),
        )
        expected = transition(contract.factory, state, call, signed)
        mismatches = compare(
            Sides(
                contract=contract,
                call=call,
                state=state,
                expected=expected,
                observation=seen,
                before=before,
                after=after,
                vaults=tuple(self._vaults),
            )
        )
        state_class = StateClass.of(
            contract.factory, state, call, keeper=contract.hashes[Code.KEEPER]
        )
        lived = before.lives(contract.instance_id) or 0
        word = outcomes.of_model(expected)
        findings = self._conclude(step, state_class, word, seen, mismatches, lived)
        if findings or seen.outcome != word:
            self.ended = True
        elif isinstance(expected, FactoryAccepted):
            self.state = expected.state
            self._remember(step)
        return findings

    def _watch(self, call: FactoryCall) -> None:
        """Observe the vaults of a call from now on, with those that it could deploy."""
        new = self._contract.new_vault(call, self.state)
        old = None if isinstance(call, Create) else call.old
        unseen = [vault for vault in (new, old) if vault and vault not in self._vaults]
        if unseen:
            self._vaults += dict.fromkeys(unseen)
            self.reading = self._contract.read(self._vaults)

    def _remember(self, step: Submit) -> None:
        """Remember a deployed vault for later calls."""
        arguments = dict(step.arguments)
        salt, owner = arguments.get("salt"), arguments.get("owner", step.signer)
        if isinstance(salt, Salt) and isinstance(owner, Role):
            self.made.append(Made(owner, salt.number))

    def _past_last_ledger(self) -> Reading:
        """Close ledgers until no entry is in its live-until ledger; see VaultContract."""
        while any(
            self.reading.lives(entry) == self.reading.ledger for entry in self.reading.entries
        ):
            self._contract.close_ledger()
            self.reading = self._contract.read(self._vaults)
        return self.reading
