"""What the parameters of every method have in common."""

from __future__ import annotations

from msgspec import Struct


class NoParameters(Struct):
    """No parameters; what is there is ignored."""


class Formatted(Struct, rename="camel", kw_only=True):
    """Parameters that choose the form of XDR in the answer: base64 alone is served."""

    xdr_format: str | None = None
