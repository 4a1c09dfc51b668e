"""A Soroban network inside Python: stellar's own host, a ledger, and the RPC methods."""

from soroban_localnet.errors import (
    FundingFailed,
    HostCrashed,
    HostRefused,
    LocalnetError,
    MalformedEnvelope,
    SettingsError,
    UnknownSnapshot,
)
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
