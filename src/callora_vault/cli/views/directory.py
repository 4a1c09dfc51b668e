"""The output of `callora-vault directory`: names and their contracts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table

from callora_vault.cli.print import print_json
from callora_vault.directory import Listed
from callora_vault.model.units import Address


def show_names(
    file: Path, generation: int, listed: Mapping[str, tuple[Listed, ...]], json: bool
) -> None:
    """Show all names of a file, by network."""
    if json:
        document = {
            network: [attrs.asdict(entry) for entry in entries]
            for network, entries in listed.items()
        }
        print_json({"generation": generation, "networks": document})
        return
    if not listed:
        print(f"{file} has no names yet; add one with `callora-vault directory add`")
        return
    table = Table(title=f"{file}, generation {generation}", title_justify="left")
    for column in ("network", "name", "contract", "retired"):
        table.add_column(column, overflow="fold")
    for network, entries in listed.items():
        for entry in entries:
            table.add_row(network, entry.name, entry.contract, "\n".join(entry.retired))
    Console().print(table)


def show_added(listed: Listed, network: str) -> None:
    """Show a new name."""
    print(f"{listed.name} stands for {listed.contract} on '{network}'")


def show_removed(name: str, contract: Address) -> None:
    """Show a removed name."""
    print(f"removed {name}; it stood for {contract}")
