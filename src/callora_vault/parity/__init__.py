"""Comparing a contract with the model: both receive the same calls on a network."""

from callora_vault.model.calls import DeductItem
from callora_vault.parity.campaign import Progress
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.network.connection import Connection, connect, connect_local
from callora_vault.parity.run import audit, reproduce, subject
from callora_vault.parity.steps import (
    Age,
    Code,
    Lane,
    Made,
    Odd,
    Place,
    Restore,
    Role,
    Salt,
    Step,
    Submit,
)
from callora_vault.parity.target import MODELS, Target, committed, deployed, from_file
from callora_vault.parity.verdict import Report, Verdict

__all__ = [
    "MODELS",
    "Age",
    "CannotRun",
    "Code",
    "Connection",
    "DeductItem",
    "Lane",
    "Made",
    "Odd",
    "Place",
    "Progress",
    "Report",
    "Restore",
    "Role",
    "Salt",
    "Step",
    "Submit",
    "Target",
    "Verdict",
    "audit",
    "committed",
    "connect",
    "connect_local",
    "deployed",
    "from_file",
    "reproduce",
    "subject",
]
