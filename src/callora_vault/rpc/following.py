"""A contract's events from ledger to ledger, page by page, up to a ledger.

If a node stands still, or answers at once with nothing, the wait ends with Behind. If a node has
dropped ledgers, the next page begins after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventPage, ledger_of, place_of
from callora_vault.rpc.errors import Behind, RpcRefused
from callora_vault.rpc.network import Network

_OVER: Final = object()


def follow(
    network: Network,
    contract: Address,
    start: int | str,
    last: int,
    until: Callable[[], float],
) -> Iterator[EventPage]:
    """Yield pages of events until they cover the ledger `last`.

    A page covers the ledgers `page.first` to `page.through`; if `page.first` is not the next ledger
    after the page before, the RPC has dropped those between.

    Arguments: `start`, a ledger, or the cursor of a page; `until`, which returns the deadline of
    one wait: it is called again whenever the node has moved on.
    Raises Behind, and as Network.
    """
    first, cursor = ledger_of(start), start
    waits = network.waits(until())
    while True:
        page = _page(network, contract, first, cursor, until())
        if page is not None and place_of(page.cursor) > place_of(cursor):
            yield page
            first, cursor = max(first, page.through + 1), page.cursor
            if page.through >= last:
                return
            waits = network.waits(until())
            if page.through >= page.first or page.events:
                continue
        if next(waits, _OVER) is _OVER:
            raise Behind(network.name, first - 1, last)


def events_to_tip(network: Network, contract: Address, start: int | str, until: float) -> EventPage:
    """Read a contract's events up to the ledger that is the latest now, as one page.

    Its `first` is after `start` if the RPC has dropped the ledgers between.
    Raises Behind if the RPC is not at `start` yet, and as Network.
    """
    latest = max(network.tip(until).ledger, ledger_of(start))
    pages = follow(network, contract, start, latest, lambda: until)
    page = next(pages)
    first, found = page.first, [*page.events]
    for following in pages:
        if following.first > page.through + 1:
            first = following.first
        page = following
        found += page.events
    return attrs.evolve(page, events=tuple(found), first=first)


def _page(
    network: Network, contract: Address, first: int, cursor: int | str, until: float
) -> EventPage | None:
    """Read a page; if the RPC has dropped its beginning, one from its oldest ledger on.

    None if the RPC has not reached it yet.
    """
    try:
        return network.events(contract, cursor, until)
    except RpcRefused:
        oldest = network.oldest_ledger(until)
        if oldest > first:
            return network.events(contract, oldest, until)
        if network.tip(until, at_least=first).ledger < first:
            return None
        raise
