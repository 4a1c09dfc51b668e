"""A Soroban network inside Python: stellar's own host, a ledger, and the RPC methods.

`LocalNetwork` and `Fork` are imported when they are first named, so that the command line and the
pytest plugin load this package fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from soroban_localnet.errors import (
    FileError,
    FileInUse,
    FileMismatch,
    ForkError,
    FundingFailed,
    HostCrashed,
    HostRefused,
    LocalnetError,
    MalformedEnvelope,
    NeedsNewerProtocol,
    RemoteBeganAnew,
    RemoteFailed,
    RemoteMismatch,
    SettingsError,
    UnknownAccount,
    UnknownSnapshot,
)
from soroban_localnet.ledger.parameters import LEDGER_SECONDS, STANDALONE

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from soroban_localnet.network import LocalNetwork
    from soroban_localnet.storage.fork import REAL_KEYS_WARNING, Fork

__all__ = [
    "LEDGER_SECONDS",
    "REAL_KEYS_WARNING",
    "STANDALONE",
    "FileError",
    "FileInUse",
    "FileMismatch",
    "Fork",
    "ForkError",
    "FundingFailed",
    "HostCrashed",
    "HostRefused",
    "LocalNetwork",
    "LocalnetError",
    "MalformedEnvelope",
    "NeedsNewerProtocol",
    "RemoteBeganAnew",
    "RemoteFailed",
    "RemoteMismatch",
    "SettingsError",
    "UnknownAccount",
    "UnknownSnapshot",
]

_LATER = {
    "REAL_KEYS_WARNING": "storage.fork",
    "Fork": "storage.fork",
    "LocalNetwork": "network",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
