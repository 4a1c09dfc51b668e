"""Rejects requests that a browser sends for a web page, unless its origin is allowed."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import attrs
from starlette.types import ASGIApp, Receive, Scope, Send

from soroban_localnet.serve.answers import refusal


@attrs.frozen
class BrowserGuard:
    """Rejects what a browser sends for a page of another origin.

    A page can send without being able to read the answer, so its requests must be rejected. A name
    that is not this machine's own in `Host` is a page that made its name point here.
    """

    _app: ASGIApp
    _origins: frozenset[str]
    _any_host: bool = attrs.field(kw_only=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to what a page sent, and pass everything else on."""
        headers = dict(scope["headers"])  # names in lower case
        reason = self._reason(
            headers.get(b"host", b"").decode("latin-1"),
            headers.get(b"origin", b"").decode("latin-1"),
            headers.get(b"sec-fetch-site", b"").decode("latin-1"),
        )
        if reason is None:
            await self._app(scope, receive, send)
        else:
            await refusal(403, reason)(scope, receive, send)

    def _reason(self, host: str, origin: str, site: str) -> str | None:
        if host and not self._any_host and not _names_this_machine(host):
            return f"Host '{host}' is not a name of this machine; use localhost or 127.0.0.1"
        allowed = origin in self._origins or "*" in self._origins
        if origin and not allowed:
            return f"pages of {origin} are rejected; start with --cors {origin} to allow them"
        if not origin and site in ("cross-site", "same-site"):
            return "pages of other origins are rejected; --cors allows an origin"
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
