"""The versions of the vault's contract as data: the calls of each, and the layout that it stores.

One transition function serves all versions: v1 is v2 without the calls that v2 adds, so it never
has an authorised caller.
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final

import attrs

from callora_vault.model.calls import CALLS, BatchDeduct, Call, SetAuthorizedCaller
from callora_vault.model.layouts import V1, V2, Layout


@attrs.frozen(slots=False)
class Abi:
    """A version of the contract: its name, its calls, the layout that it stores."""

    name: str
    calls: tuple[type[Call], ...]
    layout: Layout

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The names of its methods."""
        return tuple(call.method for call in self.calls)

    @property
    def authorises(self) -> bool:
        """Whether the owner can authorise another caller to deduct."""
        return SetAuthorizedCaller in self.calls


_ADDED_BY_V2: Final = (BatchDeduct, SetAuthorizedCaller)

VAULT_V1: Final = Abi("v1", tuple(call for call in CALLS if call not in _ADDED_BY_V2), V1)
VAULT_V2: Final = Abi("v2", CALLS, V2)

ABIS: Final[Mapping[str, Abi]] = MappingProxyType({abi.name: abi for abi in (VAULT_V1, VAULT_V2)})
"""Every version by its name, oldest first."""
