"""The numbers and names of a network that no settings file holds.

Nothing is loaded with them, so that whoever needs one of them pays for no host.
Source: the public network, and stellar's quickstart image for the passphrase.
"""

from __future__ import annotations

STANDALONE = "Standalone Network ; February 2017"
"""The passphrase of a network of one's own, where none is given."""

LEDGER_SECONDS = 5
"""How long a ledger takes on a real network."""

BASE_FEE = 100
"""The least that an operation pays for its place in a ledger, in stroops."""

BASE_RESERVE = 5_000_000
"""What an account holds for each of its entries, in stroops."""

MAX_CLASSIC_OPERATIONS = 1_000
"""How many classic operations a ledger takes, as on the public network."""

TOTAL_COINS = 100_000_000_000 * 10_000_000
"""All lumens, in stroops."""
