"""Parity of the vault's contract with its model."""
