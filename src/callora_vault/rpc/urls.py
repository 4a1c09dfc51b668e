"""URLs in messages: a server's name without what a URL may carry in secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def is_server(url: str) -> bool:
    """Tell whether a URL can be one of a server: http or https, a host, a port other than 0."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def origin(url: str) -> str:
    """Name a server without what a URL may carry in secret: user, password, path, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def cause(error: Exception) -> str:
    """Name why a request failed; the whole text would repeat the URL and what is secret in it."""
    found = re.search(r"\[Errno -?\d+\] ([A-Za-z ,]+)", str(error))
    return found[1].strip() if found else type(error).__name__
