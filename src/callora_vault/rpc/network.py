"""A network through one Stellar RPC: each request has a deadline and is repeated until then.

Source: the JSON-RPC reference of Stellar RPC. Every request here may be repeated: reading changes
nothing, and a transaction that is sent twice is applied once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import SystemRandom
from typing import Final, TypeVar

import attrs
from stellar_sdk import SorobanServer, TransactionEnvelope, xdr
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import BaseRequestError, SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import (
    AuthMode,
    EventFilter,
    EventFilterType,
    GetTransactionStatus,
    SendTransactionResponse,
)

from callora_vault.codec.keys import account_key, instance_key, setting_key
from callora_vault.model.units import Address, BadValue
from callora_vault.rpc.answers import (
    Entries,
    EventPage,
    Fate,
    LedgerPage,
    Simulation,
    Tip,
    read_events,
    read_ledger,
    read_simulation,
)
from callora_vault.rpc.errors import (
    NoAccount,
    RpcRefused,
    SimulationFailed,
    Unreachable,
    WrongNetwork,
)
from callora_vault.rpc.results import read_result, read_states
from callora_vault.rpc.urls import cause, is_server, origin

REQUEST_SECONDS: Final = 10.0
"""How long one request over HTTP may take."""

TIP_SECONDS: Final = 3.0
"""How long the last known ledger counts as the latest."""

EVENTS_PER_PAGE: Final = 1_000
FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 5.0

# bad request, unknown method, bad parameters: the RPC would give the same answer again
_LASTING: Final = (-32600, -32601, -32602)
_T = TypeVar("_T")
_random: Final = SystemRandom()


@attrs.frozen
class Clock:
    """The process's time: `now` for deadlines, in seconds from any start; `utc` since 1970."""

    now: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Network:
    """A network with this passphrase, behind an RPC that is checked to be of that network.

    `until` in the methods is a moment of the clock, from `deadline`. Each method raises Unreachable
    if it passes without a usable answer, RpcRefused for an answer that repeating would not change,
    and WrongNetwork.

    Arguments: `server`, from stellar-sdk; `connect` builds one for a URL.
    """

    def __init__(
        self, server: SorobanServer, passphrase: str, *, clock: Clock | None = None
    ) -> None:
        self.passphrase = passphrase
        self.clock = clock or Clock()
        self.name = origin(server.server_url)
        self._server = server
        self._checked = False
        self._tip = Tip(0, 0)
        self._tip_at = float("-inf")
        self._settled_ledger = 0
        self.histories = 1
        """How many histories of ledgers were met here: what was read in one says nothing later."""
        self._temporary_life: int | None = None

    def __repr__(self) -> str:
        return f"<Network {self.passphrase!r} at {self.name}>"

    # -- time ------------------------------------------------------------------------------

    def deadline(self, seconds: float) -> float:
        """Return the moment in so many seconds."""
        return self.clock.now() + seconds

    def waits(self, until: float) -> Iterator[None]:
        """Yield after ever longer waits, until the deadline."""
        longest = FIRST_WAIT
        while (left := until - self.clock.now()) > 0:
            self.clock.sleep(min(_random.uniform(longest / 2, longest), left))
            yield
            longest = min(2 * longest, LONGEST_WAIT)

    # -- requests --------------------------------------------------------------------------

    def _ask(self, request: Callable[[], _T], until: float) -> _T:
        if not self._checked:
            self._check(until)
        return self._repeat(request, until)

    def _check(self, until: float) -> None:
        found = self.announced(until)
        if found != self.passphrase:
            raise WrongNetwork(self.name, self.passphrase, found)
        self._checked = True

    def announced(self, until: float) -> str:
        """Return the passphrase of the network by the RPC's own answer."""
        return self._repeat(self._server.get_network, until).passphrase

    def _repeat(self, request: Callable[[], _T], until: float) -> _T:
        waits = self.waits(until)
        while True:
            try:
                return request()
            except SorobanRpcErrorResponse as error:
                if error.code in _LASTING:
                    message = " ".join((error.message or "").split())
                    raise RpcRefused(self.name, error.code, message) from None
                reason = f"error {error.code}"
            except _Unusable as unusable:
                reason = str(unusable)
            # an answer that is not JSON, or not of the right form: ValueError or AssertionError
            except (BaseRequestError, ValueError, AssertionError) as error:
                reason = cause(error)
            try:
                next(waits)
            except StopIteration:
                raise Unreachable(self.name, reason) from None

    def _new_enough(self, ledger: int) -> None:
        """Reject an answer from before the ledger in which this client saw its call settled."""
        if ledger < self._settled_ledger:
            raise _Unusable(f"it answers from ledger {ledger}, before {self._settled_ledger}")

    def begin_anew(self) -> None:
        """Forget what was seen of the network: it began anew, or went back."""
        self.histories += 1
        self._settled_ledger = 0
        self._tip_at = float("-inf")
        self._temporary_life = None

    def _learn(self, ledger: int, close_time: int) -> None:
        self._tip = Tip(ledger, close_time)
        self._tip_at = self.clock.now()

    def tip(self, until: float, at_least: int = 0) -> Tip:
        """Return the latest ledger, from an answer that is at most a few seconds old.

        Arguments: `at_least`, a ledger that is known to be closed.
        """
        old = self.clock.now() - self._tip_at > TIP_SECONDS
        if old or self._tip.ledger < at_least:
            latest = self._ask(self._server.get_latest_ledger, until)
            self._learn(latest.sequence, latest.close_time)
        return self._tip

    def entries(self, keys: Sequence[xdr.LedgerKey], until: float) -> Entries:
        """Read ledger entries, archived ones included."""

        # an RPC rejects a repeated key
        once = list({key.to_xdr_bytes(): key for key in keys}.values())

        def read() -> Entries:
            answer = self._server.get_ledger_entries(once)
            self._new_enough(answer.latest_ledger)
            return Entries({e.key: e for e in answer.entries or ()}, answer.latest_ledger)

        return self._ask(read, until)

    def sequence(self, account: Address, until: float) -> int:
        """Read the last sequence number that an account used. Raises NoAccount.

        Just after a transaction it may be the number before.
        """
        key = account_key(account)
        found = self.entries([key], until).get(key)
        if found is None:
            raise NoAccount(account)
        entry = xdr.LedgerEntryData.from_xdr(found.xdr).account
        assert entry is not None  # noqa: S101 - asked for by its key
        return entry.seq_num.sequence_number.int64

    def temporary_life(self, until: float) -> int:
        """Read the minimum TTL of a temporary entry, in ledgers, the first included."""
        if self._temporary_life is None:
            key = setting_key(xdr.ConfigSettingID.CONFIG_SETTING_STATE_ARCHIVAL)
            found = self.entries([key], until).get(key)
            if found is None:
                raise RpcRefused(self.name, 0, "it does not return the network's settings")
            setting = xdr.LedgerEntryData.from_xdr(found.xdr).config_setting
            assert setting is not None  # noqa: S101 - asked for by its key
            assert setting.state_archival_settings is not None  # noqa: S101 - likewise
            self._temporary_life = setting.state_archival_settings.min_temporary_ttl.uint32
        return self._temporary_life

    def simulate(self, envelope: TransactionEnvelope, until: float) -> Simulation:
        """Simulate a transaction, recording the authorisation that it requires.

        Raises SimulationFailed.
        """

        def ask() -> Simulation:
            answer = self._server.simulate_transaction(envelope, auth_mode=AuthMode.RECORD)
            self._new_enough(answer.latest_ledger)
            return _parse(lambda: read_simulation(answer))

        return self._ask(ask, until)

    def oldest_ledger(self, until: float) -> int:
        """Return the first ledger whose events and transactions the RPC still has."""
        return self._ask(self._server.get_health, until).oldest_ledger

    def span(self, until: float) -> tuple[int, int]:
        """Return the oldest and the latest ledger that the RPC has, of one answer."""
        health = self._ask(self._server.get_health, until)
        return health.oldest_ledger, health.latest_ledger

    def ledger(self, sequence: int, until: float) -> LedgerPage:
        """Read the first ledger from a sequence on, as its header says it.

        Raises RpcRefused where the RPC does not have that ledger any more, or not yet.
        """

        def ask() -> LedgerPage:
            answer = self._server.get_ledgers(sequence, limit=1)
            page = _parse(lambda: read_ledger(answer, sequence))
            self._learn(page.latest, page.close_time)
            return page

        return self._ask(ask, until)

    def events(
        self, contract: Address, start: int | str, until: float, limit: int = EVENTS_PER_PAGE
    ) -> EventPage:
        """Read a page of a contract's events.

        Arguments: `start`, a ledger, or the cursor of the page before.
        Raises RpcRefused if the RPC no longer has that ledger, or does not have it yet.
        """
        wanted = EventFilter(type=EventFilterType.CONTRACT, contractIds=[contract])

        def ask() -> EventPage:
            first, cursor = (start, None) if isinstance(start, int) else (None, start)
            answer = self._server.get_events(first, None, [wanted], cursor, limit)
            return _parse(lambda: read_events(answer, contract, start, limit))

        return self._ask(ask, until)

    def send(self, envelope: str) -> SendTransactionResponse:
        """Send a signed envelope, in base64, once."""
        now = self.clock.now()
        answer = self._ask(lambda: self._server.send_transaction(envelope), now)
        self._learn(answer.latest_ledger, answer.latest_ledger_close_time)
        return answer

    def transaction(
        self, transaction_hash: str, names: Callable[[], Mapping[bytes, str]], until: float
    ) -> Fate:
        """Ask for the result of a transaction.

        Arguments: `names`, as for `read_result`.
        """

        def ask() -> Fate:
            answer = self._server.get_transaction(transaction_hash)
            self._learn(answer.latest_ledger, answer.latest_ledger_close_time)
            found = answer.status != GetTransactionStatus.NOT_FOUND
            return Fate(
                answer.latest_ledger_close_time,
                answer.oldest_ledger,
                _parse(lambda: read_result(answer, names)) if found else None,
                answer.create_at,
            )

        fate = self._ask(ask, until)
        if fate.result is not None:
            self._settled_ledger = max(self._settled_ledger, fate.result.ledger)
        return fate

    def states(
        self, transaction_hash: str, contract: Address, until: float
    ) -> tuple[xdr.LedgerEntryData, ...] | None:
        """Return a contract's instance entry before, in and after a transaction.

        None if this RPC no longer has the transaction.
        """

        def ask() -> tuple[xdr.LedgerEntryData, ...] | None:
            answer = self._server.get_transaction(transaction_hash)
            if answer.status == GetTransactionStatus.NOT_FOUND:
                return None
            return _parse(lambda: read_states(answer, instance_key(contract)))

        return self._ask(ask, until)


class _Unusable(ValueError):
    """An answer that cannot be used; the next one may be better."""


def _parse(read: Callable[[], _T]) -> _T:
    """Read the XDR in an answer."""
    try:
        return read()
    except SimulationFailed:
        raise
    except Exception as error:  # the decoder raises whatever Python raises on bad input
        raise _Unusable("its answer cannot be read") from error


def connect(
    url: str,
    passphrase: str,
    *,
    request_seconds: float = REQUEST_SECONDS,
    clock: Clock | None = None,
) -> Network:
    """Return the network behind the RPC at a URL. Nothing is asked yet.

    Arguments: `passphrase`, the network's; `request_seconds`, how long one request may take.
    Raises BadValue for a URL that is not one of a server.
    """
    if not is_server(url):
        raise BadValue("url", "give http(s)://HOST[:PORT][/PATH]")
    # repeating is done here, where the deadline is known
    client = RequestsClient(num_retries=0, post_timeout=request_seconds)
    return Network(SorobanServer(url, client), passphrase, clock=clock)


def passphrase_of(url: str, seconds: float = REQUEST_SECONDS) -> str:
    """Ask the RPC at a URL for the passphrase of its network; the answer is not verified.

    Raises BadValue for a URL that is not one of a server, Unreachable, RpcRefused.
    """
    network = connect(url, "")
    return network.announced(network.deadline(seconds))
