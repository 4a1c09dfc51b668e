"""The notation of steps: as text, as Python, and as JSON in saved examples and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import attrs

from callora_vault.model import units
from callora_vault.model.calls import DeductItem, describe_item
from callora_vault.model.units import BadValue
from callora_vault.parity.steps import (
    Age,
    Argument,
    Code,
    Items,
    Lane,
    Made,
    Odd,
    Place,
    Restore,
    Role,
    Salt,
    Step,
    Submit,
)
from callora_vault.parity.target import Target

NAMES: Final = (
    "Age",
    "Code",
    "DeductItem",
    "Lane",
    "Made",
    "Odd",
    "Place",
    "Restore",
    "Role",
    "Salt",
    "Submit",
)
"""The names in a written step, all of callora_vault.parity."""

_SNIPPET: Final = """\
from callora_vault.parity import {names}

reproduce(
    {target},
    [
{steps}
    ],
    model="{model}",
)
"""


def text(step: Step) -> str:
    """Write a step as a sentence."""
    match step:
        case Age(ledgers):
            return "1 ledger passes" if ledgers == 1 else f"{ledgers:,} ledgers pass"
        case Restore():
            return "archived entries are restored"
        case Place():
            return _place_text(step)
        case Submit(method, arguments, signer, lane):
            return f"{method}({_shown_all(arguments)}) {lane.value} {signer.value}"


def _place_text(step: Place) -> str:
    if step.odd is not None:
        return f"{step.role.value} has code {step.code.value} and stores {step.odd.value}"
    if step.owner is None:
        return f"{step.role.value} has code {step.code.value} and is not initialised"
    values = (
        ("owner", step.owner),
        ("balance", step.balance),
        ("min_deposit", step.min_deposit),
        ("authorized_caller", step.authorized_caller),
    )
    return f"{step.role.value} has code {step.code.value} and stores {_shown_all(values)}"


def _shown_all(values: Iterable[tuple[str, Argument]]) -> str:
    return units.in_words({name: _shown(value) for name, value in values})


def _shown(value: Argument) -> object:
    match value:
        case Enum():
            return value.value
        case Salt(number):
            return f"salt {number}"
        case Made(owner, salt):
            return f"vault {salt} of {owner.value}"
        case tuple():
            return _shown_items(value)
    return value


def _shown_items(items: Items) -> str:
    """Write the items of a batch, equal ones once."""
    shown = list(map(describe_item, items))
    if len(items) > 1 and len(set(items)) == 1:
        return f"{len(items)} times [{shown[0]}]"
    return f"[{', '.join(shown)}]"


def python(step: Step) -> str:
    """Write a step as a Python expression in NAMES."""
    match step:
        case Age(ledgers):
            return f"Age({ledgers})"
        case Restore():
            return "Restore()"
        case Place():
            values = ", ".join(_python(value) for value in attrs.astuple(step, recurse=False))
            return f"Place({values})"
        case Submit(method, arguments, signer, lane):
            signed = "" if lane is Lane.ADDRESS else f", {lane}"
            inside = "".join(f", {name}={_python(value)}" for name, value in arguments)
            return f'Submit.of("{method}", {signer}{signed}{inside})'


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


def snippet(target: Target, model: str, steps: Sequence[Step]) -> str:
    """Write a Python program that runs the steps and prints both sides."""
    lines = [f"        {python(step)}," for step in steps]
    written = "\n".join(lines)
    used = [name for name in NAMES if re.search(rf"\b{name}\b", written)]
    used += [name for name in ("committed", "deployed") if target.python.startswith(name)]
    names = ", ".join([*used, "reproduce"])
    return _SNIPPET.format(names=names, target=target.python, steps=written, model=model)


def to_json(step: Step) -> dict[str, Any]:
    """Write a step as JSON; amounts are decimal text, because JSON numbers end at 2**53."""
    match step:
        case Age(ledgers):
            return {"age": ledgers}
        case Restore():
            return {"restore": True}
        case Place():
            fields = attrs.asdict(step, recurse=False)
            return {"place": {name: _argument_to_json(value) for name, value in fields.items()}}
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
            fields = document["place"]
            return Place(**{name: _argument_from_json(value) for name, value in fields.items()})
        arguments = {
            name: _argument_from_json(value) for name, value in document["arguments"].items()
        }
        return Submit(
            document["call"],
            tuple(arguments.items()),
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
