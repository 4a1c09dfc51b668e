"""What a journal has of a signed transaction, and the states it goes through."""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from callora_vault.model.units import Address
from callora_vault.rpc.answers import Anchor
from callora_vault.rpc.results import Failure, Success, Unread


class State(Enum):
    """What is known of a transaction. All but OPEN and UNKNOWN are final."""

    OPEN = "open"
    """It may be applied or not: it is sent again until that is known."""
    APPLIED = "applied"
    FAILED = "failed"
    """It is in a ledger and changed nothing but its fee."""
    NEVER_APPLIED = "never applied"
    """It is in no ledger and can come into none any more."""
    UNKNOWN = "unknown"
    """The network forgot: for the operator. Never sent again."""
    APPLIED_BY_OTHERS = "applied by others"
    """Its signature was used in a transaction of somebody else. Never sent again."""
    REVERTED = "reverted"
    """It was in a ledger that the network has no more: a local network went back in time."""


FREE: Final = (State.FAILED, State.NEVER_APPLIED, State.REVERTED)
"""After these the request changed nothing, and its key and its request ids are free."""


@attrs.frozen
class NewTransaction:
    """A signed transaction before it is sent.

    `life` is that of the network, as the journal numbers them. `key` names the request within
    `scope`; `call` is what it is, as a hash of its XDR, and `request` says it in words.
    `signed_ledger` is a ledger that was closed before the signature, `max_time` the last close time
    at which it is valid, in seconds since 1970. With address credentials, `signer` signed with
    `nonce`, valid up to `until_ledger`.
    """

    network: str
    life: int
    scope: str
    key: str
    contract: Address
    request: str
    call: str
    source: Address
    sequence: int
    hash: str
    envelope: str = attrs.field(repr=False)
    signed_ledger: int
    max_time: int
    signer: Address | None
    nonce: int | None
    until_ledger: int | None


@attrs.frozen
class JournalEntry(NewTransaction):
    """A transaction of the journal; `result` is what the network said of it, once in a ledger.

    `closed` is that ledger, None where the RPC did not show it.
    """

    id: int
    state: State
    result: Success | Unread | Failure | None
    closed: Anchor | None


@attrs.frozen
class Life:
    """One history of a network's ledgers, from `begun` on, in seconds since 1970.

    `first` and `last` are the first and the last ledger of it that were seen, None before any was.
    `ended` is when it was found to be over, and `why`; None for the one that goes on.
    """

    id: int
    network: str
    begun: int
    first: Anchor | None
    last: Anchor | None
    ended: int | None
    why: str | None


class Conflict(Exception):
    """Another process noted a transaction of this key, account, number or request id first."""
