"""Transactions: how they are read, checked, simulated and applied."""
