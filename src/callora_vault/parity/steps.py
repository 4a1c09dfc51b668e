"""The steps of an example: calls with a signature, and changes of the ledger.

Steps name addresses by their role, so that one list of steps runs on any network and any instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from callora_vault.model.calls import CALLS, FACTORY_CALLS, Call, DeductItem, FactoryCall
from callora_vault.model.units import Address, BadValue


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
    ALONE = "without the calls under it signed by"
    """Of the factory's calls alone, like the next."""
    OTHER_NESTED = "with other calls under it signed by"


VAULT_LANES: Final = tuple(lane for lane in Lane if lane not in (Lane.ALONE, Lane.OTHER_NESTED))
"""How a call of a vault is signed: it makes no calls in turn."""


class Code(Enum):
    """The code of a vault in the factory's hands."""

    V1 = "v1"
    V2 = "v2"
    V0 = "v0"
    """Code of v1 that knows no minimum and stores layout v0."""
    KEEPER = "keeper"
    """Code of v1 but for withdraw, which takes nothing out."""
    RAW = "raw"
    """Code that tells whatever is stored."""
    NONE = "no code"
    """A hash that no code has."""


class Odd(Enum):
    """What a vault can store that is no known layout."""

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
    """A salt by its number: an owner's vaults of one factory differ by it."""

    number: int

    def __str__(self) -> str:
        return f"salt {self.number}"


@attrs.frozen
class Made:
    """The address at which the factory deploys for an owner and a salt."""

    owner: Role
    salt: int

    def __str__(self) -> str:
        return f"vault {self.salt} of {self.owner.value}"


Items: TypeAlias = tuple[DeductItem, ...]
Argument: TypeAlias = Role | Code | Odd | Salt | Made | Items | int | str | None

_CALLS: Final[Mapping[str, Callable[..., Call]]] = {call.method: call for call in CALLS}
_FACTORY_CALLS: Final[Mapping[str, Callable[..., FactoryCall]]] = {
    call.method: call for call in FACTORY_CALLS
}


def _arguments(values: Mapping[str, Argument]) -> tuple[tuple[str, Argument], ...]:
    return tuple(values.items())


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
        return cls(method, _arguments(arguments), signer, lane)

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

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments)
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


@attrs.frozen
class Place:
    """The vault at `role` has this code and has stored this, by whatever calls.

    Amounts are in the vault's own unit; `owner` None stands for a vault before init. `odd` is
    stored in place of all the rest.
    """

    role: Role
    code: Code
    owner: Role | None = None
    balance: int = 0
    min_deposit: int = 0
    authorized_caller: Role | None = None
    odd: Odd | None = None

    def __str__(self) -> str:
        if self.odd is not None:
            return f"{self.role.value} has code {self.code.value} and stores {self.odd.value}"
        if self.owner is None:
            return f"{self.role.value} is there with code {self.code.value}, before init"
        values = (
            f"owner={self.owner.value}",
            f"balance={self.balance}",
            f"min_deposit={self.min_deposit}",
            f"authorized_caller={_shown(self.authorized_caller)}",
        )
        return f"{self.role.value} has code {self.code.value} and stores {', '.join(values)}"

    def python(self) -> str:
        """Write the step as a Python expression."""
        values = ", ".join(_python(value) for value in attrs.astuple(self, recurse=False))
        return f"Place({values})"


Step: TypeAlias = Submit | Age | Restore | Place


def _shown(value: Argument) -> str:
    match value:
        case Enum():
            return str(value.value)
        case Salt() | Made():
            return str(value)
        case tuple():
            return _shown_items(value)
    return repr(value)


def _shown_items(items: Items) -> str:
    """Write the items of a batch: amounts, with the request where there is one."""
    shown = [
        f"{item.amount}" + ("" if item.request_id is None else f" for {item.request_id!r}")
        for item in items
    ]
    if len(items) > 1 and len(set(items)) == 1:
        return f"{len(items)} times [{shown[0]}]"
    return f"[{', '.join(shown)}]"


def _python(value: Argument) -> str:
    match value:
        case Enum():
            return str(value)
        case Made(owner, salt):
            return f"Made({owner}, {salt})"
        case tuple():
            if len(value) > 1 and len(set(value)) == 1:
                return f"({_python_item(value[0])},) * {len(value)}"
            return f"({''.join(f'{_python_item(item)}, ' for item in value)})"
    return repr(value)


def _python_item(item: DeductItem) -> str:
    request_id = "" if item.request_id is None else f", {item.request_id!r}"
    return f"DeductItem({item.amount}{request_id})"


def to_json(step: Step) -> dict[str, Any]:
    """Write a step as JSON; amounts as decimal text, for JSON's numbers end at 2**53."""
    match step:
        case Age(ledgers):
            return {"age": ledgers}
        case Restore():
            return {"restore": True}
        case Place():
            placed = attrs.asdict(step, recurse=False)
            return {"place": {name: _argument_to_json(value) for name, value in placed.items()}}
        case Submit(method, arguments, signer, lane):
            values = {name: _argument_to_json(value) for name, value in arguments}
            return {
                "call": method,
                "arguments": values,
                "signer": signer.value,
                "lane": lane.name.lower(),
            }


def _argument_to_json(value: Argument) -> dict[str, Any] | None:
    match value:
        case None:
            return None
        case Role():
            return {"role": value.value}
        case Code():
            return {"code": value.value}
        case Odd():
            return {"odd": value.value}
        case Salt(number):
            return {"salt": str(number)}
        case Made(owner, salt):
            return {"made": [owner.value, salt]}
        case tuple():
            return {"items": [[str(item.amount), item.request_id] for item in value]}
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
        if "place" in document:
            placed = document["place"]
            return Place(**{name: _argument_from_json(value) for name, value in placed.items()})
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


def _argument_from_json(value: Mapping[str, Any] | None) -> Any:
    if value is None:
        return None
    ((kind, held),) = value.items()
    match kind:
        case "role":
            return Role(held)
        case "code":
            return Code(held)
        case "odd":
            return Odd(held)
        case "salt":
            return Salt(int(held))
        case "made":
            return Made(Role(held[0]), int(held[1]))
        case "items":
            return tuple(DeductItem(int(amount), request_id) for amount, request_id in held)
    return int(held) if kind == "i128" else held
