"""A Soroban network inside Python: stellar's own host, a ledger, and the RPC methods.

`LocalNetwork` and what belongs to it are imported when they are first named, so that the command
line and the pytest plugin can load this package in no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from soroban_localnet.errors import (
    FundingFailed,
    HostCrashed,
    HostRefused,
    LocalnetError,
    MalformedEnvelope,
    SettingsError,
    UnknownSnapshot,
)

if TYPE_CHECKING:
    from soroban_localnet.network import STANDALONE, LocalNetwork

__all__ = [
    "STANDALONE",
    "FundingFailed",
    "HostCrashed",
    "HostRefused",
    "LocalNetwork",
    "LocalnetError",
    "MalformedEnvelope",
    "SettingsError",
    "UnknownSnapshot",
]

_WHERE = {"STANDALONE": "network", "LocalNetwork": "network"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
