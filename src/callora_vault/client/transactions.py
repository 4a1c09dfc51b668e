"""Exactly once: simulate, check, sign, note in the journal, send, settle.

What is applied under a request key is returned as the journal has it, and no RPC is asked. What is
open is settled first (settlement.py); only then is something new signed, for the life of the
network that goes on (recognition.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import attrs
from stellar_sdk import (
    DecoratedSignature,
    Preconditions,
    TimeBounds,
    Transaction,
    TransactionEnvelope,
    xdr,
)
from stellar_sdk.operation import InvokeHostFunction

from callora_vault.client import approval, limits, signing
from callora_vault.client.approval import Expected
from callora_vault.client.entries import FREE, Conflict, JournalEntry, NewTransaction, State
from callora_vault.client.errors import (
    AppliedByOthers,
    BadKey,
    ClockSkew,
    KeyReused,
    NetworkBehind,
    NeverApplied,
    NotAccepted,
    SourceBusy,
    Unknown,
    Unsettled,
)
from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import CLOCK_WARNING, Limits
from callora_vault.client.recognition import Recognised, Recognition
from callora_vault.client.settlement import LifeEnded, Settler
from callora_vault.codec.calls import identity
from callora_vault.codec.errors import HostError
from callora_vault.model.units import Address, Symbol
from callora_vault.rpc.answers import Simulation
from callora_vault.rpc.errors import RpcRefused, Unreachable
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import RETRYABLE, Failure

FAILURES: Final = 3
"""How often a call may fail because the ledger moved, before it is given up."""

_log: Final = logging.getLogger("callora_vault")


@attrs.frozen
class Action:
    """Something to do once: `key` names it within `scope`, `request` says what it is, for people.

    `contract` is what it calls or makes, "" for none. `request_ids` are those in the call: each is
    taken once.
    """

    scope: str
    key: str
    contract: Address
    request: str
    function: xdr.HostFunction
    expected: Expected
    by_address: bool = False
    """Whether the signer signs with address credentials, instead of the whole transaction."""
    request_ids: tuple[Symbol, ...] = ()

    @property
    def call(self) -> str:
        """What makes this and another one the same request: a hash of the XDR."""
        return identity(self.function)


NOBODY: Final = "GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF"
"""The account of the all-zero key: a source for simulations, which need none that exists."""


class Transactions:
    """Sends transactions of one account, each with its fate in the journal.

    In one process one call at a time goes on for an account and a journal; other threads wait. The
    account must be used with no other journal.

    Arguments: `source` pays and has the sequence numbers, None where nothing is to be signed;
    `signers`, everybody who can sign.
    """

    def __init__(
        self,
        network: Network,
        journal: Journal,
        source: Signer | None,
        signers: Mapping[Address, Signer],
        limits: Limits,
    ) -> None:
        self._network = network
        self._journal = journal
        self._source = source
        self._signers = signers
        self._limits = limits
        self._recognition = Recognition(network, journal)
        self._settler = Settler(network, journal, self._recognition, limits)
        self._warned = False
        self._known: Recognised | None = None
        """What was recognised for this call already."""
        self._next: tuple[int, int] | None = None
        """The life, and the sequence number that the account uses next in it."""

    def applied(self, scope: str, key: str, call: str, request: str) -> JournalEntry | None:
        """Return what is applied under a key as the journal has it, None where nothing is.

        The network is recognised once, with the first call; after that nobody is asked. An RPC that
        cannot be asked, or is behind, changes nothing. Arguments: `call` and `request`, as in the
        journal. Raises KeyReused, OtherNetwork, WrongNetwork, JournalUnusable.
        """
        entry = self._journal.find(self._network.passphrase, scope, key)
        if entry is not None and entry.state is State.APPLIED and not self._recognition.done:
            self._recognise_at_once()
            entry = self._journal.find(self._network.passphrase, scope, key)
        if entry is None or entry.state in FREE:
            return None
        _check_same(entry, key, call, request)
        return entry if entry.state is State.APPLIED else None

    def recognise(self, until: float) -> None:
        """Recognise the network, once, before anything is read of it. Raises as `resume`."""
        self._known = None if self._recognition.done else self._recognition.check(until)

    def _recognise_at_once(self) -> None:
        with suppress(Unreachable, RpcRefused, NetworkBehind):  # what is applied stays so
            self._recognition.check(self._network.clock.now())

    def holders(
        self, scope: str, contract: Address | None, request_ids: tuple[Symbol, ...], until: float
    ) -> dict[Symbol, JournalEntry]:
        """Return which request ids other transactions have taken; open ones are settled first.

        Raises OtherNetwork, WrongNetwork, JournalUnusable.
        """
        life = self._journal.life(self._network.passphrase)
        held = self._journal.holders(life, scope, contract, request_ids)
        if not held:
            return held
        if not self._recognition.done:
            self._recognise_at_once()
        for entry in {entry.id: entry for entry in held.values()}.values():
            # otherwise it has its request ids still, or its life is over
            with suppress(Unsettled, NotAccepted, Unknown, AppliedByOthers, LifeEnded):
                self._settler.settle(entry, until)
        life = self._journal.life(self._network.passphrase)
        return self._journal.holders(life, scope, contract, request_ids)

    def submit(self, action: Action, until: float) -> tuple[JournalEntry, bool]:
        """Do something once; return its transaction, applied or failed.

        The second value says whether it was applied by an earlier call under this key. `until` is a
        moment of the network's clock. Raises what errors.py has; after Unsettled, NotAccepted and
        JournalUnusable a transaction may be open, and the same key continues it.
        """
        done = self.applied(action.scope, action.key, action.call, action.request)
        if done is not None:
            return done, True
        with self._turn(action, until):
            return self._submit(action, until)

    def _submit(self, action: Action, until: float) -> tuple[JournalEntry, bool]:
        failures = 0
        waits = self._network.waits(until)
        while True:
            try:
                known = self._known or self._recognition.check(until)
                self._known = None
                done = self._earlier(known, action, until)
                if done is not None:
                    return done, True
                self._free_source(known, until)
                entry = self._sign_and_note(known, action, until)
                entry = self._settler.settle(entry, until, new=True)
            except (Conflict, LifeEnded) as other:
                self._next = None
                # another process was faster, or the network began anew: look at what there is
                if next(waits, _OVER) is _OVER:
                    raise self._in_the_way(action) from other
                continue
            used = entry.state is not State.NEVER_APPLIED
            self._next = (entry.life, entry.sequence + 1) if used else None
            if entry.state is State.APPLIED:
                return entry, False
            if isinstance(entry.result, Failure):
                failures += 1
                if not _is_retryable(entry.result) or failures == FAILURES:
                    return entry, False
            elif next(waits, _OVER) is _OVER:
                raise NeverApplied(entry.key, entry.contract, entry.hash)

    def _in_the_way(self, action: Action) -> SourceBusy | NeverApplied:
        """Say why nothing could be noted for an action until the time was up."""
        account = self._payer.address
        life = self._journal.life(self._network.passphrase)
        last = self._journal.find_in(life, action.scope, action.key)
        if last is not None and last.state is State.NEVER_APPLIED:
            return NeverApplied(last.key, last.contract, last.hash)
        busy = self._journal.open_of(life, account)
        if busy is None:
            return SourceBusy(account, action.key, 0)
        return SourceBusy(account, busy.key, busy.max_time)

    @contextmanager
    def _turn(self, action: Action, until: float) -> Iterator[None]:
        """Be the only thread of this process that signs with the account. Raises SourceBusy."""
        account = self._payer.address
        turn = self._journal.turn(self._network.passphrase, account)
        if not turn.acquire(timeout=max(until - self._network.clock.now(), 0)):
            raise SourceBusy(account, action.key, 0)
        try:
            yield
        finally:
            turn.release()

    def resume(self, until: float) -> tuple[JournalEntry, ...]:
        """Settle all that is open in the journal on this network, whoever signed it.

        Returns every transaction that was open, as far as it is known now: what stays OPEN was not
        settled in time. Raises NetworkBehind, OtherNetwork, and as Network.
        """
        opened = self._journal.listed(self._network.passphrase, State.OPEN)
        if not opened:
            return ()
        life = self._recognition.check(until).life
        found = []
        for entry in self._journal.listed(self._network.passphrase, State.OPEN, life=life):
            try:
                found.append(self._settler.settle(entry, until))
            except (Unsettled, NotAccepted):
                found.append(entry)
            except (Unknown, AppliedByOthers) as known:
                found.append(attrs.evolve(entry, state=_STATES[type(known)]))
            except LifeEnded:
                break
        doubted = {entry.id for entry in opened} - {entry.id for entry in found}
        unknown = self._journal.listed(self._network.passphrase, State.UNKNOWN, life=life)
        return (*found, *(entry for entry in unknown if entry.id in doubted))

    @property
    def _payer(self) -> Signer:
        if self._source is None:
            raise BadKey("this client", "it has no account that pays", "give a source to it")
        return self._source

    # -- before anything is signed -----------------------------------------------------------

    def _earlier(self, known: Recognised, action: Action, until: float) -> JournalEntry | None:
        """Return what was applied under this key; settle what is open under it first."""
        entry = self._journal.find_in(known.life, action.scope, action.key)
        if entry is None or entry.state in FREE:
            return None
        _check_same(entry, action.key, action.call, action.request)
        entry = self._settler.settle(entry, until)
        return entry if entry.state is State.APPLIED else None

    def _free_source(self, known: Recognised, until: float) -> None:
        """Settle an open transaction of this account: its sequence number decides the next."""
        entry = self._journal.open_of(known.life, self._payer.address)
        if entry is None:
            return
        self._next = None
        try:
            self._settler.settle(entry, until)
        except (Unsettled, NotAccepted) as busy:
            raise SourceBusy(entry.source, entry.key, entry.max_time) from busy
        except (Unknown, AppliedByOthers):
            pass  # told to whoever repeats that request

    def _next_sequence(self, known: Recognised, until: float) -> int:
        account = self._payer.address
        used = self._journal.last_sequence(known.life, account)
        if self._next == (known.life.id, used + 1):
            return used + 1
        # the RPC may hand out an old number just after a transaction
        found = self._network.sequence(account, until)
        last = known.life.last
        if found < used and last is not None and known.tip.ledger < last.sequence:
            # it may lag, or the network was set back: what would be signed here could be void
            raise NetworkBehind(self._network.name, known.tip.ledger, last.sequence)
        return max(found, used) + 1

    def _check_clock(self, known: Recognised) -> None:
        """Compare the latest close time with the local clock. Raises ClockSkew."""
        network = self._network
        skew = known.tip.close_time - network.clock.utc()
        if limits.keeps_time(network.passphrase):
            if abs(skew) > self._limits.clock_skew:
                raise ClockSkew(network.name, skew, self._limits.clock_skew)
        elif abs(skew) > CLOCK_WARNING and not self._warned:
            self._warned = True
            _log.warning(
                "%s: the latest ledger was closed %s seconds %s this machine's clock; what is "
                "signed counts by the later of both",
                network.name,
                f"{abs(skew):,.0f}",
                "ahead of" if skew > 0 else "before",
            )

    def _sign_and_note(self, known: Recognised, action: Action, until: float) -> JournalEntry:
        network, expected = self._network, action.expected
        self._check_clock(known)
        tip, passphrase = known.tip, network.passphrase
        operation = InvokeHostFunction(action.function, source=self._operation_source(action))
        envelope = _envelope(self._payer.address, operation, passphrase)
        simulation = network.simulate(envelope, until)
        nonce = signing.fresh_nonce()
        data = approval.check(
            simulation,
            expected,
            by_address=action.by_address,
            nonce=nonce,
            fee_limit=self._limits.resource_fee,
            headroom=self._limits.rent_headroom,
        )
        sequence = self._next_sequence(known, until)
        until_ledger = limits.until_ledger(tip.ledger, simulation.ledger, passphrase, self._limits)
        if action.by_address and expected.signer is not None:
            signer = self._signers[expected.signer]
            operation.auth = [
                signing.authorise(
                    expected,
                    signer,
                    nonce=nonce,
                    until_ledger=until_ledger,
                    passphrase=passphrase,
                )
            ]
        elif expected.signer is not None:
            operation.auth = [signing.by_source(expected)]
        max_time = limits.max_time(passphrase, tip.close_time, network.clock.utc(), self._limits)
        transaction = envelope.transaction
        transaction.sequence = sequence
        transaction.preconditions = Preconditions(time_bounds=TimeBounds(0, max_time))
        transaction.soroban_data = data
        transaction.fee = self._limits.inclusion_fee + data.resource_fee.int64
        transaction_hash = envelope.hash()
        for signer in self._envelope_signers(action):
            hint = signer.public_key[-4:]
            signature = signer.sign(transaction_hash)
            envelope.signatures.append(DecoratedSignature(hint, signature))
        return self._journal.add(
            NewTransaction(
                network=passphrase,
                life=known.life.id,
                scope=action.scope,
                key=action.key,
                contract=action.contract,
                request=action.request,
                call=action.call,
                source=self._payer.address,
                sequence=sequence,
                hash=transaction_hash.hex(),
                envelope=envelope.to_xdr(),
                signed_ledger=tip.ledger,
                max_time=max_time,
                signer=expected.signer if action.by_address else None,
                nonce=nonce if action.by_address else None,
                until_ledger=until_ledger if action.by_address else None,
            ),
            action.request_ids,
        )

    def _operation_source(self, action: Action) -> Address | None:
        """Return the account whose signature of the transaction authorises the call.

        It may be another than the one that pays; the transaction's own needs no mention.
        """
        signer = action.expected.signer
        return None if action.by_address or signer == self._payer.address else signer

    def _envelope_signers(self, action: Action) -> list[Signer]:
        other = self._operation_source(action)
        return [self._payer] if other is None else [self._payer, self._signers[other]]


def resume(
    network: Network, journal: Journal, limits: Limits | None = None
) -> tuple[JournalEntry, ...]:
    """Settle all that is open in a journal on a network, as after a crash, whoever signed it.

    Returns every transaction that was open, as it is known now; needs no key. What stays OPEN was
    not settled within the timeout.
    """
    limits = limits or Limits()
    transactions = Transactions(network, journal, None, {}, limits)
    return transactions.resume(network.deadline(limits.timeout))


_OVER: Final = object()
_STATES: Final = {Unknown: State.UNKNOWN, AppliedByOthers: State.APPLIED_BY_OTHERS}


def _envelope(
    source: Address, operation: InvokeHostFunction, passphrase: str
) -> TransactionEnvelope:
    """Build a transaction for simulation, without what only its signature needs."""
    return TransactionEnvelope(Transaction(source, 0, 100, [operation]), passphrase)


def simulate(network: Network, function: xdr.HostFunction, until: float) -> xdr.SCVal:
    """Return what a call that nobody signs would return. Raises SimulationFailed."""
    envelope = _envelope(NOBODY, InvokeHostFunction(function), network.passphrase)
    return network.simulate(envelope, until).returned


def measure(network: Network, action: Action, source: Address, until: float) -> Simulation:
    """Simulate an action that nobody signs, paid by an account. Raises SimulationFailed."""
    envelope = _envelope(source, InvokeHostFunction(action.function), network.passphrase)
    return network.simulate(envelope, until)


def _check_same(entry: JournalEntry, key: str, call: str, request: str) -> None:
    """See that a key stands for this call. Raises KeyReused."""
    if entry.call != call:
        raise KeyReused(key, entry.request, request)


def _is_retryable(failure: Failure) -> bool:
    return failure.code in RETRYABLE or failure.error == _EXPIRED


_EXPIRED: Final = HostError(xdr.SCErrorType.SCE_AUTH, xdr.SCErrorCode.SCEC_INVALID_INPUT.value)
"""A signature that expired before its transaction was applied."""
