"""The protocol versions that can be run: one row each."""

from __future__ import annotations

import attrs


@attrs.frozen
class Protocol:
    """One protocol version: the host that runs it, its settings, the size of the live state.

    `live_state_bytes` is not recorded from a network: with these settings rent is at its floor for
    every size up to 2.66 GB, and above that it grows with the size.
    """

    version: int
    host: str
    settings: str
    live_state_bytes: int


PROTOCOL = Protocol(
    version=29,
    host="29.0.1",
    settings="settings-testnet-protocol28.json",
    live_state_bytes=2_000_000_000,
)
