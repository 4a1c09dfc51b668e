"""Why an RPC gave no usable answer. Each error is one line."""

from __future__ import annotations

from typing import ClassVar

import attrs

from callora_vault.codec.errors import HostError
from callora_vault.errors import CalloraError
from callora_vault.model.units import Address


@attrs.frozen
class Unreachable(CalloraError):
    """The RPC at `server` gave no usable answer in time. Nothing was sent."""

    server: str
    reason: str

    def __str__(self) -> str:
        return (
            f"no usable answer from the RPC at {self.server} ({self.reason}); nothing was sent; "
            "try again"
        )


@attrs.frozen
class Behind(CalloraError):
    """The RPC at `server` stands at the ledger `reached`, and `needed` was not there in time."""

    exit_code: ClassVar[int] = 3
    server: str
    reached: int
    needed: int

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} is behind: it shows nothing after ledger {self.reached:,}, "
            f"and ledger {self.needed:,} is needed; try again later, or with another RPC"
        )


@attrs.frozen
class RpcRefused(CalloraError):
    """The RPC at `server` rejected a request as invalid, with `code` and `message`."""

    server: str
    code: int
    message: str

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} rejected a request ({self.code}: {self.message}); "
            "check that it is a Stellar RPC"
        )


@attrs.frozen
class WrongNetwork(CalloraError):
    """The RPC at `server` serves another network."""

    server: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} serves the network {self.found!r}, not {self.expected!r}; "
            "nothing was signed; give the URL of an RPC of that network"
        )


@attrs.frozen
class NoVault(CalloraError):
    """The contract `contract` does not exist on this network."""

    contract: Address

    def __str__(self) -> str:
        return f"no contract {self.contract} exists on this network; check its id and the network"


@attrs.frozen
class NoAccount(CalloraError):
    """The account that pays does not exist on this network."""

    account: Address

    def __str__(self) -> str:
        return f"the account {self.account} does not exist on this network; fund it first"


@attrs.frozen
class SimulationFailed(CalloraError):
    """The call fails in simulation, and not with an error number of a vault. Nothing was sent.

    `error` is None if the RPC names none; `text` is the RPC's message.
    """

    error: HostError | None
    text: str

    def __str__(self) -> str:
        return f"the call would fail: {self.text}; nothing was sent"
