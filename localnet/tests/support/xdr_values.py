"""Values of any XDR type out of nothing, and changes to one field of a value that there is.

stellar_sdk.xdr knows how each type is read. A reader that makes up what it is asked for therefore
gives well-formed values of every type, however odd, and no table of types is needed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Any, Protocol, TypeVar

from xdrlib3 import Unpacker

ODD_UNSIGNED = (0, 1, 2, 3, 99, 100, 101, 720, 4096, 120_960, 2**31 - 1, 2**31, 2**32 - 1)
ODD_SIGNED = (*ODD_UNSIGNED[:-2], -1, -2, -(2**31))
ODD_LONG = (0, 1, 2, 100, 10**7, 2**32, 2**53 + 1, 2**62, 2**63 - 1)
WORDS = (b"add", b"get", b"store", b"approve", b"n", b"Counter", b"USD", b"", b"\xff\xfe", b"\0")


class Decodable(Protocol):
    """A type of stellar_sdk.xdr."""

    @classmethod
    def unpack(cls, unpacker: Unpacker, depth_limit: int = ...) -> Any: ...

    def to_xdr_bytes(self) -> bytes: ...


T = TypeVar("T", bound=Decodable)


class Inventor(Unpacker):
    """An unpacker that makes up what it is asked for.

    Arguments: `known`, byte strings that mean something on the network, such as keys; `appetite`,
    how many lists and options may be filled before all others stay empty.
    """

    def __init__(self, source: random.Random, known: Sequence[bytes], appetite: int = 20) -> None:
        super().__init__(b"")
        self._random = source
        self._known = known
        self._appetite = appetite

    def get_buffer(self) -> Any:  # of any length that a list may be compared with
        return range(2**32)

    def get_position(self) -> int:
        return 0

    def _few(self) -> int:
        self._appetite -= 1
        return self._random.choice((0, 1, 1, 2, 3)) if self._appetite > 0 else 0

    def unpack_int(self) -> int:
        asking = sys._getframe(1).f_locals.get("cls")
        if isinstance(asking, type) and issubclass(asking, IntEnum):
            return self._random.choice(list(asking)).value
        if asking is None:  # the arm of an extension
            return self._random.choice((0, 0, 0, 1))
        return self._random.choice(ODD_SIGNED)

    def unpack_uint(self) -> int:
        frame = sys._getframe(1)
        asking = frame.f_code.co_qualname
        if asking == "UnsignedInteger.unpack":
            return self._random.choice(ODD_UNSIGNED)
        if asking in ("String.unpack", "Opaque.unpack"):
            allowed: int = frame.f_locals.get("max_size") or frame.f_locals["size"]
            longest = min(allowed, 300)
            return self._random.choice((0, 1, 3, min(32, longest), longest))
        return self._few()

    def unpack_bool(self) -> bool:
        return self._random.random() < 0.5

    def unpack_hyper(self) -> int:
        return self._random.choice((1, -1)) * self._random.choice(ODD_LONG)

    def unpack_uhyper(self) -> int:
        return self._random.choice((*ODD_LONG, 2**64 - 1))

    def unpack_fopaque(self, n: int) -> bytes:
        fitting = [word for word in (*self._known, *WORDS) if len(word) == n]
        if fitting and self._random.random() < 0.8:
            return self._random.choice(fitting)
        return self._random.randbytes(n)


def source_of(seed: int | str) -> random.Random:
    """Return a source of chance that a seed repeats."""
    return random.Random(seed)  # noqa: S311 - not for secrets


def invented(kind: type[T], source: random.Random, known: Sequence[bytes]) -> T:
    """Make up a value of a type."""
    while True:
        try:
            value: T = kind.unpack(Inventor(source, known))
            value.to_xdr_bytes()
        except Exception:  # noqa: S112 - not every arm of a union exists
            continue
        return value


def fields(value: Any) -> Iterator[tuple[str, Any, Callable[[Any], None]]]:
    """Yield every field below a value: its path, what it holds, and how to set it."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield f"[{index}]", item, lambda new, i=index: value.__setitem__(i, new)  # type: ignore[misc]
            yield from ((f"[{index}]{path}", held, put) for path, held, put in fields(item))
    elif type(value).__module__.startswith("stellar_sdk.xdr") and not isinstance(value, IntEnum):
        for name, item in vars(value).items():
            if item is None:
                continue
            yield f".{name}", item, lambda new, n=name: setattr(value, n, new)  # type: ignore[misc]
            yield from ((f".{name}{path}", held, put) for path, held, put in fields(item))


def odd(value: Any, source: random.Random, known: Sequence[bytes]) -> Any:
    """Return another value for a field; it need not be one that XDR allows."""
    match value:
        case bool():
            return not value
        case IntEnum():
            return source.choice(list(type(value)))
        case int():
            return source.choice((*ODD_LONG, *ODD_SIGNED, value + 1, value - 1, -value))
        case bytes():
            changed = bytes(b ^ (source.random() < 0.1) for b in value)
            return source.choice((b"", value[:-1], value + b"\0", changed, *known, *WORDS))
        case list():
            return source.choice(
                ([], value[:1] * 2, value[::-1], value * 2, value[:1] * 101, value[1:])
            )
        case _:
            return invented(type(value), source, known)


def damaged(data: bytes, source: random.Random, other: bytes) -> bytes:
    """Change bytes: a word, a bit, a piece cut out, doubled, or taken from other data."""
    start = 4 * source.randrange(len(data) // 4)
    end = start + 4 * source.randrange(1, 12)
    taken = 4 * source.randrange(max(1, len(other) // 4))
    word = source.choice((*ODD_UNSIGNED, source.getrandbits(32))).to_bytes(4, "big")
    at = source.randrange(len(data))
    return source.choice(
        (
            data[:start] + word + data[start + 4 :],
            data[:start] + word + data[start:],
            data[:start] + data[end:],
            data[:end] + data[start:],
            data[:start] + other[taken : taken + end - start] + data[end:],
            data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :],
            data[:at],
        )
    )
