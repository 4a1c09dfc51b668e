"""What is compiled: groups of files, each from one cargo workspace, and the name of each file."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TRIPLES = ("wasm32v1-none", "wasm32-unknown-unknown")
CONTRACTS = "contracts"
VERSIONS = ("v1", "v2")


class Group(NamedTuple):
    """Files that are built from one cargo workspace and share a manifest, which is beside them."""

    source: str
    triple: str
    std: str
    dependency: str
    manifest: str


VAULT = (CONTRACTS, TRIPLES[0], "core,alloc", "soroban-sdk")
GROUPS = {
    "contracts": Group(*VAULT, "src/callora_vault/wasm/manifest.json"),
    "parity": Group(*VAULT, "src/callora_vault/parity/data/manifest.json"),
    "mutants": Group(*VAULT, "tests/data/mutants/manifest.json"),
    "test-contract": Group(
        "localnet/tests/contracts",
        TRIPLES[0],
        "core,alloc",
        "soroban-sdk",
        "localnet/tests/data/manifest.json",
    ),
    "host": Group(
        "localnet/host",
        TRIPLES[1],
        "std,panic_abort",
        "soroban-env-host",
        "localnet/src/soroban_localnet/data/host-manifest.json",
    ),
}


class Output(NamedTuple):
    """A compiled file: its name, the package and, where it is in a folder of its own, the crate's;
    the lib.rs that takes the place of the crate's, and what the manifest notes of it.
    """

    name: str
    package: str
    notes: dict[str, str]
    crate: str = ""
    lib: str | None = None
