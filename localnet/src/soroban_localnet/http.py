"""The HTTP door: JSON-RPC and friendbot for any Stellar client, on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from stellar_sdk import StrKey

from soroban_localnet.errors import FundingFailed
from soroban_localnet.network import LocalNetwork
from soroban_localnet.rpc import INVALID_REQUEST, PARSE_ERROR

MAX_BODY_BYTES = 1_048_576

_OPERATION_CODES = {"CREATE_ACCOUNT_ALREADY_EXIST": "op_already_exists"}
"""How Horizon and friendbot name the results of operations."""


@attrs.frozen
class Endpoint:
    """Where a network is served: `url` of JSON-RPC, `friendbot_url` of friendbot."""

    url: str
    friendbot_url: str


def application(network: LocalNetwork) -> Starlette:
    """Return the ASGI application that serves JSON-RPC on / and friendbot on /friendbot."""

    async def rpc(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return _problem(INVALID_REQUEST, f"the body exceeds {MAX_BODY_BYTES} bytes", 413)
        try:
            document = msgspec.json.decode(bytes(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _problem(PARSE_ERROR, f"parse error: {error}")
        answer = await run_in_threadpool(network.dispatcher.answer, document)
        return Response(status_code=204) if answer is None else _json(answer)

    async def friendbot(request: Request) -> Response:
        address = request.query_params.get("addr", "")
        if not StrKey.is_valid_ed25519_public_key(address):
            detail = {"title": "Bad Request", "status": 400, "detail": "addr: an account (G...)"}
            return _json(detail, 400)
        try:
            transaction_hash = await run_in_threadpool(network.fund, address)
        except FundingFailed as error:
            detail = {
                "title": "Transaction Failed",
                "status": 400,
                "detail": str(error),
                "extras": {
                    "result_codes": {
                        "transaction": "tx_failed",
                        "operations": [_OPERATION_CODES.get(error.reason, error.reason)],
                    }
                },
            }
            return _json(detail, 400)
        return _json({"hash": transaction_hash, "successful": True})

    return Starlette(
        routes=[
            Route("/", rpc, methods=["POST"]),
            Route("/friendbot", friendbot, methods=["GET", "POST"]),
        ]
    )


def _json(document: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def _problem(code: int, message: str, status: int = 200) -> Response:
    error = {"code": code, "message": message}
    return _json({"jsonrpc": "2.0", "id": None, "error": error}, status)


@contextmanager
def serve_http(network: LocalNetwork, port: int = 0) -> Iterator[Endpoint]:
    """Serve a network over HTTP on 127.0.0.1 while the context lasts.

    Arguments: `port`, or 0 for a free one. Yields an Endpoint. Raises OSError where the port is
    taken.
    """
    # asyncio sends small answers without delay only where the protocol is named
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    endpoint = Endpoint(url, f"{url}/friendbot")
    network.dispatcher.friendbot_url = endpoint.friendbot_url
    server = uvicorn.Server(
        uvicorn.Config(application(network), log_level="warning", lifespan="off")
    )
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
