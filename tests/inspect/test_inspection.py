"""What `inspect` reads off the ledger, whatever the contract says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from stellar_sdk import Asset, StrKey, xdr
from tests.support.deployed_vault import BALANCE, OWNER, DeployedVault
from tests.support.planted_faults import COMPILED

from callora_vault import wasm
from callora_vault.client import Journal
from callora_vault.codec.keys import code_key, instance_key
from callora_vault.codec.values import encode_i128, encode_symbol
from callora_vault.inspect.code import read_code
from callora_vault.inspect.contract import Inspection, inspect
from callora_vault.inspect.interface import Match, Method
from callora_vault.model.layouts import V1, VaultMeta
from callora_vault.rpc.errors import NoVault


def _inspect(deployed: DeployedVault, contract: str | None = None) -> Inspection:
    network = deployed.connect()
    return inspect(network, contract or deployed.vault, network.deadline(10))


def _store(deployed: DeployedVault, change: object) -> None:
    """Change the vault's raw entry, past all rules."""
    key = instance_key(deployed.vault).to_xdr_bytes()
    found = deployed.network.entry(key)
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.contract_data is not None
    assert entry.data.contract_data.val.instance is not None
    assert callable(change)
    change(entry.data.contract_data.val.instance)
    deployed.network.set_entry(entry.to_xdr_bytes(), found[1])


def test_a_vault_of_ours_is_known_by_its_code_and_decoded_from_its_raw_entry(
    deployed: DeployedVault,
) -> None:
    found = _inspect(deployed)
    assert found.meta == VaultMeta(OWNER.public_key, BALANCE, 10)
    assert found.layout is V1
    assert found.problem is None
    assert found.extra == ()
    assert found.code is not None
    assert found.code.known == "v1"
    assert found.code.interface is not None
    assert found.code.interface.abi.name == "v1"
    assert found.code.interface.differences == 0
    assert found.can_change is None


def test_the_life_left_is_told_with_the_date_it_runs_out(deployed: DeployedVault) -> None:
    found = _inspect(deployed)
    life = found.instance_life
    assert life.ledgers_left == life.live_until - found.ledger
    assert life.runs_out == found.close_time + 5 * life.ledgers_left
    assert not life.archived


def test_an_archived_vault_is_read_all_the_same(deployed: DeployedVault) -> None:
    deployed.network.advance_ledgers(600_000)
    found = _inspect(deployed)
    assert found.instance_life.archived
    assert found.meta == VaultMeta(OWNER.public_key, BALANCE, 10)


def test_a_contract_that_is_not_there_is_named(deployed: DeployedVault) -> None:
    nowhere = StrKey.encode_contract(bytes(32))
    with pytest.raises(NoVault, match=nowhere):
        _inspect(deployed, nowhere)


def test_a_stored_entry_of_no_layout_is_named_field_by_field(deployed: DeployedVault) -> None:
    def change(instance: xdr.SCContractInstance) -> None:
        assert instance.storage is not None
        meta = instance.storage.sc_map[0].val
        assert meta.map is not None
        meta.map.sc_map = [item for item in meta.map.sc_map if item.key != encode_symbol("owner")]
        meta.map.sc_map.append(xdr.SCMapEntry(encode_symbol("limit"), encode_i128(5)))

    _store(deployed, change)
    found = _inspect(deployed)
    assert found.layout is None
    assert found.meta is None
    assert found.problem is not None
    assert "limit (I128) is extra" in found.problem
    assert "owner (Address) is missing" in found.problem


def test_other_keys_of_the_instance_are_reported(deployed: DeployedVault) -> None:
    def change(instance: xdr.SCContractInstance) -> None:
        assert instance.storage is not None
        instance.storage.sc_map.append(xdr.SCMapEntry(encode_symbol("spare"), encode_i128(5)))

    _store(deployed, change)
    found = _inspect(deployed)
    assert found.meta is not None
    assert found.extra == ('{"symbol": "spare"}',)


def test_code_of_other_people_is_said_to_be_unknown(
    deployed: DeployedVault, tmp_path: Path
) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        made = deployed.deployer(journal).deploy(
            (COMPILED / "no_withdraw_to.wasm").read_bytes(), deployed.owner, 5, 0, name="x"
        )
    found = _inspect(deployed, made.contract)
    assert found.code is not None
    assert found.code.known is None
    assert found.code.interface is not None
    (missing,) = (m for m in found.code.interface.methods if m.match is not Match.SAME)
    assert missing == Method(
        "withdraw_to", Match.MISSING, "(to: Address, amount: i128) -> i128", None
    )


def test_a_stellar_asset_contract_is_no_vault(deployed: DeployedVault) -> None:
    client = deployed.network.server()
    from stellar_sdk.contract import ContractClient  # noqa: PLC0415

    contract = ContractClient.create_stellar_asset_contract_from_asset(
        Asset("GOLD", OWNER.public_key), OWNER.public_key, OWNER, client
    )
    found = _inspect(deployed, contract)
    assert found.code is None
    assert found.executable == "the Stellar asset contract"
    assert found.can_change == "its code cannot be read"


def test_code_by_reference_is_resolved_and_can_change(deployed: DeployedVault) -> None:
    owner = deployed.vault
    code_hash = wasm.code_hash("v1")
    address = xdr.SCAddress(
        xdr.SCAddressType.SC_ADDRESS_TYPE_CONTRACT,
        contract_id=xdr.ContractID(xdr.Hash(StrKey.decode_contract(owner))),
    )

    def change(instance: xdr.SCContractInstance) -> None:
        instance.executable = xdr.ContractExecutable(
            xdr.ContractExecutableType.CONTRACT_EXECUTABLE_EXTERNAL_REF,
            external_ref=xdr.ContractExecutableExternalRef(address, xdr.SCString(b"stable")),
        )

    _store(deployed, change)
    found = _inspect(deployed)
    assert found.reference is not None
    assert found.reference.owner == owner
    assert found.executable.endswith("which names none")
    assert found.can_change == f"{owner} decides which code it runs"
    from stellar_sdk import scval  # noqa: PLC0415

    tag = xdr.ContractDataEntry(
        xdr.ExtensionPoint(0),
        address,
        scval.to_executable_tag(b"stable"),
        xdr.ContractDataDurability.PERSISTENT,
        scval.to_bytes(code_hash),
    )
    entry = xdr.LedgerEntry(
        xdr.Uint32(1),
        xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=tag),
        xdr.LedgerEntryExt(0),
    )
    deployed.network.set_entry(entry.to_xdr_bytes(), 10_000_000)
    found = _inspect(deployed)
    assert found.code is not None
    assert found.code.known == "v1"
    assert found.can_change is not None


def test_code_that_is_gone_is_said_to_be(deployed: DeployedVault) -> None:
    found = _inspect(deployed)
    assert found.code is not None
    deployed.network.remove_entry(code_key(bytes.fromhex(found.code.hash)).to_xdr_bytes())
    found = _inspect(deployed)
    assert found.code is None
    assert found.code_life is None


def _with_import(code: bytes, module: bytes, name: bytes) -> bytes:
    """Append an import section with one function to a module."""
    body = b"\x01" + bytes([len(module)]) + module + bytes([len(name)]) + name + b"\x00\x00"
    return code[:8] + b"\x02" + bytes([len(body)]) + body + code[8:]


def test_code_that_asks_to_replace_itself_can_change() -> None:
    assert read_code(_with_import(wasm.read("v1"), b"l", b"6")).changes_itself
    assert not read_code(_with_import(wasm.read("v1"), b"l", b"5")).changes_itself


@pytest.mark.parametrize("code", [b"", b"text", wasm.read("v1")[:100], b"\0asm\1\0\0\0\2\xff"])
def test_code_that_cannot_be_read_may_do_anything(code: bytes) -> None:
    assert read_code(code).changes_itself
    assert read_code(code).interface is None
