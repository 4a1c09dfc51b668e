"""The TTL of a vault's entries, in ledgers: when an accepted write extends it, and how far."""

from typing import Final

LEDGER_SECONDS: Final = 5
"""Seconds between two ledgers on the public networks."""


LEDGERS_PER_DAY: Final = 17_280


RENEW_TO: Final = 30 * LEDGERS_PER_DAY
"""The TTL after a write that extends it."""


RENEW_AT: Final = 29 * LEDGERS_PER_DAY
"""A write extends a TTL of this many ledgers, or fewer."""


def live_until_after_write(ledger: int, live_until: int) -> int:
    """Return the live-until ledger of an entry after an accepted write in `ledger`.

    The contract applies this to its instance and to its code, each with its own `live_until`.
    """
    return ledger + RENEW_TO if live_until - ledger <= RENEW_AT else live_until
