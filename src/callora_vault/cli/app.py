"""The commands of callora-vault, and the errors that a user can correct."""

from __future__ import annotations

from typing import Final

from cyclopts import App

from callora_vault.cli.commands import directory, inspect, journal, migrate, vault
from callora_vault.errors import CalloraError
from soroban_localnet import LocalnetError

app = App(
    name="callora-vault",
    help="A prepaid Soroban vault: call it, inspect it, migrate it, compare it with its model.",
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
# loaded only when it runs, because Hypothesis and the host load slowly; so its help is here
app.command(
    "callora_vault.cli.commands.parity:parity",
    help="""Compare a compiled contract with the model: the same calls on a Soroban network.

    Every edge case comes first, then Hypothesis draws calls, signatures and jumps of the clock.
    Each distinct divergence is shrunk to the fewest calls. Without --rpc-url the network is an
    embedded one. Exit codes: 0 they agree, 1 they diverge, 2 could not run.
    """,
)
app.register_install_completion_command(
    help="Install completion of these commands for bash, zsh or fish."
)

EXPECTED: Final = (CalloraError, LocalnetError)
"""Errors of one line with cause and remedy. Any other is a fault of this program."""
