"""callora-vault directory: names of vaults, by network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from callora_vault.cli.exit_codes import DONE
from callora_vault.cli.networks import NetworkOptions
from callora_vault.cli.options import Json, default_directory
from callora_vault.cli.views.directory import show_added, show_names, show_removed
from callora_vault.directory import VaultDirectory
from callora_vault.inspect import NotAVault, inspect

_HERE = NetworkOptions()
_File = Annotated[
    Path | None, Parameter(help="The file of names; by default one in your configuration folder.")
]

app = App(name="directory", help="Manage names of vaults: the contract of each, by network.")


def _open(file: Path | None) -> VaultDirectory:
    return VaultDirectory(file or default_directory())


@app.command(name="list")
def show(*, directory: _File = None, json: Json = False) -> int:
    """List all names, with the contracts that they stood for before."""
    names = _open(directory)
    listed = {network: names.listed(network) for network in names.networks()}
    show_names(names.path, names.generation, listed, json)
    return DONE


@app.command
def add(
    name: str, contract: str, /, *, options: NetworkOptions = _HERE, directory: _File = None
) -> int:
    """Give a new name to a vault on the network.

    `migrate redirect` moves a name to the new vault of a migration.

    Parameters
    ----------
    name
        1 to 64 letters, digits, dots, underscores and hyphens.
    contract
        The contract's id (C...).
    """
    network = options.connect()
    found = inspect(network, contract, network.deadline(options.timeout))
    if found.problem is not None:
        raise NotAVault(contract, found.problem)
    listed = _open(directory).point(network.passphrase, name, contract, instead_of=None)
    show_added(listed, network.passphrase)
    return DONE


@app.command
def remove(name: str, /, *, options: NetworkOptions = _HERE, directory: _File = None) -> int:
    """Remove a name; the contract stays as it is.

    Parameters
    ----------
    name
        The vault's name.
    """
    network = options.connect()
    names = _open(directory)
    found = names.find(network.passphrase, name)
    names.remove(network.passphrase, name, instead_of=found.contract)
    show_removed(name, found.contract)
    return DONE
