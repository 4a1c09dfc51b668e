"""Variants of the contracts: patches of their sources, from contracts/mutants/mutants.toml."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.build.errors import Failure
from tools.build.groups import CONTRACTS, VERSIONS, Output


def patched(text: str, patches: Iterable[Mapping[str, str]]) -> str:
    """Apply the patches of a planted fault, in order.

    Raises Failure where the text to search is not there exactly once.
    """
    for patch in patches:
        start, end = function(text, patch["in"]) if "in" in patch else (0, len(text))
        search, part = patch["search"], text[start:end]
        if part.count(search) != 1:
            where = f"function {patch['in']}" if "in" in patch else "lib.rs"
            raise Failure(f"{search!r} occurs {part.count(search)} times in {where}, not once")
        text = text[:start] + part.replace(search, patch["replace"]) + text[end:]
    return text


def function(text: str, name: str) -> tuple[int, int]:
    """Find where a function begins and ends; rustfmt puts its last brace under its first letter."""
    found = re.findall(rf"^(?:( *)(?:pub )?fn {name}\()", text, re.M)
    if len(found) != 1:
        raise Failure(f"{len(found)} functions are named {name}, not one")
    match = re.search(rf"^{found[0]}(?:pub )?fn {name}\(.*?^{found[0]}}}$", text, re.M | re.S)
    if match is None:
        raise Failure(f"function {name} has no end")
    return match.span()


def mutants(root: Path, kinds: Iterable[str]) -> list[Output]:
    """List variants of the contracts in mutants.toml, such as the planted faults."""
    folder = root / "contracts/mutants"
    table = tomllib.loads((folder / "mutants.toml").read_text())
    outputs = []
    for kind in kinds:
        for entry in table[kind]:
            crate = entry.get("contract", VERSIONS[0])
            own = root / CONTRACTS / crate / "src/lib.rs"
            source = folder / entry["source"] if "source" in entry else own
            try:
                lib = patched(source.read_text(), entry.get("patches", ()))
            except Failure as failure:
                raise Failure(
                    f"contracts/mutants/mutants.toml, {entry['name']}: {failure}"
                ) from None
            notes = {"kind": kind}
            if "layout" in entry:
                notes["layout"] = entry["layout"]
            name = f"{entry['name']}.wasm"
            outputs.append(Output(name, f"callora-vault-{crate}", notes, crate, lib))
    return outputs
