"""Writes STORAGE.md from the model's own tables: ``python -m tools.storage_page``.

With ``--check`` it writes nothing and fails if the file in the working directory is out of date.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from callora_vault.codec.entries import encode_meta
from callora_vault.codec.keys import SUCCESSOR_KEY
from callora_vault.codec.values import encode_symbol
from callora_vault.model.errors import ERRORS, FACTORY_ERRORS
from callora_vault.model.events import EVENTS, FACTORY_EVENTS, Event, FactoryEvent
from callora_vault.model.layouts import LAYOUTS, META_KEY, Layout, VaultMeta
from callora_vault.model.renewal import LEDGERS_PER_DAY, RENEW_AT, RENEW_TO
from callora_vault.model.units import ScType
from callora_vault.model.versions import ABIS

PAGE: Final = "STORAGE.md"

EXAMPLE: Final = VaultMeta(
    owner="GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
    balance=1_000_000,
    min_deposit=100,
    authorized_caller="CA3D5KRYM6CB7OWQ6TWYRR3Z4T7GNZLKERYNZGGA5SOAOPIFY6YQGAXE",
)
"""What the examples of the page store."""


def page() -> str:
    """Build the whole page."""
    return "\n".join(
        (
            _INTRODUCTION,
            *(_layout(layout) for layout in LAYOUTS),
            _time_to_live(),
            _events(),
            _errors(),
            _factory(),
        )
    )


_INTRODUCTION: Final = f"""\
# What a vault stores and says

This page is generated from `src/callora_vault/model` (`layouts.py`, `events.py`, `errors.py`). Do
not edit it; run `python -m tools.storage_page`.

A vault has one storage key of its own: the Symbol `{META_KEY}` in *instance* storage. It is part of
the contract's instance entry, a ledger entry of type CONTRACT_DATA with the key
LedgerKeyContractInstance and persistent durability. Before `init` the key is not there.

Key as an ScVal in XDR: `{encode_symbol(META_KEY).to_xdr_bytes().hex()}`

The value is an ScMap with a Symbol for each field, sorted by name. Its layout is told by the names
and ScVal types of the fields alone. Void is a value: a field that holds it is there. A field whose
key is missing makes another layout. A map that fits no layout is unknown, never guessed. A vault
has no other instance keys; tools report those that they find.

Amounts are i128 in the vault's own unit. The vault keeps a balance of its own and holds no tokens.

## Layouts, oldest first
"""


def _layout(layout: Layout) -> str:
    fields = _table(
        ("Field", "ScVal type", "Meaning"),
        ((f"`{field.name}`", str(field.type), field.meaning) for field in layout.fields),
    )
    values = ", ".join(f"{field.name} = {getattr(EXAMPLE, field.name)}" for field in layout.fields)
    return f"""\
### {layout.name}

{layout.history}
Key `{layout.key}`, {layout.durability} storage.

{fields}

Example: {values}

```
{encode_meta(EXAMPLE, layout).to_xdr_bytes().hex()}
```
"""


def _time_to_live() -> str:
    return f"""\
## Time to live

The contract's instance and its code are ledger entries that live until a ledger. Every accepted
write looks at each of the two: one that has {RENEW_AT // LEDGERS_PER_DAY} days \
({RENEW_AT:,} ledgers) or less to live is prolonged to
{RENEW_TO // LEDGERS_PER_DAY} days ({RENEW_TO:,} ledgers) from that ledger, at \
{LEDGERS_PER_DAY:,} ledgers a day. Reads and refused calls
prolong nothing. So a vault in use pays a small renewal about once a day, and never a large one.
"""


def _events() -> str:
    return f"""\
## Events

Emitted by accepted calls only; reads emit none. A call emits the one of its name, `batch_deduct` a
`deduct` for each item in order. `balance` is the balance after the call, or after the item.

{_event_rows(EVENTS)}

`request_id` is the empty Symbol where the call gave none. No event has `min_deposit`.
"""


def _event_rows(events: tuple[type[Event] | type[FactoryEvent], ...]) -> str:
    return _table(
        ("Event", "Topics", "Data"),
        ((f"`{event.shape.name}`", _topics(event), _data(event)) for event in events),
    )


def _topics(event: type[Event] | type[FactoryEvent]) -> str:
    name = f"Symbol `{event.shape.name}`"
    return ", ".join((name, *(_typed(*topic) for topic in event.shape.topics)))


def _data(event: type[Event] | type[FactoryEvent]) -> str:
    items = ", ".join(_typed(*item) for item in event.shape.data)
    return items if len(event.shape.data) == 1 else f"Vec of {items}"


def _typed(name: str, kind: ScType) -> str:
    return f"{kind} `{name}`"


def _errors() -> str:
    rows = _table(
        ("Number", "Name", "Returned by", "Meaning"),
        (
            (
                str(code.value),
                code.name,
                ", ".join(map(_code, error.methods)),
                error.meaning,
            )
            for code, error in ERRORS.items()
        ),
    )
    return f"""\
## Errors

Contract errors, returned and never a panic. The numbers never change. A refused call changes
nothing and emits nothing. A missing signature has no number: the host ends the call itself with an
error of type Auth.

{rows}

{_versions()}
"""


def _versions() -> str:
    older, newer = ABIS.values()
    added = " and ".join(_code(method) for method in newer.methods if method not in older.methods)
    return f"{added} are methods of {newer.name}; the others are of {older.name} too."


def _factory() -> str:
    rows = _table(
        ("Number", "Name", "Returned by", "Meaning"),
        (
            (str(code.value), code.name, ", ".join(map(_code, error.methods)), error.meaning)
            for code, error in FACTORY_ERRORS.items()
        ),
    )
    return f"""\
## The factory

It stores one entry for each vault that it migrated: a ledger entry of type CONTRACT_DATA of its
own, with persistent durability. The key is the Vec of Symbol `{SUCCESSOR_KEY}` and the Address of
the old vault, the value the Address of the new one. It never changes once it is there.

`create` and `migrate` renew the factory's instance and code and the new vault's, `migrate` also the
entry that it writes, all as a vault's write does. Calls of vaults renew what these vaults renew.

A vault's address is that of a contract which the factory deploys with the salt SHA-256(owner as an
ScVal in XDR, then the 32 bytes `salt`): each owner has addresses that no other can take.

{_event_rows(FACTORY_EVENTS)}

`amount` is the balance that was moved. What vaults emit in the course of a call comes before.

{rows}

A vault that refuses its part of a call ends it all by a failure of the host, without a number.
"""


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@attrs.frozen
class OutOfDate(Exception):
    """The page in the working directory is not what the tables make."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path} is out of date; run `python -m tools.storage_page`"


def check(path: Path) -> None:
    """Raise OutOfDate unless the file at ``path`` is the page."""
    if not path.exists() or path.read_text(encoding="utf-8") != page():
        raise OutOfDate(path)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page in the working directory. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.storage_page")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    path = Path(PAGE)
    if not parser.parse_args(arguments).check:
        path.write_text(page(), encoding="utf-8")
        return 0
    try:
        check(path)
    except OutOfDate as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
