"""What commands share: arguments, the vault, the signer, the confirmation before signing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import attrs
from cyclopts import CoercionError, Parameter, Token
from platformdirs import user_config_path, user_data_path
from rich.console import Console
from rich.table import Table
from stellar_sdk import Keypair

from callora_vault.cli.networks import KNOWN, NetworkOptions
from callora_vault.client import (
    BadKey,
    Journal,
    Limits,
    Network,
    Signer,
    VaultClient,
    from_environment,
    from_file,
    from_keypair,
)
from callora_vault.directory import Listed, VaultDirectory
from callora_vault.errors import CalloraError
from callora_vault.model import units
from callora_vault.model.units import Address, BadValue

KEY_VARIABLE: Final = "CALLORA_VAULT_KEY"
ID_LENGTH: Final = 56

Json: TypeAlias = Annotated[bool, Parameter(help="Print JSON instead of tables.", negative=())]
Vault: TypeAlias = Annotated[str, Parameter(help="The vault's name, or its id (C...).")]
PlanFile: TypeAlias = Annotated[Path, Parameter(help="The file that `migrate plan` wrote.")]


def whole(_: type[int], tokens: Sequence[Token]) -> int:
    """Read a whole number; a fraction is an error, where the parser would round it."""
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        raise CoercionError(token=token, target_type=int) from None


Whole: TypeAlias = Annotated[int, Parameter(converter=whole)]
Amount: TypeAlias = Annotated[int, Parameter(help="In the vault's own unit.", converter=whole)]


@attrs.frozen
class Declined(CalloraError):
    """The person at the terminal said no, or there was no terminal."""

    reason: str

    def __str__(self) -> str:
        return f"nothing was signed: {self.reason}"


@attrs.frozen
class NoKey(CalloraError):
    """There is no signing key, and no terminal to ask for one. `variable` could have held it."""

    variable: str

    def __str__(self) -> str:
        return f"no signing key; set {self.variable} or --key-file"


def default_directory() -> Path:
    """Return the default file of names."""
    return user_config_path("callora-vault") / "vaults.json"


@Parameter(name="*")
@attrs.frozen
class VaultOptions(NetworkOptions):
    """The options for a vault."""

    directory: Annotated[
        Path | None,
        Parameter(help="The file of vault names; by default one in your configuration folder."),
    ] = None

    def find(self, vault: str, network: Network) -> Address:
        """Return the contract that a name stands for; an id (C...) stands for itself.

        Raises UnknownVault, and BadValue for an id that is not a contract's.
        """
        return _as_id(vault) or self._listed(vault, network).contract

    def find_retired(self, vault: str, network: Network) -> tuple[Address, ...]:
        """Return the contracts that a name stood for before; an id (C...) stands for itself.

        Raises UnknownVault, and BadValue for a name that has stood for only one contract.
        """
        contract = _as_id(vault)
        if contract is not None:
            return (contract,)
        listed = self._listed(vault, network)
        if not listed.retired:
            reason = (
                f"{vault} has stood for no other contract than {listed.contract}; give the id "
                "(C...) of the old vault"
            )
            raise BadValue("vault", reason)
        return listed.retired

    def _listed(self, name: str, network: Network) -> Listed:
        names = VaultDirectory(self.directory or default_directory())
        return names.find(network.passphrase, name)


def _as_id(vault: str) -> Address | None:
    """Return what looks like an id, if it is a contract's; None for a name."""
    looks_like_one = len(vault) == ID_LENGTH and vault.isalnum() and vault.isupper()
    return units.contract(vault, "vault") if looks_like_one else None


@contextmanager
def _noted(path: Path | None) -> Iterator[Journal]:
    if path is None:
        path = user_data_path("callora-vault", ensure_exists=True) / "journal.db"
    with Journal(path) as journal:
        yield journal


_JournalFile: TypeAlias = Annotated[
    Path | None,
    Parameter(help="The journal of sent transactions; by default a file of your own."),
]


@Parameter(name="*")
@attrs.frozen
class JournalOptions:
    """The options of a command that works on the journal alone."""

    journal: _JournalFile = None
    network: Annotated[
        str | None,
        Parameter(help="Only this network: local, testnet, mainnet, or the URL of an RPC."),
    ] = None
    network_passphrase: Annotated[
        str | None, Parameter(help="Only the network of this passphrase.")
    ] = None
    timeout: Annotated[float, Parameter(help="Seconds to wait for the RPC of a URL.")] = 30.0

    def passphrase(self) -> str | None:
        """Return the passphrase of the network that is named; None for all networks.

        Only the RPC of a URL is asked. Raises UnknownNetwork, Unreachable, RpcRefused.
        """
        if self.network_passphrase is not None or self.network is None:
            return self.network_passphrase
        known = KNOWN.get(self.network)
        if known is not None:
            return known.passphrase
        return NetworkOptions(self.network, timeout=self.timeout).connect().passphrase

    @contextmanager
    def noted(self) -> Iterator[Journal]:
        """Open the journal while the context lasts. Raises JournalUnusable."""
        with _noted(self.journal) as journal:
            yield journal


@Parameter(name="*")
@attrs.frozen
class SigningOptions(VaultOptions):
    """The options of a command that signs."""

    key_file: Annotated[
        Path | None, Parameter(help="A file of mode 600 that holds the secret seed (S...).")
    ] = None
    key_variable: Annotated[
        str, Parameter(help="The environment variable that holds the seed, without --key-file.")
    ] = KEY_VARIABLE
    journal: _JournalFile = None
    request_key: Annotated[
        str | None,
        Parameter(
            help="A key of your choice for this call: repeated with the same key, it is made once."
        ),
    ] = None
    max_fee: Annotated[
        Whole | None, Parameter(help="The highest resource fee to sign, rent included, in stroops.")
    ] = None
    yes: Annotated[bool, Parameter(help="Do not ask before signing.", negative=())] = False

    @property
    def limits(self) -> Limits:
        """The limits of one call."""
        fee = Limits().resource_fee if self.max_fee is None else self.max_fee
        return Limits(timeout=self.timeout, resource_fee=fee)

    def signer(self) -> Signer:
        """Return the signer of the file, the environment, or a prompt. Raises BadKey, NoKey."""
        if self.key_file is not None:
            return from_file(self.key_file)
        if self.key_variable in os.environ:
            return from_environment(self.key_variable)
        if not sys.stdin.isatty():
            raise NoKey(self.key_variable)
        return _asked()

    @contextmanager
    def noted(self) -> Iterator[Journal]:
        """Open the journal while the context lasts. Raises JournalUnusable."""
        with _noted(self.journal) as journal:
            yield journal

    def confirm(
        self, network: Network, signer: Signer, what: str, vault: str, limits: Limits | None = None
    ) -> None:
        """Show what will be signed, and ask if the network is mainnet. Raises Declined."""
        limits = limits or self.limits
        if not self._asks(network):
            return
        console = Console(stderr=True)
        table = Table(title="to be signed", title_justify="left", show_header=False)
        table.add_row("network", network.passphrase)
        table.add_row("call", what)
        table.add_row("vault", vault)
        table.add_row("signed by", signer.address)
        table.add_row("fee", f"at most {limits.resource_fee + limits.inclusion_fee:,} stroops")
        console.print(table)
        _ask(console, "sign it?", "signs")

    def confirm_words(self, network: Network, what: str) -> None:
        """Say what will be done, and ask where it is about real money. Raises Declined."""
        if self._asks(network):
            console = Console(stderr=True)
            console.print(f"{network.passphrase}: {what}")
            _ask(console, "do it?", "does it")

    def _asks(self, network: Network) -> bool:
        return not self.yes and network.passphrase == KNOWN["mainnet"].passphrase

    @contextmanager
    def client(self, vault: str, what: str) -> Iterator[VaultClient]:
        """Open a client that signs. Raises the errors of network, keys, journal, confirmation."""
        network = self.connect()
        contract = self.find(vault, network)
        signer = self.signer()
        self.confirm(network, signer, what, contract)
        with self.noted() as journal:
            yield VaultClient(contract, network, journal, [signer], limits=self.limits)


def _ask(console: Console, question: str, does: str) -> None:
    """Ask at the terminal. Raises Declined."""
    if not sys.stdin.isatty():
        raise Declined(f"there is no terminal to ask at; --yes {does} without asking")
    if console.input(f"{question} (yes/no) ").strip().lower() != "yes":
        raise Declined("the answer was not yes")


def _asked() -> Signer:
    """Ask for a seed; it is not shown."""
    try:
        keypair = Keypair.from_secret(getpass("secret seed (S...): ").strip())
    except ValueError:
        keypair = None
    if keypair is None:  # raised here, so that no frame of the traceback holds the seed
        raise BadKey("the prompt", "not a secret seed", "a seed is 56 characters that begin with S")
    return from_keypair(keypair)
