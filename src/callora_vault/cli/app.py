"""The commands of callora-vault, and which errors are the user's to mend."""

from __future__ import annotations

from typing import Final

from cyclopts import App

from callora_vault.cli import inspecting, parity
from callora_vault.client.errors import ClientError
from callora_vault.codec import CannotDecode
from callora_vault.directory import DirectoryError
from callora_vault.errors import CallRefused
from callora_vault.inspect import HistoryUnusable, NoState
from callora_vault.units import BadValue

app = App(
    name="callora-vault",
    help="A prepaid Soroban vault: its model, its contract, and the proof that they agree.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(inspecting.inspect)
app.command(inspecting.export)
app.command(inspecting.audit)
app.command(parity.parity)

EXPECTED: Final = (
    BadValue,
    CallRefused,
    CannotDecode,
    ClientError,
    DirectoryError,
    HistoryUnusable,
    NoState,
)
"""Errors that are one line: the cause and the remedy. Anything else is a fault of this program."""
