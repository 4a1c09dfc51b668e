"""The vault directory: which contract a vault's name stands for, on each network.

It is one JSON file that is replaced whole: a reader finds the file before a change or after it, and
a second writer waits for the first. Every change increments the generation, by which a running
client notices it.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
from filelock import FileLock, Timeout

from callora_vault import files
from callora_vault.errors import CalloraError
from callora_vault.model import units
from callora_vault.model.units import Address

FORMAT: Final = 1
LOCK_SECONDS: Final = 10
"""How long a writer waits for another."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DirectoryError(CalloraError):
    """Base of the errors of a directory."""


@attrs.frozen
class UnreadableDirectory(DirectoryError):
    """The file cannot be read, written, or understood.

    Arguments: `path`, the file; `reason`, what is wrong with it.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"the vault directory {self.path}: {self.reason}"


@attrs.frozen
class UnknownVault(DirectoryError):
    """No vault has this name on this network.

    Arguments: `name`; `network`, the passphrase; `known`, all names on it.
    """

    name: str
    network: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        names = f"its names are {', '.join(self.known)}" if self.known else "it has no names"
        return (
            f"no vault is named {self.name!r} on the network {self.network!r}; {names}; add one "
            "with `callora-vault directory add`, or give the vault's id (56 characters that begin "
            "with C)"
        )


@attrs.frozen
class StaleDirectory(DirectoryError):
    """The name stands for another contract than this change expects.

    Arguments: `name`; `expected` and `found`, contracts, or None for no contract.
    """

    name: str
    expected: Address | None
    found: Address | None

    def __str__(self) -> str:
        if self.expected is None:
            return (
                f"the name {self.name!r} already stands for {self.found}; choose another name, or "
                "remove this one first"
            )
        if self.found is None:
            return (
                f"no vault is named {self.name!r}; expected a name for {self.expected}; see "
                "`callora-vault directory list`"
            )
        return (
            f"the name {self.name!r} stands for {self.found}, not for {self.expected}: somebody "
            "changed it; see `callora-vault directory list`"
        )


@attrs.frozen
class Listed:
    """A vault in the directory.

    `generation` is the directory's generation when this name last changed; `retired` are the
    contracts that the name stood for before, oldest first.
    """

    name: str
    contract: Address
    generation: int
    retired: tuple[Address, ...] = ()


_Networks = dict[str, dict[str, Listed]]


@attrs.frozen
class _Contents:
    generation: int = 0
    networks: _Networks = attrs.field(factory=dict)


class VaultDirectory:
    """Names of vaults, by network.

    Arguments: `path`, the file, which may not exist yet. Each method raises UnreadableDirectory if
    the file is damaged or cannot be read or written; nothing is changed then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._contents = _Contents()

    @property
    def generation(self) -> int:
        """The number of changes so far."""
        return self._read().generation

    def find(self, network: str, name: str) -> Listed:
        """Return the contract that a name stands for now. It costs one `stat` of the file.

        Arguments: `network`, the passphrase. Raises UnknownVault.
        """
        names = self._read().networks.get(network, {})
        if name not in names:
            raise UnknownVault(name, network, tuple(sorted(names)))
        return names[name]

    def listed(self, network: str) -> tuple[Listed, ...]:
        """List the vaults of a network by name."""
        names = self._read().networks.get(network, {})
        return tuple(names[name] for name in sorted(names))

    def networks(self) -> tuple[str, ...]:
        """List the passphrases of all networks with names."""
        return tuple(sorted(self._read().networks))

    def point(
        self, network: str, name: str, contract: Address, *, instead_of: Address | None
    ) -> Listed:
        """Let a name stand for a contract, durably.

        Arguments: `network`, the passphrase; `instead_of`, the contract that it stands for now,
        None for a new name. A name that already stands for `contract` stays as it is, so a change
        can be repeated. `contract` may be a retired one.
        Raises StaleDirectory if the name has changed since; BadValue for a bad name or contract.
        """
        _check_name(name)
        units.contract(contract, "contract")
        with self._locked():
            names = self._read().networks.get(network, {})
            present = names.get(name)
            if present is not None and present.contract == contract:
                return present
            _expect(name, present, instead_of)
            retired = () if present is None else (*present.retired, present.contract)
            # a contract that is in use again is no longer retired
            retired = tuple(old for old in dict.fromkeys(retired) if old != contract)
            listed = Listed(name, contract, self._contents.generation + 1, retired)
            self._write(network, {**names, name: listed})
            return listed

    def remove(self, network: str, name: str, *, instead_of: Address) -> None:
        """Remove a name. Raises StaleDirectory, also if the name does not exist."""
        with self._locked():
            names = self._read().networks.get(network, {})
            _expect(name, names.get(name), instead_of)
            self._write(network, {known: names[known] for known in names if known != name})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS):
                yield
        except Timeout:
            reason = f"another program has locked it for {LOCK_SECONDS} seconds; try again"
            raise UnreadableDirectory(self.path, reason) from None
        except OSError as error:
            raise UnreadableDirectory(self.path, _why(error)) from error

    def _read(self) -> _Contents:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._seen, self._contents = None, _Contents()
            return self._contents
        except OSError as error:
            raise UnreadableDirectory(self.path, _why(error)) from error
        # a replaced file has another inode, even if the clock did not move
        seen = status.st_ino, status.st_mtime_ns, status.st_size
        if seen != self._seen:
            try:
                text = self.path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UnreadableDirectory(self.path, _why(error)) from error
            self._contents = _decode(text, self.path)
            self._seen = seen
        return self._contents

    def _write(self, network: str, names: dict[str, Listed]) -> None:
        """Replace the file with these names on a network."""
        networks = {**self._contents.networks, network: names}
        kept = {key: value for key, value in networks.items() if value}
        contents = _Contents(self._contents.generation + 1, kept)
        mode = stat.S_IMODE(self.path.stat().st_mode) if self.path.exists() else files.PUBLIC
        files.replace(self.path, _encode(contents), mode)


def _expect(name: str, present: Listed | None, contract: Address | None) -> None:
    found = None if present is None else present.contract
    if found != contract:
        raise StaleDirectory(name, contract, found)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise units.BadValue(
            "name",
            "use 1 to 64 letters, digits, dots, underscores and hyphens; begin with a letter or "
            "digit",
        )


def _why(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return files.flaw(error)
    return error.strerror or str(error)


def _encode(contents: _Contents) -> str:
    networks = {
        network: {
            entry.name: {
                "contract": entry.contract,
                "generation": entry.generation,
                "retired": list(entry.retired),
            }
            for entry in sorted(names.values(), key=lambda entry: entry.name)
        }
        for network, names in sorted(contents.networks.items())
    }
    document = {"format": FORMAT, "generation": contents.generation, "networks": networks}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _decode(text: str, path: Path) -> _Contents:
    try:
        document = json.loads(text)
        version = document["format"]
        if version != FORMAT:
            reason = (
                f"its format is {version}, this program's {FORMAT}; use the program that wrote it"
            )
            raise UnreadableDirectory(path, reason)
        networks = {
            _text(network): {name: _listed(name, entry) for name, entry in names.items()}
            for network, names in document["networks"].items()
        }
        return _Contents(_count(document["generation"]), networks)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"it is damaged: {files.flaw(error)}; restore it from a copy"
        raise UnreadableDirectory(path, reason) from error


def _listed(name: str, entry: dict[str, Any]) -> Listed:
    _check_name(name)
    retired = tuple(units.contract(old, "retired") for old in entry["retired"])
    contract = units.contract(entry["contract"], "contract")
    return Listed(name, contract, _count(entry["generation"]), retired)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise units.BadValue("networks", "each name must be a passphrase")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise units.BadValue("generation", "it must be a whole number from 0 up")
    return value
