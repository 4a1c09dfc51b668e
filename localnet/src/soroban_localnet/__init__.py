"""A Soroban network inside Python: stellar's own host, a ledger, and the RPC methods."""

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
    RemoteFailed,
    RemoteMismatch,
    SettingsError,
    UnknownAccount,
    UnknownSnapshot,
)
from soroban_localnet.fork import REAL_KEYS_WARNING, Fork
from soroban_localnet.network import STANDALONE, LocalNetwork

__all__ = [
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
    "RemoteFailed",
    "RemoteMismatch",
    "SettingsError",
    "UnknownAccount",
    "UnknownSnapshot",
]
