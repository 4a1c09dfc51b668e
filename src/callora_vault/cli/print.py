"""Printing values: JSON for programs, tables for people."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table


def print_json(document: Any) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=2))


def print_json_line(document: Any) -> None:
    """Print a document on one line and flush it; more may follow."""
    print(json.dumps(document), flush=True)


def numbers_as_text(values: dict[str, Any]) -> dict[str, Any]:
    """Return values for JSON, numbers as text: not every reader has 128-bit numbers."""
    return {name: str(v) if isinstance(v, int) else v for name, v in values.items()}


def rows(title: str | None = None) -> Table:
    """Return a table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
