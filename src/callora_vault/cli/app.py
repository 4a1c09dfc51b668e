"""The commands of callora-vault."""

from __future__ import annotations

from cyclopts import App

from callora_vault.cli import parity

app = App(
    name="callora-vault",
    help="A prepaid Soroban vault: its model, its contract, and the proof that they agree.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(parity.parity)
