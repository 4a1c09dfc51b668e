"""Several transactions in one ledger: their order, their fees, and what they do to each other."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localnet.tests.support.contract import (
    Contract,
    Kind,
    counter,
    deploy,
    live_until,
    resources,
    upload,
)
from localnet.tests.support.issued_assets import amount, pay
from localnet.tests.support.paced import (
    XLM,
    PacedSender,
    latest_meta,
    lumens,
    paced_network,
    queue,
    share,
    signed,
)
from localnet.tests.support.sender import Code, Sent, described
from stellar_sdk import (
    AccountMerge,
    BumpSequence,
    CreateAccount,
    Keypair,
    Operation,
    Payment,
    SetOptions,
    Signer,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.soroban_rpc import SendTransactionStatus

from soroban_localnet import LocalNetwork
from soroban_localnet.ledger.parameters import TOTAL_COINS


@pytest.fixture
def network() -> Iterator[LocalNetwork]:
    with paced_network() as network:
        yield network


def sender(network: LocalNetwork, number: int) -> PacedSender:
    """A sender with the same key each time, so that hashes, and with them the order, stay."""
    return PacedSender(network, Keypair.from_raw_ed25519_seed(bytes([number]) * 32))


@pytest.fixture
def alice(network: LocalNetwork) -> PacedSender:
    return sender(network, 1)


@pytest.fixture
def bob(network: LocalNetwork) -> PacedSender:
    return sender(network, 2)


@pytest.fixture
def carol(network: LocalNetwork) -> PacedSender:
    return sender(network, 3)


def payment(source: PacedSender, destination: PacedSender, stroops: int = 7) -> TransactionEnvelope:
    return signed(source, source.build(pay(XLM, destination, stroops)))


def call(
    source: PacedSender, contract: Contract, method: str, *arguments: xdr.SCVal | str | int
) -> TransactionEnvelope:
    return signed(source, source.prepare(contract.call(method, *arguments)))


def on_behalf(actor: PacedSender, owner: PacedSender, operation: Operation) -> TransactionEnvelope:
    """Sign, as both, a transaction of one whose operation is the other's."""
    return signed(owner, signed(actor, actor.build(operation)))


# -- order -----------------------------------------------------------------------------------


def test_what_waits_shares_a_ledger(
    alice: PacedSender, bob: PacedSender, carol: PacedSender
) -> None:
    envelopes = [payment(alice, bob), payment(bob, carol), payment(carol, alice)]
    before = alice.balance, alice.sequence
    share(*zip((alice, bob, carol), envelopes, strict=True))
    places = [alice.server.get_transaction(envelope.hash_hex()) for envelope in envelopes]
    assert {place.ledger for place in places} == {alice.network.latest_ledger}
    assert {place.application_order for place in places} == {1, 2, 3}
    assert (alice.balance, alice.sequence) == (before[0] - 100, before[1] + 1)


def test_classic_ones_come_first_and_both_kinds_are_ordered_by_their_hashes_and_the_sets(
    network: LocalNetwork, contract: Contract
) -> None:
    people = [sender(network, number) for number in range(10, 18)]
    calls = [call(who, contract, "add", Kind.TEMPORARY, "n", 1) for who in people[:4]]
    payments = [payment(who, people[0]) for who in people[4:]]
    envelopes = [*calls, *payments]
    share(*zip(people, envelopes, strict=True))
    meta = latest_meta(network)

    def full_hash(envelope: TransactionEnvelope) -> bytes:
        return sha256(envelope.to_xdr_object().to_xdr_bytes()).digest()

    set_hash = sha256(meta.tx_set.to_xdr_bytes()).digest()

    def place(envelope: TransactionEnvelope) -> bytes:
        return bytes(a ^ b for a, b in zip(full_hash(envelope), set_hash, strict=True))

    expected = [*sorted(payments, key=place), *sorted(calls, key=place)]
    applied = [each.result.transaction_hash.hash for each in meta.tx_processing]
    assert applied == [envelope.hash() for envelope in expected]
    found = [network.server().get_transaction(e.hash_hex()).application_order for e in expected]
    assert found == list(range(1, 9))
    assert meta.tx_set.v1_tx_set is not None
    classic, soroban = meta.tx_set.v1_tx_set.phases
    assert classic.v0_components is not None
    assert soroban.parallel_txs_component is not None
    (component,) = classic.v0_components
    ((cluster,),) = (
        [c.dependent_tx_cluster for c in stage.parallel_tx_execution_stage]
        for stage in soroban.parallel_txs_component.execution_stages
    )
    assert component.txs_maybe_discounted_fee is not None
    for members, sent in ((component.txs_maybe_discounted_fee.txs, payments), (cluster, calls)):
        hashes = [sha256(member.to_xdr_bytes()).digest() for member in members]
        assert hashes == sorted(map(full_hash, sent))


def test_the_header_names_the_set_and_the_results(
    network: LocalNetwork, alice: PacedSender, bob: PacedSender
) -> None:
    previous = network.history.latest
    share((alice, payment(alice, bob)), (bob, payment(bob, alice, 10**17)))
    meta = latest_meta(network)
    header = meta.ledger_header.header
    results = xdr.TransactionResultSet([each.result for each in meta.tx_processing])
    assert header.previous_ledger_hash.hash == previous.hash
    assert header.scp_value.tx_set_hash.hash == sha256(meta.tx_set.to_xdr_bytes()).digest()
    assert header.tx_set_result_hash.hash == sha256(results.to_xdr_bytes()).digest()


def test_each_transaction_has_random_numbers_of_its_own(
    network: LocalNetwork, contract: Contract
) -> None:
    people = [sender(network, number) for number in range(10, 13)]
    sent = share(*((who, call(who, contract, "random")) for who in people))
    assert len({scval.from_uint64(each.value) for each in sent}) == 3


# -- fees ------------------------------------------------------------------------------------


def fee_pool(network: LocalNetwork) -> int:
    pool = latest_meta(network).ledger_header.header.fee_pool.int64
    assert pool == network.history.latest.fee_pool
    return pool


def test_fees_of_all_are_taken_before_the_first_is_applied(
    network: LocalNetwork, alice: PacedSender, bob: PacedSender
) -> None:
    before = {alice.id: alice.balance, bob.id: bob.balance}
    share((alice, payment(alice, bob)), (bob, payment(bob, alice)))
    for each in latest_meta(network).tx_processing:
        (_, state), (_, charged) = described(each.fee_processing)
        who = xdr.AccountID.to_xdr_bytes(state.account.account_id)
        (known,) = (p.id for p in (alice, bob) if p.key.xdr_account_id().to_xdr_bytes() == who)
        assert state.account.balance.int64 == before[known]
        assert charged.account.balance.int64 == before[known] - 100


def test_refunds_are_paid_after_all_transactions(
    network: LocalNetwork, alice: PacedSender, bob: PacedSender, contract: Contract
) -> None:
    sent = share(
        (alice, call(alice, contract, "add", Kind.TEMPORARY, "n", 1)),
        (bob, call(bob, contract, "add", Kind.TEMPORARY, "n", 2)),
    )
    for each, outcome in zip(latest_meta(network).tx_processing, sent, strict=True):
        names = [name for name, _ in described(each.post_tx_apply_fee_processing)]
        assert names == ["state", "updated"]
        assert outcome.meta is not None
        assert outcome.meta.tx_changes_after.ledger_entry_changes == []


def test_the_fee_pool_holds_what_was_paid(
    network: LocalNetwork,
    alice: PacedSender,
    bob: PacedSender,
    carol: PacedSender,
    contract: Contract,
) -> None:
    before = fee_pool(network)
    sent = share(
        (alice, payment(alice, bob)),
        (bob, call(bob, contract, "add", Kind.PERSISTENT, "n", 1)),
        (carol, call(carol, contract, "random")),
    )
    assert fee_pool(network) == before + sum(each.fee_charged for each in sent)
    assert lumens(network) == TOTAL_COINS
    network.close_ledgers(2)
    assert fee_pool(network) == before + sum(each.fee_charged for each in sent)


def test_a_prolonged_life_is_paid_by_all_who_only_read_the_entry(
    network: LocalNetwork, alice: PacedSender, bob: PacedSender, contract: Contract
) -> None:
    before = live_until(alice, contract.instance)

    def extension(who: PacedSender) -> TransactionEnvelope:
        return call(
            who, contract, "extend", Kind.INSTANCE, "n", *map(scval.to_uint32, (200_000,) * 2)
        )

    sent = share((alice, extension(alice)), (bob, extension(bob)))
    rents = [rent(each) for each in sent]
    assert rents[0] == rents[1] > 0
    assert live_until(alice, contract.instance) == network.latest_ledger + 200_000 > before


def test_who_writes_an_entry_pays_for_its_prolonged_life(
    network: LocalNetwork, contract: Contract
) -> None:
    """A counter more makes the instance larger; for how long is to be paid depends on the order."""
    pairs = [(sender(network, 20 + number), sender(network, 30 + number)) for number in range(6)]
    mark = network.snapshot()
    rents: dict[bool, set[int]] = {True: set(), False: set()}
    for alice, bob in pairs:
        network.revert(mark)
        term = map(scval.to_uint32, (3_000_000,) * 2)
        extension = call(alice, contract, "extend", Kind.INSTANCE, "n", *term)
        growth = bob.prepare(contract.call("add", Kind.INSTANCE, "more", 1))
        assert growth.transaction.soroban_data is not None
        growth.transaction.soroban_data.resource_fee.int64 += 10**6
        growth.transaction.fee += 10**6
        growing = share((alice, extension), (bob, signed(bob, growth)))[1]
        assert live_until(alice, contract.instance) == network.latest_ledger + 3_000_000
        (first, _) = network.history.latest.records
        rents[first.hash == extension.hash()].add(rent(growing))
    (longer,), (shorter,) = rents[True], rents[False]
    assert longer > 10 * shorter


def rent(sent: Sent) -> int:
    assert sent.meta is not None
    assert sent.meta.soroban_meta is not None
    assert sent.meta.soroban_meta.ext.v1 is not None
    return sent.meta.soroban_meta.ext.v1.rent_fee_charged.int64


# -- one after the other ---------------------------------------------------------------------


def test_calls_that_write_the_same_entry_build_on_each_other(
    network: LocalNetwork, alice: PacedSender, contract: Contract
) -> None:
    alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 0))
    people = [sender(network, number) for number in range(10, 14)]
    sent = share(*((who, call(who, contract, "add", Kind.PERSISTENT, "n", 1)) for who in people))
    assert sorted(scval.from_uint64(each.value) for each in sent) == [1, 2, 3, 4]
    for each in sent:
        (_, state), (_, updated) = each.changes
        value = scval.from_uint64(updated.contract_data.val)
        assert value == scval.from_uint64(each.value)
        assert scval.from_uint64(state.contract_data.val) == value - 1


def test_one_that_fails_does_not_touch_the_others(
    network: LocalNetwork,
    alice: PacedSender,
    bob: PacedSender,
    carol: PacedSender,
    contract: Contract,
) -> None:
    before = alice.balance, carol.balance
    failing = declared(bob, contract, "trap")
    sent = share(
        (alice, payment(alice, carol)),
        (bob, failing),
        (carol, call(carol, contract, "add", Kind.TEMPORARY, "n", 3)),
    )
    assert [each.code for each in sent] == [Code.txSUCCESS, Code.txFAILED, Code.txSUCCESS]
    assert alice.balance == before[0] - 107
    assert carol.balance == before[1] + 7 - sent[2].fee_charged
    assert counter(alice, contract, Kind.TEMPORARY) == 3


def declared(
    who: PacedSender, contract: Contract, method: str, *arguments: xdr.SCVal
) -> TransactionEnvelope:
    data = resources([*contract.code])
    return signed(who, who.declared(data, contract.call(method, *arguments)))


# -- valid before its ledger, not at its turn ------------------------------------------------
# The other transaction is a classic one, which comes first; that of bob is a contract's call.


def test_a_sequence_number_that_was_passed_over_costs_the_fee_alone(
    alice: PacedSender, bob: PacedSender, contract: Contract
) -> None:
    envelope = call(bob, contract, "add", Kind.TEMPORARY, "n", 1)
    before = bob.balance, bob.sequence
    bump = on_behalf(alice, bob, BumpSequence(before[1] + 5, bob.id))
    bumped, sent = share((alice, bump), (bob, envelope))
    assert bumped.code == Code.txSUCCESS
    assert sent.code == Code.txBAD_SEQ
    assert (bob.balance, bob.sequence) == (before[0] - sent.fee_charged, before[1] + 5)
    assert paid_by_events(sent) == sent.fee_charged < envelope.transaction.fee
    assert counter(alice, contract, Kind.TEMPORARY) is None
    assert sent.meta is not None
    assert sent.meta.tx_changes_before.ledger_entry_changes == []
    assert sent.meta.operations == []
    assert lumens(bob.network) == TOTAL_COINS


def paid_by_events(sent: Sent) -> int:
    """What the network's events say was paid, refund included."""
    assert sent.meta is not None
    total = 0
    for emitted in sent.meta.events:
        assert emitted.event.body.v0 is not None
        total += scval.from_int128(emitted.event.body.v0.data)
    return total


def test_the_refund_for_an_account_that_was_merged_away_stays_in_the_pool(
    alice: PacedSender, bob: PacedSender, contract: Contract
) -> None:
    envelope = call(bob, contract, "add", Kind.TEMPORARY, "n", 1)
    merge = on_behalf(alice, bob, AccountMerge(alice.id, bob.id))
    merged, sent = share((alice, merge), (bob, envelope))
    assert merged.code == Code.txSUCCESS
    assert sent.code == Code.txNO_ACCOUNT
    assert sent.fee_charged == envelope.transaction.fee
    assert lumens(bob.network) == TOTAL_COINS


def test_a_key_that_was_taken_away_no_longer_signs(
    alice: PacedSender, bob: PacedSender, contract: Contract
) -> None:
    envelope = call(bob, contract, "add", Kind.TEMPORARY, "n", 1)
    before = bob.sequence
    stop = on_behalf(alice, bob, SetOptions(master_weight=0, source=bob.id))
    _, sent = share((alice, stop), (bob, envelope))
    assert sent.code == Code.txBAD_AUTH
    assert bob.sequence == before + 1
    assert counter(alice, contract, Kind.TEMPORARY) is None


def test_a_key_that_was_taken_from_the_source_of_an_operation_no_longer_signs(
    alice: PacedSender, bob: PacedSender, carol: PacedSender, contract: Contract
) -> None:
    operation = contract.call("add", Kind.TEMPORARY, "n", 1, source=carol.id)
    envelope = signed(carol, signed(bob, bob.prepare(operation)))
    before = bob.sequence
    stop = on_behalf(alice, carol, SetOptions(master_weight=0, source=carol.id))
    _, sent = share((alice, stop), (bob, envelope))
    assert (sent.code, sent.outcomes) == (Code.txFAILED, ["opBAD_AUTH"])
    assert bob.sequence == before + 1
    assert counter(alice, contract, Kind.TEMPORARY) is None


def test_a_signature_that_is_no_longer_needed_is_one_too_many(
    alice: PacedSender, bob: PacedSender, carol: PacedSender, contract: Contract
) -> None:
    """Bob's account wants two signatures until its threshold falls."""
    bob.send(
        SetOptions(
            low_threshold=2,
            med_threshold=2,
            high_threshold=2,
            signer=Signer.ed25519_public_key(carol.id, 1),
        )
    )
    envelope = signed(carol, call(bob, contract, "add", Kind.TEMPORARY, "n", 1))
    lower = signed(
        carol,
        on_behalf(
            alice,
            bob,
            SetOptions(low_threshold=1, med_threshold=1, high_threshold=1, source=bob.id),
        ),
    )
    _, sent = share((alice, lower), (bob, envelope))
    assert sent.code == Code.txBAD_AUTH_EXTRA


# -- one ledger is as good as many -----------------------------------------------------------


@attrs.frozen
class Setup:
    people: list[PacedSender]
    contract: Contract
    start: int

    @property
    def network(self) -> LocalNetwork:
        return self.people[0].network

    def state(self, new: set[bytes]) -> dict[bytes, object]:
        """All accounts and counters, without numbers of ledgers."""
        found: dict[bytes, object] = {}
        for key, entry in self.network.entries().items():
            if key[:4] == bytes(4):
                account = entry.account
                sequence = account.sequence & (2**32 - 1 if key in new else -1)
                found[key] = account.balance, sequence, account.subentries
            else:
                found[key] = entry.xdr[4:]
        return found


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with paced_network() as network:
        people = [sender(network, number) for number in range(5)]
        people[0].invoke(upload())
        contract = deploy(people[0])
        for kind in (Kind.PERSISTENT, Kind.INSTANCE):
            people[0].invoke(contract.call("add", kind, "n", 5))
        yield Setup(people, contract, network.snapshot())


Step = tuple[int, str, int, int]
"""Who does what, with whom, and how much: for each kind of thing what it makes of that."""

STEPS = st.tuples(
    st.integers(0, 4),
    st.sampled_from(
        ["pay", "create", "overdraw", "past", "ahead", "add", "remove", "trap", "code"]
    ),
    st.integers(0, 4),
    st.integers(1, 10**10),
)


def envelope_of(setup: Setup, step: Step) -> TransactionEnvelope:
    index, action, other, number = step
    who, contract = setup.people[index], setup.contract
    kind = Kind(other % 3)
    if action == "add":
        return call(who, contract, "add", kind, "n", number)
    if action == "remove":
        return call(who, contract, "remove", Kind.INSTANCE, "n")
    if action == "trap":
        return declared(who, contract, "trap")
    if action == "code":
        return signed(who, who.prepare(upload()))
    if action == "create":
        seed = bytes([index]) * 31 + bytes([other])
        new = Keypair.from_raw_ed25519_seed(seed).public_key
        return signed(who, who.build(CreateAccount(new, amount(number))))
    destination = setup.people[other]
    stroops = 10**17 if action == "overdraw" else number
    sequence = who.sequence + {"past": 0, "ahead": 2}.get(action, 1)
    operation = Payment(destination.id, XLM, amount(stroops))
    return signed(who, who.build(operation, sequence=sequence))


@settings(max_examples=25)
@given(st.lists(STEPS, max_size=7))
def test_a_shared_ledger_does_what_ledgers_of_their_own_do(setup: Setup, steps: list[Step]) -> None:
    network = setup.network
    network.revert(setup.start)
    before = setup.state(set())
    envelopes = [(setup.people[step[0]], envelope_of(setup, step)) for step in steps]
    sent = [who.server.send_transaction(envelope) for who, envelope in envelopes]
    network.close_ledgers()
    records = network.history.latest.records
    waited = {each.hash for each in sent if each.status == SendTransactionStatus.PENDING}
    assert sorted(record.hash.hex() for record in records) == sorted(waited)
    together = setup.state(set(network.entries()) - set(before))
    assert lumens(network) == TOTAL_COINS

    network.revert(setup.start)
    by_hash = {envelope.hash(): (who, envelope) for who, envelope in envelopes}
    for record in records:
        who, envelope = by_hash[record.hash]
        queue(who, envelope)
        network.close_ledgers()
        (alone,) = network.history.latest.records
        assert alone.applied.result == record.applied.result
        assert lumens(network) == TOTAL_COINS
    assert setup.state(set(network.entries()) - set(before)) == together
