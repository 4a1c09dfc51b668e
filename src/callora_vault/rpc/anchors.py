"""Which life of a network an RPC is of: one that begins anew keeps its passphrase.

If the ledger of an anchor's sequence has another hash now, the network began anew. A node that lags
behind, or has dropped old ledgers, is not a new network.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from callora_vault.rpc.answers import Anchor, LedgerPage


class Life(Enum):
    """What anchors show of a network."""

    SAME = "same"
    ANEW = "anew"
    """It began anew since the anchors were noted."""
    BEHIND = "behind"
    """The node has not reached the anchors yet."""
    UNDECIDED = "undecided"
    """The node has dropped all of the anchors."""


def within(anchors: Iterable[Anchor], page: LedgerPage) -> Anchor | None:
    """Return the highest anchor among the ledgers that the RPC has, None if there is none."""
    found = (a for a in anchors if page.oldest <= a.sequence <= page.latest)
    return max(found, key=lambda anchor: anchor.sequence, default=None)


def judge(anchors: Iterable[Anchor], page: LedgerPage) -> Life:
    """Return the life of the network that a page shows.

    Arguments: `anchors`, at least one; `page`, which was requested with the sequence of the anchor
    that `within` returns, if there is one.
    """
    noted = within(anchors, page)
    if noted is not None:
        return Life.SAME if page.ledger == noted else Life.ANEW
    last = max(anchors, key=lambda anchor: anchor.sequence)
    if last.sequence > page.latest:
        # the number fell: with a later time it is another count, otherwise an older node
        return Life.ANEW if page.close_time > last.close_time else Life.BEHIND
    # two ledgers of a local network may share a second
    return Life.ANEW if page.oldest_closed < last.close_time else Life.UNDECIDED
