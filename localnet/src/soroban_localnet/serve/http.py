"""The HTTP server: JSON-RPC and friendbot for any Stellar client, on this machine.

Requests that a browser sends for a web page are rejected, unless its origin is allowed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import parse_qs

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
from soroban_localnet.serve.answers import FUNDED, bad_address, encoded, problem, refusal
from soroban_localnet.serve.body import FORM, BodyRefused, is_json, read
from soroban_localnet.serve.browser_guard import BrowserGuard, is_loopback

_log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 1

RPC_PATHS = ("/", "/rpc", "/soroban/rpc")
"""Where JSON-RPC is: at the root, and where stellar's quickstart image has it."""

FRIENDBOT_PATH = "/friendbot"


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
    friendbot_url: str | None = None,
) -> ASGIApp:
    """Return the ASGI application that serves JSON-RPC on / and friendbot on /friendbot.

    Arguments: `control` adds the methods of soroban_localnet.serve.control; `cors`, the origins
    whose pages may come in, "*" for all; `any_host` serves whatever name the client knows this
    machine by, not only the names of the machine itself; `friendbot_url`, what getNetwork says of
    where friendbot is.
    """
    app: ASGIApp = _Handler(network, control=control, friendbot_url=friendbot_url)
    if cors:
        app = CORSMiddleware(
            app,
            allow_origins=cors,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
            allow_private_network=True,
        )
    return BrowserGuard(app, frozenset(cors), any_host=any_host)


class _Handler:
    """Answers JSON-RPC on the RPC paths and friendbot on its own; everything in JSON."""

    def __init__(self, network: LocalNetwork, *, control: bool, friendbot_url: str | None) -> None:
        self._network = network
        self._dispatcher = Dispatcher(network.node, control_methods.METHODS if control else None)
        if friendbot_url is not None:
            self._dispatcher.friendbot_urls.append(friendbot_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except BodyRefused as refused:
            response = refusal(refused.status, refused.message, INVALID_REQUEST, **refused.headers)
        except LocalnetError as error:
            _log.error("%s", error)
            response = refusal(500, str(error), INTERNAL_ERROR)
        except Exception as error:
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            _log.exception("internal error of soroban-localnet: %s", what)
            response = refusal(500, f"internal error of soroban-localnet: {what}", INTERNAL_ERROR)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, method = request.scope["path"], request.method
        if path in RPC_PATHS:
            if method == "POST":
                return await self._rpc(request)
            if method in ("GET", "HEAD"):
                greeting = msgspec.json.encode(self._greeting(request))
                return encoded(msgspec.json.format(greeting))
        elif path == FRIENDBOT_PATH:
            if method in ("GET", "POST"):
                return await self._friendbot(request)
        else:
            return refusal(
                404, f"{path} does not exist; JSON-RPC is at / and friendbot at /friendbot"
            )
        return refusal(405, f"{path} does not accept {method}", allow="GET, HEAD, POST")

    # -- JSON-RPC --------------------------------------------------------------------------

    async def _rpc(self, request: Request) -> Response:
        if not is_json(request.headers.get("content-type", "")):
            return refusal(
                415, "send JSON-RPC with the header Content-Type: application/json, in UTF-8"
            )
        body = await read(request)
        answer = await asyncio.get_running_loop().run_in_executor(None, self._call, body)
        return Response(status_code=204) if answer is None else encoded(answer)

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
        body = await read(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = parse_qs(body.decode("latin-1")) if kind == FORM else {}
        address = (form.get("addr") or [request.query_params.get("addr", "")])[0]
        if StrKey.is_valid_contract(address):
            return bad_address("contract addresses are not supported or enabled")
        if not StrKey.is_valid_ed25519_public_key(address):
            return bad_address("invalid address: must be a valid G or C address")
        return await asyncio.get_running_loop().run_in_executor(None, self._fund, address)

    def _fund(self, address: str) -> Response:
        try:
            transaction_hash = self._network.fund(address)
        except FundingFailed as error:
            exists = error.reason == "CREATE_ACCOUNT_ALREADY_EXIST"
            reason = "op_already_exists" if exists else error.reason
            codes = {"transaction": "tx_failed", "operations": [reason]}
            return problem(FUNDED if exists else str(error), {"result_codes": codes})
        sent = self._dispatcher.call("getTransaction", {"hash": transaction_hash})
        answer = {
            "successful": True,
            "hash": transaction_hash,
            "envelope_xdr": sent["envelopeXdr"],
        }
        return encoded(msgspec.json.encode(answer), media_type="application/hal+json")


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
    served = application(
        network,
        control=control,
        cors=cors,
        any_host=not is_loopback(bound),
        friendbot_url=endpoint.friendbot_url,
    )
    config = uvicorn.Config(
        served,
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
    network.dispatcher.friendbot_urls.append(endpoint.friendbot_url)
    try:
        yield endpoint
    finally:
        network.dispatcher.friendbot_urls.remove(endpoint.friendbot_url)
        server.should_exit = True
        thread.join()
        listener.close()


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
