"""What comes in over HTTP: bodies, and what they are said to be."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from starlette.requests import Request

from soroban_localnet.errors import LocalnetError

MAX_BODY_BYTES = 1_048_576
BODY_SECONDS = 10.0

FORM = "application/x-www-form-urlencoded"


class BodyRefused(LocalnetError):
    """A body that is not taken: `status`, `message` and `headers` of the answer."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@lru_cache(maxsize=64)
def is_json(content_type: str) -> bool:
    """Tell whether the header says JSON in UTF-8."""
    kind, *parameters = content_type.lower().replace(" ", "").split(";")
    charsets = [p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")]
    return kind == "application/json" and all(each in ("utf-8", "utf8") for each in charsets)


async def read(request: Request) -> bytes:
    """Return the body. Raises BodyRefused, ClientDisconnect.

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
        raise BodyRefused(408, message, connection="close") from None
    if size > MAX_BODY_BYTES:
        raise BodyRefused(413, f"the body exceeds {MAX_BODY_BYTES} bytes")
    return bytes(body)
