"""`soroban-localnet`, as a person or a script runs it: a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from localnet.tests.support.http_requests import call, fetch
from stellar_sdk import Keypair, SorobanServer
from stellar_sdk.exceptions import AccountNotFoundException
from stellar_sdk.soroban_rpc import GetTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.ledger.parameters import STANDALONE
from soroban_localnet.serve import command
from soroban_localnet.serve.development_accounts import DevelopmentAccounts
from soroban_localnet.serve.options import Options

ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["COLUMNS"] = "80"
COMMAND = (sys.executable, "-m", "soroban_localnet")


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start the command; whatever is left of it at the end is killed."""
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stop(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal; return the exit code and what was printed since."""
    process.send_signal(number)
    printed, complaints = process.communicate(timeout=60)
    return process.returncode, printed, complaints


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    """What a server of this module says of itself, as JSON."""
    arguments = ("--port", 0, "--json", "--control", "--seed", "tests", "--accounts", 3)
    with started(*arguments) as process:
        yield json.loads(first_line(process))
        assert stop(process) == (0, "", "")


# -- what is served --------------------------------------------------------------------------


def test_a_client_finds_the_network_that_it_was_told_of(document: dict[str, Any]) -> None:
    with SorobanServer(document["url"]) as server:
        network = server.get_network()
        latest = server.get_latest_ledger().sequence
    assert network.passphrase == document["passphrase"] == STANDALONE
    assert network.protocol_version == document["protocolVersion"]
    assert network.friendbot_url == document["friendbotUrl"]
    assert latest == document["latestLedger"]


def test_the_development_accounts_are_funded_and_a_wallet_makes_them_too(
    document: dict[str, Any],
) -> None:
    phrase = document["recoveryPhrase"]
    assert len(document["accounts"]) == 3
    with SorobanServer(document["url"]) as server:
        for index, account in enumerate(document["accounts"]):
            key = Keypair.from_secret(account["secret"])
            assert key.public_key == account["address"]
            assert key == Keypair.from_mnemonic_phrase(phrase, index=index)
            assert server.load_account(key.public_key).sequence > 0
        with pytest.raises(AccountNotFoundException):
            other = Keypair.from_mnemonic_phrase(phrase, index=3)
            server.load_account(other.public_key)


def test_control_methods_are_served_where_they_are_asked_for(document: dict[str, Any]) -> None:
    assert document["control"] is True
    mark = call(document["url"], "localnet_snapshot")
    assert call(document["url"], "localnet_closeLedgers")["latestLedger"] > mark["latestLedger"]
    back = call(document["url"], "localnet_revert", {"snapshot": mark["snapshot"]})
    assert back["latestLedger"] == mark["latestLedger"]


def test_pages_and_control_stay_out_where_nothing_is_said() -> None:
    with started("--port", 0, "--quiet", "--accounts", 0, "--passphrase", "of a test") as process:
        url = first_line(process)
        assert call(url, "localnet_snapshot")["code"] == -32601
        assert call(url, "getNetwork")["passphrase"] == "of a test"
        assert fetch(url, headers={"Origin": "http://page.example"}).status == 403
        assert stop(process, signal.SIGTERM) == (0, "", "")


# -- what is kept ----------------------------------------------------------------------------


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    arguments = ("--port", 0, "--json", "--accounts", 1, "--state", tmp_path / "state")
    address = Keypair.random().public_key
    with started(*arguments) as process:
        first = json.loads(first_line(process))
        funded = fetch(f"{first['friendbotUrl']}?addr={address}").document
        process.kill()
    with started(*arguments) as process:
        again = json.loads(first_line(process))
        with SorobanServer(again["url"]) as server:
            sent = server.get_transaction(funded["hash"])
            assert sent.status == GetTransactionStatus.SUCCESS
            assert sent.ledger is not None
            assert server.load_account(address).sequence == sent.ledger << 32
        assert again["latestLedger"] == sent.ledger  # the development account was there already
        assert stop(process) == (0, "", "")


def test_ledgers_close_at_a_pace() -> None:
    with started("--port", 0, "--quiet", "--accounts", 0, "--close-time", "0.05") as process:
        url = first_line(process)
        seen = {call(url, "getLatestLedger")["sequence"] for _ in range(3)}
        while len(seen) < 3:
            seen.add(call(url, "getLatestLedger")["sequence"])
        assert stop(process) == (0, "", "")


def test_a_fork_goes_on_from_another_network_and_then_without_it(
    document: dict[str, Any], tmp_path: Path
) -> None:
    cache = ("--fork-cache", tmp_path / "cache")
    own = ("--port", 0, "--json", "--seed", "fork", "--accounts", 1, *cache)
    address = document["accounts"][0]["address"]
    before = call(document["url"], "getLatestLedger")["sequence"]
    for remote in (("--fork", document["url"]), ()):
        with started(*own, *remote) as process:
            forked = json.loads(first_line(process))
            assert forked["latestLedger"] == before + 1  # its development account
            with SorobanServer(forked["url"]) as server:
                assert server.load_account(address).sequence > 0
            code, _, complaints = stop(process)
        assert code == 0
        assert "Sign with throw-away keys" in complaints
        assert ("entries that the cache lacks cannot be read" in complaints) == (not remote)
    assert call(document["url"], "getLatestLedger")["sequence"] == before


# -- the screen ------------------------------------------------------------------------------


def test_a_person_reads_everything_at_80_columns() -> None:
    with started("--port", 0, "--cors", "http://localhost:3000") as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline().rstrip())
        assert max(map(len, lines)) <= 80
        screen = "\n".join(lines)
        facts = {line.split("  ")[0]: line.split("  ")[-1] for line in lines if "  " in line}
        url = facts["RPC"]
        assert facts["friendbot"] == f"{url}/friendbot?addr=G..."
        assert facts["passphrase"] == STANDALONE
        assert "use them on this network and nowhere else" in " ".join(screen.split())
        words = screen.split()
        keys = [Keypair.from_secret(word) for word in words if len(word) == 56 and word[0] == "S"]
        assert len(keys) == 10
        assert all(key.public_key in words for key in keys)
        with SorobanServer(url) as server:
            for key in keys:
                server.load_account(key.public_key)
        page = {"Origin": "http://localhost:3000"}
        assert fetch(url, headers=page).headers["access-control-allow-origin"] == page["Origin"]
        assert stop(process) == (0, "", "")


def test_the_same_seed_makes_the_same_accounts() -> None:
    first, again, other = (DevelopmentAccounts.derive(seed, 2) for seed in ("a", "a", "b"))
    assert first == again
    assert not set(first.keys) & set(other.keys)


def test_it_warns_before_other_machines_come_in() -> None:
    with started("--port", 0, "--quiet", "--accounts", 0, "--host", "0.0.0.0") as process:  # noqa: S104
        assert first_line(process).startswith("http://127.0.0.1:")
        code, _, complaints = stop(process)
    assert code == 0
    assert len(complaints.splitlines()) == 1
    assert "--host 127.0.0.1 keeps it to this machine" in complaints


def test_help_fits_80_columns_and_names_every_option() -> None:
    helped = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "soroban_localnet", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    assert max(map(len, helped.stdout.splitlines())) <= 80
    for field in Options.__attrs_attrs__:
        assert f"--{field.name.replace('_', '-')} " in helped.stdout
    assert "stellar_sdk" not in helped.stderr  # it answers before anything long is imported


# -- stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("cyclopts", signal.SIGINT),
        ("stellar_sdk.scval", signal.SIGINT),
        ("soroban_localnet.network", signal.SIGTERM),
        ("soroban_localnet.serve.http", signal.SIGINT),
    ],
)
def test_it_can_be_stopped_while_it_starts(module: str, number: int) -> None:
    program = (
        "import runpy, signal, sys\n"
        "def signalled(event, details):\n"
        f"    if event == 'import' and details[0] == {module!r}:\n"
        f"        signal.raise_signal({int(number)})\n"
        "sys.addaudithook(signalled)\n"
        "sys.argv[1:] = ['--port', '0']\n"
        "runpy.run_module('soroban_localnet', run_name='__main__')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_it_stops_though_connections_are_open() -> None:
    with started("--port", 0, "--quiet", "--accounts", 0) as process:
        address = first_line(process).removeprefix("http://")
        half = http.client.HTTPConnection(address)
        half.putrequest("POST", "/")
        half.putheader("Content-Type", "application/json")
        half.putheader("Content-Length", "100")
        half.endheaders(b"{")
        idle = http.client.HTTPConnection(address)
        idle.request("GET", "/")
        assert idle.getresponse().read()
        assert stop(process) == (0, "", "")
        half.close()
        idle.close()


def test_it_goes_on_when_nobody_reads_what_it_prints() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*COMMAND, "--port", str(port)]
    with subprocess.Popen(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        os.close(writer)
        url = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None
            try:
                latest = call(url, "getLatestLedger")
                break
            except ConnectionRefusedError:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
        assert latest["sequence"] == 11
        code, _, complaints = stop(process)
    assert (code, complaints) == (0, "")


# -- what it refuses -------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert command.run(["--port", port, "--accounts", "0"]) == 2
    printed, complaint = capsys.readouterr()
    assert printed == ""
    assert len(complaint.splitlines()) == 1
    assert f"port {port} of 127.0.0.1" in complaint
    assert "--port 0 takes a free port" in complaint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prot", "1"], "Did you mean --port?"),
        (["--port", "x"], "--port"),
        (["--port", "65536"], "Must be <= 65535"),
        (["--port", "-1"], "Must be >= 0"),
        (["--accounts", "1001"], "Must be <= 1000"),
        (["--close-time", "0"], "Must be > 0"),
        (["--close-time", "nan"], "--close-time"),
        (["--close-time", "inf"], "Must be <= 86400"),
        (["--state"], "--state has no value"),
        (["serve"], "serve"),
        (["--cors", "localhost:3000"], "http://localhost:3000"),
        (["--cors", "http://localhost:3000/"], "give scheme, host and port"),
        (["--cors", "null"], "is not an origin"),
        (["--settings", "/no/such/file"], "/no/such/file"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--host", "a" * 70], "cannot listen"),
        (["--json", "--quiet"], "give one of them"),
        (["--fork", "http://127.0.0.1:1"], "cannot be reached"),
        (["--fork", "127.0.0.1:1"], "it is not the http or https URL of a Stellar RPC"),
        (["--fork-cache", "/no/such/folder/cache"], "/no/such/folder/cache"),
        (["--state", "/no/such/folder/state"], "/no/such/folder/state"),
        (["--fork", "http://localhost:1", "--passphrase", "p"], "drop --passphrase"),
        (["--fork-cache", "f", "--settings", "s"], "drop --settings"),
    ],
)
def test_a_mistake_is_explained_in_one_line(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.run(arguments) == 2
    printed, complaint = capsys.readouterr()
    assert printed == ""
    assert len(complaint.splitlines()) == 1
    assert complaint.startswith("soroban-localnet: ")
    assert words in complaint


def test_a_state_file_of_another_network_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "state"
    with LocalNetwork("one", state=file) as network:
        assert command.run(["--state", str(file)]) == 2  # it is in use
    assert command.run(["--state", str(file), "--passphrase", "another"]) == 2
    in_use, mismatch = capsys.readouterr().err.splitlines()
    assert "in use" in in_use
    assert "another" in mismatch
    with LocalNetwork("one", state=file) as again:
        assert again.latest_ledger == network.latest_ledger


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['cyclopts'] = None;"
        "import soroban_localnet.__main__ as command; command.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "soroban-localnet: cyclopts is missing: pip install 'soroban-localnet[serve]'\n"
    )
