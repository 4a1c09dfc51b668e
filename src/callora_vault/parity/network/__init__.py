"""How parity sends its steps: through the RPC that a client uses."""
