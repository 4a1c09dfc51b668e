"""The vault directory: which contract a vault's name stands for, on each network.

One JSON file, replaced whole: a reader finds the file before a change or after it, never in
between, and of two writers one waits for the other. Every change has a generation of its own, so a
running client sees that there was one.
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
"""How long a writer waits for another one."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DirectoryError(CalloraError):
    """Base of what a directory raises."""


@attrs.frozen
class UnreadableDirectory(DirectoryError):
    """The file cannot be read, written, or understood.

    Arguments: `path`, the file; `reason`, what is wrong with it.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"vault directory {self.path}: {self.reason}"


@attrs.frozen
class UnknownVault(DirectoryError):
    """No vault has this name on this network.

    Arguments: `name`; `network`, the passphrase; `known`, the names that there are.
    """

    name: str
    network: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        there = ", ".join(self.known) or "none"
        return (
            f"no vault {self.name!r} on {self.network!r}; the directory has: {there}; "
            "add the name to it, or give the vault's id (C...)"
        )


@attrs.frozen
class StaleDirectory(DirectoryError):
    """The name stands for another contract than the change was made for.

    Arguments: `name`; `expected` and `found`, contracts, or None where there is none.
    """

    name: str
    expected: Address | None
    found: Address | None

    def __str__(self) -> str:
        found = "nothing" if self.found is None else self.found
        expected = "nothing" if self.expected is None else self.expected
        return f"{self.name!r} stands for {found}, not for {expected}: somebody changed it"


@attrs.frozen
class Listed:
    """A vault in the directory.

    `generation` is that of the directory when the name was last pointed elsewhere; `retired`
    are the contracts that it stood for before, oldest first.
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

    Arguments: `path`, the file; it need not be there yet. Each method raises UnreadableDirectory
    where the file is damaged or cannot be read or written; nothing is changed then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._contents = _Contents()

    @property
    def generation(self) -> int:
        """How many changes the directory has seen."""
        return self._read().generation

    def find(self, network: str, name: str) -> Listed:
        """Say which contract a name stands for now. It costs a look at the file's date.

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
        """List the passphrases of all networks that have names."""
        return tuple(sorted(self._read().networks))

    def point(
        self, network: str, name: str, contract: Address, *, instead_of: Address | None
    ) -> Listed:
        """Let a name stand for a contract, durably, for whoever reads from now on.

        Arguments: `network`, the passphrase; `instead_of`, the contract that it stands for so
        far, None for a new name. A name that stands for `contract` already stays as it is, so a
        change can be made again. A retired contract can be returned to.
        Raises StaleDirectory where somebody else was faster; BadValue for a bad name or contract.
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
            # a contract that is returned to is retired no longer
            retired = tuple(old for old in dict.fromkeys(retired) if old != contract)
            listed = Listed(name, contract, self._contents.generation + 1, retired)
            self._write(network, {**names, name: listed})
            return listed

    def remove(self, network: str, name: str, *, instead_of: Address) -> None:
        """Take a name out. Raises StaleDirectory, also where the name is not there."""
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
            reason = f"another writer has held its lock for {LOCK_SECONDS} seconds"
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
        # replaced files differ in their inode, whatever the resolution of the clock
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
        """Replace the file by one with these names on a network."""
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
            "name", "a vault's name has 1 to 64 letters, digits, '.', '_' and '-', no sign first"
        )


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


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
            raise UnreadableDirectory(path, f"its format is {version!r}, this program's {FORMAT}")
        networks = {
            _text(network): {name: _listed(name, entry) for name, entry in names.items()}
            for network, names in document["networks"].items()
        }
        return _Contents(_count(document["generation"]), networks)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"is damaged ({type(error).__name__}: {error}); restore it from a copy"
        raise UnreadableDirectory(path, reason) from error


def _listed(name: str, entry: dict[str, Any]) -> Listed:
    _check_name(name)
    retired = tuple(units.contract(old, "retired") for old in entry["retired"])
    contract = units.contract(entry["contract"], "contract")
    return Listed(name, contract, _count(entry["generation"]), retired)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a network is named by its passphrase")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a generation is a count")
    return value
