"""What commands have in common: arguments, tables for people, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter
from rich.table import Table

Json: TypeAlias = Annotated[bool, Parameter(help="Print JSON instead of tables.", negative=())]
Vault: TypeAlias = Annotated[str, Parameter(help="The vault's name, or its id (C...).")]
Amount: TypeAlias = Annotated[int, Parameter(help="In the vault's own unit.")]
PlanFile: TypeAlias = Annotated[Path, Parameter(help="The plan's file.")]


def print_json(document: Any) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=2))


def numbers_as_text(values: dict[str, Any]) -> dict[str, Any]:
    """Return values for JSON: i128 does not fit the numbers of every reader."""
    return {name: str(v) if isinstance(v, int) else v for name, v in values.items()}


def rows(title: str | None = None) -> Table:
    """Return a table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
