"""Generates STORAGE.md from the tables of the model: `python -m tools.storage_page`.

With `--check` it writes nothing, and fails if the file in the working directory is out of date.
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
"""The values that the examples of the page store."""


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
# Storage, events and errors

This page tells you what a vault and the factory store, which events they emit and which errors they
return, as XDR types. It is generated from `src/callora_vault/model` (`layouts.py`, `events.py`,
`errors.py`). Do not edit it; run `python -m tools.storage_page`.

A vault has one storage key of its own: the Symbol `{META_KEY}` in *instance* storage. It is part of
the contract's instance entry, a ledger entry of type CONTRACT_DATA with the key
LedgerKeyContractInstance and persistent durability. Before `init` the key does not exist.

Key as an ScVal in XDR: `{encode_symbol(META_KEY).to_xdr_bytes().hex()}`

The value is an ScMap with a Symbol for each field, sorted by name. Only the names and ScVal types
of the fields identify its layout. Void is a value: a field that holds it is present. A missing key
makes another layout. A map that matches no layout is reported as unknown; tools do not guess. A
vault has no other instance keys, and tools report any that they find.

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

The contract's instance and its code are ledger entries with a live-until ledger. Every accepted
write checks both: if an entry has {RENEW_AT // LEDGERS_PER_DAY} days ({RENEW_AT:,} ledgers) \
or less to live, the write extends its
TTL to {RENEW_TO // LEDGERS_PER_DAY} days ({RENEW_TO:,} ledgers) from the current ledger. \
A day has {LEDGERS_PER_DAY:,} ledgers. Reads and
refused calls extend nothing. So a vault in use pays a small renewal about once a day, and never a
large one.
"""


def _events() -> str:
    return f"""\
## Events

Only accepted calls emit events; reads emit none. A call emits the event of its name;
`batch_deduct` emits a `deduct` for each item, in order. `balance` is the balance after the call, or
after the item.

{_event_rows(EVENTS)}

`request_id` is the empty Symbol if the call gave none. No event contains `min_deposit`.
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

These are contract errors: the contract returns them and does not panic. The numbers never change. A
refused call changes nothing and emits no event. A missing signature has no number: the host itself
ends the call with an error of type Auth.

{rows}

{_versions()}
"""


def _versions() -> str:
    older, newer = ABIS.values()
    added = " and ".join(_code(method) for method in newer.methods if method not in older.methods)
    return f"Only {newer.name} has {added}; {older.name} has all other methods, too."


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

The factory stores one ledger entry for each vault that it migrated: type CONTRACT_DATA, persistent
durability. The key is the Vec of Symbol `{SUCCESSOR_KEY}` and the Address of the old vault; the
value is the Address of the new vault. Once stored, the entry never changes.

`create` and `migrate` extend the TTL of the factory's instance and code and of the new vault's, by
the rule of a vault's write. `migrate` also extends that of the entry that it writes. Nested calls
of vaults extend what these vaults extend.

The factory deploys a vault with the salt SHA-256(owner as an ScVal in XDR, then the 32 bytes
`salt`). So each owner has addresses that no other owner can take.

{_event_rows(FACTORY_EVENTS)}

`amount` is the balance that was moved. The events of nested vault calls come before the factory's.

{rows}

If a vault refuses a nested call, the host ends the whole call, without an error number.
"""


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@attrs.frozen
class OutOfDate(Exception):
    """The page in the working directory is not the one that the tables generate."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path} is out of date; run `python -m tools.storage_page`"


def check(path: Path) -> None:
    """Raise OutOfDate unless the file at `path` is the page."""
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
