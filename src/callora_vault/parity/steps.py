"""The steps of an example: calls with a signature, and changes of the ledger.

Steps name addresses by their role, so that one list of steps runs on any network and any instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from callora_vault.model.calls import CALLS, FACTORY_CALLS, Call, DeductItem, FactoryCall
from callora_vault.model.units import Address


class Role(Enum):
    """A participant: each has its own address on the network."""

    OWNER = "owner"
    STRANGER = "stranger"
    PAYER = "payer"
    """The account that sends transactions and pays for them."""
    OTHER_VAULT = "another vault"
    NOBODY = "nobody"
    """An address without an account."""
    VAULT = "vault"
    """The vault itself; nobody can sign for its address."""


class Lane(Enum):
    """How a call is signed. Only the first two are valid signatures."""

    ADDRESS = "signed by"
    SOURCE = "sent by"
    """The signer is the transaction's source, whose signature covers the call."""
    UNSIGNED = "not signed by"
    WRONG_KEY = "signed with another key than that of"
    FORGED = "with a forged signature of"
    OTHER_ARGUMENTS = "signed for other arguments by"
    OTHER_VAULT = "signed for another vault by"
    EXPIRED = "with an expired signature of"
    REPLAYED = "with a nonce used before by"
    ALONE = "without its nested calls signed by"
    """Only for calls of the factory, like the next."""
    OTHER_NESTED = "with other nested calls signed by"


VAULT_LANES: Final = tuple(lane for lane in Lane if lane not in (Lane.ALONE, Lane.OTHER_NESTED))
"""How a call of a vault is signed: it has no nested calls."""


class Code(Enum):
    """The code of a vault that the factory deploys or migrates."""

    V1 = "v1"
    V2 = "v2"
    V0 = "v0"
    """Code of v1 without a minimum deposit, which stores layout v0."""
    KEEPER = "keeper"
    """Code of v1 with a withdraw that takes nothing out."""
    RAW = "raw"
    """Code that returns any stored value."""
    NONE = "no code"
    """A hash without code."""


class Odd(Enum):
    """Stored values of no known layout."""

    EXTRA = "another field"
    MISNAMED = "a field of another name"
    MISSING = "too few fields"
    CALLER_ALONE = "an authorised caller and no minimum"
    BALANCE = "a balance that is no I128"
    OWNER = "an owner that is Void"
    MINIMUM = "a minimum that is Void"
    CALLER = "an authorised caller that is no address"
    STRING = "a field named by a string"
    LIST = "a list"


@attrs.frozen
class Salt:
    """A salt by its number; an owner's vaults of one factory have different salts."""

    number: int


@attrs.frozen
class Made:
    """The address at which the factory deploys for an owner and a salt."""

    owner: Role
    salt: int


Items: TypeAlias = tuple[DeductItem, ...]
Argument: TypeAlias = Role | Code | Odd | Salt | Made | Items | int | str | None
_CALLS: Final[Mapping[str, Callable[..., Call]]] = {call.method: call for call in CALLS}
_FACTORY_CALLS: Final[Mapping[str, Callable[..., FactoryCall]]] = {
    call.method: call for call in FACTORY_CALLS
}


@attrs.frozen
class Submit:
    """A call, its signer and the kind of signature; `arguments` by name, addresses by role."""

    method: str
    arguments: tuple[tuple[str, Argument], ...]
    signer: Role
    lane: Lane

    @classmethod
    def of(
        cls,
        method: str,
        signer: Role = Role.OWNER,
        lane: Lane = Lane.ADDRESS,
        **arguments: Argument,
    ) -> Submit:
        """Build a call with its arguments by name."""
        return cls(method, tuple(arguments.items()), signer, lane)

    def call(self, addresses: Mapping[Role, Address]) -> Call:
        """Build the call with an address in place of each role."""
        values = {
            name: addresses[value] if isinstance(value, Role) else value
            for name, value in self.arguments
        }
        return _CALLS[self.method](**values)

    def factory_call(self, resolve: Callable[[Argument], Any]) -> FactoryCall:
        """Build the call of the factory; `resolve` gives an argument's value."""
        values = {name: resolve(value) for name, value in self.arguments}
        return _FACTORY_CALLS[self.method](**values)


@attrs.frozen
class Age:
    """So many empty ledgers pass, five seconds each."""

    ledgers: int


@attrs.frozen
class Restore:
    """All archived entries of the vault are restored, by a separate operation."""


@attrs.frozen
class Place:
    """The vault at `role` gets this code and this stored state.

    Amounts are in the vault's own unit; `owner` None stands for a vault before init. `odd` replaces
    the other stored values.
    """

    role: Role
    code: Code
    owner: Role | None = None
    balance: int = 0
    min_deposit: int = 0
    authorized_caller: Role | None = None
    odd: Odd | None = None


Step: TypeAlias = Submit | Age | Restore | Place
