"""A fork of another network: what it takes over, what it asks for, and that it writes here only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.account_entries import data_key, sponsored_by
from localnet.tests.support.clock import START
from localnet.tests.support.contract import (
    CODE_KEY,
    Contract,
    Kind,
    account_key,
    code_key,
    counter,
    deploy,
    live_until,
    resources,
    stored,
    upload,
)
from localnet.tests.support.fork_transport import URL, RemoteTransport, at, fork_of, times_asked
from localnet.tests.support.issued_assets import UNIT, held, line_key, trust
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import (
    Asset,
    ExtendFootprintTTL,
    Keypair,
    ManageData,
    Payment,
    SetOptions,
    Signer,
    scval,
    xdr,
)
from stellar_sdk.auth import authorize_entry
from stellar_sdk.exceptions import AccountNotFoundException

from soroban_localnet import Fork, FundingFailed, LocalNetwork, RemoteMismatch, UnknownAccount
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.settings import load
from soroban_localnet.ledger.store import Entry
from soroban_localnet.serve.http import serve_http

PERSISTENT, TEMPORARY, INSTANCE = Kind.PERSISTENT, Kind.TEMPORARY, Kind.INSTANCE
READING = {"getNetwork", "getLatestLedger", "getLedgerEntries"}


@pytest.fixture
def remote(network: LocalNetwork) -> LocalNetwork:
    return network


# -- what is taken over ----------------------------------------------------------------------


def test_a_fork_goes_on_from_the_remotes_latest_ledger(
    remote: LocalNetwork, transport: RemoteTransport, forked: LocalNetwork
) -> None:
    latest = remote.server().get_latest_ledger()
    assert forked.server().get_network().passphrase == remote.passphrase
    assert forked.server().get_latest_ledger().id == latest.id
    assert (forked.latest_ledger, forked.close_time) == (remote.latest_ledger, remote.close_time)
    forked.close_ledgers()
    header = xdr.LedgerHeader.from_xdr(forked.server().get_latest_ledger().header_xdr or "")
    assert header.previous_ledger_hash.hash.hex() == latest.id
    assert header.ledger_seq.uint32 == latest.sequence + 1


def test_time_goes_on_from_the_remotes(remote: LocalNetwork, transport: RemoteTransport) -> None:
    remote.advance_time(1_000_000)
    forked = fork_of(transport)
    forked.close_ledgers()
    assert remote.close_time <= forked.close_time < remote.close_time + 1_000


def test_the_remotes_accounts_are_there(alice: Sender, forked: LocalNetwork) -> None:
    here = at(alice, forked)
    assert here.entry() == alice.entry()
    with pytest.raises(AccountNotFoundException):
        forked.server().load_account(Keypair.random().public_key)


def test_the_remotes_settings_hold(remote: LocalNetwork, alice: Sender) -> None:
    limited = LocalNetwork(settings=load(live_state_bytes=2_900_000_000), start_time=START)
    sender = Sender(limited)
    uploaded = sender.invoke(upload())
    forked = fork_of(RemoteTransport(limited))
    contract = deploy(sender)
    here = at(sender, fork_of(RemoteTransport(limited)))
    assert here.network.settings.limits == limited.settings.limits

    def rent(sender: Sender) -> int:
        extend = ExtendFootprintTTL(200_000)
        sent = sender.declare(resources([contract.instance], fee=100_000_000), extend)
        assert sent.code == Code.txSUCCESS
        return sent.fee_charged

    assert not uploaded.refused
    assert forked.settings.entries == limited.settings.entries
    dear = rent(here)
    assert dear == rent(sender)
    alice.invoke(upload())
    contract = deploy(alice)
    assert rent(alice) < dear


def test_nothing_is_remarked_of_a_remote_that_is_like_the_host(transport: RemoteTransport) -> None:
    assert Fork.connect(URL, client=transport).remarks == ()


def test_a_passphrase_that_is_not_the_remotes_is_refused(transport: RemoteTransport) -> None:
    fork = Fork.connect(URL, client=transport)
    with pytest.raises(RemoteMismatch) as error:
        LocalNetwork("another network", fork=fork)
    assert error.value.expected == "another network"
    assert LocalNetwork(fork.passphrase, fork=fork).passphrase == fork.passphrase


# -- contracts -------------------------------------------------------------------------------


def test_the_remotes_contracts_run_here_and_write_here(
    remote: LocalNetwork, alice: Sender, contract: Contract, forked: LocalNetwork
) -> None:
    here = at(alice, forked)
    before = remote.latest_ledger, alice.entry(), [counter(alice, contract, k) for k in Kind]
    for kind in Kind:
        sent = here.invoke(contract.call("add", kind, "n", 2))
        assert scval.from_uint64(sent.value) == 7
    here.invoke(contract.call("remove", PERSISTENT, "n"))
    assert [counter(here, contract, kind) for kind in Kind] == [7, None, 7]
    after = remote.latest_ledger, alice.entry(), [counter(alice, contract, k) for k in Kind]
    assert after == before


def test_contracts_are_deployed_from_the_remotes_code(
    alice: Sender, contract: Contract, forked: LocalNetwork
) -> None:
    carol = Sender(forked)
    another = deploy(carol)
    assert carol.invoke(another.call("add", INSTANCE, "n", 1)).code == Code.txSUCCESS
    assert stored(alice, another.instance) is None


def test_a_signature_of_the_remotes_account_counts(
    alice: Sender, bob: Sender, contract: Contract, forked: LocalNetwork
) -> None:
    carol = Sender(forked)
    envelope = carol.prepare(contract.call("approve", bob.id, 3))
    operation: Any = envelope.transaction.operations[0]
    until, passphrase = forked.latest_ledger + 100, forked.passphrase
    operation.auth = [authorize_entry(operation.auth[0], bob.key, until, passphrase)]
    prepared = carol.server.prepare_transaction(envelope)
    prepared.sign(carol.key)
    assert carol.submit(prepared).code == Code.txSUCCESS


def test_lives_are_as_on_the_remote(
    remote: LocalNetwork, alice: Sender, contract: Contract, transport: RemoteTransport
) -> None:
    keys = [contract.entry(kind, "n") for kind in Kind] + [CODE_KEY]
    here = at(alice, fork_of(transport))
    assert [live_until(here, key) for key in keys] == [live_until(alice, key) for key in keys]
    remote.advance_ledgers(1_000)
    here = at(alice, fork_of(transport))
    assert stored(here, contract.entry(TEMPORARY, "n")) is None
    assert scval.from_uint64(here.invoke(contract.call("add", TEMPORARY, "n", 1)).value) == 1
    here.network.advance_ledgers(live_until(here, keys[1]) - here.network.latest_ledger + 1)
    assert live_until(here, keys[1]) == 0


def test_what_is_archived_on_the_remote_is_restored_here(
    remote: LocalNetwork, alice: Sender, contract: Contract, transport: RemoteTransport
) -> None:
    key = contract.entry(PERSISTENT, "n")
    extend = ExtendFootprintTTL(400_000)
    alice.declare(resources([contract.instance, CODE_KEY], fee=100_000_000), extend)
    remote.advance_ledgers(live_until(alice, key) - remote.latest_ledger + 1)
    here = at(alice, fork_of(transport))
    assert live_until(here, key) == 0
    sent = here.invoke(contract.call("add", PERSISTENT, "n", 1))
    assert scval.from_uint64(sent.value) == 6
    assert live_until(here, key) > here.network.latest_ledger
    assert live_until(alice, key) == 0


# -- what is asked ---------------------------------------------------------------------------


def test_nothing_but_reading_is_asked_of_the_remote(
    alice: Sender, contract: Contract, transport: RemoteTransport
) -> None:
    here = at(alice, fork_of(transport))
    carol = Sender(here.network)
    here.invoke(contract.call("add", PERSISTENT, "n", 2))
    here.send(Payment(carol.id, Asset.native(), "1"))
    here.network.impersonate(alice.id)
    here.network.advance_ledgers(10)
    here.server.get_health()
    here.server.get_version_info()
    assert set(transport.asked) == READING


def test_a_key_is_asked_once_also_where_there_is_nothing(
    transport: RemoteTransport, forked: LocalNetwork
) -> None:
    server = forked.server()
    there, absent = CODE_KEY, code_key(bytes(32))
    for _ in range(3):
        assert len(server.get_ledger_entries([there, absent]).entries or []) == 1
        forked.close_ledgers()
    assert times_asked(transport, there) == times_asked(transport, absent) == 1


def test_entries_that_are_asked_for_together_are_read_together(
    contract: Contract, alice: Sender, transport: RemoteTransport, forked: LocalNetwork
) -> None:
    transport.clear()
    keys = [contract.entry(kind, "n") for kind in Kind] + [CODE_KEY, account_key(alice.id)]
    forked.server().get_ledger_entries(keys)
    assert transport.asked == ["getLedgerEntries"]


def test_more_keys_than_an_answer_holds_are_read_in_parts(
    transport: RemoteTransport, forked: LocalNetwork
) -> None:
    fork = Fork.connect(URL, client=transport)
    transport.clear()
    fork.fetch(code_key(number.to_bytes(32, "big")).to_xdr_bytes() for number in range(450))
    assert [len(keys) for keys in transport.keys] == [200, 200, 50]


def test_a_transaction_reads_what_it_names_in_one_request(
    alice: Sender, contract: Contract, transport: RemoteTransport
) -> None:
    call = contract.call("add", PERSISTENT, "n", 2)
    envelope = at(alice, fork_of(transport)).prepare(call)
    envelope.sign(alice.key)
    here = at(alice, fork_of(transport))
    transport.clear()
    assert here.submit(envelope).code == Code.txSUCCESS
    assert transport.asked == ["getLedgerEntries"]


def test_keys_that_no_node_hands_out_are_not_asked_for(
    transport: RemoteTransport, forked: LocalNetwork
) -> None:
    fork = Fork.connect(URL, client=transport)
    transport.clear()
    assert (
        fork.get(
            xdr.LedgerKey(
                xdr.LedgerEntryType.TTL, ttl=xdr.LedgerKeyTtl(xdr.Hash(bytes(32)))
            ).to_xdr_bytes()
        )
        is None
    )
    assert transport.asked == []


# -- snapshots -------------------------------------------------------------------------------


def test_a_revert_brings_back_what_the_remote_has(
    alice: Sender, contract: Contract, transport: RemoteTransport, forked: LocalNetwork
) -> None:
    here = at(alice, forked)
    mark = forked.snapshot()
    assert counter(here, contract, TEMPORARY) == 5
    here.invoke(contract.call("add", PERSISTENT, "n", 2))
    here.invoke(contract.call("remove", INSTANCE, "n"))
    forked.remove_entry(contract.entry(TEMPORARY, "n").to_xdr_bytes())
    assert [counter(here, contract, kind) for kind in Kind] == [None, 7, None]
    transport.clear()
    forked.revert(mark)
    assert [counter(here, contract, kind) for kind in Kind] == [5, 5, 5]
    assert here.entry() == alice.entry()
    assert transport.asked == []


def test_what_was_set_unread_is_the_remotes_after_a_revert(
    alice: Sender, forked: LocalNetwork
) -> None:
    key = account_key(alice.id).to_xdr_bytes()
    entry = xdr.LedgerEntry.from_xdr_bytes(forked_entry(forked, alice))
    assert entry.data.account is not None
    entry.data.account.balance = xdr.Int64(1)
    fresh = fork_of(RemoteTransport(alice.network))
    mark = fresh.snapshot()
    fresh.set_entry(entry.to_xdr_bytes())
    assert at(alice, fresh).balance == 1
    fresh.remove_entry(key)
    assert fresh.entry(key) is None
    fresh.revert(mark)
    assert at(alice, fresh).entry() == alice.entry()


def forked_entry(network: LocalNetwork, sender: Sender) -> bytes:
    found = network.entry(account_key(sender.id).to_xdr_bytes())
    assert found is not None
    return found[0]


# -- any sequence of reads and writes --------------------------------------------------------

PEOPLE = [Keypair.from_raw_ed25519_seed(bytes(31) + bytes((n,))) for n in range(6)]
KEYS = [account_key(sender.public_key).to_xdr_bytes() for sender in PEOPLE]

MOVES = st.one_of(
    st.tuples(st.just("read"), st.sets(st.integers(0, 5), min_size=1)),
    st.tuples(st.just("write"), st.tuples(st.integers(0, 5), st.integers(0, 10**10))),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("close"), st.none()),
    st.tuples(st.just("mark"), st.none()),
    st.tuples(st.just("back"), st.integers(0, 3)),
)


@settings(max_examples=60)
@given(st.sets(st.integers(0, 5)), st.lists(MOVES, max_size=20))
def test_what_is_not_written_here_is_as_on_the_remote(
    there: set[int], moves: list[tuple[str, Any]]
) -> None:
    remote = LocalNetwork(start_time=START)
    expected: dict[bytes, bytes | None] = dict.fromkeys(KEYS)
    for number in there:
        remote.fund(PEOPLE[number].public_key)
    for key in KEYS:
        found = remote.entry(key)
        expected[key] = None if found is None else found[0]
    before = remote.latest_ledger, remote.entries()
    transport = RemoteTransport(remote)
    network = fork_of(transport)
    marks: list[tuple[int, dict[bytes, bytes | None]]] = []
    for name, argument in moves:
        if name == "read":
            keys = [KEYS[number] for number in sorted(argument)]
            held = [None if entry is None else entry.xdr for entry in network.lookup(*keys)]
            assert held == [expected[key] for key in keys]
        elif name == "write":
            number, balance = argument
            account = Account(PEOPLE[number].raw_public_key(), balance, 1)
            network.set_entry(Entry.of_account(account, 1).xdr)
            expected[KEYS[number]] = Entry.of_account(account, 1).xdr
        elif name == "remove":
            network.remove_entry(KEYS[argument])
            expected[KEYS[argument]] = None
        elif name == "close":
            network.close_ledgers()
        elif name == "mark":
            marks.append((network.snapshot(), dict(expected)))
        elif marks:
            index = argument % len(marks)
            network.revert(marks[index][0])
            expected = dict(marks[index][1])
            del marks[index + 1 :]
    held = [None if entry is None else entry.xdr for entry in network.lookup(*KEYS)]
    assert held == [expected[key] for key in KEYS]
    assert (remote.latest_ledger, remote.entries()) == before
    asked = [key for keys in transport.keys for key in keys]
    assert len(set(asked)) == len(asked)


# -- classic entries -------------------------------------------------------------------------


def test_trustlines_data_and_sponsors_are_as_on_the_remote(
    alice: Sender, bob: Sender, network: LocalNetwork
) -> None:
    coin = Asset("COIN", bob.id)
    trust(alice, coin)
    bob.send(Payment(alice.id, coin, "5"))
    alice.send(ManageData("name", "value"))
    data = data_key(alice, "name")
    found = network.entry(data.to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    entry.ext = sponsored_by(bob)
    network.set_entry(entry.to_xdr_bytes())
    keys = [line_key(alice, coin), data, account_key(alice.id), account_key(bob.id)]
    transport = RemoteTransport(network)
    here = at(alice, fork_of(transport))
    assert here.server.get_ledger_entries(keys) == alice.server.get_ledger_entries(keys)
    assert here.send(Payment(bob.id, coin, "2")).code == Code.txSUCCESS
    assert (held(here, coin), held(alice, coin)) == (3 * UNIT, 5 * UNIT)
    assert here.send(ManageData("name", None)).code == Code.txSUCCESS
    assert stored(alice, data) is not None


# -- over HTTP -------------------------------------------------------------------------------


def test_a_fork_of_a_fork_over_http(tmp_path: Path, alice: Sender, contract: Contract) -> None:
    call = contract.call("add", PERSISTENT, "n", 2)
    with (
        serve_http(alice.network) as first,
        Fork.connect(first.url, cache=tmp_path / "cache") as fork,
        serve_http(LocalNetwork(fork=fork)) as second,
        Fork.connect(second.url) as again,
    ):
        here = at(alice, LocalNetwork(fork=again))
        for total in (2, 4):
            assert scval.from_uint64(here.invoke(call).value) == total
        assert here.network.passphrase == alice.network.passphrase
        assert fork.name == first.url
    assert counter(alice, contract, PERSISTENT) is None


# -- accounts --------------------------------------------------------------------------------


def test_friendbot_pays_from_an_account_that_is_here_only(
    remote: LocalNetwork, alice: Sender, forked: LocalNetwork
) -> None:
    carol = Sender(forked)
    assert carol.balance == 10_000 * 10**7
    envelope = (
        forked.server().get_transaction(forked.fund(Keypair.random().public_key)).envelope_xdr
    )
    faucet = xdr.TransactionEnvelope.from_xdr(envelope or "").v1
    assert faucet is not None
    source = faucet.tx.source_account.ed25519
    assert source is not None
    key = account_key(Keypair.from_raw_ed25519_public_key(source.uint256).public_key)
    assert remote.entry(key.to_xdr_bytes()) is None
    before = alice.balance
    assert before < 10_000 * 10**7
    forked.fund(alice.id)  # it has less
    with pytest.raises(FundingFailed, match="ALREADY_EXIST"):
        forked.fund(alice.id)
    assert alice.balance == before


def test_a_stand_in_signs_for_an_account_of_the_remote(
    alice: Sender, bob: Sender, forked: LocalNetwork
) -> None:
    key = forked.impersonate(alice.id)
    here = at(alice, forked)
    spendable = alice.balance
    sent = here.send(Payment(bob.id, Asset.native(), "1"), signers=(key,))
    assert sent.code == Code.txSUCCESS
    assert here.balance == spendable + 5_000_000 - 10**7 - sent.fee_charged
    assert alice.balance == spendable


def test_a_stand_in_is_enough_for_every_threshold(
    alice: Sender, bob: Sender, transport: RemoteTransport
) -> None:
    others = [Keypair.random() for _ in range(20)]
    for start in (0, 10):
        alice.send(
            *(
                SetOptions(signer=Signer.ed25519_public_key(other.public_key, 1))
                for other in others[start : start + 10]
            )
        )
    alice.send(SetOptions(low_threshold=100, med_threshold=200, high_threshold=255))
    forked = fork_of(transport)
    key = forked.impersonate(alice.id)
    here = at(alice, forked)
    assert len(here.entry().signers) == 20
    assert here.send(SetOptions(master_weight=9), signers=(key,)).code == Code.txSUCCESS
    assert here.send(Payment(bob.id, Asset.native(), "1"), signers=(alice.key,)).refused


def test_a_stand_in_signs_for_the_account_in_a_contract(
    alice: Sender, contract: Contract, forked: LocalNetwork
) -> None:
    carol = Sender(forked)
    key = forked.impersonate(alice.id)
    envelope = carol.prepare(contract.call("approve", alice.id, 3))
    operation: Any = envelope.transaction.operations[0]
    signed = []
    for entry in operation.auth:
        until = forked.latest_ledger + 100
        signed.append(authorize_entry(entry, key, until, forked.passphrase))
    operation.auth = signed
    prepared = carol.server.prepare_transaction(envelope)
    prepared.sign(carol.key)
    assert carol.submit(prepared).code == Code.txSUCCESS


def test_an_account_that_is_nowhere_has_no_stand_in(forked: LocalNetwork) -> None:
    nobody = Keypair.random().public_key
    with pytest.raises(UnknownAccount) as error:
        forked.impersonate(nobody)
    assert error.value.account_id == nobody
