"""The faults, and the plans that say which request meets which fault."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
from attrs.validators import ge, le


@attrs.frozen
class Delay:
    """The request reaches the node `seconds` later."""

    seconds: float = attrs.field(default=1.0, validator=ge(0))


@attrs.frozen
class DropBefore:
    """The connection breaks before the request is sent: ConnectionError."""


@attrs.frozen
class DropAfter:
    """The connection breaks after the node has done what was asked: ConnectionError."""


@attrs.frozen
class ArriveLate:
    """ConnectionError now; the request reaches the node just before the `requests`th from here."""

    requests: int = attrs.field(default=1, validator=ge(1))


@attrs.frozen
class Duplicate:
    """The request reaches the node twice; the second answer is the one to be seen."""


@attrs.frozen
class TooManyRequests:
    """HTTP 429 with a line of text, from a proxy that limits the rate. The node sees nothing."""


@attrs.frozen
class Unavailable:
    """HTTP 503 without a body: the node's queue is full, and it does nothing."""


@attrs.frozen
class GatewayTimeout:
    """HTTP 504 without a body: the node does what was asked, but takes too long to say so."""


@attrs.frozen
class Truncated:
    """The body ends early: `part` of it arrives, 0 to 1, but never all. JSONDecodeError."""

    part: float = attrs.field(default=0.5, validator=[ge(0), le(1)])


@attrs.frozen
class Lag:
    """A node that is behind answers as one did at least `requests` requests ago.

    It takes an earlier answer to the same request, and strikes only where there is one; never
    sendTransaction.
    """

    requests: int = attrs.field(default=1, validator=ge(1))


@attrs.frozen
class TryAgainLater:
    """sendTransaction answers TRY_AGAIN_LATER; the transaction is not sent."""


@attrs.frozen
class NotFound:
    """getTransaction does not know a transaction yet, although it is in a ledger.

    For `times` polls of it, and until `ledgers` more ledgers are closed after its own. The window
    in the answer ends with the ledger before.
    """

    times: int = attrs.field(default=1, validator=ge(1))
    ledgers: int = attrs.field(default=0, validator=ge(0))


@attrs.frozen
class OldSequence:
    """getLedgerEntries shows an account as it was before the last transaction sent from it.

    For `times` requests that ask for that account alone, as `load_account` does.
    """

    times: int = attrs.field(default=1, validator=ge(1))


Fault: TypeAlias = (
    Delay
    | DropBefore
    | DropAfter
    | ArriveLate
    | Duplicate
    | TooManyRequests
    | Unavailable
    | GatewayTimeout
    | Truncated
    | Lag
    | TryAgainLater
    | NotFound
    | OldSequence
)


Plan: TypeAlias = Callable[[int, str], Fault | None]
"""Which fault a request meets: its number, from 1, and its method; GET for a plain HTTP GET."""


def _probability() -> float:
    field: float = attrs.field(default=0.0, validator=[ge(0), le(1)])
    return field


@attrs.frozen(kw_only=True)
class Faults:
    """A plan by chance: how likely each fault is, 0 to 1, for a request that it can strike.

    A request meets one fault at most. What it meets follows from `seed`, its number and its
    method, whatever was before.

    Arguments: `longest_delay` in seconds; `longest`, the most requests, polls or ledgers that a
    fault lasts.
    """

    seed: int
    delay: float = _probability()
    drop_before: float = _probability()
    drop_after: float = _probability()
    arrive_late: float = _probability()
    duplicate: float = _probability()
    too_many_requests: float = _probability()
    unavailable: float = _probability()
    gateway_timeout: float = _probability()
    truncated: float = _probability()
    lag: float = _probability()
    try_again_later: float = _probability()
    not_found: float = _probability()
    old_sequence: float = _probability()
    longest_delay: float = attrs.field(default=1.0, validator=ge(0))
    longest: int = attrs.field(default=3, validator=ge(1))

    @classmethod
    def of_every_kind(cls, seed: int, probability: float) -> Faults:
        """Return a plan in which each fault is equally likely."""
        probabilities: dict[str, Any] = dict.fromkeys(_KINDS, probability)
        return cls(seed=seed, **probabilities)

    def __call__(self, number: int, method: str) -> Fault | None:
        """Return the fault that a request meets, or None."""
        # random() alone is the same in every version of Python
        draw = random.Random(f"{self.seed} {number}").random  # noqa: S311 - not for secrets
        for name, (struck, make) in _KINDS.items():
            chance, size = draw(), draw()
            if struck in (None, method) and chance < getattr(self, name):
                return make(self, size)
        return None

    def _upto(self, size: float) -> int:
        return 1 + int(size * self.longest)


_KINDS: dict[str, tuple[str | None, Callable[[Faults, float], Fault]]] = {
    "delay": (None, lambda plan, size: Delay(size * plan.longest_delay)),
    "drop_before": (None, lambda plan, size: DropBefore()),
    "drop_after": (None, lambda plan, size: DropAfter()),
    "arrive_late": (None, lambda plan, size: ArriveLate(plan._upto(size))),
    "duplicate": (None, lambda plan, size: Duplicate()),
    "too_many_requests": (None, lambda plan, size: TooManyRequests()),
    "unavailable": (None, lambda plan, size: Unavailable()),
    "gateway_timeout": (None, lambda plan, size: GatewayTimeout()),
    "truncated": (None, lambda plan, size: Truncated(size)),
    "lag": (None, lambda plan, size: Lag(plan._upto(size))),
    "try_again_later": ("sendTransaction", lambda plan, size: TryAgainLater()),
    "not_found": ("getTransaction", lambda plan, size: NotFound(plan._upto(size))),
    "old_sequence": ("getLedgerEntries", lambda plan, size: OldSequence(plan._upto(size))),
}
