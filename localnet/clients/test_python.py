"""stellar-sdk's ContractClient for Python against a running soroban-localnet, unchanged.

SOROBAN_RPC_URL names the network, which is started with --control; TEST_CONTRACT the compiled
contract of localnet/tests. `make clients` sets both.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Asset, Keypair, SorobanServer, scval, xdr
from stellar_sdk.contract import AssembledTransaction, ContractClient
from stellar_sdk.contract.exceptions import SimulationFailedError
from stellar_sdk.soroban_rpc import AuthMode, EventFilter, EventFilterType

URL = os.environ["SOROBAN_RPC_URL"]
CODE = Path(os.environ["TEST_CONTRACT"]).read_bytes()
PERSISTENT = scval.to_uint32(1)


@pytest.fixture(scope="module")
def server() -> SorobanServer:
    return SorobanServer(URL)


@pytest.fixture(scope="module")
def fund(server: SorobanServer) -> Callable[[], Keypair]:
    def funded() -> Keypair:
        key = Keypair.random()
        friendbot = server.get_network().friendbot_url
        with urllib.request.urlopen(f"{friendbot}?addr={key.public_key}") as answer:  # noqa: S310
            assert answer.status == 200
        return key

    return funded


@pytest.fixture(scope="module")
def alice(fund: Callable[[], Keypair]) -> Keypair:
    return fund()


@pytest.fixture(scope="module")
def bob(fund: Callable[[], Keypair]) -> Keypair:
    return fund()


@pytest.fixture(scope="module")
def client(server: SorobanServer, alice: Keypair) -> ContractClient:
    uploaded = ContractClient.upload_contract_wasm(CODE, alice.public_key, alice, server)
    contract = ContractClient.create_contract(uploaded, alice.public_key, alice, server)
    return ContractClient(contract, URL, server.get_network().passphrase)


def _control(method: str, params: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(URL, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert "error" not in json.load(answer)


def _add(client: ContractClient, who: Keypair, name: str, amount: int) -> int | xdr.SCVal:
    arguments = [PERSISTENT, scval.to_symbol(name), scval.to_uint64(amount)]
    call = client.invoke("add", arguments, who.public_key, who, scval.from_uint64)
    return call.sign_and_submit()


def test_it_calls_with_the_credentials_of_the_source_account(
    client: ContractClient, alice: Keypair
) -> None:
    assert _add(client, alice, "visits", 5) == 5
    arguments = [PERSISTENT, scval.to_symbol("visits")]
    read = client.invoke("get", arguments, alice.public_key, parse_result_xdr_fn=scval.from_uint64)
    assert read.is_read_call()
    assert read.result() == 5


@pytest.mark.parametrize("upgraded", [False, True], ids=["ADDRESS", "ADDRESS_V2"])
def test_another_account_signs_by_an_entry_of_its_own(
    client: ContractClient, alice: Keypair, bob: Keypair, upgraded: bool
) -> None:
    arguments = [scval.to_address(bob.public_key), scval.to_uint64(7)]
    call = client.invoke(
        "approve",
        arguments,
        alice.public_key,
        alice,
        scval.from_uint64,
        auth_mode=AuthMode.RECORD,
        use_upgraded_auth=upgraded,
    )
    assert call.needs_non_invoker_signing_by() == {bob.public_key}
    call.sign_auth_entries(bob)
    assert call.sign_and_submit() == 7


def test_two_accounts_sign_one_call_that_a_third_one_sends(
    client: ContractClient, alice: Keypair, bob: Keypair, fund: Callable[[], Keypair]
) -> None:
    parties = (bob, fund())
    arguments = [scval.to_address(party.public_key) for party in parties]
    call: AssembledTransaction[xdr.SCVal] = client.invoke(
        "approve_both", arguments, alice.public_key, alice
    )
    for party in parties:
        call.sign_auth_entries(party)
    returned = call.sign_and_submit()
    assert isinstance(returned, xdr.SCVal)
    assert returned.type == xdr.SCValType.SCV_VOID


def test_a_contract_s_error_number_reaches_the_caller(
    client: ContractClient, alice: Keypair
) -> None:
    with pytest.raises(SimulationFailedError) as failed:
        client.invoke("fail", [scval.to_uint32(42)], alice.public_key, alice)
    assert "Error(Contract, #42)" in str(failed.value.assembled_transaction.simulation)


def test_events_are_found_by_contract_and_topic(
    client: ContractClient, server: SorobanServer, alice: Keypair
) -> None:
    start = server.get_latest_ledger().sequence
    arguments = [scval.to_uint32(3), scval.to_uint32(4)]
    emit: AssembledTransaction[xdr.SCVal] = client.invoke(
        "emit", arguments, alice.public_key, alice
    )
    emit.sign_and_submit(force=True)  # it writes nothing, so the client takes it for a read
    wanted = EventFilter(
        type=EventFilterType.CONTRACT,
        contractIds=[client.contract_id],
        topics=[[scval.to_symbol("filled").to_xdr(), "*"]],
    )
    first = server.get_events(start, filters=[wanted], limit=2)
    rest = server.get_events(filters=[wanted], cursor=first.cursor, limit=2)
    indexes = [scval.from_uint32(event.topic[1]) for event in (*first.events, *rest.events)]
    assert indexes == [0, 1, 2]


def test_the_contract_of_an_issued_asset_is_deployed(server: SorobanServer, alice: Keypair) -> None:
    asset = Asset("SILVER", alice.public_key)
    contract = ContractClient.create_stellar_asset_contract_from_asset(
        asset, alice.public_key, alice, server
    )
    token = ContractClient(contract, URL, server.get_network().passphrase)
    name = token.invoke(
        "name", source=alice.public_key, parse_result_xdr_fn=scval.from_string
    ).result()
    assert name == f"SILVER:{alice.public_key}".encode()


def test_an_archived_entry_is_restored_by_the_client_before_it_calls(
    client: ContractClient, alice: Keypair
) -> None:
    assert _add(client, alice, "old", 1) == 1
    _control("localnet_advanceLedgers", {"count": 130_000})
    arguments = [PERSISTENT, scval.to_symbol("old"), scval.to_uint64(1)]
    aged = client.invoke(
        "add", arguments, alice.public_key, alice, scval.from_uint64, transaction_timeout=10**7
    )
    assert aged.sign_and_submit() == 2
