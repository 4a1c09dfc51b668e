"""Redirecting a name to the new vault after verification, and listing calls of the old one."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from callora_vault.directory import Listed, VaultDirectory
from callora_vault.inspect import Span
from callora_vault.migration.errors import HistoryGone, NotVerified
from callora_vault.migration.plan import Plan
from callora_vault.migration.verify import Late, Verification, late_call
from callora_vault.model.events import WithdrawEvent
from callora_vault.model.units import Address, BadValue
from callora_vault.rpc.answers import ledger_of
from callora_vault.rpc.following import events_to_tip
from callora_vault.rpc.network import Network


def redirect(
    directory: VaultDirectory, name: str, plan: Plan, verification: Verification
) -> Listed:
    """Let a name stand for the new vault. Repeated, it changes nothing.

    Raises NotVerified, and as `VaultDirectory.point`.
    """
    if verification.old != plan.old:
        reason = f"this verification is that of {verification.old}"
        raise NotVerified(plan.old, verification.new, (reason,))
    if not verification.passed:
        raise NotVerified(verification.old, verification.new, verification.failed)
    return directory.point(plan.network, name, verification.new, instead_of=plan.old)


@attrs.frozen
class Watched:
    """Calls that reached a retired vault, up to and in the ledger `through`.

    `cursor` is the start of the next look. `missed` are the ledgers before `since`, from the one
    that was asked for, that the RPC no longer has: calls in them are unknown.
    """

    contract: Address
    since: int
    through: int
    cursor: str
    calls: tuple[Late, ...]
    missed: Span | None = None


def watch(network: Network, contract: Address, start: int | str | None, until: float) -> Watched:
    """Look for calls that reached a retired vault.

    Arguments: `start`, a ledger, or the cursor of the look before; None for all that the RPC has
    after the last withdrawal that emptied the vault.
    Raises HistoryGone for a ledger that the RPC no longer has, BadValue for a ledger in the future,
    Behind if the RPC is not at the cursor yet, and as Network.
    """
    oldest = network.oldest_ledger(until)
    if isinstance(start, int) and start < oldest:
        raise HistoryGone(contract, start)
    if isinstance(start, int) and start > (latest := network.tip(until).ledger):
        raise BadValue("since", f"ledger {start:,} has not closed yet; the latest is {latest:,}")
    asked = oldest if start is None else start
    page = events_to_tip(network, contract, asked, until)
    calls = [late_call(record) for record in page.events]
    if start is None:
        calls = list(_after_the_last_emptying(calls))
    missed = None
    if isinstance(asked, str) and page.first > (first := ledger_of(asked) + 1):
        missed = Span(first, page.first - 1)
    return Watched(contract, page.first, page.through, page.cursor, tuple(calls), missed)


def _after_the_last_emptying(calls: list[Late]) -> Iterator[Late]:
    first = 0
    for number, call in enumerate(calls, 1):
        if isinstance(call.event, WithdrawEvent) and call.event.balance == 0:
            first = number
    yield from calls[first:]
