"""A client of deployed vaults: typed calls, applied exactly once, signing only what it expects.

It needs the extra `client` (stellar-sdk).
"""

from callora_vault.client.deploy import Deployed, Deployer
from callora_vault.client.entries import JournalEntry, Life, State
from callora_vault.client.errors import (
    AppliedByOthers,
    BadKey,
    CallFailed,
    ClockSkew,
    FeeTooHigh,
    JournalUnusable,
    KeyReused,
    NetworkBehind,
    NeverApplied,
    NoFreeId,
    NotAccepted,
    OtherNetwork,
    RefusedToSign,
    RequestIdUsed,
    SourceBusy,
    StillOpen,
    UnexpectedAuthorisation,
    UnexpectedCode,
    UnexpectedFootprint,
    Unknown,
    Unreadable,
    Unsettled,
)
from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer, from_environment, from_file, from_keypair
from callora_vault.client.limits import Limits
from callora_vault.client.receipts import Receipt, Skipped
from callora_vault.client.successors import NotFollowed, NotOurFactory, SuccessorLoop
from callora_vault.client.transactions import resume
from callora_vault.client.vault import VaultClient
from callora_vault.rpc.errors import (
    NoAccount,
    NoVault,
    RpcRefused,
    SimulationFailed,
    Unreachable,
    WrongNetwork,
)
from callora_vault.rpc.network import Clock, Network, connect
from callora_vault.rpc.results import Fee

__all__ = [
    "AppliedByOthers",
    "BadKey",
    "CallFailed",
    "Clock",
    "ClockSkew",
    "Deployed",
    "Deployer",
    "Fee",
    "FeeTooHigh",
    "Journal",
    "JournalEntry",
    "JournalUnusable",
    "KeyReused",
    "Life",
    "Limits",
    "Network",
    "NetworkBehind",
    "NeverApplied",
    "NoAccount",
    "NoFreeId",
    "NoVault",
    "NotAccepted",
    "NotFollowed",
    "NotOurFactory",
    "OtherNetwork",
    "Receipt",
    "RefusedToSign",
    "RequestIdUsed",
    "RpcRefused",
    "Signer",
    "SimulationFailed",
    "Skipped",
    "SourceBusy",
    "State",
    "StillOpen",
    "SuccessorLoop",
    "UnexpectedAuthorisation",
    "UnexpectedCode",
    "UnexpectedFootprint",
    "Unknown",
    "Unreachable",
    "Unreadable",
    "Unsettled",
    "VaultClient",
    "WrongNetwork",
    "connect",
    "from_environment",
    "from_file",
    "from_keypair",
    "resume",
]
