"""The closed ledgers: what is remembered of them, and the index of their events."""
