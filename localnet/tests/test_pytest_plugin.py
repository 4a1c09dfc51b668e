"""The fixtures of the pytest plugin, in test sessions of their own."""

from __future__ import annotations

import sys
from importlib import resources

import pytest
from localnet.tests.support.pytest_sessions import pytester

from soroban_localnet.host.protocols import PROTOCOL

__all__ = ["pytester"]

pytest_plugins = ["pytester"]


FRESH = """
import json
import urllib.request

import pytest
from stellar_sdk import Keypair, SorobanServer
from stellar_sdk.exceptions import AccountNotFoundException

KEY = Keypair.from_raw_ed25519_seed(bytes(32))


@pytest.mark.parametrize("run", range(3))
def test_in_process(soroban_network, run):
    assert soroban_network.latest_ledger == 1
    with pytest.raises(AccountNotFoundException):
        soroban_network.server().load_account(KEY.public_key)
    soroban_network.fund(KEY.public_key)
    soroban_network.advance_time(86_400)
    mark = soroban_network.snapshot()
    soroban_network.close_ledgers(10)
    soroban_network.revert(mark)


@pytest.mark.parametrize("run", range(3))
def test_over_http(soroban_rpc_url, soroban_network, run):
    with SorobanServer(soroban_rpc_url) as server:
        assert server.get_latest_ledger().sequence == 1
        assert server.get_network().friendbot_url == f"{soroban_rpc_url}/friendbot"
        with pytest.raises(AccountNotFoundException):
            server.load_account(KEY.public_key)
        url = f"{soroban_rpc_url}/friendbot?addr={KEY.public_key}"
        assert json.load(urllib.request.urlopen(url))["successful"]
        assert server.load_account(KEY.public_key).sequence == soroban_network.latest_ledger << 32
"""


def test_each_test_has_a_fresh_network(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FRESH)
    pytester.runpytest_inprocess().assert_outcomes(passed=6)


def test_workers_have_networks_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FRESH)
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=6)


def test_a_session_starts_one_network_and_one_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        seen = []

        def test_first(soroban_network, soroban_rpc_url):
            seen.append((soroban_network, soroban_rpc_url))

        def test_second(soroban_rpc_url, soroban_network):
            assert seen == [(soroban_network, soroban_rpc_url)]
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_nothing_is_imported_for_tests_without_a_network(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert not {"stellar_sdk", "wasmtime", "msgspec", "starlette"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


INI = """
[pytest]
soroban_passphrase = of a test
soroban_settings = limits.json
"""


def test_passphrase_and_settings_come_from_the_ini_file(pytester: pytest.Pytester) -> None:
    shipped = resources.files("soroban_localnet") / "data" / PROTOCOL.settings
    text = shipped.read_text().replace('"400000000"', '"123456789"')
    (pytester.path / "limits.json").write_text(text)
    pytester.makeini(INI)
    pytester.makepyfile(
        """
        def test_it(soroban_network):
            assert soroban_network.passphrase == "of a test"
            assert soroban_network.settings.limits.instructions == 123_456_789
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_settings_that_cannot_be_read_are_named_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile("def test_it(soroban_network): pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["soroban_settings: *limits.json: cannot be read*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_without_the_extra_the_url_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "soroban_localnet.serve.http", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    pytester.makepyfile("def test_it(soroban_rpc_url): pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*needs uvicorn: pip install 'soroban-localnet[[]serve]'"])
