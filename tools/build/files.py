"""The files of each group."""

from pathlib import Path

from tools.build.groups import VERSIONS, Output
from tools.build.mutants import mutants


def outputs(name: str, root: Path) -> list[Output]:
    """List the files of a group."""
    match name:
        case "contracts":
            vaults = [
                Output(f"{crate}.wasm", f"callora-vault-{crate}", {"layout": crate}, crate)
                for crate in VERSIONS
            ]
            return [*vaults, Output("factory.wasm", "callora-vault-factory", {}, "factory")]
        case "mutants":
            return mutants(root, ("mutant", "foreign"))
        case "parity":
            return mutants(root, ("placed",))
        case "test-contract":
            return [Output("test_contract.wasm", "localnet-test-contract", {})]
        case _:
            return [Output("host.wasm", "soroban-localnet-host", {})]
