"""`callora-vault parity`, as a person runs it: what it prints and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from platformdirs import user_cache_path
from tests.support.commands import Ran, run
from tests.support.planted_faults import COMPILED

from callora_vault import wasm

WASM = Path(wasm.__file__).parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with a cache folder of its own for saved examples."""
    folder = tmp_path_factory.mktemp("cache")
    compiled = user_cache_path("wasmtime", ensure_exists=True)
    (folder / "wasmtime").symlink_to(compiled)  # the host is compiled once on this machine
    return {**os.environ, "XDG_CACHE_HOME": str(folder), "COLUMNS": "100"}


def _run(*arguments: object, env: dict[str, str], cwd: Path | None = None) -> Ran:
    return run("parity", *arguments, env=env, cwd=cwd)


@pytest.fixture(scope="module")
def agreeing(cache: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A folder in which a contract was judged that agrees, with report.xml; and what it said."""
    folder = tmp_path_factory.mktemp("agreeing")
    here = folder / "here"
    here.mkdir()
    options = ("--examples", 10, "--seed", 5, "--json", "--junit", folder / "report.xml")
    return folder, _run(*options, env=cache, cwd=here)


def test_it_says_that_they_agree_and_ends_with_0(agreeing: tuple[Path, Ran]) -> None:
    folder, ran = agreeing
    assert ran.returncode == 0, ran.stderr
    assert list((folder / "here").iterdir()) == []
    assert json.loads(ran.stdout)["verdict"] == "agree"
    assert "agree: contract and model did the same at every step" in ran.stderr
    assert "seed 5" in ran.stderr
    assert "InsufficientBalance" in ran.stderr
    junit = ElementTree.parse(folder / "report.xml").getroot()  # noqa: S314 - ours
    assert junit.attrib["failures"] == "0"


def test_it_shows_the_shortest_calls_of_a_divergence_and_ends_with_1(
    cache: dict[str, str], tmp_path: Path
) -> None:
    contract = COMPILED / "withdraw_unsigned.wasm"
    report = tmp_path / "report.json"
    env = {**cache, "XDG_CACHE_HOME": str(tmp_path)}
    ran = _run("--wasm", contract, "--examples", 1, "--output", report, env=env)
    assert ran.returncode == 1, ran.stderr
    assert "withdraw: expected unsigned, observed accepted" in ran.stdout
    assert "withdraw(amount=1)" in ran.stdout
    assert "from callora_vault.parity import" in ran.stdout
    assert json.loads(report.read_text())["verdict"] == "diverge"
    assert list((tmp_path / "callora-vault").rglob("*.json"))


def _without_spec() -> bytes:
    """Return a module with nothing in it: WebAssembly, but no contract."""
    return wasm.read("v1")[:8]


def _for_a_newer_protocol() -> bytes:
    """Return the contract with protocol 99 in its environment meta."""
    code = wasm.read("v1")
    at = code.index(b"contractenvmetav0") + len(b"contractenvmetav0") + 4
    return code[:at] + (99).to_bytes(4, "big") + code[at + 4 :]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (bytes(200_000), "has more than 131,072 bytes"),
        (b"", "is not a WebAssembly module; give a compiled contract"),
        (b"not wasm at all", "is not a WebAssembly module; give a compiled contract"),
        (wasm.read("v1")[:4000], "is not a WebAssembly module; give a compiled contract"),
        (_without_spec(), "is not a vault: it lacks get_meta, init"),
        (
            (Path(__file__).parents[2] / "localnet/tests/data/test_contract.wasm").read_bytes(),
            "is not a vault: it lacks get_meta, init",
        ),
        (_for_a_newer_protocol(), "was built for protocol 99, and this network runs 29"),
    ],
    ids=["large", "empty", "text", "cut off", "no functions", "other contract", "newer protocol"],
)
def test_a_file_that_cannot_be_judged_is_one_line_and_2(
    content: bytes, line: str, cache: dict[str, str], tmp_path: Path
) -> None:
    contract = tmp_path / "contract.wasm"
    contract.write_bytes(content)
    report = tmp_path / "report.json"
    ran = _run("--wasm", contract, "--output", report, env=cache)
    assert ran.returncode == 2
    assert line in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout.strip() == ""
    document = json.loads(report.read_text())
    assert document["verdict"] == "error"
    assert line in document["reason"]
    assert document["divergences"] == []


def test_the_report_of_a_run_that_could_not_begin_has_the_keys_of_any_run(
    agreeing: tuple[Path, Ran], cache: dict[str, str], tmp_path: Path
) -> None:
    _, made = agreeing
    unmade = _run("--wasm", "nowhere.wasm", "--json", env=cache, cwd=tmp_path)
    assert list(json.loads(unmade.stdout)) == list(json.loads(made.stdout))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--wasm", "nowhere.wasm"), "nowhere.wasm: No such file or directory"),
        (("--model", "v9"), "there is no model 'v9'; choose one of v1, v2, factory"),
        (
            ("--model", "factory", "--wasm", WASM / "v1.wasm"),
            "is not a factory: it lacks create, migrate, successor",
        ),
        (
            ("--model", "v2", "--wasm", WASM / "factory.wasm"),
            "is not a vault: it lacks get_meta, init",
        ),
        (
            ("--rpc-url", "http://127.0.0.1:9"),
            "another network also needs --network-passphrase and --friendbot",
        ),
        (
            (
                *("--rpc-url", "http://127.0.0.1:9"),
                *("--network-passphrase", "p", "--friendbot", "http://127.0.0.1:9"),
            ),
            "no Stellar RPC answers at http://127.0.0.1:9",
        ),
        (
            ("--rpc-url", "http://[::1", "--network-passphrase", "p", "--friendbot", "http://h"),
            "--rpc-url is not a URL of a server",
        ),
        (
            ("--rpc-url", "nowhere", "--network-passphrase", "p", "--friendbot", "http://h"),
            "--rpc-url is not a URL of a server",
        ),
        (("--wasm", "/dev/zero"), "/dev/zero is not a file"),
        (("--output", "same", "--junit", "same"), "--output and --junit write to the same place"),
        (("--contract", "C"), "needs both --contract and --contract-rpc-url"),
        (("--examples", "0"), "--examples"),
        (("--examples", "many"), "--examples"),
        (("--color", "red"), "--color"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_2(
    arguments: tuple[str, ...], line: str, cache: dict[str, str], tmp_path: Path
) -> None:
    ran = _run(*arguments, env=cache, cwd=tmp_path)
    assert ran.returncode == 2
    assert line in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_report_and_examples_that_cannot_be_written_cost_nothing_else(
    cache: dict[str, str], tmp_path: Path
) -> None:
    contract = COMPILED / "init_unsigned.wasm"
    report = tmp_path / "report.json"
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    options = ("--examples", 1, "--output", report, "--junit", "/dev/full")
    ran = _run("--wasm", contract, *options, env={**cache, "XDG_CACHE_HOME": str(no_folder)})
    assert ran.returncode == 2
    assert "/dev/full: No space left on device" in ran.stderr
    assert "note: the examples could not be saved" in ran.stderr
    assert "init: expected unsigned, observed accepted" in ran.stdout
    assert json.loads(report.read_text())["verdict"] == "diverge"


@pytest.mark.usefixtures("foreground")
def test_ctrl_c_ends_it_with_one_line_and_130(cache: dict[str, str]) -> None:
    command = [sys.executable, "-m", "callora_vault.cli", "parity"]
    terminal, child_end = os.openpty()
    with subprocess.Popen(command, stdout=child_end, stderr=subprocess.PIPE, env=cache) as running:
        os.close(child_end)
        shown = b""
        while b"steps" not in shown:  # the progress bar
            shown += os.read(terminal, 1000)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    os.close(terminal)
    assert errors.decode() == "callora-vault: interrupted\n"
    assert running.returncode == 130


def test_help_tells_the_exit_codes(cache: dict[str, str]) -> None:
    ran = _run("--help", env=cache)
    assert ran.returncode == 0
    assert "0 they agree, 1 they diverge, 2 could not run" in " ".join(
        ran.stdout.replace("│", " ").split()
    )
