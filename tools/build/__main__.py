"""Rebuild every compiled file of this repository, or check that the committed ones are its own.

    python -m tools.build build    rebuild the files in place and write their manifests
    python -m tools.build check    rebuild into a temporary folder and judge what differs
    python -m tools.build lint     clippy over contracts/; any warning fails

Where compiler, library sources, linker and cargo are those of the manifest, a file with other bytes
fails the check. Where one of them is another, its name is printed, and the check fails only if the
rebuilt files behave otherwise. Exit codes: 0 good, 1 failed, 2 no compiler to build with.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tools.build.compile import NOT_COPIED, build, lint
from tools.build.errors import Failure, Unequipped
from tools.build.groups import CONTRACTS, GROUPS, ROOT
from tools.build.judge import check_behaviour, judge
from tools.build.manifest import committed
from tools.build.toolchain import Toolchain, find_toolchain


def check(names: list[str], toolchain: Toolchain, work: Path) -> None:
    """Lint, rebuild into a copy of the work tree and judge what differs. Raises Failure."""
    if any(GROUPS[name].source == CONTRACTS for name in names):
        lint(toolchain, work)
    rebuilt = work / "tree"
    shutil.copytree(ROOT, rebuilt, ignore=NOT_COPIED)
    build(names, toolchain, work, rebuilt)
    if undecided := judge(names, toolchain.names, ROOT, rebuilt):
        check_behaviour(undecided, rebuilt)
        print("other tools built other bytes, which behave the same")
    else:
        print("every file is what its source compiles to")


def run(arguments: argparse.Namespace) -> None:
    """Build, check or lint, as the command line says."""
    names = [arguments.only] if arguments.only else list(GROUPS)
    toolchain = find_toolchain(committed(GROUPS[names[0]], ROOT).get("built_with", {}))
    print(*(f"{tool + ':':10}{name}" for tool, name in toolchain.names.items()), sep="\n")
    with tempfile.TemporaryDirectory(prefix="callora-build-") as work:
        match arguments.command:
            case "build":
                build(names, toolchain, Path(work), ROOT)
            case "check":
                check(names, toolchain, Path(work))
            case _:
                lint(toolchain, Path(work))


def main() -> int:
    """Read the command line, run, and say in one line what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("build", "check", "lint"))
    parser.add_argument("--only", choices=tuple(GROUPS), help="these files alone")
    try:
        run(parser.parse_args())
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except Unequipped as missing:
        print(missing, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
