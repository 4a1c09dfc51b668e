"""Why a client could not make a call, or cannot tell its result. Each error is one line.

A refusal by the contract is a CallRefused of callora_vault.model.errors, for client and model
alike; the errors here are about keys, network, journal and signatures.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from callora_vault.codec.errors import HostError
from callora_vault.errors import CalloraError
from callora_vault.model.units import Address


@attrs.frozen
class BadKey(CalloraError):
    """A key that cannot be used: its source `where`, the `reason`, and the `remedy`."""

    where: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}; {self.remedy}"


@attrs.frozen
class JournalUnusable(CalloraError):
    """The journal at `path` cannot be used, for `reason`; nothing is sent without one."""

    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"the journal {self.path}: {self.reason}; {self.remedy}"


@attrs.frozen
class OtherNetwork(CalloraError):
    """The RPC at `server` shows another history than the journal knows; nothing was sent.

    The public network never begins anew. `ledger` is one that the journal knows otherwise.
    """

    server: str
    network: str
    ledger: int

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} is not of the network that the journal knows: its ledger "
            f"{self.ledger} of {self.network!r} is another one; nothing was sent, ask another RPC, "
            "or use another journal for a fork (`callora-vault journal new-life` begins anew here)"
        )


@attrs.frozen
class NetworkBehind(CalloraError):
    """The RPC at `server` is behind what the journal has seen; nothing was sent.

    `latest` is its latest ledger, `seen` the one that the journal knows.
    """

    exit_code: ClassVar[int] = 3
    server: str
    latest: int
    seen: int

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} is behind: its latest ledger is {self.latest}, and the "
            f"journal has seen {self.seen}; nothing was sent, try again later or ask another RPC "
            "(where the network was set back by hand: callora-vault journal new-life)"
        )


@attrs.frozen
class ClockSkew(CalloraError):
    """The latest ledger of the RPC at `server` is `skew` seconds from this machine's clock.

    More than `limit` seconds; positive where the ledger is ahead. Nothing was signed.
    """

    server: str
    skew: float
    limit: float

    def __str__(self) -> str:
        side = "ahead of" if self.skew > 0 else "behind"
        return (
            f"the latest ledger of the RPC at {self.server} is {abs(self.skew):,.0f} s {side} this "
            f"machine's clock, more than {self.limit:,.0f} s; nothing was signed, set the clock "
            "right or ask another RPC (Limits(clock_skew=) for a fork whose time was moved)"
        )


@attrs.frozen
class NoFreeId(CalloraError):
    """Others initialised every instance of a deployment first: `abandoned`."""

    name: str
    abandoned: tuple[Address, ...]

    def __str__(self) -> str:
        return (
            f"others initialised all {len(self.abandoned)} instances of the deployment "
            f"{self.name!r} first; deploy through a factory"
        )


class RefusedToSign(CalloraError):
    """The RPC's simulation differs from what this call may do. Nothing was signed."""


@attrs.frozen
class UnexpectedAuthorisation(RefusedToSign):
    """The simulated authorisation is another one: `where` in the tree, and both sides."""

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"refused to sign: {self.where} would be {self.found}, not {self.expected}; "
            "do not trust this contract or this RPC until you know why"
        )


@attrs.frozen
class UnexpectedFootprint(RefusedToSign):
    """The simulated footprint is another one: `extra` and `missing` keys, in words."""

    extra: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        differences = [f"also {key}" for key in self.extra]
        differences += [f"not {key}" for key in self.missing]
        return (
            f"refused to sign: the call would {', '.join(differences)}; "
            "do not trust this contract or this RPC until you know why"
        )


@attrs.frozen
class UnexpectedCode(RefusedToSign):
    """`contract` runs `executable`, in words: not the expected code."""

    contract: Address
    executable: str

    def __str__(self) -> str:
        return (
            f"refused to sign: {self.contract} runs {self.executable}, not the expected code; "
            "look at it with `callora-vault inspect`"
        )


@attrs.frozen
class FeeTooHigh(RefusedToSign):
    """The resource fee exceeds the caller's limit, both in stroops."""

    fee: int
    limit: int

    def __str__(self) -> str:
        return (
            f"refused to sign: the resource fee would be {self.fee:,} stroops, over the limit of "
            f"{self.limit:,}; raise the limit (--max-fee) to accept it"
        )


@attrs.frozen
class KeyReused(CalloraError):
    """The request key belongs to another call, `earlier`. Nothing was sent for `call`."""

    key: str
    earlier: str
    call: str

    def __str__(self) -> str:
        return (
            f"the request key {self.key!r} was already used for {self.earlier}, not for "
            f"{self.call}; nothing was sent; give the new request another key"
        )


@attrs.frozen
class SourceBusy(CalloraError):
    """An earlier transaction of the account is still open. Nothing was sent for this call.

    `key` is the request of that transaction, `max_time` the last close time at which it can be
    applied, in seconds since 1970.
    """

    source: Address
    key: str
    max_time: int

    def __str__(self) -> str:
        return (
            f"the account {self.source} has an open transaction, for the request {self.key!r}; "
            "nothing was sent for this call; try again"
        )


@attrs.frozen
class _AboutTransaction(CalloraError):
    """`key` is the request, `contract` the called contract, `transaction` the hash."""

    key: str
    contract: Address
    transaction: str


@attrs.frozen
class StillOpen(_AboutTransaction):
    """The transaction is open, and the journal does not forget it; `max_time` as in SourceBusy."""

    max_time: int

    def __str__(self) -> str:
        return (
            f"the transaction {self.transaction} of request {self.key!r} is open and is not "
            "forgotten: it may be applied still; settle it first (callora-vault resume)"
        )


@attrs.frozen
class RequestIdUsed(_AboutTransaction):
    """A request id that another call has taken: item `item` of a batch, None for a deduct.

    `key` is the request id, `state` what is known of the transaction that has it. Nothing was
    signed.
    """

    item: int | None
    state: str

    def __str__(self) -> str:
        where = "the request id" if self.item is None else f"item {self.item}: the request id"
        remedy = (
            "leave it out (skip_applied, --skip-applied)"
            if self.state == "applied"
            else ("settle that first (resume)")
        )
        return (
            f"{where} {self.key!r} is {self.state} already, in the transaction {self.transaction}; "
            f"nothing was signed, {remedy if self.item is not None else 'give another id'}"
        )


@attrs.frozen
class NotAccepted(_AboutTransaction):
    """The network rejected the transaction, with `code`. It stays open until `max_time`.

    Repeat with the same key: the open transaction is settled first.
    """

    code: str
    max_time: int

    def __str__(self) -> str:
        return (
            f"the network rejected the transaction of the request {self.key!r}: {self.code}; "
            "remove the cause and repeat with the same request key"
        )


@attrs.frozen
class Unsettled(_AboutTransaction):
    """The timeout passed before the result was known; `max_time` as in SourceBusy.

    `reason` is what the RPC lacked, if it did. Repeat with the same key, or resume: the call is
    never applied twice.
    """

    exit_code: ClassVar[int] = 3
    max_time: int
    reason: str = ""

    def __str__(self) -> str:
        because = f" ({self.reason})" if self.reason else ""
        return (
            f"the transaction of the request {self.key!r} was sent, and its result is not known "
            f"yet{because}; repeat with the same request key, or run `callora-vault resume`"
        )


@attrs.frozen
class NeverApplied(_AboutTransaction):
    """The timeout passed, and the transaction was not applied and can no longer be applied."""

    def __str__(self) -> str:
        return f"the request {self.key!r} was not applied, and no transaction is open; try again"


@attrs.frozen
class CallFailed(_AboutTransaction):
    """The transaction is in a ledger and failed, not with an error number of a vault.

    `code` is its result, `error` the host's if the RPC names one. Only the fee was paid.
    """

    code: str
    error: HostError | None

    def __str__(self) -> str:
        reason = self.code if self.error is None else f"{self.code}, {self.error}"
        return f"the request {self.key!r} failed on the network: {reason}; only its fee was paid"


@attrs.frozen
class Unreadable(_AboutTransaction):
    """The call was applied, and its result or its events cannot be read as a vault's."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the request {self.key!r} was applied in {self.transaction}, but its result cannot be "
            f"read: {self.reason}; do not repeat the request"
        )


@attrs.frozen
class Unknown(_AboutTransaction):
    """Whether the transaction was applied can no longer be determined. It is never sent again.

    The RPC no longer has ledger `signed_ledger`. If the vault's events do not show the call, repeat
    it under another key.
    """

    exit_code: ClassVar[int] = 4
    signed_ledger: int

    def __str__(self) -> str:
        return (
            f"whether the request {self.key!r} was applied is unknown: its transaction "
            f"{self.transaction} was signed in ledger {self.signed_ledger}, which this RPC no "
            "longer has; look at the vault's events, and repeat the call under another request key "
            "if they do not show it"
        )


@attrs.frozen
class AppliedByOthers(_AboutTransaction):
    """The call was applied once, in a transaction of somebody else, who used its signature.

    Address credentials sign the call, not the transaction. It is never sent again.
    """

    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return (
            f"the request {self.key!r} was applied once, in a transaction of somebody else, who "
            f"used its signature; {self.transaction} failed; do not repeat the request"
        )
