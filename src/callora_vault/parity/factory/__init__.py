"""Parity of the factory's contract with its model."""
