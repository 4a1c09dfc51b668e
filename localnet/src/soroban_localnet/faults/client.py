"""The transport that carries requests to another one, and strikes them as a plan says.

Source: HTTP errors as stellar-rpc's backlog and duration limiters give them, 429 as proxies do;
exceptions as stellar-sdk's RequestsClient raises them when its own retries are used up.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import attrs
import requests
from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, Transaction, TransactionEnvelope
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.client.base_sync_client import BaseSyncClient
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import ConnectionError as ClientConnectionError

from soroban_localnet.faults.plan import (
    ArriveLate,
    Delay,
    DropAfter,
    DropBefore,
    Duplicate,
    Fault,
    GatewayTimeout,
    Lag,
    NotFound,
    OldSequence,
    Plan,
    TooManyRequests,
    Truncated,
    TryAgainLater,
    Unavailable,
)

_REMEMBERED_ANSWERS = 1_000


@attrs.frozen(eq=False)
class _Request:
    number: int
    method: str
    url: str
    params: dict[str, Any]
    identity: Any
    send: Callable[[], Response]

    @property
    def only_key(self) -> str | None:
        """The key that getLedgerEntries asks for, where it is one alone."""
        match self.params:
            case {"keys": [str(key)]}:
                return key
        return None

    def answer(self, document: dict[str, Any]) -> Response:
        """Make an answer out of a document with a result or an error."""
        text = json.dumps({**document, "jsonrpc": "2.0", "id": self.identity})
        return Response(200, text, {"Content-Type": "application/json"}, self.url)


@attrs.frozen
class _Sent:
    hash: str
    account_key: str


@attrs.frozen
class _Answered:
    request: _Request
    response: Response


class FaultyClient(BaseSyncClient):
    """A transport that carries requests to another one, and lets a plan put faults in the way.

    Arguments: `inner`, the transport; `plan`, faults by the number of the request, counted from 1:
    Faults, a mapping such as `injected`, or a function of number and method, which may raise;
    `after_answer`, called with number and method when an answer is there that the caller has not
    seen yet: raise in it to end a client at that very point; `sleep`, called with seconds.

    `methods` has the methods of all requests, `injected` the faults by the number of the request
    that they struck. A fault with nothing to strike leaves its request alone and is not in it.
    Threads that share a client share its numbers; for faults that replay, give each a client.
    """

    def __init__(
        self,
        inner: BaseSyncClient,
        plan: Plan | Mapping[int, Fault],
        *,
        after_answer: Callable[[int, str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.methods: list[str] = []
        self.injected: dict[int, Fault] = {}
        self._inner = inner
        self._plan = plan
        self._after_answer = after_answer
        self._sleep = sleep
        self._lock = threading.Lock()
        self._late: list[tuple[int, _Request]] = []
        self._answers: deque[_Answered] = deque(maxlen=_REMEMBERED_ANSWERS)
        self._passphrase: str | None = None
        self._before: dict[str, dict[str, Any]] = {}  # accounts, each before its last transaction
        self._shown_old: dict[str, int] = {}
        self._hidden: dict[str, tuple[int, int]] = {}  # polls and ledgers to go, by hash

    def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
    ) -> Response:
        """Carry one request. Raises ConnectionError where a fault breaks the connection."""
        body = json_data or {}
        send = partial(self._inner.post, url, data, json_data)
        return self._carry(
            body.get("method", "POST"), url, body.get("params") or {}, body.get("id"), send
        )

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        max_content_size: int | None = None,
    ) -> Response:
        """Carry one request. Raises ConnectionError where a fault breaks the connection."""
        send = partial(self._inner.get, url, params, max_content_size)
        return self._carry("GET", url, {**(params or {})}, None, send)

    def stream(
        self, url: str, params: dict[str, str] | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Pass a stream through as it is."""
        return self._inner.stream(url, params)

    def close(self) -> None:
        """Close the transport inside. What was to arrive late never does."""
        self._inner.close()  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"<FaultyClient {self._plan!r}, {len(self.methods)} requests, {self.injected!r}>"

    # -- one request -------------------------------------------------------------------------

    def _carry(
        self,
        method: str,
        url: str,
        params: dict[str, Any],
        identity: Any,
        send: Callable[[], Response],
    ) -> Response:
        with self._lock:
            self.methods.append(method)
            number = len(self.methods)
            due = [late for at, late in self._late if at <= number]
            self._late = [(at, late) for at, late in self._late if at > number]
        for late in due:
            with suppress(ClientConnectionError):
                self._send(late)
        plan = self._plan
        fault = plan.get(number) if isinstance(plan, Mapping) else plan(number, method)
        request = _Request(number, method, url, params, identity, send)
        response = self._answer(request) if fault is None else self._strike(request, fault)
        if self._after_answer is not None:
            self._after_answer(number, method)
        return response

    def _strike(self, request: _Request, fault: Fault) -> Response:
        match fault:
            case Lag():
                return self._behind(request, fault)
            case TryAgainLater():
                return self._try_again_later(request, fault)
            case NotFound():
                return self._not_found(request, fault)
            case OldSequence():
                return self._old_sequence(request, fault)
        self.injected[request.number] = fault
        match fault:
            case Delay():
                self._sleep(fault.seconds)
                return self._answer(request)
            case DropBefore():
                raise _broken()
            case DropAfter():
                self._send(request)
                raise _broken()
            case ArriveLate():
                with self._lock:
                    self._late.append((request.number + fault.requests, request))
                raise _broken()
            case Duplicate():
                self._send(request)
                return self._answer(request)
            case TooManyRequests():
                headers = {"Content-Type": "text/plain", "Retry-After": "1"}
                return Response(429, "Too Many Requests\n", headers, request.url)
            case Unavailable():
                return Response(503, "", {"Content-Length": "0"}, request.url)
            case GatewayTimeout():
                self._send(request)
                return Response(504, "", {"Content-Length": "0"}, request.url)
            case Truncated():
                whole = self._answer(request)
                end = min(int(len(whole.text) * fault.part), len(whole.text) - 1)
                return Response(whole.status_code, whole.text[:end], whole.headers, whole.url)

    def _send(self, request: _Request) -> Response:
        """Let the node answer; remember the account of a transaction as it was before."""
        sent = self._sent(request)
        if sent is not None:
            key = sent.account_key
            self._before[key] = self._ask(request, "getLedgerEntries", {"keys": [key]})
        return request.send()

    def _answer(self, request: _Request) -> Response:
        """Return what the caller gets to see where no new fault strikes."""
        old = self._still_old(request)
        return self._seen(
            request, self._send(request) if old is None else request.answer({"result": old})
        )

    def _seen(self, request: _Request, response: Response) -> Response:
        shown = self._without_hidden(request, response)
        self._answers.append(_Answered(request, shown))
        return shown

    def _ask(self, request: _Request, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask the node something that a fault has to know, and return the result."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        result: dict[str, Any] = self._inner.post(request.url, json_data=body).json()["result"]
        return result

    # -- faults that know what was asked -----------------------------------------------------

    def _behind(self, request: _Request, fault: Lag) -> Response:
        same = (request.method, request.url, request.params)
        for earlier in reversed(list(self._answers)):
            asked = earlier.request
            if (
                asked.number <= request.number - fault.requests
                and (asked.method, asked.url, asked.params) == same
                and asked.method not in ("sendTransaction", "GET")
                and earlier.response.status_code == 200
            ):
                self.injected[request.number] = fault
                return self._seen(request, request.answer(earlier.response.json()))
        return self._answer(request)

    def _sent(self, request: _Request) -> _Sent | None:
        """Return the transaction that a request sends, or None where it sends none."""
        if request.method != "sendTransaction":
            return None
        if self._passphrase is None:
            self._passphrase = str(self._ask(request, "getNetwork", {})["passphrase"])
        try:
            transaction_hash, inner = _opened(request.params["transaction"], self._passphrase)
        except Exception:  # the decoder raises whatever Python raises on bad input
            return None
        account = Keypair.from_public_key(inner.source.account_id).xdr_account_id()
        key = stellar_xdr.LedgerKey(
            stellar_xdr.LedgerEntryType.ACCOUNT, account=stellar_xdr.LedgerKeyAccount(account)
        )
        return _Sent(transaction_hash, key.to_xdr())

    def _try_again_later(self, request: _Request, fault: TryAgainLater) -> Response:
        sent = self._sent(request)
        if sent is None:
            return self._answer(request)
        self.injected[request.number] = fault
        now = self._ask(request, "getTransaction", {"hash": sent.hash})
        result = {
            "status": "TRY_AGAIN_LATER",
            "hash": sent.hash,
            "latestLedger": now["latestLedger"],
            "latestLedgerCloseTime": now["latestLedgerCloseTime"],
        }
        return self._seen(request, request.answer({"result": result}))

    def _old_sequence(self, request: _Request, fault: OldSequence) -> Response:
        if request.method == "getLedgerEntries" and request.only_key in self._before:
            self.injected[request.number] = fault
            self._shown_old[request.only_key] = fault.times
        return self._answer(request)

    def _still_old(self, request: _Request) -> dict[str, Any] | None:
        key = request.only_key
        if key is None:
            return None
        with self._lock:
            left = self._shown_old.pop(key, 0)
            if left > 1:
                self._shown_old[key] = left - 1
            return self._before[key] if left else None

    def _not_found(self, request: _Request, fault: NotFound) -> Response:
        response = self._send(request)
        if _applied(request, response) is not None:
            self.injected[request.number] = fault
            self._hidden[request.params["hash"]] = (fault.times, fault.ledgers)
        return self._seen(request, response)

    def _without_hidden(self, request: _Request, response: Response) -> Response:
        found = _applied(request, response)
        if found is None:
            return response
        transaction_hash, ledger = request.params["hash"], found["ledger"]
        with self._lock:
            times, ledgers = self._hidden.pop(transaction_hash, (0, 0))
            if times < 1 and found["latestLedger"] >= ledger + ledgers:
                return response
            self._hidden[transaction_hash] = (max(times - 1, 0), ledgers)
        window = {
            "latestLedger": ledger - 1,
            "latestLedgerCloseTime": found["createdAt"],
            "oldestLedger": min(found["oldestLedger"], ledger - 1),
            "oldestLedgerCloseTime": found["oldestLedgerCloseTime"],
        }
        result = {"status": "NOT_FOUND", **window, "txHash": transaction_hash}
        return request.answer({"result": result})


def _opened(envelope: str, passphrase: str) -> tuple[str, Transaction]:
    """Return the hash of what is sent, and the transaction that uses up a sequence number."""
    if FeeBumpTransactionEnvelope.is_fee_bump_transaction_envelope(envelope):
        bump = FeeBumpTransactionEnvelope.from_xdr(envelope, passphrase)
        return bump.hash_hex(), bump.transaction.inner_transaction_envelope.transaction
    plain = TransactionEnvelope.from_xdr(envelope, passphrase)
    return plain.hash_hex(), plain.transaction


def _applied(request: _Request, response: Response) -> dict[str, Any] | None:
    """Return the result of a getTransaction that found its transaction, or None."""
    if request.method != "getTransaction" or response.status_code != 200:
        return None
    result: dict[str, Any] = response.json().get("result") or {}
    return result if result.get("status") in ("SUCCESS", "FAILED") else None


def _broken() -> ClientConnectionError:
    cause = requests.exceptions.ConnectionError(
        "('Connection aborted.', RemoteDisconnected('Remote end closed connection'))"
    )
    broken = ClientConnectionError(cause)
    broken.__cause__ = cause
    return broken
