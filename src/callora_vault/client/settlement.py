"""Finds out what became of a signed transaction, and sends it while it can be applied.

A transaction is settled only by what getTransaction says of it, or as never applied when one answer
shows a close time past its max_time and an oldest ledger at or before the one noted at its
signature. With address credentials it is open for longer: the signature covers the call and not the
transaction, so anybody who saw it could use it, until it expires. What became of it shows in the
signer's nonce, which lives on for a while after its use.

What an RPC does not find says nothing before it is recognised as one of the network that the
transaction was signed for: a network that began anew knows none of its past (recognition.py). What
is settled is not asked about again.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from stellar_sdk import TransactionEnvelope, xdr
from stellar_sdk.soroban_rpc import SendTransactionStatus

from callora_vault.client.entries import JournalEntry, State
from callora_vault.client.errors import (
    AppliedByOthers,
    NetworkBehind,
    NotAccepted,
    Unknown,
    Unsettled,
)
from callora_vault.client.journal import Journal
from callora_vault.client.limits import Limits, believed_close_time
from callora_vault.client.recognition import Recognition
from callora_vault.codec.keys import instance_key, nonce_key
from callora_vault.rpc.answers import Fate, LedgerPage
from callora_vault.rpc.errors import RpcRefused, Unreachable
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import Failure, Success, Unread

_SLOW_TO_TELL: Final = ("txBAD_SEQ", "txTOO_LATE")
"""What a node may also answer for a transaction that is applied already."""
_OVER: Final = object()


class LifeEnded(Exception):
    """The network began anew while a transaction was open: it is not sent any more."""


class Settler:
    """Settles transactions of a journal on a network, whoever signed them."""

    def __init__(
        self, network: Network, journal: Journal, recognition: Recognition, limits: Limits
    ) -> None:
        self._network = network
        self._journal = journal
        self._recognition = recognition
        self._limits = limits

    def settle(self, entry: JournalEntry, until: float, *, new: bool = False) -> JournalEntry:
        """Find out what became of a transaction; send it, again and again, while it can be applied.

        What is final already is returned as it is, and nobody is asked. Arguments: `new`, whether
        it was never sent before. Raises Unsettled, NotAccepted, Unknown, AppliedByOthers,
        LifeEnded.
        """
        about = entry.key, entry.contract, entry.hash
        try:
            entry = self._settled(entry, until, new=new)
        except (Unreachable, RpcRefused, NetworkBehind) as error:
            raise Unsettled(*about, entry.max_time, str(error)) from error
        if entry.state is State.UNKNOWN:
            raise Unknown(*about, entry.signed_ledger)
        if entry.state is State.APPLIED_BY_OTHERS:
            raise AppliedByOthers(*about)
        return entry

    def _settled(self, entry: JournalEntry, until: float, *, new: bool) -> JournalEntry:
        about = entry.key, entry.contract, entry.hash
        waits = self._network.waits(until)
        refused = self._send(entry) if new else None
        while entry.state in (State.OPEN, State.UNKNOWN):
            fate = self._network.transaction(entry.hash, partial(_names, entry), until)
            state, result = self._judge(entry, fate, until)
            if state is State.OPEN and entry.state is State.UNKNOWN:
                state = State.UNKNOWN  # from a node that lags behind
            if state is not entry.state:
                entry = self._note(entry, state, result, fate, until)
                continue
            elif state is State.UNKNOWN:
                break
            if refused is not None and refused not in _SLOW_TO_TELL:
                raise NotAccepted(*about, refused, entry.max_time)
            if next(waits, _OVER) is _OVER:
                raise Unsettled(*about, entry.max_time)
            if fate.result is None and self._close_time(fate) <= entry.max_time:
                self._recognise(entry, until)
                refused = self._send(entry)
        return entry

    def _note(
        self,
        entry: JournalEntry,
        state: State,
        result: Success | Unread | Failure | None,
        fate: Fate,
        until: float,
    ) -> JournalEntry:
        """Note what became of a transaction, with its ledger where that is shown."""
        if result is None:
            self._recognise(entry, until)
            return self._journal.settle(entry, state)
        page = self._ledger_of(result.ledger, fate.applied_at)
        if page is None:
            return self._journal.settle(entry, state, result)
        life = self._journal.life(self._network.passphrase)
        if life.last is None or page.previous != life.last.hash:
            try:
                life = self._recognition.check(until).life
            except (Unreachable, RpcRefused, NetworkBehind):
                return self._journal.settle(entry, state, result)
        if life.id == entry.life:
            return self._journal.settle(entry, state, result, page.ledger)
        # it began anew since this was recognised last: before it was applied, or after
        again = self._network.transaction(entry.hash, partial(_names, entry), until)
        if again.result is not None:
            return self._journal.settle(self._journal.move(entry, life), state, result, page.ledger)
        return self._journal.settle(entry, state, result)

    def _ledger_of(self, sequence: int, applied_at: int | None) -> LedgerPage | None:
        """Return the ledger that a transaction is in, where the RPC shows it at once."""
        try:
            page = self._network.ledger(sequence, self._network.clock.now())
        except (Unreachable, RpcRefused):
            return None
        shown = page.ledger.sequence, page.ledger.close_time
        return page if shown == (sequence, applied_at) else None

    def _recognise(self, entry: JournalEntry, until: float) -> None:
        """See that the network is the one that a transaction was signed for. Raises LifeEnded."""
        if self._recognition.check(until).life.id != entry.life:
            raise LifeEnded(entry.hash)

    def _close_time(self, fate: Fate) -> int:
        network = self._network
        return believed_close_time(
            network.passphrase, fate.close_time, network.clock.utc(), self._limits
        )

    def _send(self, entry: JournalEntry) -> str | None:
        """Send a transaction; return why the network refused it, if it did."""
        try:
            answer = self._network.send(entry.envelope)
        except Unreachable:
            return None
        except RpcRefused as refused:
            return refused.message
        if answer.status != SendTransactionStatus.ERROR or answer.error_result_xdr is None:
            return None
        return xdr.TransactionResult.from_xdr(answer.error_result_xdr).result.code.name

    def _judge(
        self, entry: JournalEntry, fate: Fate, until: float
    ) -> tuple[State, Success | Unread | Failure | None]:
        """Say what one answer of getTransaction shows of a transaction."""
        if fate.result is None:
            if self._close_time(fate) <= entry.max_time:
                return State.OPEN, None
            if fate.oldest_ledger > entry.signed_ledger:
                return State.UNKNOWN, None
            return self._unused(entry, State.NEVER_APPLIED, until), None
        if not isinstance(fate.result, Failure):
            return State.APPLIED, fate.result
        state = self._unused(entry, State.FAILED, until)
        return state, fate.result if state is not State.OPEN else None

    def _unused(self, entry: JournalEntry, otherwise: State, until: float) -> State:
        """Say whether somebody used, or still can use, the signature of a transaction.

        Arguments: `otherwise`, what the transaction is when nobody did and nobody can.
        """
        if entry.signer is None or entry.nonce is None or entry.until_ledger is None:
            return otherwise
        key = nonce_key(entry.signer, entry.nonce)
        life = self._network.temporary_life(until)
        found = self._network.entries([key], until)
        if found.get(key) is not None:
            return State.APPLIED_BY_OTHERS
        if found.ledger <= entry.until_ledger:
            return State.OPEN
        # a nonce that was used in the first ledger after the signature lives at least until here
        return otherwise if found.ledger <= entry.signed_ledger + life else State.UNKNOWN


def _names(entry: JournalEntry) -> dict[bytes, str]:
    """Name the entries of the contract's instance and code that a transaction touches."""
    transaction = TransactionEnvelope.from_xdr(entry.envelope, entry.network).transaction
    assert transaction.soroban_data is not None  # noqa: S101 - signed here
    footprint = transaction.soroban_data.resources.footprint
    keys = (*footprint.read_only, *footprint.read_write)
    names = {instance_key(entry.contract).to_xdr_bytes(): "instance"} if entry.contract else {}
    names |= {key.to_xdr_bytes(): "code" for key in keys if key.contract_code is not None}
    return names
