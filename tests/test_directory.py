"""Names of vaults: what a reader finds, whoever writes and whatever ends the writer."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import StrKey

from callora_vault import BadValue
from callora_vault.directory import (
    Listed,
    StaleDirectory,
    UnknownVault,
    UnreadableDirectory,
    VaultDirectory,
)

LOCAL, TEST = "Standalone Network ; February 2017", "Test SDF Network ; September 2015"
CONTRACTS = [StrKey.encode_contract(bytes([number]) * 32) for number in range(16)]
OLD, NEW, OTHER = CONTRACTS[:3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vaults.json"


@pytest.fixture
def directory(path: Path) -> VaultDirectory:
    return VaultDirectory(path)


def test_a_name_stands_for_a_contract_on_one_network_alone(directory: VaultDirectory) -> None:
    directory.point(LOCAL, "billing", OLD, instead_of=None)
    assert directory.find(LOCAL, "billing") == Listed("billing", OLD, 1)
    with pytest.raises(UnknownVault, match="no vault is named 'billing' on the network 'Test SDF"):
        directory.find(TEST, "billing")
    assert directory.networks() == (LOCAL,)


def test_a_running_reader_follows_a_change_by_another_writer(
    directory: VaultDirectory, path: Path
) -> None:
    directory.point(LOCAL, "billing", OLD, instead_of=None)
    VaultDirectory(path).point(LOCAL, "billing", NEW, instead_of=OLD)
    assert directory.find(LOCAL, "billing") == Listed("billing", NEW, 2, (OLD,))
    assert directory.generation == 2


def test_a_change_that_was_made_already_changes_nothing(directory: VaultDirectory) -> None:
    first = directory.point(LOCAL, "billing", NEW, instead_of=None)
    assert directory.point(LOCAL, "billing", NEW, instead_of=OLD) == first
    assert directory.generation == 1


def test_of_two_changes_from_the_same_contract_one_is_refused(directory: VaultDirectory) -> None:
    directory.point(LOCAL, "billing", OLD, instead_of=None)
    directory.point(LOCAL, "billing", NEW, instead_of=OLD)
    with pytest.raises(StaleDirectory, match="somebody changed it"):
        directory.point(LOCAL, "billing", OTHER, instead_of=OLD)
    with pytest.raises(StaleDirectory):
        directory.remove(LOCAL, "billing", instead_of=OLD)
    assert directory.find(LOCAL, "billing").contract == NEW


def test_a_contract_that_is_returned_to_is_retired_no_longer(directory: VaultDirectory) -> None:
    directory.point(LOCAL, "billing", OLD, instead_of=None)
    directory.point(LOCAL, "billing", NEW, instead_of=OLD)
    assert directory.point(LOCAL, "billing", OLD, instead_of=NEW).retired == (NEW,)


def test_a_name_that_is_removed_is_gone(directory: VaultDirectory) -> None:
    directory.point(LOCAL, "billing", OLD, instead_of=None)
    directory.point(LOCAL, "search", NEW, instead_of=None)
    directory.remove(LOCAL, "billing", instead_of=OLD)
    assert [entry.name for entry in directory.listed(LOCAL)] == ["search"]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 65, "ü"])
def test_a_bad_name_is_refused_and_nothing_is_written(
    directory: VaultDirectory, path: Path, name: str
) -> None:
    with pytest.raises(BadValue, match="name: "):
        directory.point(LOCAL, name, OLD, instead_of=None)
    assert not path.exists()


@pytest.mark.parametrize(
    "contract",
    ["G" + OLD[1:], "nonsense", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"],
)
def test_what_is_no_contract_is_refused(directory: VaultDirectory, contract: str) -> None:
    with pytest.raises(BadValue, match="contract: "):
        directory.point(LOCAL, "billing", contract, instead_of=None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "not json",
        "[" * 100_000,
        json.dumps({"format": 1, "generation": -1, "networks": {}}),
        json.dumps({"format": 1, "generation": 1, "networks": {LOCAL: {"billing": {}}}}),
        json.dumps(
            {
                "format": 1,
                "generation": 1,
                "networks": {LOCAL: {"b": {"contract": "C", "generation": 1, "retired": []}}},
            }
        ),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(
    directory: VaultDirectory, path: Path, text: str
) -> None:
    path.write_text(text)
    with pytest.raises(UnreadableDirectory, match=r"vaults\.json: it is damaged"):
        directory.find(LOCAL, "billing")
    with pytest.raises(UnreadableDirectory):
        directory.point(LOCAL, "billing", OLD, instead_of=None)
    assert path.read_text() == text


def test_a_file_of_a_later_format_is_named(directory: VaultDirectory, path: Path) -> None:
    path.write_text(json.dumps({"format": 2}))
    with pytest.raises(UnreadableDirectory, match="its format is 2, this program's 1"):
        directory.networks()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    directory = VaultDirectory(tmp_path / "file" / "vaults.json")
    with pytest.raises(UnreadableDirectory, match="File exists"):
        directory.point(LOCAL, "billing", OLD, instead_of=None)


def test_whoever_could_read_the_file_still_can(directory: VaultDirectory, path: Path) -> None:
    directory.point(LOCAL, "billing", OLD, instead_of=None)
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    directory.point(LOCAL, "billing", NEW, instead_of=OLD)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file_and_no_other(path: Path) -> None:
    VaultDirectory(path).point(LOCAL, "billing", OLD, instead_of=None)
    before = path.read_bytes()
    # in a process of its own, whose files may not grow
    done = subprocess.run(
        [sys.executable, "-c", _POINT, path, NEW, OLD],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in done.stderr.splitlines()[-1]
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {"vaults.json", "vaults.json.lock"}


_POINT = f"""
import signal, sys
from pathlib import Path
from callora_vault.directory import VaultDirectory
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
VaultDirectory(Path(sys.argv[1])).point({LOCAL!r}, "billing", sys.argv[2], instead_of=sys.argv[3])
"""

_KILLED_BEFORE = """
import os, signal, sys, tempfile
from pathlib import Path
calls = {{"mkstemp": tempfile, "fsync": os, "replace": Path, "close": os}}
owner = calls[{name!r}]
setattr(owner, {name!r}, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.parametrize(("name", "contract"), [("mkstemp", OLD), ("fsync", OLD), ("replace", OLD)])
def test_a_writer_that_is_killed_leaves_the_old_file_and_no_lock(
    path: Path, name: str, contract: str
) -> None:
    VaultDirectory(path).point(LOCAL, "billing", OLD, instead_of=None)
    program = _KILLED_BEFORE.format(name=name) + _POINT
    done = subprocess.run([sys.executable, "-c", program, path, NEW, OLD], check=False)
    assert done.returncode == -signal.SIGKILL
    directory = VaultDirectory(path)
    assert directory.find(LOCAL, "billing").contract == contract
    assert directory.point(LOCAL, "billing", NEW, instead_of=OLD).contract == NEW


def _add(path: Path, names: list[str]) -> None:
    directory = VaultDirectory(path)
    for name in names:
        directory.point(LOCAL, name, OLD, instead_of=None)


def test_of_two_writers_neither_loses_a_change(path: Path) -> None:
    names = [f"vault{number}" for number in range(40)]
    with ProcessPoolExecutor(2) as pool:
        for done in [pool.submit(_add, path, names[:20]), pool.submit(_add, path, names[20:])]:
            done.result()
    directory = VaultDirectory(path)
    assert sorted(entry.name for entry in directory.listed(LOCAL)) == sorted(names)
    assert sorted(e.generation for e in directory.listed(LOCAL)) == list(range(1, 41))


@settings(deadline=None)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from((LOCAL, TEST)), st.sampled_from("ab"), st.sampled_from(CONTRACTS[:4])
        ),
        max_size=12,
    )
)
def test_a_directory_says_what_a_dictionary_would(
    changes: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("directory") / "vaults.json"
    expected: dict[tuple[str, str], str] = {}
    for network, name, contract in changes:
        present = expected.get((network, name))
        listed = VaultDirectory(path).point(network, name, contract, instead_of=present)
        expected[network, name] = contract
        assert contract not in listed.retired
    read = VaultDirectory(path)
    found = {(n, e.name): e.contract for n in read.networks() for e in read.listed(n)}
    assert found == expected
