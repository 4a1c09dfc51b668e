"""A difference between model and contract: its words, and its key."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from callora_vault.codec.entries import StoredVault
from callora_vault.parity import outcomes
from callora_vault.parity.network.observation import Observation

WRONG_RETURN: Final = "accepted:wrong-return"
WRONG_EVENTS: Final = "accepted:wrong-events"
EXTRA_ENTRY: Final = "accepted:extra-entry"
CHANGED: Final = ":changed-entry"
RECORDING: Final = ":recording-differs"
ENFORCING: Final = ":enforcing-differs"


Key: TypeAlias = tuple[str, str, str, str]
"""The key of a divergence: method, state class, expected, observed."""


@attrs.frozen
class Mismatch:
    """One difference: both sides as stable words, and in full for people."""

    expected: str
    observed: str
    detail: str


@attrs.frozen
class Finding:
    """A difference in one step: its key, and its detail for people."""

    method: str
    state: str
    expected: str
    observed: str
    detail: str = attrs.field(eq=False)

    @classmethod
    def of(cls, method: str, state: str, mismatch: Mismatch) -> Finding:
        """Build the finding of a difference after a call of `method` in a state class."""
        if mismatch.observed.split(":")[0] == outcomes.MISSING_METHOD:
            # one finding, whatever was expected of the method
            detail = "the contract has no such method"
            return cls(method, "any", "present", outcomes.MISSING_METHOD, detail)
        return cls(method, state, mismatch.expected, mismatch.observed, mismatch.detail)

    @property
    def key(self) -> Key:
        """The key of the divergence."""
        return self.method, self.state, self.expected, self.observed


def unchanged(expected: str, before: object, after: object) -> list[Mismatch]:
    """List a difference if a refused call changed the ledger."""
    if before == after:
        return []
    detail = "a refused call changed a stored entry or its TTL"
    return [Mismatch(expected, expected + CHANGED, detail)]


def simulated(expected: str, seen: Observation) -> list[Mismatch]:
    """List differences of the simulations, with the signature and without, from the outcome."""
    found = []
    if seen.enforced != seen.outcome:
        detail = f"the simulation with its signature says {seen.enforced}"
        found.append(Mismatch(expected, seen.outcome + ENFORCING, detail))
    if seen.recorded != seen.outcome != outcomes.UNSIGNED:
        detail = f"the simulation without a signature says {seen.recorded}"
        found.append(Mismatch(expected, seen.outcome + RECORDING, detail))
    return found


def runs(stored: StoredVault, code_hash: bytes) -> bool:
    """Return whether an instance runs the code of this hash."""
    found = stored.executable.wasm_hash
    return found is not None and found.hash == code_hash
