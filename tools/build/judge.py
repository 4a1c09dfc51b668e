"""Judging rebuilt files: by their bytes, or where other tools built them, by behaviour."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.build.errors import Failure
from tools.build.groups import GROUPS, VERSIONS, Group
from tools.build.manifest import committed

PARITY = tuple(
    ("-m", "callora_vault.cli", "parity", "--model", model) for model in (*VERSIONS, "factory")
)
BEHAVIOUR: dict[str, tuple[tuple[str, ...], ...]] = {
    "contracts": PARITY,
    "parity": PARITY[-1:],
    "mutants": (("-m", "pytest", "-q", "tests/parity"),),
    "test-contract": (("-m", "pytest", "-q", "localnet/tests"),),
    "host": (("-m", "pytest", "-q", "localnet/tests"), *PARITY),
}
"""What has to pass with a group's files when another compiler has built them."""


def other_tools(recorded: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Name the tools that are not those of a manifest."""
    return [
        f"{tool}: {name} here, {recorded.get(tool)} in the manifest"
        for tool, name in here.items()
        if recorded.get(tool) != name
    ]


def unlike(group: Group, root: Path, rebuilt: Path) -> list[str]:
    """List a group's files that are missing, superfluous or other bytes in one of two trees."""
    listed = [committed(group, tree).get("files", {}) for tree in (root, rebuilt)]
    folder = Path(group.manifest).parent
    return [
        f"{folder / name}"
        for name in sorted(listed[0].keys() | listed[1].keys())
        if contents(root / folder / name) != contents(rebuilt / folder / name)
    ]


def contents(path: Path) -> bytes | None:
    """Return a file's bytes, or None where there is no file."""
    return path.read_bytes() if path.is_file() else None


def judge(names: Iterable[str], here: Mapping[str, str], root: Path, rebuilt: Path) -> list[str]:
    """Compare committed files with rebuilt ones; return the groups whose behaviour must decide.

    Raises Failure, which names every file that the same tools build otherwise.
    """
    wrong, undecided = [], []
    for name in names:
        group = GROUPS[name]
        old, new = committed(group, root), committed(group, rebuilt)
        others = other_tools(old.get("built_with", {}), here)
        files = unlike(group, root, rebuilt)
        if files and others:
            print(f"{name}: other bytes, by other tools:", *others, sep="\n  ")
            undecided.append(name)
        elif files:
            wrong += [f"{file}: rebuilt by the same tools, it has other bytes" for file in files]
        elif old != new and not others:
            wrong.append(f"{group.manifest}: it does not say what the files are built from")
    if wrong:
        raise Failure("\n".join([*wrong, "`make wasm` rebuilds them"]))
    return undecided


def check_behaviour(names: Iterable[str], rebuilt: Path) -> None:
    """Run what has to pass on files that other tools have built. Raises Failure."""
    paths = os.pathsep.join(str(rebuilt / path) for path in ("src", "localnet/src"))
    for command in dict.fromkeys(command for name in names for command in BEHAVIOUR[name]):
        print(f"on the rebuilt files: python {' '.join(command)}", flush=True)
        done = subprocess.run(
            (sys.executable, *command),
            cwd=rebuilt,
            env=os.environ | {"PYTHONPATH": paths},
            check=False,
        )
        if done.returncode:
            raise Failure(f"the rebuilt files behave otherwise: python {' '.join(command)}")
