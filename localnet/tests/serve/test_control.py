"""The control methods: what they do, and what they refuse by the argument's name."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from localnet.tests.support.contract import Contract, Kind, account_key, counter
from localnet.tests.support.http_requests import call
from localnet.tests.support.sender import Sender
from stellar_sdk import Keypair, scval, xdr
from stellar_sdk.soroban_rpc import GetTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.rpc import Dispatcher
from soroban_localnet.serve import control
from soroban_localnet.serve.http import Endpoint, serve_http


@pytest.fixture
def endpoint(network: LocalNetwork) -> Iterator[Endpoint]:
    with serve_http(network, control=True) as served:
        yield served


def base64(value: Any) -> str:
    return b64encode(value.to_xdr_bytes()).decode()


def entry_of(data: xdr.LedgerEntryData) -> str:
    return base64(xdr.LedgerEntry(xdr.Uint32(1), data, xdr.LedgerEntryExt(0)))


def counter_entry(contract: Contract, value: int) -> str:
    key = contract.entry(Kind.PERSISTENT, "n").contract_data
    assert key is not None
    held = xdr.ContractDataEntry(
        xdr.ExtensionPoint(0), key.contract, key.key, key.durability, scval.to_uint64(value)
    )
    return entry_of(xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=held))


def test_they_are_there_only_where_they_were_asked_for(network: LocalNetwork) -> None:
    with serve_http(network) as closed:
        for method in control.METHODS:
            assert call(closed.url, method)["code"] == -32601
            assert network.dispatcher.answer(_request(method))["error"]["code"] == -32601


def _request(method: str, params: object = None) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def test_ledgers_close_and_time_moves(network: LocalNetwork, endpoint: Endpoint) -> None:
    start, time = network.latest_ledger, network.close_time
    closed = call(endpoint.url, "localnet_closeLedgers", {"count": 3})
    assert closed["latestLedger"] == network.latest_ledger == start + 3
    assert call(endpoint.url, "localnet_closeLedgers")["latestLedger"] == start + 4
    ahead = call(endpoint.url, "localnet_advanceLedgers", {"count": 100})
    assert ahead["latestLedger"] == network.latest_ledger == start + 104
    assert int(ahead["latestLedgerCloseTime"]) >= time + 500
    later = call(endpoint.url, "localnet_advanceTime", {"seconds": 86_400})
    assert later["latestLedger"] == start + 105
    assert int(later["latestLedgerCloseTime"]) == network.close_time >= time + 500 + 86_400


def test_a_mark_can_be_gone_back_to(network: LocalNetwork, endpoint: Endpoint) -> None:
    mark = call(endpoint.url, "localnet_snapshot")
    address = Keypair.random().public_key
    funded = call(endpoint.url, "localnet_fund", {"address": address, "stroops": 5 * 10**7})
    assert network.server().get_transaction(funded["hash"]).status == GetTransactionStatus.SUCCESS
    assert network.server().load_account(address).sequence == funded["latestLedger"] << 32
    back = call(endpoint.url, "localnet_revert", {"snapshot": mark["snapshot"]})
    assert back == {k: mark[k] for k in ("latestLedger", "latestLedgerCloseTime")}
    again = call(endpoint.url, "localnet_fund", {"address": address})
    assert again["latestLedger"] == funded["latestLedger"]


def test_entries_are_set_and_removed(endpoint: Endpoint, alice: Sender, contract: Contract) -> None:
    live = {"liveUntilLedgerSeq": alice.network.latest_ledger + 1000}
    call(endpoint.url, "localnet_setEntry", {"xdr": counter_entry(contract, 41), **live})
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 1))
    assert counter(alice, contract, Kind.PERSISTENT) == 42
    key = base64(contract.entry(Kind.PERSISTENT, "n"))
    for _ in range(2):  # nothing happens where there is none
        assert "latestLedger" in call(endpoint.url, "localnet_removeEntry", {"key": key})
        assert counter(alice, contract, Kind.PERSISTENT) is None


def test_an_account_is_an_entry_without_a_life(endpoint: Endpoint, alice: Sender) -> None:
    entry = alice.entry()
    entry.balance = xdr.Int64(7)
    data = xdr.LedgerEntryData(xdr.LedgerEntryType.ACCOUNT, account=entry)
    call(endpoint.url, "localnet_setEntry", {"xdr": entry_of(data)})
    assert alice.balance == 7


# -- what they refuse ------------------------------------------------------------------------

_SETTING = xdr.LedgerKey(
    xdr.LedgerEntryType.CONFIG_SETTING,
    config_setting=xdr.LedgerKeyConfigSetting(xdr.ConfigSettingID(0)),
)
_TTL = xdr.LedgerKey(xdr.LedgerEntryType.TTL, ttl=xdr.LedgerKeyTtl(xdr.Hash(bytes(32))))
_OFFER = xdr.LedgerEntryData(
    xdr.LedgerEntryType.TTL, ttl=xdr.TTLEntry(xdr.Hash(bytes(32)), xdr.Uint32(1))
)


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("closeLedgers", {"count": 0}, "count"),
        ("closeLedgers", {"count": control.MAX_CLOSED + 1}, "count"),
        ("closeLedgers", {"count": "1"}, "count"),
        ("closeLedgers", {"count": 1.5}, "count"),
        ("closeLedgers", {"count": True}, "count"),
        ("closeLedgers", {"counts": 1}, "counts"),
        ("advanceLedgers", {}, "count"),
        ("advanceLedgers", {"count": 0}, "count"),
        ("advanceLedgers", {"count": 2**31 - 1}, "count"),
        ("advanceLedgers", {"count": 10**30}, "count"),
        ("advanceTime", {}, "seconds"),
        ("advanceTime", {"seconds": -1}, "seconds"),
        ("advanceTime", {"seconds": 252_000_000_000}, "seconds"),
        ("snapshot", {"snapshot": 1}, "snapshot"),
        ("revert", {}, "snapshot"),
        ("revert", {"snapshot": 99}, "snapshot"),
        ("revert", {"snapshot": -1}, "snapshot"),
        ("revert", {"snapshot": None}, "snapshot"),
        ("setEntry", {}, "xdr"),
        ("setEntry", {"xdr": "?"}, "xdr"),
        ("setEntry", {"xdr": "AAAA"}, "xdr"),
        ("setEntry", {"xdr": entry_of(_OFFER)}, "xdr"),
        ("removeEntry", {}, "key"),
        ("removeEntry", {"key": "AAAA"}, "key"),
        ("removeEntry", {"key": base64(_SETTING)}, "key"),
        ("removeEntry", {"key": base64(_TTL)}, "key"),
        ("fund", {}, "address"),
        ("fund", {"address": "G"}, "address"),
        ("fund", {"address": Keypair.random().public_key, "stroops": 0}, "stroops"),
        ("fund", {"address": Keypair.random().public_key, "stroops": 2**63}, "stroops"),
        ("fund", {"address": Keypair.random().public_key, "stroops": 1}, "address"),
    ],
)
def test_a_wrong_argument_is_refused_by_its_name(
    network: LocalNetwork, method: str, params: dict[str, object], field: str
) -> None:
    dispatcher = Dispatcher(network.node, control.METHODS)
    before = network.latest_ledger, network.close_time
    error = dispatcher.answer(_request(f"localnet_{method}", params))["error"]
    assert error["code"] == -32602
    assert field in error["message"]
    assert (network.latest_ledger, network.close_time) == before


def test_a_life_is_asked_for_where_there_is_one(
    alice: Sender, contract: Contract, network: LocalNetwork
) -> None:
    dispatcher = Dispatcher(network.node, control.METHODS)
    account = xdr.LedgerEntryData(xdr.LedgerEntryType.ACCOUNT, account=alice.entry())
    for params in (
        {"xdr": counter_entry(contract, 1)},
        {"xdr": counter_entry(contract, 1), "liveUntilLedgerSeq": 2**32},
        {"xdr": entry_of(account), "liveUntilLedgerSeq": 9},
    ):
        error = dispatcher.answer(_request("localnet_setEntry", params))["error"]
        assert error["code"] == -32602
        assert "liveUntilLedgerSeq" in error["message"]
    assert counter(alice, contract, Kind.PERSISTENT) is None


def test_an_account_is_funded_once(network: LocalNetwork, alice: Sender) -> None:
    dispatcher = Dispatcher(network.node, control.METHODS)
    balance = alice.balance
    error = dispatcher.answer(_request("localnet_fund", {"address": alice.id}))["error"]
    assert error["code"] == -32602
    assert alice.id in error["message"]
    assert alice.balance == balance


def test_the_account_that_funds_others_can_be_missed(
    network: LocalNetwork, endpoint: Endpoint
) -> None:
    root = Keypair.from_raw_ed25519_seed(network.network_id)
    key = base64(account_key(root.public_key))
    assert "latestLedger" in call(endpoint.url, "localnet_removeEntry", {"key": key})
    funded = call(endpoint.url, "localnet_fund", {"address": Keypair.random().public_key})
    assert "the account that funds others does not exist any more" in funded["message"]


def test_time_ends_where_calendars_do(network: LocalNetwork) -> None:
    dispatcher = Dispatcher(network.node, control.METHODS)
    left = control.LAST_TIME - network.close_time
    too_far = dispatcher.answer(_request("localnet_advanceTime", {"seconds": left + 1}))
    assert str(left) in too_far["error"]["message"]
    assert "result" in dispatcher.answer(_request("localnet_advanceTime", {"seconds": left - 60}))
    ledgers = {"count": 100}
    assert (
        "count"
        in dispatcher.answer(_request("localnet_advanceLedgers", ledgers))["error"]["message"]
    )


VALUES = st.sampled_from(
    [None, True, 0, 1, -1, 2**31, 10**30, 1.5, "", "1", "AAAA", "\ud800", [], [1], {}, {"count": 1}]
)
FIELDS = st.sampled_from(
    ["count", "seconds", "snapshot", "xdr", "liveUntilLedgerSeq", "key", "address", "stroops"]
)


@given(st.sampled_from(sorted(control.METHODS)), st.dictionaries(FIELDS, VALUES))
def test_whatever_is_sent_is_answered(method: str, params: dict[str, object]) -> None:
    answer = Dispatcher(_FUZZED.node, control.METHODS).answer(_request(method, params))
    assert "result" in answer or answer["error"]["code"] == -32602


_FUZZED = LocalNetwork()
