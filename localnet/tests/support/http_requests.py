"""Requests as a program or a browser makes them, down to the headers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

JSON = {"Content-Type": "application/json"}


@attrs.frozen
class Answer:
    """Status, headers and body of an answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def fetch(
    url: str,
    body: bytes | None = None,
    method: str | None = None,
    headers: Mapping[str, str] = JSON,
) -> Answer:
    """Send a request, by POST where there is a body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        target = parts._replace(scheme="", netloc="").geturl() or "/"
        connection.request(method or ("GET" if body is None else "POST"), target, body, headers)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def call(url: str, method: str, params: object = None, headers: Mapping[str, str] = JSON) -> Any:
    """Call a JSON-RPC method; return its result, or the error with its code and message."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    document = fetch(url, json.dumps(request).encode(), headers=headers).document
    return document["result"] if "result" in document else document["error"]
