"""Which life of a network an RPC is of: one that begins anew keeps its passphrase.

An anchor is a ledger as an RPC told of it once. Where the ledger of that number has another hash
now, the network began anew. A node that lags behind, or has dropped old ledgers, is no new network.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import attrs
from stellar_sdk.soroban_rpc import GetLedgersResponse


@attrs.frozen
class Anchor:
    """A closed ledger: its sequence, its hash in hex, its close time in seconds since 1970."""

    sequence: int
    hash: str
    close_time: int


@attrs.frozen
class Window:
    """What one answer says of the ledgers that an RPC has.

    `oldest` and `tip` are sequences, `oldest_closed` and `tip_closed` their close times in seconds
    since 1970. `first` is the first ledger from the one on that was asked for.
    """

    oldest: int
    oldest_closed: int
    tip: int
    tip_closed: int
    first: Anchor


class Life(Enum):
    """What anchors show of a network."""

    SAME = "same"
    ANEW = "anew"
    """It began anew since the anchors were noted."""
    BEHIND = "behind"
    """The node has not reached the anchors yet."""
    UNDECIDED = "undecided"
    """The node has dropped all of the anchors."""


def read_window(answer: GetLedgersResponse) -> Window:
    """Read the answer of getLedgers. Raises ValueError for one without a ledger."""
    if not answer.ledgers:
        raise ValueError("an answer without a ledger")
    first = answer.ledgers[0]
    return Window(
        answer.oldest_ledger,
        answer.oldest_ledger_close_time,
        answer.latest_ledger,
        answer.latest_ledger_close_time,
        Anchor(first.sequence, first.hash, first.ledger_close_time),
    )


def within(anchors: Iterable[Anchor], window: Window) -> Anchor | None:
    """Return the highest anchor that the RPC still has, or has already; None for none."""
    found = (a for a in anchors if window.oldest <= a.sequence <= window.tip)
    return max(found, key=lambda anchor: anchor.sequence, default=None)


def judge(anchors: Iterable[Anchor], window: Window) -> Life:
    """Say which life of the network a window shows.

    Arguments: `anchors`, at least one; `window`, whose `first` was asked for by the anchor that
    `within` returns, where there is one.
    """
    noted = within(anchors, window)
    if noted is not None:
        return Life.SAME if window.first == noted else Life.ANEW
    last = max(anchors, key=lambda anchor: anchor.sequence)
    if last.sequence > window.tip:
        # the number fell: with a later time it is another count, otherwise an older node
        return Life.ANEW if window.tip_closed > last.close_time else Life.BEHIND
    # two ledgers of a local network may share a second
    return Life.ANEW if window.oldest_closed < last.close_time else Life.UNDECIDED
