"""One example of a vault: the same steps on model and contract, compared after each."""

from __future__ import annotations

from collections.abc import Callable

from callora_vault.codec.values import CannotDecode
from callora_vault.model.layouts import UnknownLayout
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, State, transition
from callora_vault.model.versions import Abi
from callora_vault.parity import outcomes
from callora_vault.parity.errors import CannotRun, Inconclusive
from callora_vault.parity.mismatch import Finding
from callora_vault.parity.network.connection import LOOK
from callora_vault.parity.steps import Age, Role, Step, Submit
from callora_vault.parity.trial import Line, Tally, Trial
from callora_vault.parity.vault.comparison import Sides, compare, stored_state
from callora_vault.parity.vault.contract import Reading, VaultContract
from callora_vault.parity.vault.table import StateClass


class VaultTrial(Trial):
    """A new instance, beside a new model.

    After a difference the model continues from the stored state; the example ends if that is not a
    valid one, or if a call was inconclusive.
    """

    def __init__(self, contract: VaultContract, tally: Tally, *, foreign: bool = False) -> None:
        super().__init__(tally, foreign=foreign)
        contract.fresh()
        self._contract = contract
        self._reading = contract.read()
        self.state: State = None

    @property
    def abi(self) -> Abi:
        """The version of the model."""
        return self._contract.abi

    @property
    def reading(self) -> Reading:
        """The vault's present entries on the ledger."""
        return self._reading

    @property
    def owner(self) -> Role | None:
        """The owner of the vault; None before init."""
        owner = None if self.state is None else self.state.owner
        return self._role(owner)

    @property
    def authorized_caller(self) -> Role | None:
        """The caller who may deduct besides the owner, or None."""
        return self._role(None if self.state is None else self.state.authorized_caller)

    def _role(self, address: Address | None) -> Role | None:
        return next((r for r, known in self._contract.addresses.items() if known == address), None)

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to pass."""
        return self._contract.can_age

    def run(self, step: Step) -> list[Finding]:
        """Run one step on both sides; return the differences. Raises CannotRun."""
        self._tally.steps += 1
        if isinstance(step, Submit):
            return self._submit(step)
        before = self._reading
        if isinstance(step, Age):
            self._contract.age(step.ledgers)
        else:
            self._contract.restore(before)
        after = self._reading = self._contract.read()
        self.lines.append(Line(step, "unchanged", "unchanged"))
        if before.instance != after.instance:
            raise CannotRun("the vault's entry changed without a call", LOOK)
        return []

    def mark(self) -> Callable[[], None] | None:
        """Mark where the example stands; what is returned goes back to it."""
        mark = self._contract.mark()
        if mark is None:
            return None
        reading, state, lines, ended = self._reading, self.state, tuple(self.lines), self.ended

        def go_back() -> None:
            self._contract.revert(mark)
            self._reading, self.state, self.lines, self.ended = reading, state, list(lines), ended

        return go_back

    def _submit(self, step: Submit) -> list[Finding]:
        contract, state = self._contract, self.state
        before = contract.past_last_ledger(self._reading)
        call = step.call(contract.addresses)
        try:
            seen = contract.submit(step, before)
        except Inconclusive as reason:
            return self._inconclusive(step, reason)
        after = self._reading = contract.read()
        signers = (
            frozenset({contract.addresses[step.signer]}) if seen.counts else frozenset[Address]()
        )
        expected = transition(state, call, signers)
        mismatches = compare(
            Sides(
                call=call,
                expected=expected,
                observation=seen,
                before=before,
                after=after,
                vault=contract.vault,
                instance_key=contract.instance_key,
                abi=contract.abi,
                code_hash=contract.code_hash,
                minimum_ttl=contract.minimum_ttl,
            )
        )
        word = outcomes.of_model(expected)
        findings = self._conclude(
            step, StateClass.of(state), word, seen, mismatches, before.instance_live_until
        )
        if findings or seen.outcome != word:
            self._follow()
        elif isinstance(expected, Accepted):
            self.state = expected.state
        return findings

    def _follow(self) -> None:
        """Let the model continue from the stored state."""
        try:
            self.state = stored_state(self._reading, self._contract.abi)
        except (CannotDecode, UnknownLayout):
            self.ended = True
