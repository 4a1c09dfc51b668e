"""The report of a run: contract, network, findings, and the verdict."""

from __future__ import annotations

from enum import Enum

import attrs

from callora_vault.parity.campaign import Campaign
from callora_vault.parity.coverage import Table
from callora_vault.parity.target import Target


class Verdict(Enum):
    """The result of a run; the value is its word in JSON."""

    AGREE = "agree"
    DIVERGE = "diverge"
    ERROR = "error"

    @property
    def exit_code(self) -> int:
        """0 agree, 1 diverge, 2 could not run."""
        return {Verdict.AGREE: 0, Verdict.DIVERGE: 1, Verdict.ERROR: 2}[self]


@attrs.frozen
class Report:
    """A run with its contract, its model and its network."""

    target: Target
    model: str
    table: Table
    network: str
    can_age: bool
    campaign: Campaign

    @property
    def missed(self) -> list[str]:
        """What the run must reach and has not."""
        coverage = self.campaign.tally.coverage
        return coverage.missed(self.table, self.target.functions, can_age=self.can_age)

    @property
    def verdict(self) -> Verdict:
        """A divergence decides; without any, only a complete run agrees."""
        if self.campaign.divergences:
            return Verdict.DIVERGE
        if self.campaign.error is not None or self.inconclusive or self.missed:
            return Verdict.ERROR
        return Verdict.AGREE

    @property
    def reason(self) -> str | None:
        """Why a run has no verdict; None if it agrees or diverges."""
        if self.verdict is not Verdict.ERROR:
            return None
        if self.campaign.error is not None:
            return str(self.campaign.error)
        if self.inconclusive is not None:
            return self.inconclusive
        return f"{len(self.missed)} reachable outcomes were never reached: {'; '.join(self.missed)}"

    @property
    def inconclusive(self) -> str | None:
        """The inconclusive calls in words; None if there were none."""
        counts = self.campaign.tally.inconclusive
        if not counts:
            return None
        calls = "1 call was" if counts.total() == 1 else f"{counts.total()} calls were"
        return f"{calls} inconclusive: {'; '.join(sorted(counts))}"

    @property
    def not_compared(self) -> list[str]:
        """What the comparison left out."""
        listed = [
            f"{method}: the contract has no such method"
            for method in self.table.methods
            if method not in self.target.functions
        ]
        uncounted = self.campaign.tally.uncounted
        if uncounted:
            listed.append(f"error numbers of {uncounted} refusals that ended in a trap")
        if self.inconclusive is not None:
            listed.append(self.inconclusive)
        if not self.can_age:
            listed.append("renewal and restoration: this network's clock cannot be moved")
        return listed
