"""What a call may take, and how long what is signed for it counts."""

from __future__ import annotations

import math
from typing import Final

import attrs
from stellar_sdk import Network as StellarNetwork

from callora_vault.model.renewal import LEDGER_SECONDS

CLOCK_SKEW: Final = 300.0
"""How far a tip may be from the local clock on a network that keeps time, in seconds."""
CLOCK_WARNING: Final = 60.0
"""From which skew on a warning is logged on any other network, in seconds."""
BURST: Final = 100
"""How many ledgers a local network may close between two answers beyond one a second."""

PUBLIC: Final = StellarNetwork.PUBLIC_NETWORK_PASSPHRASE
_TIMED: Final = frozenset(
    (
        PUBLIC,
        StellarNetwork.TESTNET_NETWORK_PASSPHRASE,
        StellarNetwork.FUTURENET_NETWORK_PASSPHRASE,
    )
)


@attrs.frozen
class Limits:
    """What a call may take: seconds, and stroops.

    `timeout`, how long the caller waits. `validity`, how long a transaction can be applied after
    its signature; a signature of the call alone expires with it, at `ledger_seconds` a ledger: 5 on
    the public networks, less on a local one under load. `inclusion_fee`, the most for a place in
    the ledger; the network takes what the place costs. `resource_fee`, the most for resources and
    rent. `rent_headroom` is declared on top of the simulated fee, within `resource_fee`, for a
    renewal that falls due between simulation and application; what is not used is refunded.
    `clock_skew`, how many seconds the close time of the latest ledger may be from the local clock
    on the public, test and future networks: more than that for a fork whose time was moved.
    """

    timeout: float = 120.0
    validity: int = 60
    ledger_seconds: float = LEDGER_SECONDS
    inclusion_fee: int = 10_000
    resource_fee: int = 50_000_000
    rent_headroom: int = 2_000_000
    clock_skew: float = CLOCK_SKEW


def keeps_time(passphrase: str) -> bool:
    """Say whether a network closes ledgers all the time, by clocks that are right."""
    return passphrase in _TIMED


def believed_close_time(passphrase: str, close_time: int, utc: float, limits: Limits) -> int:
    """Return how late it is on the network at most, whatever its RPC says.

    Arguments: `close_time` as the RPC says it, `utc` the local clock, both in seconds since 1970.
    """
    if keeps_time(passphrase) and math.isfinite(limits.clock_skew):
        return min(close_time, math.floor(utc + limits.clock_skew))
    return close_time


def max_time(passphrase: str, close_time: int, utc: float, limits: Limits) -> int:
    """Return the last close time at which a transaction signed now is valid.

    A local network may close no ledger for hours: its latest close time alone would be late.
    """
    now = close_time if keeps_time(passphrase) else max(close_time, int(utc))
    return now + limits.validity


def believed_ledger(passphrase: str, latest: int, last: tuple[int, int], close_time: int) -> int:
    """Return the latest ledger as far as it is believed.

    On the public, test and future networks it has grown since a ledger that was seen before by no
    more than one a second. Arguments: `latest` and `close_time` of the latest ledger as the RPC
    says; `last`, sequence and close time of the ledger that was seen.
    """
    if not keeps_time(passphrase):
        return latest
    sequence, closed = last
    return min(latest, sequence + max(close_time - closed, 0) + 1)


def until_ledger(believed: int, simulated: int, passphrase: str, limits: Limits) -> int:
    """Return the last ledger in which a signature of a call alone counts.

    Arguments: `believed`, from `believed_ledger`; `simulated`, the ledger of the simulation.
    """
    slack = math.ceil(limits.timeout) if keeps_time(passphrase) else BURST
    now = max(believed, min(simulated, believed + slack))
    return now + math.ceil(limits.validity / limits.ledger_seconds)
