"""What the parameters of several methods have in common, and how XDR is read from them."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Any

from msgspec import Meta, Struct

LedgerSequence = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Limit = Annotated[int, Meta(ge=0)]


class NoParameters(Struct):
    """No parameters; what is there is ignored."""


class Formatted(Struct, rename="camel", kw_only=True):
    """Parameters that choose the form of XDR in the answer: only base64 is served."""

    xdr_format: str | None = None

    def __post_init__(self) -> None:
        if self.xdr_format == "json":
            raise ValueError("xdrFormat: only base64 is served here; leave it out")
        if self.xdr_format not in (None, "", "base64"):
            message = f"got '{self.xdr_format}': expected base64, json for optional 'xdrFormat'"
            raise ValueError(message)


class Pagination(Struct):
    """Where a page begins, after `cursor`, and how many items it holds at most."""

    cursor: str | None = None
    limit: Limit | None = None


class Paged(Formatted):
    """Parameters of a method that answers in pages."""

    start_ledger: LedgerSequence | None = None
    pagination: Pagination | None = None

    @property
    def first_ledger(self) -> int:
        """The ledger to start with, or 0."""
        return self.start_ledger or 0

    @property
    def cursor(self) -> str | None:
        """The cursor, as it was given."""
        return None if self.pagination is None else self.pagination.cursor

    @property
    def asked_limit(self) -> int:
        """How many items are asked for, or 0."""
        return (self.pagination.limit or 0) if self.pagination else 0


def decode_xdr(text: str, kind: Any) -> tuple[bytes, Any]:
    """Read XDR in base64; return its bytes and the value. Raises ValueError.

    Arguments: `kind`, a class of stellar_sdk.xdr. Bytes that XDR does not allow are refused.
    """
    try:
        data = b64decode(text, validate=True)
        value = kind.from_xdr_bytes(data)
        canonical = value.to_xdr_bytes()
    except Exception as error:  # the decoder raises whatever Python raises on bad input
        raise ValueError(f"not a {kind.__name__} in base64") from error
    if canonical != data:  # the decoder lets wrong padding and flags pass
        raise ValueError(f"not the XDR of a {kind.__name__}")
    return data, value
