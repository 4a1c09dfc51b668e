"""What a difference between model and contract is: its words, and what tells it from others."""

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
"""What makes a divergence distinct: method, state class, expected, observed."""


@attrs.frozen
class Mismatch:
    """One thing that differs: both sides as stable words, and in full for people."""

    expected: str
    observed: str
    detail: str


@attrs.frozen
class Finding:
    """A difference in one step: what tells it from others, and its detail for people."""

    method: str
    state: str
    expected: str
    observed: str
    detail: str = attrs.field(eq=False)

    @classmethod
    def of(cls, method: str, state: str, mismatch: Mismatch) -> Finding:
        """Name what differs after a call of `method` in a state class."""
        if mismatch.observed.split(":")[0] == outcomes.MISSING_METHOD:
            # one finding, whatever was expected of the method
            return cls(method, "any", "present", outcomes.MISSING_METHOD, "no such method")
        return cls(method, state, mismatch.expected, mismatch.observed, mismatch.detail)

    @property
    def key(self) -> Key:
        """What makes a divergence distinct."""
        return self.method, self.state, self.expected, self.observed


def unchanged(expected: str, before: object, after: object) -> list[Mismatch]:
    """List nothing, unless a refused call changed what was read."""
    if before == after:
        return []
    detail = "a refused call changed a stored entry or its life"
    return [Mismatch(expected, expected + CHANGED, detail)]


def simulated(expected: str, seen: Observation) -> list[Mismatch]:
    """List where simulation, with the signature and as if signed, says otherwise."""
    found = []
    if seen.enforced != seen.outcome:
        detail = f"simulated with its signature: {seen.enforced}"
        found.append(Mismatch(expected, seen.outcome + ENFORCING, detail))
    if seen.recorded != seen.outcome != outcomes.UNSIGNED:
        detail = f"simulated as if signed: {seen.recorded}"
        found.append(Mismatch(expected, seen.outcome + RECORDING, detail))
    return found


def runs(stored: StoredVault, code_hash: bytes) -> bool:
    """Tell whether an instance has the code of this hash."""
    found = stored.executable.wasm_hash
    return found is not None and found.hash == code_hash
