"""Compiling groups of files, in a copy of their workspace; and clippy."""

import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.build.errors import Failure, Unequipped
from tools.build.files import outputs
from tools.build.groups import CONTRACTS, GROUPS, ROOT, TRIPLES, Group, Output
from tools.build.manifest import committed, sha256
from tools.build.toolchain import Toolchain

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "target", "dist", "__pycache__", ".build", ".hypothesis", ".*_cache"
)
NO_CLIPPY = (
    "there is no cargo-clippy beside the compiler {}: install it by "
    "`apt-get install rust-web-clippy`, or by `rustup component add clippy`"
)


def environment(toolchain: Toolchain, stage: Path, target: Path) -> dict[str, str]:
    """Make the environment in which cargo builds: nothing of the machine's paths or settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"RUST(C|FLAGS|DOC)|CARGO_(BUILD|PROFILE|TARGET|ENCODED|INCREMENTAL)", name)
    }
    cargo_home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    remapped = dict.fromkeys(sorted((cargo_home / "registry/src").glob("*")), "/registry")
    remapped |= {stage: "/source", target: "/target"}
    if toolchain.library is not None:
        remapped |= {toolchain.library: "/library", toolchain.library.resolve(): "/library"}
        kept["RUSTC_BOOTSTRAP"] = "1"
    flags = [f"--remap-path-prefix={path}={name}" for path, name in remapped.items()]
    linkers = {
        f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER": str(toolchain.linker)
        for triple in TRIPLES
    }
    return (
        kept
        | linkers
        | {
            "RUSTC": str(toolchain.rustc),
            "CARGO_TARGET_DIR": str(target),
            "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        }
    )


def cargo(*arguments: str, folder: Path, env: Mapping[str, str]) -> None:
    """Run cargo; what it says is shown only where it fails."""
    done = subprocess.run(
        ("cargo", *arguments), cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failure(f"cargo {' '.join(arguments)} failed:\n{done.stderr}")


def staged(source: str, toolchain: Toolchain, work: Path) -> tuple[Path, dict[str, str]]:
    """Copy a workspace to where it is built; return the copy and the environment for cargo."""
    stage = work / Path(source).name
    # copyfile: cargo rebuilds what is newer than its last build
    shutil.copytree(
        ROOT / source,
        stage,
        ignore=NOT_COPIED,
        copy_function=shutil.copyfile,
        dirs_exist_ok=True,
    )
    env = environment(toolchain, stage, work / "target")
    cargo("fetch", "--quiet", "--locked", folder=stage, env=env)
    return stage, env


def build(names: Iterable[str], toolchain: Toolchain, work: Path, root: Path) -> None:
    """Build groups of files into the work tree `root`, with intermediate files in `work`."""
    for name in names:
        group = GROUPS[name]
        stage, env = staged(group.source, toolchain, work)
        folder = (root / group.manifest).parent
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for output in outputs(name, ROOT):
            began = time.monotonic()
            print(f"{output.name:40}", end="", flush=True)
            try:
                data = compiled(group, output, toolchain, stage, env)
            except Failure:
                print("failed", flush=True)
                raise
            print(f"{len(data):>9,} bytes {time.monotonic() - began:6.1f} s", flush=True)
            (folder / output.name).write_bytes(data)
            files[output.name] = {"sha256": sha256(data), "size": len(data), **output.notes}
        for stale in committed(group, root).get("files", {}).keys() - files.keys():
            (folder / stale).unlink(missing_ok=True)
        document = {"built_with": built_with(group, toolchain), "files": files}
        (root / group.manifest).write_text(json.dumps(document, indent=2) + "\n")


def compiled(
    group: Group, output: Output, toolchain: Toolchain, stage: Path, env: Mapping[str, str]
) -> bytes:
    """Compile one file and return it."""
    if output.lib is not None:
        (stage / output.crate / "src/lib.rs").write_text(output.lib)
    command = ["build", "--lib", "--package", output.package, *options(group, toolchain)]
    cargo(*command, folder=stage, env=env)
    artifact = f"{output.package.replace('-', '_')}.wasm"
    return (Path(env["CARGO_TARGET_DIR"]) / group.triple / "release" / artifact).read_bytes()


def options(group: Group, toolchain: Toolchain) -> list[str]:
    """List cargo's options for a group, be it to build or to lint."""
    listed = ["--quiet", "--locked", "--release", "--target", group.triple]
    if toolchain.library is not None:
        listed.append(f"-Zbuild-std={group.std}")
    return listed


def lint(toolchain: Toolchain, work: Path) -> None:
    """Run the clippy of the compiler over the contracts. Raises Failure, Unequipped."""
    clippy = toolchain.rustc.with_name("cargo-clippy")
    if not clippy.is_file():
        raise Unequipped(NO_CLIPPY.format(toolchain.rustc))
    group = GROUPS[CONTRACTS]
    stage, env = staged(group.source, toolchain, work)
    command = (str(clippy), "clippy", *options(group, toolchain), "--", "-D", "warnings")
    done = subprocess.run(command, cwd=stage, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"clippy complains about {CONTRACTS}/:\n{done.stderr}")
    print(f"clippy has nothing to say about {CONTRACTS}/")


def built_with(group: Group, toolchain: Toolchain) -> dict[str, str]:
    """Say for a manifest what a group's files are built with."""
    lockfile = (ROOT / group.source / "Cargo.lock").read_bytes()
    packages = tomllib.loads(lockfile.decode())["package"]
    version = next(p["version"] for p in packages if p["name"] == group.dependency)
    return toolchain.names | {group.dependency: version, "cargo_lock": sha256(lockfile)}
