"""The current contract of a vault: the one that its name stands for, or its successor."""

from __future__ import annotations

from collections.abc import Callable

from callora_vault.client.successors import follow
from callora_vault.codec.entries import StoredVault
from callora_vault.model import units
from callora_vault.model.units import Address
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import read_instance


class Whereabouts:
    """The current contract of a vault, with the owner and the code that were read from it.

    Arguments: `where`, the vault's id (C...), or a function that returns the id for its name, which
    each `turn` calls; `factory`, a pinned one of this package's code, whose successors of the vault
    are followed; None for none. Raises BadValue for an id that is not a contract's, and what
    `where` raises.
    """

    def __init__(
        self,
        network: Network,
        where: Address | Callable[[], Address],
        factory: Address | None = None,
    ) -> None:
        self._network = network
        self._find = where if callable(where) else None
        self._named = units.contract(where() if callable(where) else where, "contract")
        self._factory = factory
        self._followed = factory is None
        self._known: StoredVault | None = None
        self._history = network.histories
        self.contract = self._named
        """The vault's id, as of the last `turn`."""

    def turn(self, until: float) -> None:
        """Turn to the contract that the name stands for now, and to its last successor.

        Raises what `where` raises, NotFollowed, SuccessorLoop, NotOurFactory, and as Network.
        """
        contract = self.contract
        if self._history != self._network.histories:
            self._history, self._known = self._network.histories, None
            contract, self._followed = self._named, self._factory is None
        if self._find is not None and (named := self._find()) != self._named:
            contract = self._named = named
            self._followed = self._factory is None
        if not self._followed and self._factory is not None:
            contract = follow(self._network, self._factory, contract, until)
            self._followed = True
        if contract != self.contract:
            self.contract, self._known = contract, None

    def has_moved(self, until: float) -> bool:
        """Look for a successor again; return whether the contract has changed.

        Raises as `turn`.
        """
        before = self.contract
        self._followed = self._factory is None
        self.turn(until)
        return self.contract != before

    def stored(self, until: float) -> StoredVault:
        """Read what the contract stores. Raises NoVault, UnknownLayout, CannotDecode."""
        return read_instance(self._network, self.contract, until).vault()

    def identity(self, until: float) -> StoredVault:
        """Return owner and code, which are read once because neither ever changes.

        Raises as `stored`.
        """
        if self._known is not None:
            return self._known
        found = self.stored(until)
        if found.meta is not None:
            self._known = found
        return found
