"""What builds: compiler, library sources, linker and cargo, and how they are found."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tools.build.errors import Unequipped
from tools.build.groups import TRIPLES
from tools.build.manifest import sha256

OLDEST_CARGO = (1, 95)
REMEDY = (
    "install one by `apt-get install rustc-web rust-web-src lld`, "
    f"or by `rustup target add {' '.join(TRIPLES)}`"
)


class Toolchain(NamedTuple):
    """What builds: the programs, and the names by which a manifest tells them from others."""

    rustc: Path
    linker: Path
    library: Path | None
    names: dict[str, str]


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
