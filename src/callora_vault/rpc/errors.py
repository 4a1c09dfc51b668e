"""Why an RPC gave no answer that can be used. Each is one line."""

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
            f"no usable answer from the RPC at {self.server} ({self.reason}); nothing was sent, "
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
    """The RPC at `server` refused a request as invalid, with `code` and `message`."""

    server: str
    code: int
    message: str

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} refused a request ({self.code}: {self.message}); "
            "check that it serves the methods of Stellar RPC"
        )


@attrs.frozen
class WrongNetwork(CalloraError):
    """The RPC at `server` is one of another network."""

    server: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"the RPC at {self.server} is of the network {self.found!r}, not {self.expected!r}; "
            "nothing was signed, give the URL of the right network"
        )


@attrs.frozen
class NoVault(CalloraError):
    """There is no contract `contract` on this network."""

    contract: Address

    def __str__(self) -> str:
        return f"there is no contract {self.contract} on this network; check its id and the network"


@attrs.frozen
class NoAccount(CalloraError):
    """The account that should pay is not on this network."""

    account: Address

    def __str__(self) -> str:
        return f"the account {self.account} is not on this network; fund it first"


@attrs.frozen
class SimulationFailed(CalloraError):
    """The call fails in simulation, for a reason that is no refusal of a vault. Nothing was sent.

    `error` is None where the RPC names none; `text` is what it says.
    """

    error: HostError | None
    text: str

    def __str__(self) -> str:
        return f"the call would fail: {self.text}; nothing was sent"
