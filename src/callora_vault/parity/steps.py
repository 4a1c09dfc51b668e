"""The steps of an example: calls with a signature, and moves of the world.

Steps name people by their role, so that one list of steps runs on any network and any instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from callora_vault.calls import CALLS, Call
from callora_vault.units import Address, BadValue


class Role(Enum):
    """Who takes part: each has an address of its own on the network."""

    OWNER = "owner"
    STRANGER = "stranger"
    PAYER = "payer"
    """The account that sends transactions and pays for them."""
    OTHER_VAULT = "another vault"
    NOBODY = "nobody"
    """An address without an account."""
    VAULT = "vault"
    """The vault itself, whose address nobody can sign for."""


class Lane(Enum):
    """How a call is signed. Only the first two are signatures that count."""

    ADDRESS = "signed by"
    SOURCE = "sent by"
    """The signer is the transaction's source, and that is its signature."""
    UNSIGNED = "not signed by"
    WRONG_KEY = "signed with another key than that of"
    FORGED = "with a forged signature of"
    OTHER_ARGUMENTS = "signed for other arguments by"
    OTHER_VAULT = "signed for another vault by"
    EXPIRED = "with an expired signature of"
    REPLAYED = "with a nonce used before by"


Argument: TypeAlias = Role | int | str | None

_CALLS: Final[Mapping[str, Callable[..., Call]]] = {call.method: call for call in CALLS}


def _arguments(values: Mapping[str, Argument]) -> tuple[tuple[str, Argument], ...]:
    return tuple(values.items())


@attrs.frozen
class Submit:
    """A call, its signer and the kind of signature; `arguments` by name, people by role."""

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
        return cls(method, _arguments(arguments), signer, lane)

    def call(self, people: Mapping[Role, Address]) -> Call:
        """Build the call with everyone's address in place of the role."""
        values = {
            name: people[value] if isinstance(value, Role) else value
            for name, value in self.arguments
        }
        return _CALLS[self.method](**values)

    def __str__(self) -> str:
        inside = ", ".join(
            f"{name}={value.value if isinstance(value, Role) else repr(value)}"
            for name, value in self.arguments
        )
        return f"{self.method}({inside}) {self.lane.value} {self.signer.value}"

    def python(self) -> str:
        """Write the step as a Python expression."""
        lane = "" if self.lane is Lane.ADDRESS else f", {self.lane}"
        inside = "".join(f", {name}={_python(value)}" for name, value in self.arguments)
        return f'Submit.of("{self.method}", {self.signer}{lane}{inside})'


@attrs.frozen
class Age:
    """So many ledgers go by, five seconds each, with nothing in them."""

    ledgers: int

    def __str__(self) -> str:
        return f"{self.ledgers} ledgers go by"

    def python(self) -> str:
        """Write the step as a Python expression."""
        return f"Age({self.ledgers})"


@attrs.frozen
class Restore:
    """Whatever of the vault is archived is restored, by an operation of its own."""

    def __str__(self) -> str:
        return "archived entries are restored"

    def python(self) -> str:
        """Write the step as a Python expression."""
        return "Restore()"


Step: TypeAlias = Submit | Age | Restore


def _python(value: Argument) -> str:
    return str(value) if isinstance(value, Role) else repr(value)


def to_json(step: Step) -> dict[str, Any]:
    """Write a step as JSON; amounts as decimal text, for JSON's numbers end at 2**53."""
    match step:
        case Age(ledgers):
            return {"age": ledgers}
        case Restore():
            return {"restore": True}
        case Submit(method, arguments, signer, lane):
            values = {name: _argument_to_json(value) for name, value in arguments}
            return {
                "call": method,
                "arguments": values,
                "signer": signer.value,
                "lane": lane.name.lower(),
            }


def _argument_to_json(value: Argument) -> dict[str, str] | None:
    match value:
        case None:
            return None
        case Role():
            return {"role": value.value}
        case int():
            return {"i128": str(value)}
        case str():
            return {"symbol": value}


def from_json(document: Mapping[str, Any]) -> Step:
    """Read a step. Raises BadValue."""
    try:
        if "age" in document:
            return Age(int(document["age"]))
        if "restore" in document:
            return Restore()
        arguments = {
            name: _argument_from_json(value) for name, value in document["arguments"].items()
        }
        return Submit(
            document["call"],
            _arguments(arguments),
            Role(document["signer"]),
            Lane[document["lane"].upper()],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadValue("step", f"cannot be read: {error}") from error


def _argument_from_json(value: Mapping[str, str] | None) -> Argument:
    if value is None:
        return None
    ((kind, text),) = value.items()
    if kind == "role":
        return Role(text)
    return int(text) if kind == "i128" else text
