"""Exactly once: simulate, check, sign, add to the journal, send, settle.

Only getTransaction settles a transaction: by its result, or as never applied if one answer shows a
close time past its max_time and an oldest ledger at or before `signed_ledger`. With address
credentials it is open for longer: the signature covers the call, not the transaction, so anybody
who saw it could use it until it expires. The signer's nonce, whose entry exists for a while after
its use, shows whether that happened.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from functools import partial
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
from stellar_sdk.soroban_rpc import SendTransactionStatus

from callora_vault.client import approval, signing
from callora_vault.client.approval import Expected
from callora_vault.client.errors import (
    AppliedByOthers,
    BadKey,
    KeyReused,
    NeverApplied,
    NotAccepted,
    SourceBusy,
    Unknown,
    Unsettled,
)
from callora_vault.client.journal import Conflict, Journal, JournalEntry, NewTransaction, State
from callora_vault.client.keys import Signer
from callora_vault.codec.errors import HostError
from callora_vault.codec.keys import instance_key, nonce_key
from callora_vault.model.renewal import LEDGER_SECONDS
from callora_vault.model.units import Address
from callora_vault.rpc.answers import Fate, Simulation
from callora_vault.rpc.errors import RpcRefused, Unreachable
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import RETRYABLE, Failure, Success

FAILURES: Final = 3
"""How often a call may fail because the ledger changed, until it is given up."""
_ALSO_IF_APPLIED: Final = ("txBAD_SEQ", "txTOO_LATE")
"""What a node may also answer for a transaction that is already applied."""


@attrs.frozen
class Limits:
    """The limits of one call, in seconds and stroops.

    `timeout`: how long the caller waits. `validity`: how long a transaction can be applied after
    its signature; address credentials expire with it, at `ledger_seconds` a ledger: 5 on the public
    networks, less on a local one under load. `inclusion_fee`: the highest bid for inclusion in a
    ledger; the network charges the market price. `resource_fee`: the highest fee for resources and
    rent. `rent_headroom` is declared on top of the simulated fee, within `resource_fee`, for a
    renewal that falls due between simulation and application; the unused part is refunded.
    """

    timeout: float = 120.0
    validity: int = 60
    ledger_seconds: float = LEDGER_SECONDS
    inclusion_fee: int = 10_000
    resource_fee: int = 50_000_000
    rent_headroom: int = 2_000_000


@attrs.frozen
class Action:
    """A transaction to apply once: `key` names it within `scope`, `request` describes it.

    `contract` is the contract that it calls or creates, "" for none.
    """

    scope: str
    key: str
    contract: Address
    request: str
    function: xdr.HostFunction
    expected: Expected
    by_address: bool = False
    """Whether the signer signs with address credentials, instead of the whole transaction."""


NOBODY: Final = "GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF"
"""The account of the all-zero key: a source for simulations, which do not need an existing one."""


class Transactions:
    """Sends transactions of one account and keeps their results in the journal.

    It makes one call at a time; other threads wait. Nothing else may use the account.

    Arguments: `source` pays and has the sequence numbers, None if nothing is to be signed;
    `signers`, all who can sign.
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
        self._sequence: int | None = None
        self._lock = threading.Lock()

    def submit(self, action: Action, until: float) -> tuple[JournalEntry, bool]:
        """Apply an action once; return its transaction, applied or failed.

        The second value is whether an earlier call under this key applied it. `until` is a moment
        of the network's clock. Raises the errors of errors.py; after Unsettled, NotAccepted and
        JournalUnusable a transaction may be open, and the same key continues it.
        """
        with self._lock:
            failures = 0
            while True:
                done = self._earlier(action, until)
                if done is not None:
                    return done, True
                try:
                    self._free_source(until)
                    entry = self._sign_and_note(action, until)
                except Conflict:
                    self._sequence = None
                    continue
                entry = self._settle(entry, until, new=True)
                if entry.state is State.APPLIED:
                    return entry, False
                if isinstance(entry.result, Failure):
                    failures += 1
                    if not _is_retryable(entry.result) or failures == FAILURES:
                        return entry, False
                elif self._network.clock.now() >= until:
                    raise NeverApplied(entry.key, entry.contract, entry.hash)

    def resume(self, until: float) -> tuple[JournalEntry, ...]:
        """Settle all open transactions of the journal on this network, of any signer.

        Returns every transaction that was open, with its new state: OPEN if it was not settled
        within the timeout.
        """
        with self._lock:
            found = []
            for entry in self._journal.listed(self._network.passphrase, State.OPEN):
                try:
                    found.append(self._settle(entry, until))
                except (Unsettled, NotAccepted):
                    found.append(entry)
                except (Unknown, AppliedByOthers) as known:
                    found.append(attrs.evolve(entry, state=_STATES[type(known)]))
            self._sequence = None
            return tuple(found)

    @property
    def _payer(self) -> Signer:
        if self._source is None:
            raise BadKey("this client", "it has no account that pays", "give it a source")
        return self._source

    # -- before anything is signed -----------------------------------------------------------

    def _earlier(self, action: Action, until: float) -> JournalEntry | None:
        """Return the applied transaction of this key; settle an open one first."""
        entry = self._journal.find(self._network.passphrase, action.scope, action.key)
        if entry is None or entry.state in (State.FAILED, State.NEVER_APPLIED):
            return None
        if entry.request != action.request:
            raise KeyReused(action.key, entry.request, action.request)
        entry = self._settle(entry, until)
        return entry if entry.state is State.APPLIED else None

    def _free_source(self, until: float) -> None:
        """Settle an open transaction of this account: its sequence number decides the next."""
        entry = self._journal.open_of(self._network.passphrase, self._payer.address)
        if entry is None:
            return
        self._sequence = None
        try:
            self._settle(entry, until)
        except (Unsettled, NotAccepted) as busy:
            raise SourceBusy(entry.source, entry.key, entry.max_time) from busy
        except (Unknown, AppliedByOthers):
            pass  # raised when that request is repeated

    def _next_sequence(self, until: float) -> int:
        if self._sequence is None:
            account = self._payer.address
            # just after a transaction the RPC may return the number before
            used = self._journal.last_sequence(self._network.passphrase, account)
            self._sequence = max(self._network.sequence(account, until), used) + 1
        return self._sequence

    def _sign_and_note(self, action: Action, until: float) -> JournalEntry:
        network, limits, expected = self._network, self._limits, action.expected
        tip = network.tip(until)
        operation = InvokeHostFunction(action.function, source=self._operation_source(action))
        envelope = _envelope(self._payer.address, operation, network.passphrase)
        simulation = network.simulate(envelope, until)
        nonce = signing.fresh_nonce()
        data = approval.check(
            simulation,
            expected,
            by_address=action.by_address,
            nonce=nonce,
            fee_limit=limits.resource_fee,
            headroom=limits.rent_headroom,
        )
        sequence = self._next_sequence(until)
        until_ledger = simulation.ledger + math.ceil(limits.validity / limits.ledger_seconds)
        if action.by_address and expected.signer is not None:
            signer = self._signers[expected.signer]
            operation.auth = [
                signing.authorise(
                    expected,
                    signer,
                    nonce=nonce,
                    until_ledger=until_ledger,
                    passphrase=network.passphrase,
                )
            ]
        elif expected.signer is not None:
            operation.auth = [signing.by_source(expected)]
        # a local network may close no ledger for hours, so its latest close time can be long past
        max_time = max(tip.close_time, int(network.clock.utc())) + limits.validity
        transaction = envelope.transaction
        transaction.sequence = sequence
        transaction.preconditions = Preconditions(time_bounds=TimeBounds(0, max_time))
        transaction.soroban_data = data
        transaction.fee = limits.inclusion_fee + data.resource_fee.int64
        transaction_hash = envelope.hash()
        for signer in self._envelope_signers(action):
            hint = signer.public_key[-4:]
            signature = signer.sign(transaction_hash)
            envelope.signatures.append(DecoratedSignature(hint, signature))
        return self._journal.add(
            NewTransaction(
                network=network.passphrase,
                scope=action.scope,
                key=action.key,
                contract=action.contract,
                request=action.request,
                source=self._payer.address,
                sequence=sequence,
                hash=transaction_hash.hex(),
                envelope=envelope.to_xdr(),
                signed_ledger=tip.ledger,
                max_time=max_time,
                signer=expected.signer if action.by_address else None,
                nonce=nonce if action.by_address else None,
                until_ledger=until_ledger if action.by_address else None,
            )
        )

    def _operation_source(self, action: Action) -> Address | None:
        """Return the account whose signature of the transaction authorises the call.

        None stands for the transaction's own source, the account that pays.
        """
        signer = action.expected.signer
        return None if action.by_address or signer == self._payer.address else signer

    def _envelope_signers(self, action: Action) -> list[Signer]:
        other = self._operation_source(action)
        return [self._payer] if other is None else [self._payer, self._signers[other]]

    # -- after that --------------------------------------------------------------------------

    def _settle(self, entry: JournalEntry, until: float, *, new: bool = False) -> JournalEntry:
        """Settle a transaction; send it repeatedly while it can be applied.

        Arguments: `new`, whether it was never sent before. Raises Unsettled, NotAccepted, Unknown,
        AppliedByOthers.
        """
        about = entry.key, entry.contract, entry.hash
        if entry.state is State.APPLIED_BY_OTHERS:
            raise AppliedByOthers(*about)
        waits = self._network.waits(until)
        try:
            refused = self._send(entry) if new else None
            while True:
                fate = self._network.transaction(entry.hash, partial(_names, entry), until)
                state, result = self._judge(entry, fate, until)
                if state is State.OPEN and entry.state is State.UNKNOWN:
                    state = State.UNKNOWN  # from a node that lags behind
                if state is not entry.state:
                    entry = self._journal.settle(entry, state, result)
                if state is not State.OPEN:
                    break
                if refused is not None and refused not in _ALSO_IF_APPLIED:
                    raise NotAccepted(*about, refused, entry.max_time)
                if next(waits, _OVER) is _OVER:
                    raise Unsettled(*about, entry.max_time)
                if fate.result is None and fate.close_time <= entry.max_time:
                    refused = self._send(entry)
        except (Unreachable, RpcRefused) as error:
            raise Unsettled(*about, entry.max_time) from error
        if state is State.UNKNOWN:
            raise Unknown(*about, entry.signed_ledger)
        if state is State.APPLIED_BY_OTHERS:
            raise AppliedByOthers(*about)
        if self._source is not None and entry.source == self._source.address:
            self._sequence = None if state is State.NEVER_APPLIED else entry.sequence + 1
        return entry

    def _send(self, entry: JournalEntry) -> str | None:
        """Send a transaction; return why the network rejected it, if it did."""
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
    ) -> tuple[State, Success | Failure | None]:
        """Return the state of a transaction by one answer of getTransaction."""
        if fate.result is None:
            if fate.close_time <= entry.max_time:
                return State.OPEN, None
            if fate.oldest_ledger > entry.signed_ledger:
                return State.UNKNOWN, None
            return self._unused(entry, State.NEVER_APPLIED, until), None
        if isinstance(fate.result, Success):
            return State.APPLIED, fate.result
        return self._unused(entry, State.FAILED, until), fate.result

    def _unused(self, entry: JournalEntry, otherwise: State, until: float) -> State:
        """Return a transaction's state by whether somebody used, or can use, its signature.

        Arguments: `otherwise`, the state if nobody did and nobody can.
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
        # the entry of a nonce used in the first ledger after the signature exists until here
        return otherwise if found.ledger <= entry.signed_ledger + life else State.UNKNOWN


def resume(
    network: Network, journal: Journal, limits: Limits | None = None
) -> tuple[JournalEntry, ...]:
    """Settle all open transactions of a journal on a network, of any signer, as after a crash.

    It needs no key. Returns every transaction that was open, with its new state: OPEN if it was not
    settled within the timeout.
    """
    limits = limits or Limits()
    transactions = Transactions(network, journal, None, {}, limits)
    return transactions.resume(network.deadline(limits.timeout))


_OVER: Final = object()
_STATES: Final = {Unknown: State.UNKNOWN, AppliedByOthers: State.APPLIED_BY_OTHERS}


def _envelope(
    source: Address, operation: InvokeHostFunction, passphrase: str
) -> TransactionEnvelope:
    """Build a transaction for simulation, without sequence number, time bounds and fee."""
    return TransactionEnvelope(Transaction(source, 0, 100, [operation]), passphrase)


def simulate(network: Network, function: xdr.HostFunction, until: float) -> xdr.SCVal:
    """Return the simulated result of a call without a signature. Raises SimulationFailed."""
    envelope = _envelope(NOBODY, InvokeHostFunction(function), network.passphrase)
    return network.simulate(envelope, until).returned


def measure(network: Network, action: Action, source: Address, until: float) -> Simulation:
    """Simulate an action without a signature, paid by an account. Raises SimulationFailed."""
    envelope = _envelope(source, InvokeHostFunction(action.function), network.passphrase)
    return network.simulate(envelope, until)


def _names(entry: JournalEntry) -> dict[bytes, str]:
    """Name the entries of the contract's instance and code that a transaction touches."""
    transaction = TransactionEnvelope.from_xdr(entry.envelope, entry.network).transaction
    assert transaction.soroban_data is not None  # noqa: S101 - signed here
    footprint = transaction.soroban_data.resources.footprint
    keys = (*footprint.read_only, *footprint.read_write)
    names = {instance_key(entry.contract).to_xdr_bytes(): "instance"} if entry.contract else {}
    names |= {key.to_xdr_bytes(): "code" for key in keys if key.contract_code is not None}
    return names


def _is_retryable(failure: Failure) -> bool:
    return failure.code in RETRYABLE or failure.error == _EXPIRED


_EXPIRED: Final = HostError(xdr.SCErrorType.SCE_AUTH, xdr.SCErrorCode.SCEC_INVALID_INPUT.value)
"""A signature that expired before its transaction was applied."""
