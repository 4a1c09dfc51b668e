"""Fault injection: a transport for stellar-sdk that misbehaves as real networks do.

    client = FaultyClient(network.client(), Faults(seed=1, drop_after=0.1, try_again_later=0.1))
    server = SorobanServer("http://localnet.invalid", client)

It wraps any transport: the one that ends in a network of this process, or stellar-sdk's
RequestsClient. Whatever it answers, a real node, or one of several behind one address, could have
answered. Same plan, same requests: same faults. `client.injected` is what was done, and a plan that
does it again.

This package imports nothing of the network.
"""

from soroban_localnet.faults.client import FaultyClient
from soroban_localnet.faults.plan import (
    ArriveLate,
    Delay,
    DropAfter,
    DropBefore,
    Duplicate,
    Fault,
    Faults,
    GatewayTimeout,
    Lag,
    NotFound,
    OldSequence,
    Plan,
    TooManyRequests,
    Truncated,
    TryAgainLater,
    Unavailable,
)

__all__ = [
    "ArriveLate",
    "Delay",
    "DropAfter",
    "DropBefore",
    "Duplicate",
    "Fault",
    "Faults",
    "FaultyClient",
    "GatewayTimeout",
    "Lag",
    "NotFound",
    "OldSequence",
    "Plan",
    "TooManyRequests",
    "Truncated",
    "TryAgainLater",
    "Unavailable",
]
