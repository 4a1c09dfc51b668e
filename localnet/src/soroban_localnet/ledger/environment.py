"""What a transaction meets when it enters a ledger."""

from __future__ import annotations

import attrs

from soroban_localnet.host.host import Host
from soroban_localnet.host.messages import LedgerInfo
from soroban_localnet.host.protocols import PROTOCOL
from soroban_localnet.ledger.parameters import BASE_RESERVE
from soroban_localnet.ledger.settings import Limits
from soroban_localnet.ledger.store import Store


@attrs.frozen
class Environment:
    """The ledger that is being made and the rules that hold in it.

    `sequence` is the ledger's, `close_time` in seconds since 1970, `prng_seed` 32 bytes for the
    transaction's random numbers, `native_contract` the id of the contract of lumens. `ledger` are
    the entries as they are by now.
    """

    sequence: int
    close_time: int
    network_id: bytes
    prng_seed: bytes
    native_contract: bytes
    limits: Limits
    host: Host
    ledger: Store

    @property
    def starting_sequence(self) -> int:
        """The sequence number of an account that is created in this ledger."""
        return self.sequence << 32

    @property
    def info(self) -> LedgerInfo:
        """The ledger as the host wants to know it."""
        return LedgerInfo(
            protocol_version=PROTOCOL.version,
            sequence=self.sequence,
            timestamp=self.close_time,
            network_id=self.network_id,
            base_reserve=BASE_RESERVE,
        )
