"""A contract that stores its state under other keys is named as that by every command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from stellar_sdk import scval, xdr
from tests.support.commands import User
from tests.support.deployed_vault import OWNER, DeployedVault

from callora_vault import wasm
from callora_vault.client import Journal
from callora_vault.codec.keys import instance_key
from callora_vault.model.layouts import UnknownLayout
from soroban_localnet.serve.http import serve_http


@attrs.frozen
class Odd:
    """A network with a vault whose keys can be changed, and somebody who looks at it."""

    deployed: DeployedVault
    user: User
    vault: str

    def store(self, change: Callable[[xdr.SCMap], None]) -> None:
        """Change what the instance stores, past all rules."""
        key = instance_key(self.vault).to_xdr_bytes()
        found = self.deployed.network.entry(key)
        assert found is not None
        entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
        assert entry.data.contract_data is not None
        instance = entry.data.contract_data.val.instance
        assert instance is not None
        assert instance.storage is not None
        change(instance.storage)
        self.deployed.network.set_entry(entry.to_xdr_bytes(), found[1])


@pytest.fixture(scope="module")
def _odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    folder = tmp_path_factory.mktemp("odd")
    deployed = DeployedVault(folder)
    with serve_http(deployed.network) as endpoint:
        yield Odd(deployed, User(folder, endpoint.url, OWNER), deployed.vault)


@pytest.fixture
def odd(_odd: Odd) -> Odd:
    _odd.deployed.reset()
    return _odd


def _elsewhere(storage: xdr.SCMap) -> None:
    (item,) = storage.sc_map
    item.key = scval.to_symbol("State")
    storage.sc_map.append(xdr.SCMapEntry(scval.to_uint32(7), scval.to_int128(5)))
    storage.sc_map.sort(key=lambda entry: entry.key.type.value)


def test_every_command_names_each_entry_and_none_says_not_initialised(
    odd: Odd, tmp_path: Path
) -> None:
    odd.store(_elsewhere)
    factory = odd.deployed.vault  # never asked: the old vault is looked at first
    commands: dict[tuple[object, ...], int] = {
        ("inspect", odd.vault): 1,
        ("inspect", odd.vault, "--json"): 1,
        ("balance", odd.vault): 2,
        ("meta", odd.vault): 2,
        ("deposit", odd.vault, 5): 2,
        ("deduct", odd.vault, 5): 2,
        ("directory", "add", "odd", odd.vault): 2,
        ("audit", odd.vault): 1,
        ("migrate", "plan", odd.vault, "--mode", "zero", "--output", tmp_path / "p"): 2,
        ("migrate", "plan", odd.vault, "--factory", factory, "--output", tmp_path / "p"): 2,
    }
    parts = ("meta (Map) is missing", "State (Map) is extra", "7} (I128) is extra")
    for arguments, code in commands.items():
        ran = odd.user.run(*arguments)
        said = " ".join((ran.stdout + ran.stderr).replace("│", " ").replace("\\", "").split())
        assert ran.returncode == code, (arguments, said)
        for words in parts:
            assert words in said, (arguments, said)
        for words in ("not initialised", "never called", "no owner yet", "Traceback"):
            assert words not in said, (arguments, said)


def test_a_client_says_so_whatever_the_contract_says_of_itself(odd: Odd, tmp_path: Path) -> None:
    """Code of v1 finds no `meta`, and answers that it is not initialised."""
    odd.store(_elsewhere)
    with Journal(tmp_path / "journal.db") as journal:
        client = odd.deployed.client(journal, contract=odd.vault)
        for read in (client.balance, client.get_meta):
            with pytest.raises(UnknownLayout, match="State \\(Map\\) is extra"):
                read()


def test_not_initialised_is_said_of_an_empty_instance_alone(odd: Odd, tmp_path: Path) -> None:
    fresh = odd.deployed.fresh["v1"]
    ran = odd.user.run("inspect", fresh)
    assert ran.returncode == 0
    assert "nothing: it is not initialised" in ran.stdout
    assert "is not initialised" in odd.user.run("balance", fresh).stderr
    planned = odd.user.run("migrate", "plan", fresh, "--mode", "zero", "--output", tmp_path / "p")
    assert "it is not initialised" in planned.stderr


def test_a_contract_that_stores_nothing_and_has_no_init_is_no_vault(
    odd: Odd, tmp_path: Path
) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        deployer = odd.deployed.deployer(journal)
        factory = deployer.create(deployer.upload(wasm.read("factory")), b"f" * 32)
    ran = odd.user.run("inspect", factory, "--json")
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["problem"] == "it stores nothing, and its code has no init"
    added = odd.user.run("directory", "add", "factory", factory)
    assert added.returncode == 2
    assert "is not a vault: it stores nothing" in added.stderr
