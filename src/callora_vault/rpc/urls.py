"""URLs in messages: a server's name without the secrets that its URL may hold."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from stellar_sdk.exceptions import BaseRequestError


def is_server(url: str) -> bool:
    """Return whether a URL can name a server: http or https, a host, a port other than 0."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def origin(url: str) -> str:
    """Name a server without what may be secret in its URL: user, password, path, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def cause(error: Exception) -> str:
    """Say why a request failed; the error's own text would repeat the URL and its secrets."""
    text = str(error)
    if found := re.search(r"\[Errno -?\d+\] ([A-Za-z ,]+)", text):
        return found[1].strip()
    if "timed out" in text:
        return "it did not answer in time"
    if "SSL" in text:
        return "the TLS connection failed"
    if isinstance(error, json.JSONDecodeError):
        return "its answer is not JSON"
    if isinstance(error, BaseRequestError):
        return "the request failed"
    return "its answer is not that of a Stellar RPC"
