"""The contract under test: its code, its functions, and its model."""

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
from callora_vault.model.calls import FACTORY_CALLS
from callora_vault.model.units import Address, BadValue, address
from callora_vault.model.versions import ABIS, VAULT_V1, VAULT_V2
from callora_vault.parity.errors import CannotRun, check_url, no_rpc
from callora_vault.rpc.urls import origin

MAX_BYTES: Final = 131_072
"""The largest contract that the public networks accept."""

FACTORY: Final = "factory"
MODELS: Final = (*ABIS, FACTORY)
"""The models that a contract can be compared with."""

_VAULT: Final = frozenset({"init", "get_meta"})
_FACTORY: Final = frozenset(call.method for call in FACTORY_CALLS)


@attrs.frozen
class Target:
    """A contract to compare: `name` is for people, `python` an expression that reads it again."""

    name: str
    code: bytes = attrs.field(repr=False)
    functions: frozenset[str]
    protocol: int
    """The newest protocol that it was built for; 0 if it does not declare one."""
    python: str

    @property
    def sha256(self) -> str:
        """The hash of the code, which is its key on the ledger."""
        return sha256(self.code).hexdigest()

    @property
    def model(self) -> str:
        """The model that is closest to its functions."""
        if self.functions >= _FACTORY:
            return FACTORY
        added = frozenset(VAULT_V2.methods) - frozenset(VAULT_V1.methods)
        return VAULT_V2.name if self.functions & added else VAULT_V1.name


def committed(model: str = VAULT_V2.name) -> Target:
    """Return the contract of this package for a model. Raises CannotRun."""
    check_model(model)
    return _target(f"callora-vault {model}", wasm.read(model), f'committed("{model}")')


def check_model(model: str) -> None:
    """Raise CannotRun if there is no such model."""
    if model not in MODELS:
        raise CannotRun(f"there is no model {model!r}", f"choose one of {', '.join(MODELS)}")


def from_file(path: Path) -> Target:
    """Read a compiled contract. Raises CannotRun if it is not one, or not a vault or factory."""
    try:
        if path.exists() and not path.is_file():
            raise CannotRun(f"{path} is not a file", "give the path of a compiled contract")
        if path.stat().st_size > MAX_BYTES:
            raise CannotRun(
                f"{path} has more than {MAX_BYTES:,} bytes, the most that a network accepts",
                "give the path of a compiled contract",
            )
        code = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
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
            f"no code was found for {contract}: {str(error).rstrip('.')}",
            "give the id (C...) of a deployed contract",
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
    if not found >= _FACTORY:
        _need(name, found, "vault", _VAULT)
    versions = (entry.interface_version for entry in info.env_meta)
    protocol = max((v.protocol.uint32 for v in versions if v is not None), default=0)
    return Target(name, code, found, protocol, python)


def check_kind(target: Target, model: str) -> None:
    """Raise CannotRun if a contract and a model do not fit: a vault and the factory's, say."""
    check_model(model)
    if model == FACTORY:
        _need(target.name, target.functions, "factory", _FACTORY)
    else:
        _need(target.name, target.functions, "vault", _VAULT)


def _need(name: str, found: frozenset[str], kind: str, needed: frozenset[str]) -> None:
    if found >= needed:
        return
    lacking = ", ".join(sorted(needed - found))
    has = ", ".join(sorted(found)) or "none declared"
    raise CannotRun(
        f"{name} is not a {kind}: it lacks {lacking} (its functions: {has})",
        f"give a contract with the {kind}'s methods",
    )


def check_protocol(target: Target, protocol: int) -> None:
    """Raise CannotRun if a contract was built for a newer protocol than the network's."""
    if target.protocol > protocol:
        raise CannotRun(
            f"{target.name} was built for protocol {target.protocol}, "
            f"and this network runs {protocol}",
            "build it with an older soroban-sdk, or use a network of its protocol",
        )
