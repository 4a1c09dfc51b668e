"""Rebuild every compiled file of this repository, or check that the committed ones are its own.

    python -m tools.build build    rebuild the files in place and write their manifests
    python -m tools.build check    rebuild into a temporary folder and judge what differs
    python -m tools.build lint     clippy over contracts/; any warning fails

Where compiler, library sources, linker and cargo are those of the manifest, a file with other bytes
fails the check. Where one of them is another, its name is printed, and the check fails only if the
rebuilt files behave otherwise. Exit codes: 0 good, 1 failed, 2 no compiler to build with.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "target", "dist", "__pycache__", ".build", ".hypothesis", ".*_cache"
)
OLDEST_CARGO = (1, 95)
TRIPLES = ("wasm32v1-none", "wasm32-unknown-unknown")
CONTRACTS = "contracts"
VERSIONS = ("v1", "v2")
NO_CLIPPY = (
    "there is no cargo-clippy beside the compiler {}: install it by "
    "`apt-get install rust-web-clippy`, or by `rustup component add clippy`"
)
REMEDY = (
    "install one by `apt-get install rustc-web rust-web-src lld`, "
    f"or by `rustup target add {' '.join(TRIPLES)}`"
)


class Failure(Exception):
    """A build or a check ends here; the text says why."""


class Unequipped(Exception):
    """There is nothing to build with; the text names the remedy."""


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


class Output(NamedTuple):
    """A compiled file: its name, the package and, where it is in a folder of its own, the crate's;
    the lib.rs that takes the place of the crate's, and what the manifest notes of it.
    """

    name: str
    package: str
    notes: dict[str, str]
    crate: str = ""
    lib: str | None = None


class Toolchain(NamedTuple):
    """What builds: the programs, and the names by which a manifest tells them from others."""

    rustc: Path
    linker: Path
    library: Path | None
    names: dict[str, str]


# ---------------------------------------------------------------------------------------- mutants


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


# -------------------------------------------------------------------------------------- toolchain


def say(*command: str | Path) -> str | None:
    """Return what a program prints, or None where it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def find_toolchain(recorded: Mapping[str, str]) -> Toolchain:
    """Find what to build with, preferably what a manifest records. Raises Unequipped."""
    cargo = say("cargo", "--version")
    version = re.match(r"cargo (\d+)\.(\d+)", cargo or "")
    if cargo is None or version is None or tuple(map(int, version.groups())) < OLDEST_CARGO:
        raise Unequipped(f"cargo 1.95 or later is needed, found {cargo or 'none'}: {REMEDY}")
    compilers = [(name, path, library) for path, library, name in usable_compilers()]
    if not compilers:
        raise Unequipped(f"no Rust compiler here can build WebAssembly: {REMEDY}")
    compiler, rustc, library = preferred(compilers, recorded.get("compiler"))
    linkers = list(usable_linkers(rustc))
    if not linkers:
        raise Unequipped("no linker for WebAssembly: apt-get install lld")
    linker, program = preferred(linkers, recorded.get("linker"))
    std = "as installed with the compiler" if library is None else f"sources {digest_of(library)}"
    names = {"compiler": compiler, "std": std, "linker": linker, "cargo": cargo}
    return Toolchain(rustc, program, library, names)


def preferred(found: list[Any], name: str | None) -> Any:
    """Return the first that has this name, or else the first."""
    return next((one for one in found if one[0] == name), found[0])


def rustup_toolchains() -> list[Path]:
    """List the folders of the installed rustup toolchains."""
    home = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    return sorted((home / "toolchains").glob("*"))


def usable_compilers() -> Iterator[tuple[Path, Path | None, str]]:
    """Find compilers that have the targets installed, or the library's sources to build them."""
    candidates = [os.environ.get("RUSTC"), shutil.which("rustc"), "/usr/bin/rustc"]
    candidates += [str(folder / "bin/rustc") for folder in rustup_toolchains()]
    for candidate in dict.fromkeys(filter(None, candidates)):
        rustc = Path(candidate)
        version, root = say(rustc, "-vV"), say(rustc, "--print", "sysroot")
        if version is None or root is None:
            continue
        llvm = re.search(r"^LLVM version: (.*)$", version, re.M)
        name = version.splitlines()[0] + (f", LLVM {llvm[1]}" if llvm else "")
        rustlib = Path(root) / "lib/rustlib"
        library = rustlib / "src/rust/library"
        if all((rustlib / triple / "lib").is_dir() for triple in TRIPLES):
            yield rustc, None, name
        elif (library / "core/src/lib.rs").is_file():
            yield rustc, library, name


def usable_linkers(rustc: Path) -> Iterator[tuple[str, Path]]:
    """Find linkers for WebAssembly, the compiler's own first."""
    sysroot = Path(say(rustc, "--print", "sysroot") or "/")
    for folder in (sysroot, *rustup_toolchains()):
        for program in sorted(folder.glob("lib/rustlib/*/bin/rust-lld")):
            yield from linker_name(program)
    for command in ("rust-lld", "lld"):
        if path := shutil.which(command):
            yield from linker_name(Path(path))


def linker_name(program: Path) -> Iterator[tuple[str, Path]]:
    """Name a linker by its version, where it is one."""
    if match := re.search(r"LLD [\d.]+", say(program, "-flavor", "wasm", "--version") or ""):
        yield match[0], program


def digest_of(library: Path) -> str:
    """Hash the sources of the standard library: distributions patch them within a version."""
    total = hashlib.sha256()
    for path in sorted(library.glob("*/src/**/*.rs")):
        total.update(f"{path.relative_to(library)}\0{sha256(path.read_bytes())}\n".encode())
    total.update((library / "Cargo.lock").read_bytes())
    return total.hexdigest()[:16]


def sha256(data: bytes) -> str:
    """Return the hash of data in hex."""
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------------------ build


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


def committed(group: Group, root: Path) -> dict[str, Any]:
    """Read a group's manifest; an empty one where there is none yet."""
    path = root / group.manifest
    if not path.is_file():
        return {}
    document: dict[str, Any] = json.loads(path.read_text())
    return document


# ------------------------------------------------------------------------------------------ check


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
