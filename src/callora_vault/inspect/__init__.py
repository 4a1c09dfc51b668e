"""Inspecting a contract without trusting it: its stored entry, its code, its history."""

from callora_vault.inspect.audit import Audit, Break, NoState, Sums, Verdict, audit
from callora_vault.inspect.code import Code, read_code
from callora_vault.inspect.contract import Inspection, Life, NotAVault, Reference, inspect
from callora_vault.inspect.history import (
    History,
    HistoryUnusable,
    Span,
    StoredEntry,
    export,
    read,
)
from callora_vault.inspect.interface import Interface, Match, Method

__all__ = [
    "Audit",
    "Break",
    "Code",
    "History",
    "HistoryUnusable",
    "Inspection",
    "Interface",
    "Life",
    "Match",
    "Method",
    "NoState",
    "NotAVault",
    "Reference",
    "Span",
    "StoredEntry",
    "Sums",
    "Verdict",
    "audit",
    "export",
    "inspect",
    "read",
    "read_code",
]
