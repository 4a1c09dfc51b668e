"""The commands of callora-vault, and which errors are the user's to mend."""

from __future__ import annotations

from typing import Final

from cyclopts import App

from callora_vault.cli.commands import directory, inspect, journal, migrate, vault
from callora_vault.errors import CalloraError
from soroban_localnet import LocalnetError

app = App(
    name="callora-vault",
    help="A prepaid Soroban vault: its model, its contract, and the proof that they agree.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (
    vault.deploy,
    vault.init,
    vault.deposit,
    vault.deduct,
    vault.batch_deduct,
    vault.withdraw,
    vault.withdraw_to,
    vault.set_authorized_caller,
    vault.balance,
    vault.meta,
    vault.resume,
    inspect.inspect,
    inspect.export,
    inspect.audit,
    directory.app,
    journal.app,
    migrate.app,
    migrate.watch_retired,
):
    app.command(command)
# loaded when it is named, so its help stands here: Hypothesis and the host are slow to load
app.command(
    "callora_vault.cli.commands.parity:parity",
    help="""Compare a compiled contract with the model, side by side on a Soroban network.

    Every edge is tried first, then Hypothesis draws calls, signatures and jumps in time. Each
    distinct divergence is shrunk to the fewest calls. Without --rpc-url the network is the
    embedded one. Exit codes: 0 they agree, 1 they diverge, 2 could not run.
    """,
)
app.register_install_completion_command(
    help="Let bash, zsh or fish complete these commands: a script, and a line in its rc file."
)

EXPECTED: Final = (CalloraError, LocalnetError)
"""Errors that are one line: the cause and the remedy. Anything else is a fault of this program."""
