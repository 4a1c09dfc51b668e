"""A client of deployed vaults: typed calls, applied exactly once, signing only what it expects.

It needs the extra `client` (stellar-sdk).
"""

from callora_vault.client.deploy import Deployed, Deployer
from callora_vault.client.errors import (
    AppliedByOthers,
    BadKey,
    CallFailed,
    FeeTooHigh,
    JournalUnusable,
    KeyReused,
    NeverApplied,
    NoFreeId,
    NotAccepted,
    RefusedToSign,
    SourceBusy,
    UnexpectedAuthorisation,
    UnexpectedCode,
    UnexpectedFootprint,
    Unknown,
    Unreadable,
    Unsettled,
)
from callora_vault.client.journal import Journal, JournalEntry, State
from callora_vault.client.keys import Signer, from_environment, from_file, from_keypair
from callora_vault.client.successors import NotFollowed, NotOurFactory, SuccessorLoop
from callora_vault.client.transactions import Limits, resume
from callora_vault.client.vault import Receipt, VaultClient
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
    "Deployed",
    "Deployer",
    "Fee",
    "FeeTooHigh",
    "Journal",
    "JournalEntry",
    "JournalUnusable",
    "KeyReused",
    "Limits",
    "Network",
    "NeverApplied",
    "NoAccount",
    "NoFreeId",
    "NoVault",
    "NotAccepted",
    "NotFollowed",
    "NotOurFactory",
    "Receipt",
    "RefusedToSign",
    "RpcRefused",
    "Signer",
    "SimulationFailed",
    "SourceBusy",
    "State",
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
