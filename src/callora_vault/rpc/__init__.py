"""A network through one Stellar RPC: what client, inspect, parity and migration read and send."""
