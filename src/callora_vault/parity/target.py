"""The contract under test: its code, and which of the vault's methods it has."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs
from stellar_sdk import SorobanServer
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import ContractWasmRetrievalError, SdkError
from stellar_sdk.sep.contract_info import ContractInfo
from stellar_sdk.sep.exceptions import InvalidWasmError

from callora_vault import wasm
from callora_vault.client.urls import origin
from callora_vault.parity.coverage import METHODS
from callora_vault.parity.errors import CannotRun, check_url, no_rpc
from callora_vault.units import Address, BadValue, address

MAX_BYTES: Final = 131_072
"""The largest contract that the public networks take."""

_NEEDED: Final = frozenset({"init", "get_meta"})


@attrs.frozen
class Target:
    """A contract to judge: `name` is for people, `python` an expression that reads it again."""

    name: str
    code: bytes = attrs.field(repr=False)
    methods: frozenset[str]
    protocol: int
    """The newest protocol that it was built for; 0 where it does not say."""
    python: str

    @property
    def sha256(self) -> str:
        """The hash of the code, which is its key on the ledger."""
        return sha256(self.code).hexdigest()

    @property
    def missing(self) -> tuple[str, ...]:
        """The vault's methods that it lacks."""
        return tuple(method for method in METHODS if method not in self.methods)


def committed(name: str = "v1") -> Target:
    """Return a contract of this package."""
    return _target(f"callora-vault {name}", wasm.read(name), "committed()")


def from_file(path: Path) -> Target:
    """Read a compiled contract. Raises CannotRun where it is none, or no vault."""
    try:
        if path.exists() and not path.is_file():
            raise CannotRun(f"{path} is not a file", "give the path of a compiled contract")
        if path.stat().st_size > MAX_BYTES:
            raise CannotRun(
                f"{path} has more than {MAX_BYTES:,} bytes, the most that a network takes",
                "give the path of a compiled contract",
            )
        code = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotRun(f"{path}: {reason}", "give the path of a compiled contract") from error
    return _target(str(path), code, json.dumps(str(path)))


def deployed(contract: Address, rpc_url: str) -> Target:
    """Read the code of a deployed contract. Raises CannotRun."""
    check_url(rpc_url, "--contract-rpc-url")
    try:
        address(contract, "--contract")
        code = SorobanServer(rpc_url, RequestsClient()).get_contract_wasm(contract)
    except (BadValue, ContractWasmRetrievalError) as error:
        raise CannotRun(
            f"no code to read for {contract}: {error}", "give the id (C...) of a deployed contract"
        ) from error
    except (SdkError, ValueError) as error:
        raise no_rpc(rpc_url, error, "--contract-rpc-url") from error
    return _target(contract, code, f'deployed("{contract}", "{origin(rpc_url)}")')


def _target(name: str, code: bytes, python: str) -> Target:
    try:
        info = ContractInfo.from_wasm(code)
    except InvalidWasmError as error:
        raise CannotRun(
            f"{name} is not a WebAssembly module", "give a compiled contract (.wasm)"
        ) from error
    found = frozenset(f.name.sc_symbol.decode() for f in info.spec.functions)
    methods = found.intersection(METHODS)
    if not methods >= _NEEDED:
        lacking = ", ".join(sorted(_NEEDED - methods))
        has = ", ".join(sorted(found)) or "none that it describes"
        raise CannotRun(
            f"{name} is no vault: it lacks {lacking} (its functions: {has})",
            "give a contract with the vault's methods",
        )
    versions = (entry.interface_version for entry in info.env_meta)
    protocol = max((v.protocol.uint32 for v in versions if v is not None), default=0)
    return Target(name, code, methods, protocol, python)


def check_protocol(target: Target, protocol: int) -> None:
    """Raise CannotRun where a contract was built for a newer protocol than the network's."""
    if target.protocol > protocol:
        raise CannotRun(
            f"{target.name} was built for protocol {target.protocol}, "
            f"and this network runs {protocol}",
            "build it with an older soroban-sdk, or use a network of its protocol",
        )
