"""Another network's Stellar RPC, asked for what a fork needs; nothing is ever sent there.

Every answer is checked; whatever goes wrong is RemoteFailed.
Source: the JSON-RPC reference of Stellar RPC.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from stellar_sdk.client.base_sync_client import BaseSyncClient
from stellar_sdk.client.requests_client import RequestsClient
from urllib3.util import Retry

from soroban_localnet import xdr
from soroban_localnet.errors import ForkError, RemoteFailed

MAX_KEYS = 200
"""How many entries a Stellar RPC returns in one answer."""

_RETRIES = 2
_RETRIED_STATUS = (429, 502, 503, 504)

_T = TypeVar("_T")


class Network(msgspec.Struct, rename="camel"):
    """The answer of getNetwork."""

    passphrase: str
    protocol_version: int


class LatestLedger(msgspec.Struct, rename="camel"):
    """The answer of getLatestLedger: `id` in hex, `close_time` in seconds, the header in base64."""

    id: str
    sequence: int
    close_time: str
    header_xdr: str = ""


class SentLedger(msgspec.Struct, rename="camel"):
    """A ledger of getLedgers: its `hash` in hex."""

    hash: str
    sequence: int


class Ledgers(msgspec.Struct, rename="camel"):
    """The answer of getLedgers; close times in seconds since 1970."""

    ledgers: list[SentLedger]
    oldest_ledger: int
    oldest_ledger_close_time: int | str


class SentEntry(msgspec.Struct, rename="camel"):
    """An entry of getLedgerEntries; key, LedgerEntryData and LedgerEntryExt in base64."""

    key: str
    xdr: str
    last_modified_ledger_seq: int
    live_until_ledger_seq: int | None = None
    ext_xdr: str = ""

    @property
    def entry(self) -> bytes:
        """The LedgerEntry, as it was sent. Raises ValueError where it is not base64."""
        data = b64decode(self.xdr, validate=True)
        extension = b64decode(self.ext_xdr, validate=True) or xdr.ABSENT
        return xdr.u32(self.last_modified_ledger_seq) + data + extension


class _Entries(msgspec.Struct, rename="camel"):
    entries: list[SentEntry] | None = None
    latest_ledger: int = 0


class _Problem(msgspec.Struct):
    message: str = ""
    code: int = 0


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Problem | None = None


class Remote:
    """A Stellar RPC by its URL, whose path and query may hold a key: no message names them.

    Arguments: `url`, http or https; `client`, the transport (default: one of its own, which tries
    again where the RPC is busy); `timeout`, the seconds that an answer may take.
    Raises ForkError where the URL is none.
    """

    def __init__(self, url: str, client: BaseSyncClient | None, timeout: float) -> None:
        self.name = _shown(url)
        self._url = url
        self._own = None if client is not None else _client(timeout)
        self._client: BaseSyncClient = client or cast(BaseSyncClient, self._own)

    def network(self) -> Network:
        """Ask for passphrase and protocol. Raises RemoteFailed."""
        return self._call("getNetwork", {}, Network)

    def latest_ledger(self) -> LatestLedger:
        """Ask for the latest ledger. Raises RemoteFailed."""
        return self._call("getLatestLedger", {}, LatestLedger)

    def ledgers(self, first: int) -> Ledgers:
        """Ask for one ledger, and which ledgers the remote has. Raises RemoteFailed."""
        params = {"startLedger": first, "pagination": {"limit": 1}}
        return self._call("getLedgers", params, Ledgers)

    def entries(self, keys: Sequence[bytes]) -> tuple[dict[bytes, SentEntry], int]:
        """Ask for entries, at most MAX_KEYS; missing ones are left out. Raises RemoteFailed.

        Returns them with the latest ledger of the remote.
        """
        by_text = {xdr.base64(key): key for key in keys}
        answer = self._call("getLedgerEntries", {"keys": list(by_text)}, _Entries)
        try:
            found = {by_text[sent.key]: sent for sent in answer.entries or ()}
        except KeyError:
            raise self._failed(
                "getLedgerEntries", "the answer has an entry that was not asked for"
            ) from None
        return found, answer.latest_ledger

    def _failed(self, method: str, reason: str) -> RemoteFailed:
        return RemoteFailed(self.name, f"{method}: {reason}")

    def _call(self, method: str, params: dict[str, Any], answer: type[_T]) -> _T:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            response = self._client.post(self._url, json_data=request)
        except Exception as error:  # whatever a transport raises; its text may hold the URL
            timed_out = isinstance(error.__cause__, requests.Timeout)
            reason = "no answer in time" if timed_out else "cannot be reached; check the URL"
            raise self._failed(method, reason) from None
        if response.status_code != 200:
            raise self._failed(method, f"HTTP status {response.status_code}")
        try:
            decoded = msgspec.json.decode(response.text, type=_Answer)
            if decoded.error is not None:
                text = " ".join(decoded.error.message.split())[:200]
                raise self._failed(method, f"{text} ({decoded.error.code})")
            return msgspec.json.decode(decoded.result, type=answer)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._failed(method, f"the answer cannot be read ({error})") from None

    def close(self) -> None:
        """Close the connection, where the transport is its own."""
        if self._own is not None:
            self._own.close()


def _shown(url: str) -> str:
    """Return scheme, host and port. Raises ForkError where the URL is not one of http or https."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise ForkError("the given URL", "it is not the http or https URL of a Stellar RPC")
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _client(timeout: float) -> RequestsClient:
    retry = Retry(
        total=_RETRIES,
        read=False,
        backoff_factor=0.2,
        status_forcelist=_RETRIED_STATUS,
        allowed_methods=["POST"],
        redirect=0,
        raise_on_status=False,
        respect_retry_after_header=False,  # a remote must not hold the network up for long
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return RequestsClient(post_timeout=timeout, session=session)
