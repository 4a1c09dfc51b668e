"""Inspecting a contract without trusting it: its stored entry, its code, its history."""

from callora_vault.inspect.audit import Audit, NoState, Sums, Verdict, audit, audits
from callora_vault.inspect.breaks import Break, Rule
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
from callora_vault.inspect.listing import ListedEvent, listed

__all__ = [
    "Audit",
    "Break",
    "Code",
    "History",
    "HistoryUnusable",
    "Inspection",
    "Interface",
    "Life",
    "ListedEvent",
    "Match",
    "Method",
    "NoState",
    "NotAVault",
    "Reference",
    "Rule",
    "Span",
    "StoredEntry",
    "Sums",
    "Verdict",
    "audit",
    "audits",
    "export",
    "inspect",
    "listed",
    "read",
    "read_code",
]
