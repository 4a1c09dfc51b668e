"""What is answered over HTTP, everything in JSON.

Friendbot answers as stellar's own, from its source.
"""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from soroban_localnet.rpc import INVALID_REQUEST, RpcError

FUNDED = "account already funded to starting balance"


def encoded(
    document: bytes, status: int = 200, media_type: str = "application/json", **headers: str
) -> Response:
    """Answer with a document that is JSON already."""
    return Response(document, status, headers, media_type)


def refusal(status: int, message: str, code: int = INVALID_REQUEST, **headers: str) -> Response:
    """Answer in the form of JSON-RPC: whoever comes here by mistake may expect it."""
    answer = RpcError(code, message).answer(None)
    return encoded(msgspec.json.encode(answer), status, **headers)


def bad_address(reason: str) -> Response:
    """Answer as friendbot does where the address is none that it funds."""
    detail = "The request you sent was invalid in some way."
    return problem(detail, {"invalid_field": "addr", "reason": reason})


def problem(detail: str, extras: dict[str, object]) -> Response:
    """Answer as friendbot does where an account cannot be funded (RFC 7807)."""
    document = {
        "type": "https://stellar.org/friendbot-errors/bad_request",
        "title": "Bad Request",
        "status": 400,
        "detail": detail,
        "extras": extras,
    }
    return encoded(msgspec.json.encode(document), 400, media_type="application/problem+json")
