"""What JSON-RPC answers when a request fails."""

from __future__ import annotations

from typing import Any

from soroban_localnet.errors import LocalnetError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


class RpcError(LocalnetError):
    """A JSON-RPC error: `code` and `message` of the answer, and `data` that explains it further."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def answer(self, identity: Any) -> dict[str, Any]:
        """Return the answer to the request with this id."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return {"jsonrpc": "2.0", "id": identity, "error": error}
