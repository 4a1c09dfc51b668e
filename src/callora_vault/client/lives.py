"""Is this the network that the journal knows? A pure decision over ledgers.

Theory of operation
===================

A network is more than its passphrase: a local network that is started again has the same one, and
so has a test network after a reset. What tells them apart is their ledgers. An *anchor* is a ledger
as an RPC told it: sequence, hash, close time. A *life* is one history of ledgers; the journal keeps
its first and last anchor, and the ledger of each transaction that was applied in it.

An RPC that lags behind, or forgot its past, must never look like a new network: that would free
request keys that are applied, and charge twice. So a life ends by evidence alone:

    anchors within what the RPC keeps    the highest is asked for
        the same hash                    SAME: every hash has the one before in it
        another, and a lower one equal   REVERTED from there on
        another, and none is equal       ANEW; but REVERTED where older anchors are forgotten, and
                                         accounts are as far as they were in those ledgers
    all above its latest ledger
        that was closed after the last   ANEW: the number fell and the time rose
        it was not                       BEHIND: wait
    all below its oldest ledger
        that was closed before the last  ANEW: the number rose and the time fell
        an account's number is lower     ANEW: sequence numbers never fall
        neither                          UNDECIDED: the same life, and that is said

Ledgers of one second may share a close time on a local network, so equal times are no evidence.
An anchor without a hash is one of an older journal: it has only a number and a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import attrs

from callora_vault.rpc.answers import Anchor


@attrs.frozen
class Look:
    """What an RPC has told so far.

    `oldest` and `latest` are of one answer. `found` has what it answered for a sequence: that
    ledger, or None where it has none with this number. `tip` is a ledger that was its latest a
    moment ago, `bottom` one that was its oldest; `fell`, whether an account has a lower sequence
    number than one that it used, and `stands`, whether one has not, up to the ledger asked about.
    """

    oldest: int
    latest: int
    found: Mapping[int, Anchor | None] = attrs.Factory(dict)
    tip: Anchor | None = None
    bottom: Anchor | None = None
    fell: bool | None = None
    stands: bool = False


@attrs.frozen
class AskLedger:
    """The ledger `sequence` decides."""

    sequence: int


@attrs.frozen
class AskTip:
    """The close time of the latest ledger decides."""


@attrs.frozen
class AskBottom:
    """The close time of the oldest ledger decides."""


@attrs.frozen
class AskAccounts:
    """The sequence numbers of the accounts decide, as they were used up to the ledger `through`."""

    through: int


@attrs.frozen
class Same:
    """The network is the one that is known."""


@attrs.frozen
class Anew:
    """The network began anew."""


@attrs.frozen
class Behind:
    """The RPC is behind what was seen of the network: its latest ledger is `latest`."""

    latest: int


@attrs.frozen
class Undecided:
    """Nothing that the RPC keeps tells whether it is the same network."""


@attrs.frozen
class Reverted:
    """The network went back to where it was, and on from there another way.

    Up to and in `through` it is the one that is known; from the ledger `broken` on it is not.
    """

    through: Anchor
    broken: int


Question: TypeAlias = AskLedger | AskTip | AskBottom | AskAccounts
Verdict: TypeAlias = Same | Anew | Behind | Undecided | Reverted


def decide(anchors: Iterable[Anchor], look: Look) -> Question | Verdict:
    """Say what an RPC is by what it has told, or what to ask it next.

    Arguments: `anchors`, one at least.
    """
    known = sorted(set(anchors), key=lambda anchor: anchor.sequence)
    proved = [anchor for anchor in known if anchor.hash]
    within = [a for a in proved if look.oldest <= a.sequence <= look.latest]
    if within:
        return _by_hash(known, within, look)
    return _by_time(known, look)


def _by_hash(known: Sequence[Anchor], within: Sequence[Anchor], look: Look) -> Question | Verdict:
    equal, other = -1, len(within)
    place = len(within) - 1
    while other - equal > 1:
        if within[place].sequence not in look.found:
            return AskLedger(within[place].sequence)
        found = look.found[within[place].sequence]
        if found is not None and found.hash == within[place].hash:
            equal = place
        else:
            other = place
        place = (equal + other) // 2
    if equal < 0:
        return _by_accounts([a for a in known if a.sequence < look.oldest], within[0], look)
    through, last = within[equal], known[-1]
    if other < len(within):
        return Reverted(through, within[other].sequence)
    if last.sequence <= look.latest:
        return Same()
    # the RPC lags behind, or it was reverted to a ledger in between and went on from there
    if look.tip is None or look.tip.sequence >= last.sequence:
        return AskTip()
    if look.tip.close_time > last.close_time:
        above = (anchor.sequence for anchor in known if anchor.sequence > look.latest)
        return Reverted(through, min(above))
    return Same()


def _by_accounts(forgotten: Sequence[Anchor], other: Anchor, look: Look) -> Question | Verdict:
    """Say whether what the RPC has forgotten was the same before the ledger that is another."""
    if not forgotten:
        return Anew()
    if look.fell is None:
        return AskAccounts(forgotten[-1].sequence)
    if look.fell or not look.stands:
        return Anew()
    return Reverted(forgotten[-1], other.sequence)


def _by_time(known: Sequence[Anchor], look: Look) -> Question | Verdict:
    last = known[-1]
    below = [anchor for anchor in known if anchor.sequence < look.oldest]
    if last.sequence > look.latest:
        if look.tip is None:
            return AskTip()
        if look.tip.sequence < last.sequence and look.tip.close_time > last.close_time:
            return Anew()
    if below:
        if look.bottom is None:
            return AskBottom()
        if look.bottom.close_time < below[-1].close_time:
            return Anew()
    if last.sequence > look.latest:
        return Behind(look.latest)
    if look.fell is None:
        return AskAccounts(last.sequence)
    return Anew() if look.fell else Undecided()
