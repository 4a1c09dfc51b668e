"""Migrating a vault to new code: plan, dry run, apply, verify, redirect, sweep.

A vault's code cannot be upgraded. A new instance is created, owner, balance and settings are
carried over, and its name is redirected once everything is verified.
"""

from callora_vault.client.successors import SuccessorLoop, successors
from callora_vault.migration.apply import apply
from callora_vault.migration.dry_run import DryRun, dry_run, simulate
from callora_vault.migration.errors import (
    CannotMigrate,
    CodeMissing,
    HistoryGone,
    InstancesTaken,
    KeepsMoving,
    MigratedElsewhere,
    MigrationError,
    NotMigrated,
    NotVerified,
    PlanUnusable,
    Why,
    WithdrawnByOthers,
    WrongKey,
)
from callora_vault.migration.plan import LIMITS, Mode, Plan, read, to_json, write
from callora_vault.migration.planner import look_back, make
from callora_vault.migration.record import Applied
from callora_vault.migration.redirect import Watched, redirect, watch
from callora_vault.migration.status import Stage, Status, status
from callora_vault.migration.steps import TRIES
from callora_vault.migration.sweep import Swept, sweep
from callora_vault.migration.verify import Check, Late, Verification, verify

__all__ = [
    "LIMITS",
    "TRIES",
    "Applied",
    "CannotMigrate",
    "Check",
    "CodeMissing",
    "DryRun",
    "HistoryGone",
    "InstancesTaken",
    "KeepsMoving",
    "Late",
    "MigratedElsewhere",
    "MigrationError",
    "Mode",
    "NotMigrated",
    "NotVerified",
    "Plan",
    "PlanUnusable",
    "Stage",
    "Status",
    "SuccessorLoop",
    "Swept",
    "Verification",
    "Watched",
    "Why",
    "WithdrawnByOthers",
    "WrongKey",
    "apply",
    "dry_run",
    "look_back",
    "make",
    "read",
    "redirect",
    "simulate",
    "status",
    "successors",
    "sweep",
    "to_json",
    "verify",
    "watch",
    "write",
]
