"""The build script without its compiler: planted faults, manifests, and how it judges."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tools.build.errors import Failure
from tools.build.files import outputs
from tools.build.groups import GROUPS, VERSIONS
from tools.build.judge import judge
from tools.build.manifest import committed, sha256
from tools.build.mutants import mutants, patched

ROOT = Path(__file__).parents[2]
LIB = """\
fn first() {
    check();
    if true {
        check(1);
    }
}

impl Vault {
    pub fn second() {
        check();
    }
}
"""
TABLE = tomllib.loads((ROOT / "contracts/mutants/mutants.toml").read_text())
KINDS = ("mutant", "foreign", "placed")
PLANTED = [entry for kind in KINDS for entry in TABLE[kind]]
CRATES = (*VERSIONS, "factory")
TOOLS = {"compiler": "rustc 1", "std": "sources", "linker": "LLD 1", "cargo": "cargo 1"}


def test_a_patch_replaces_what_occurs_once() -> None:
    assert patched(LIB, [{"search": "check(1)", "replace": "check(2)"}]) == LIB.replace(
        "check(1)", "check(2)"
    )


def test_a_patch_in_a_function_leaves_the_others_alone() -> None:
    text = patched(LIB, [{"in": "second", "search": "check();", "replace": ""}])
    assert text == "".join(LIB.rsplit("check();", 1))


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        ({"search": "absent", "replace": ""}, "occurs 0 times in lib.rs"),
        ({"search": "check();", "replace": ""}, "occurs 2 times in lib.rs"),
        ({"in": "first", "search": "check", "replace": ""}, "occurs 2 times in function first"),
        ({"in": "second", "search": "check(1)", "replace": ""}, "occurs 0 times in function"),
        ({"in": "third", "search": "check", "replace": ""}, "0 functions are named third"),
    ],
)
def test_a_patch_that_does_not_fit_once_is_refused(patch: dict[str, str], complaint: str) -> None:
    with pytest.raises(Failure, match=re.escape(complaint)):
        patched(LIB, [patch])


def test_every_planted_fault_changes_the_source_and_no_two_alike() -> None:
    originals = {(ROOT / f"contracts/{crate}/src/lib.rs").read_text() for crate in CRATES}
    texts = [output.lib for output in mutants(ROOT, KINDS)]
    assert len(originals.union(texts)) == len(CRATES) + len(PLANTED)


def test_every_planted_fault_is_in_a_method_of_its_contract() -> None:
    for entry in PLANTED:
        library = (ROOT / f"contracts/{entry.get('contract', 'v1')}/src/lib.rs").read_text()
        assert all(f"pub fn {method}(" in library for method in entry["methods"])


def test_every_planted_fault_has_a_name_of_its_own_and_says_what_is_wrong() -> None:
    entries = [*PLANTED, *TABLE["equivalent"]]
    assert len({entry["name"] for entry in entries}) == len(entries)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]+", entry["name"]) for entry in entries)
    assert all(entry["fault"] and entry["methods"] for entry in PLANTED)
    assert all(entry["change"] and entry["reason"] for entry in TABLE["equivalent"])


@pytest.mark.parametrize("name", GROUPS)
def test_a_manifest_tells_the_committed_files(name: str) -> None:
    group = GROUPS[name]
    folder = (ROOT / group.manifest).parent
    files = committed(group, ROOT)["files"]
    assert {path.name for path in folder.glob("*.wasm")} == files.keys()
    assert files.keys() == {output.name for output in outputs(name, ROOT)}
    for output in outputs(name, ROOT):
        data = (folder / output.name).read_bytes()
        told = {"sha256": sha256(data), "size": len(data), **output.notes}
        assert files[output.name] == told


@pytest.mark.parametrize("name", GROUPS)
def test_a_manifest_tells_the_lockfile_and_the_library_in_it(name: str) -> None:
    group = GROUPS[name]
    lockfile = (ROOT / group.source / "Cargo.lock").read_bytes()
    told = committed(group, ROOT)["built_with"]
    assert told["cargo_lock"] == sha256(lockfile)
    locked = {p["name"]: p["version"] for p in tomllib.loads(lockfile.decode())["package"]}
    assert told[group.dependency] == locked[group.dependency]
    assert told.keys() == {*TOOLS, "cargo_lock", group.dependency}


def tree(folder: Path, code: bytes, tools: dict[str, str], **notes: str) -> Path:
    manifest = folder / GROUPS["contracts"].manifest
    manifest.parent.mkdir(parents=True)
    (manifest.parent / "v1.wasm").write_bytes(code)
    files = {"v1.wasm": {"sha256": sha256(code), **notes}}
    manifest.write_text(json.dumps({"built_with": tools, "files": files}))
    return folder


def test_other_bytes_by_the_same_tools_fail_by_name(tmp_path: Path) -> None:
    old, new = tree(tmp_path / "old", b"1", TOOLS), tree(tmp_path / "new", b"2", TOOLS)
    with pytest.raises(Failure, match=r"src/callora_vault/wasm/v1\.wasm.*other bytes"):
        judge(["contracts"], TOOLS, old, new)


@pytest.mark.parametrize("tool", TOOLS)
def test_other_bytes_by_another_tool_are_judged_by_behaviour(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = TOOLS | {tool: "another"}
    old, new = tree(tmp_path / "old", b"1", TOOLS), tree(tmp_path / "new", b"2", here)
    assert judge(["contracts"], here, old, new) == ["contracts"]
    assert f"{tool}: another here, {TOOLS[tool]} in the manifest" in capsys.readouterr().out


def test_the_same_bytes_need_no_further_check(tmp_path: Path) -> None:
    here = TOOLS | {"cargo": "another"}
    old, new = tree(tmp_path / "old", b"1", TOOLS), tree(tmp_path / "new", b"1", here)
    assert judge(["contracts"], here, old, new) == []


def test_a_missing_file_fails_by_name(tmp_path: Path) -> None:
    old, new = tree(tmp_path / "old", b"1", TOOLS), tree(tmp_path / "new", b"1", TOOLS)
    (old / "src/callora_vault/wasm/v1.wasm").unlink()
    with pytest.raises(Failure, match=r"v1\.wasm"):
        judge(["contracts"], TOOLS, old, new)


def test_a_manifest_that_tells_something_else_fails(tmp_path: Path) -> None:
    old = tree(tmp_path / "old", b"1", TOOLS, layout="v0")
    new = tree(tmp_path / "new", b"1", TOOLS, layout="v1")
    with pytest.raises(Failure, match=r"manifest\.json"):
        judge(["contracts"], TOOLS, old, new)


def test_without_cargo_one_line_names_the_remedy(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tools.build", "check"],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert "apt-get install rustc-web rust-web-src lld" in ran.stderr
