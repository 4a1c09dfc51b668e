"""How long entries live: what an accepted write renews, in ledgers."""

from typing import Final

LEDGER_SECONDS: Final = 5
"""How far apart ledgers close on the public networks."""


LEDGERS_PER_DAY: Final = 17_280


RENEW_TO: Final = 30 * LEDGERS_PER_DAY
"""Ledgers that a write leaves an entry to live, where it renews it."""


RENEW_AT: Final = 29 * LEDGERS_PER_DAY
"""A write renews an entry that has this many ledgers to live, or fewer."""


def live_until_after_write(ledger: int, live_until: int) -> int:
    """Say until which ledger an entry lives after an accepted write in `ledger`.

    The contract applies this to its instance and to its code, each by its own live-until ledger.
    """
    return ledger + RENEW_TO if live_until - ledger <= RENEW_AT else live_until
