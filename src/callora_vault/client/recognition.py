"""Recognises the network that a journal knows, before anything of it is believed or sent.

The decision is in lives.py; here the RPC is asked what the decision needs, and what was decided is
noted in the journal and said: in one line, to the logger `callora_vault`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import attrs
from stellar_sdk import xdr

from callora_vault.client.entries import Life, State
from callora_vault.client.errors import NetworkBehind, OtherNetwork
from callora_vault.client.journal import Journal
from callora_vault.client.limits import BURST, PUBLIC, believed_ledger, keeps_time
from callora_vault.client.lives import (
    Anew,
    AskAccounts,
    AskBottom,
    AskLedger,
    AskTip,
    Behind,
    Look,
    Reverted,
    Same,
    Undecided,
    Verdict,
    decide,
)
from callora_vault.codec.keys import account_key
from callora_vault.rpc.answers import Anchor, LedgerPage, Tip
from callora_vault.rpc.errors import RpcRefused, Unreachable
from callora_vault.rpc.network import Network

_log: Final = logging.getLogger("callora_vault")
_OUT_OF_RANGE: Final = (-32600, -32602)
_QUESTIONS: Final = 100
"""How many questions one decision takes at most, where ledgers close meanwhile."""
_CHANGES: Final = 4
"""How often a network may begin anew while one call asks which it is."""
_STRIDE: Final = 1_000
"""How many ledgers the last one that is noted may be old."""
_KEYS: Final = 100
_OVER: Final = object()


@attrs.frozen
class Recognised:
    """The life of the network that goes on, and its latest ledger as far as it is believed."""

    life: Life
    tip: Tip


class Recognition:
    """Recognises the network of a journal behind an RPC."""

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self.done = False
        """Whether the network was recognised once."""

    def check(self, until: float) -> Recognised:
        """Recognise the network, or find that it began anew, and note that.

        Raises NetworkBehind, OtherNetwork, Unreachable, RpcRefused, WrongNetwork.
        """
        waits = self._network.waits(until)
        changes = 0
        while changes < _CHANGES:
            life = self._journal.life(self._network.passphrase)
            if life.last is None:
                _, last = self._begin(life, until)
                self.done = True
                life = self._journal.life(self._network.passphrase)
                return Recognised(life, Tip(last.sequence, last.close_time))
            verdict, look = self._judge(_ends(life), until)
            if not isinstance(verdict, Same):
                # with every ledger that is known, to see how far the life goes
                verdict, look = self._judge(self._journal.anchors(life), until)
            match verdict:
                case Same():
                    self.done = True
                    return Recognised(life, self._believed(life, look, until))
                case Behind(latest):
                    if next(waits, _OVER) is _OVER:
                        raise NetworkBehind(self._network.name, latest, life.last.sequence)
                    continue
                case Anew() | Reverted() if self._network.passphrase == PUBLIC:
                    raise OtherNetwork(self._network.name, PUBLIC, _differs(verdict, life))
                case Anew():
                    self._anew(life, until)
                case Reverted(through, broken):
                    self._reverted(life, through, broken)
                case Undecided():
                    self._undecided(life, until)
            changes += 1
        raise Unreachable(self._network.name, "its ledgers are others in every answer")

    # -- asking ------------------------------------------------------------------------------

    def _judge(self, anchors: Iterable[Anchor], until: float) -> tuple[Verdict, _Asked]:
        """Ask the RPC until it is decided."""
        anchors = tuple(anchors)
        asked = _Asked(self._network, until)
        highest = max(anchors, key=lambda anchor: anchor.sequence)
        asked.about(highest.sequence)
        for _ in range(_QUESTIONS):
            match decide(anchors, asked.look):
                case AskLedger(sequence):
                    asked.about(sequence)
                case AskTip():
                    asked.tip()
                case AskBottom():
                    asked.bottom()
                case AskAccounts(through):
                    asked.accounts(self._journal.used_sequences(self._life(), through))
                case verdict:
                    return verdict, asked
        raise Unreachable(self._network.name, "its answers on ledgers contradict each other")

    def _life(self) -> Life:
        return self._journal.life(self._network.passphrase)

    def _believed(self, life: Life, asked: _Asked, until: float) -> Tip:
        """Return the latest ledger as far as it is believed, and note it from time to time."""
        assert life.last is not None  # noqa: S101 - it was recognised by it
        network, last, look = self._network, life.last, asked.look
        seen = last.sequence, last.close_time
        ledger = believed_ledger(network.passphrase, look.latest, seen, asked.close_time)
        ahead = look.latest - last.sequence
        most = max(asked.close_time - last.close_time, 0) + BURST
        burst = not keeps_time(network.passphrase) and ahead > most
        if burst or (ahead > _STRIDE and ledger == look.latest):
            try:
                self._journal.see(life, network.ledger(look.latest, until).ledger)
            except RpcRefused as refused:
                if refused.code not in _OUT_OF_RANGE:
                    raise
                # it says that this is its latest ledger, and does not have it
                ledger = min(ledger, last.sequence + most)
        return Tip(ledger, asked.close_time)

    # -- what was decided ----------------------------------------------------------------------

    def _begin(self, life: Life, until: float) -> tuple[Anchor, Anchor]:
        """Note the first ledger that the RPC has, and its last: what a life is known by."""
        first, last = self._ends(until)
        self._journal.see(life, first, last)
        return first, last

    def _ends(self, until: float) -> tuple[Anchor, Anchor]:
        """Read the oldest and the latest ledger that the RPC has. Raises Unreachable."""
        waits = self._network.waits(until)
        while True:
            oldest, latest = self._network.span(until)
            try:
                first = self._network.ledger(oldest, until).ledger
                return first, self._network.ledger(latest, until).ledger
            except RpcRefused as refused:
                # ledgers are closed and forgotten meanwhile, or another node answers
                if refused.code not in _OUT_OF_RANGE:
                    raise
                if next(waits, _OVER) is _OVER:
                    raise Unreachable(self._network.name, "it does not keep its ledgers") from None

    def _anew(self, life: Life, until: float) -> None:
        """End a life, and begin another, or go on with one that was left."""
        self._network.begin_anew()
        for other in reversed(self._journal.lives(life.network)):
            if other.last is not None and other.last.hash and other.id != life.id:
                verdict, asked = self._judge([other.last], until)
                if isinstance(verdict, Same) and other.last.sequence in asked.look.found:
                    self._journal.end_life(life, "another life of the network was met again", other)
                    _log.warning(
                        "%s: this is life %d of the network %r again; requests of life %d are kept "
                        "apart (callora-vault journal list)",
                        *(self._network.name, other.id, life.network, life.id),
                    )
                    return
        begun = self._journal.end_life(life, "the network began anew")
        if begun.last is not None:
            return  # another process was faster
        first, _ = self._begin(begun, until)
        kept = len(self._journal.listed(life.network, *State, life=life))
        _log.warning(
            "%s: the network %r began anew at ledger %d, closed %s; %d earlier transactions of it "
            "are kept apart as life %d (callora-vault journal list)",
            *(self._network.name, life.network, first.sequence, _moment(first)),
            *(kept, life.id),
        )

    def _reverted(self, life: Life, through: Anchor, broken: int) -> None:
        self._network.begin_anew()
        undone = self._journal.revert(life, through, broken)
        _log.warning(
            "%s: the network %r was reverted: its ledger %d is another one, and up to ledger %d "
            "it is the same; %d transactions that were in later ledgers are kept apart "
            "(callora-vault journal list)",
            *(self._network.name, life.network, broken, through.sequence, undone),
        )

    def _undecided(self, life: Life, until: float) -> None:
        _, tip = self._ends(until)
        doubted = self._journal.doubt(life, tip)
        _log.warning(
            "%s: nothing that this RPC keeps of the network %r is as old as the journal; it is "
            "taken to be the same network: what is applied stays so, and %d open transactions are "
            "unknown now (callora-vault journal new-life, if the network began anew)",
            *(self._network.name, life.network, doubted),
        )


class _Asked:
    """What an RPC was asked about its ledgers, and what it said."""

    def __init__(self, network: Network, until: float) -> None:
        self._network = network
        self._until = until
        self.look = Look(0, -1)
        self.close_time = 0

    def about(self, sequence: int) -> None:
        """Ask for a ledger; where it is out of range, for the range."""
        page = self._page(sequence)
        if page is None:
            return
        found = page.ledger if page.ledger.sequence == sequence else None
        self._look(found={**self.look.found, sequence: found})

    def tip(self) -> None:
        """Ask for the latest ledger."""
        page = self._page(self.look.latest)
        if page is not None:
            self._look(tip=page.ledger)

    def bottom(self) -> None:
        """Ask for the oldest ledger."""
        page = self._page(self.look.oldest)
        if page is not None:
            self._look(bottom=page.ledger)

    def accounts(self, used: dict[str, int]) -> None:
        """Ask for the sequence numbers of accounts: has one fallen, does one stand?"""
        fell = stands = False
        accounts = sorted(used)
        for start in range(0, len(accounts), _KEYS):
            keys = {account_key(a): used[a] for a in accounts[start : start + _KEYS]}
            found = self._network.entries(list(keys), self._until)
            for key, sequence in keys.items():
                entry = found.get(key)
                account = None if entry is None else xdr.LedgerEntryData.from_xdr(entry.xdr).account
                if account is not None:
                    lower = account.seq_num.sequence_number.int64 < sequence
                    fell, stands = fell or lower, stands or not lower
        self._look(fell=fell, stands=stands)

    def _page(self, sequence: int) -> LedgerPage | None:
        try:
            page = self._network.ledger(sequence, self._until)
        except RpcRefused as refused:
            if refused.code not in _OUT_OF_RANGE:
                raise
            oldest, latest = self._network.span(self._until)
            self._look(oldest=oldest, latest=latest)
            return None
        self._look(oldest=page.oldest, latest=page.latest)
        self.close_time = page.close_time
        return page

    def _look(self, **changes: Any) -> None:
        self.look = attrs.evolve(self.look, **changes)


def _ends(life: Life) -> tuple[Anchor, ...]:
    return tuple(anchor for anchor in (life.first, life.last) if anchor is not None)


def _differs(verdict: Verdict, life: Life) -> int:
    assert life.last is not None  # noqa: S101 - it was judged by it
    return verdict.broken if isinstance(verdict, Reverted) else life.last.sequence


def _moment(anchor: Anchor) -> str:
    return datetime.fromtimestamp(anchor.close_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
