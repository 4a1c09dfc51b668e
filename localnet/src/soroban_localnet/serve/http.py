"""The HTTP door: JSON-RPC and friendbot for any Stellar client, on this machine.

Nothing but programs comes in: what a browser sends for a page is refused, unless its origin was
named. Friendbot answers as stellar's own, from its source.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import attrs
import msgspec
import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from stellar_sdk import StrKey

from soroban_localnet.errors import FundingFailed, LocalnetError
from soroban_localnet.network import LocalNetwork
from soroban_localnet.rpc import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, Dispatcher, RpcError
from soroban_localnet.serve import control as control_methods

_log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_BODY_BYTES = 1_048_576
BODY_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 1

RPC_PATHS = ("/", "/rpc", "/soroban/rpc")
"""Where JSON-RPC is: at the root, and where stellar's quickstart image has it."""

FRIENDBOT_PATH = "/friendbot"

_FORM = "application/x-www-form-urlencoded"
_FUNDED = "account already funded to starting balance"


@attrs.frozen
class Endpoint:
    """Where a network is served: `url` of JSON-RPC, `friendbot_url` of friendbot."""

    url: str
    friendbot_url: str


def application(
    network: LocalNetwork,
    *,
    control: bool = False,
    cors: Collection[str] = (),
    any_host: bool = False,
) -> ASGIApp:
    """Return the ASGI application that serves JSON-RPC on / and friendbot on /friendbot.

    Arguments: `control` adds the methods of soroban_localnet.serve.control; `cors`, the origins
    whose pages may come in, "*" for all; `any_host` serves whatever name the client knows this
    machine by, not only the names of the machine itself.
    """
    door: ASGIApp = _Door(network, control=control)
    if cors:
        door = CORSMiddleware(
            door,
            allow_origins=cors,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
            allow_private_network=True,
        )
    return _Guard(door, frozenset(cors), any_host=any_host)


@attrs.frozen
class _Guard:
    """Turns away what a browser sends for a page of another origin.

    A page can send without being able to read the answer, so what it sends must not get in. A name
    that is not this machine's own in `Host` is a page that made its name point here.
    """

    _door: ASGIApp
    _origins: frozenset[str]
    _any_host: bool = attrs.field(kw_only=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])  # names in lower case
        reason = self._reason(
            headers.get(b"host", b"").decode("latin-1"),
            headers.get(b"origin", b"").decode("latin-1"),
            headers.get(b"sec-fetch-site", b"").decode("latin-1"),
        )
        if reason is None:
            await self._door(scope, receive, send)
        else:
            await _refusal(403, reason)(scope, receive, send)

    def _reason(self, host: str, origin: str, site: str) -> str | None:
        if host and not self._any_host and not _names_this_machine(host):
            return f"Host {host!r} is not a name of this machine; use localhost or 127.0.0.1"
        allowed = origin in self._origins or "*" in self._origins
        if origin and not allowed:
            return (
                f"pages of {origin!r} get nothing here; start with --cors {origin} to let them in"
            )
        if not origin and site in ("cross-site", "same-site"):
            return "pages of other origins get nothing here"
        return None


@lru_cache(maxsize=64)
def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def is_loopback(name: str) -> bool:
    """Tell whether a host name or address is this machine's own, which no other machine reaches."""
    name = name.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class _Door:
    """Answers JSON-RPC on the RPC paths and friendbot on its own; everything in JSON."""

    def __init__(self, network: LocalNetwork, *, control: bool) -> None:
        self._network = network
        self._dispatcher = Dispatcher(network, control_methods.METHODS if control else None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except _BodyRefused as refused:
            response = _refusal(refused.status, refused.message, INVALID_REQUEST, **refused.headers)
        except LocalnetError as error:
            _log.error("%s", error)
            response = _refusal(500, str(error), INTERNAL_ERROR)
        except Exception as error:
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            _log.exception("a fault of soroban-localnet: %s", what)
            response = _refusal(500, f"a fault of soroban-localnet, {what}", INTERNAL_ERROR)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, method = request.scope["path"], request.method
        if path in RPC_PATHS:
            if method == "POST":
                return await self._rpc(request)
            if method in ("GET", "HEAD"):
                greeting = msgspec.json.encode(self._greeting(request))
                return _encoded(msgspec.json.format(greeting))
        elif path == FRIENDBOT_PATH:
            if method in ("GET", "POST"):
                return await self._friendbot(request)
        else:
            return _refusal(
                404, f"nothing is at {path}; JSON-RPC is at / and friendbot at /friendbot"
            )
        return _refusal(405, f"{method} is not served at {path}", allow="GET, HEAD, POST")

    # -- JSON-RPC --------------------------------------------------------------------------

    async def _rpc(self, request: Request) -> Response:
        if not _is_json(request.headers.get("content-type", "")):
            return _refusal(
                415, "JSON-RPC comes with the header Content-Type: application/json, in UTF-8"
            )
        body = await _read(request)
        answer = await asyncio.get_running_loop().run_in_executor(None, self._call, body)
        return Response(status_code=204) if answer is None else _encoded(answer)

    def _call(self, body: bytes) -> bytes | None:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return msgspec.json.encode(RpcError(PARSE_ERROR, f"parse error: {error}").answer(None))
        answer = self._dispatcher.answer(document)
        return None if answer is None else msgspec.json.encode(answer)

    def _greeting(self, request: Request) -> dict[str, object]:
        return {
            "service": "soroban-localnet",
            "passphrase": self._network.passphrase,
            "protocolVersion": self._network.protocol_version,
            "latestLedger": self._network.latest_ledger,
            "rpc": "send JSON-RPC 2.0 here, by POST with Content-Type: application/json",
            "methods": self._dispatcher.methods,
            "friendbot": f"{request.base_url}friendbot?addr=G...",
        }

    # -- friendbot -------------------------------------------------------------------------

    async def _friendbot(self, request: Request) -> Response:
        body = await _read(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = parse_qs(body.decode("latin-1")) if kind == _FORM else {}
        address = (form.get("addr") or [request.query_params.get("addr", "")])[0]
        if StrKey.is_valid_contract(address):
            return _bad_address("contract addresses are not supported or enabled")
        if not StrKey.is_valid_ed25519_public_key(address):
            return _bad_address("invalid address: must be a valid G or C address")
        return await asyncio.get_running_loop().run_in_executor(None, self._fund, address)

    def _fund(self, address: str) -> Response:
        try:
            transaction_hash = self._network.fund(address)
        except FundingFailed as error:
            exists = error.reason == "CREATE_ACCOUNT_ALREADY_EXIST"
            reason = "op_already_exists" if exists else error.reason
            codes = {"transaction": "tx_failed", "operations": [reason]}
            return _problem(_FUNDED if exists else str(error), {"result_codes": codes})
        sent = self._dispatcher.call("getTransaction", {"hash": transaction_hash})
        answer = {
            "successful": True,
            "hash": transaction_hash,
            "envelope_xdr": sent["envelopeXdr"],
        }
        return _encoded(msgspec.json.encode(answer), media_type="application/hal+json")


# -- what comes in -----------------------------------------------------------------------------


class _BodyRefused(Exception):
    """A body that is not taken: `status`, `message` and `headers` of the answer."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    kind, *parameters = content_type.lower().replace(" ", "").split(";")
    charsets = [p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")]
    return kind == "application/json" and all(each in ("utf-8", "utf8") for each in charsets)


async def _read(request: Request) -> bytes:
    """Return the body. Raises _BodyRefused, ClientDisconnect.

    A body that is too large is read on, and dropped: so the client comes to read the answer, and
    none goes on for ever.
    """
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MAX_BODY_BYTES:
                    body += chunk
    except TimeoutError:
        message = f"the body did not arrive within {BODY_SECONDS:.0f} seconds"
        raise _BodyRefused(408, message, connection="close") from None
    if size > MAX_BODY_BYTES:
        raise _BodyRefused(413, f"the body exceeds {MAX_BODY_BYTES} bytes")
    return bytes(body)


# -- answers -----------------------------------------------------------------------------------


def _encoded(
    document: bytes, status: int = 200, media_type: str = "application/json", **headers: str
) -> Response:
    return Response(document, status, headers, media_type)


def _refusal(status: int, message: str, code: int = INVALID_REQUEST, **headers: str) -> Response:
    """Answer in the form of JSON-RPC: whoever comes here by mistake may expect it."""
    answer = RpcError(code, message).answer(None)
    return _encoded(msgspec.json.encode(answer), status, **headers)


def _bad_address(reason: str) -> Response:
    detail = "The request you sent was invalid in some way."
    return _problem(detail, {"invalid_field": "addr", "reason": reason})


def _problem(detail: str, extras: dict[str, object]) -> Response:
    problem = {
        "type": "https://stellar.org/friendbot-errors/bad_request",
        "title": "Bad Request",
        "status": 400,
        "detail": detail,
        "extras": extras,
    }
    return _encoded(msgspec.json.encode(problem), 400, media_type="application/problem+json")


# -- the server --------------------------------------------------------------------------------


@contextmanager
def serve_http(
    network: LocalNetwork,
    port: int = 0,
    *,
    host: str = LOOPBACK,
    control: bool = False,
    cors: Collection[str] = (),
) -> Iterator[Endpoint]:
    """Serve a network over HTTP while the context lasts.

    Arguments: `port`, or 0 for a free one; `host`, the address to listen on, where anything but a
    loopback address lets other machines in; `control` and `cors` as `application` has them.
    Yields an Endpoint. Raises OSError where the port is taken or the address not of this machine.
    """
    listener = _listen(host, port)
    bound, *_ = listener.getsockname()
    address = ip_address(bound)
    if address.is_unspecified:
        address = ip_address("::1" if address.version == 6 else LOOPBACK)
    shown = f"[{address}]" if address.version == 6 else str(address)
    url = f"http://{shown}:{listener.getsockname()[1]}"
    endpoint = Endpoint(url, url + FRIENDBOT_PATH)
    network.dispatcher.friendbot_url = endpoint.friendbot_url
    config = uvicorn.Config(
        application(network, control=control, cors=cors, any_host=not is_loopback(bound)),
        # one behaviour everywhere, whatever else is installed; h11 limits what a header may be
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, args=([listener],), name="soroban-localnet-http", daemon=True
    )
    thread.start()
    try:
        yield endpoint
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        network.dispatcher.friendbot_url = None


def _listen(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    # asyncio sends small answers without delay only where the protocol is named
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it lets a second server take the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
