"""The time at which the networks of these tests begin."""

START = 1_790_000_000
"""The close time of the first ledger, in seconds since 1970."""
