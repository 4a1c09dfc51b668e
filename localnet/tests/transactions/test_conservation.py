"""Whatever is sent, no lumen comes or goes, and what was issued is what is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from localnet.tests.support.asset_token import Token, token
from localnet.tests.support.contract import Contract, deploy, upload
from localnet.tests.support.issued_assets import (
    CLAWBACK,
    REVOCABLE,
    UNIT,
    amount,
    pay,
    set_flags,
    trust,
)
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import (
    AccountMerge,
    Asset,
    BumpSequence,
    ChangeTrust,
    CreateAccount,
    InvokeHostFunction,
    ManageData,
    Operation,
    SetTrustLineFlags,
    TransactionBuilder,
    TrustLineFlags,
    scval,
)
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.exceptions import PrepareTransactionException

from soroban_localnet import LocalNetwork, xdr
from soroban_localnet.ledger.parameters import TOTAL_COINS
from soroban_localnet.ledger.trustline import TrustLine

AUTHORIZED = TrustLineFlags.AUTHORIZED_FLAG
MAINTAIN = TrustLineFlags.AUTHORIZED_TO_MAINTAIN_LIABILITIES_FLAG


@attrs.frozen
class Setup:
    """Three people, an issuer and a newcomer; a contract; the contracts of lumens and of USD."""

    network: LocalNetwork
    people: tuple[Sender, ...]
    contract: Contract
    lumens: Token
    usd: Token
    mark: int

    @property
    def issuer(self) -> Sender:
        return self.people[0]


@cache
def setup() -> Setup:
    network = LocalNetwork(start_time=1_790_000_000)
    people = issuer, alice, bob, _, newcomer = tuple(Sender(network) for _ in range(5))
    asset = Asset("USD", issuer.id)
    set_flags(issuer, REVOCABLE)
    set_flags(issuer, CLAWBACK)
    alice.invoke(upload())
    contract = deploy(alice)
    lumens, usd = token(alice, Asset.native()), token(alice, asset)
    for person in (alice, bob):
        trust(person, asset)
        issuer.send(pay(asset, person, 100 * UNIT))
    network.advance_ledgers(1)
    newcomer.send(AccountMerge(bob.id))
    return Setup(network, people, contract, lumens, usd, network.snapshot())


def balances(made: Token) -> Iterator[int]:
    """What contracts hold of an asset."""
    for key, entry in setup().network.entries().items():
        if xdr.key_type(key) != xdr.CONTRACT_DATA:
            continue
        data = stellar_xdr.LedgerEntry.from_xdr_bytes(entry.xdr).data.contract_data
        assert data is not None
        if data.contract == made.contract.address and data.key.vec is not None:
            held = scval.from_map(data.val)
            yield scval.from_int128(held[scval.to_symbol("amount")])


def lumens_held() -> int:
    ledger = setup().network.entries().items()
    accounts = (entry.account for key, entry in ledger if xdr.key_type(key) == xdr.ACCOUNT)
    return sum(account.balance for account in accounts) + sum(balances(setup().lumens))


def usd_held() -> int:
    ledger = setup().network.entries().items()
    lines = (entry.xdr for key, entry in ledger if xdr.key_type(key) == xdr.TRUSTLINE)
    return sum(TrustLine.decode(entry).balance for entry in lines) + sum(balances(setup().usd))


who = st.integers(0, 4)
units = st.one_of(st.integers(1, 5), st.integers(1, 2_000 * UNIT), st.just(10_000 * UNIT))


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """An operation of one of the people, which may fail."""
    people, issuer, asset = setup().people, setup().issuer, setup().usd.asset
    source, other, some = people[draw(who)].id, people[draw(who)], draw(units)
    kinds: tuple[Callable[[], Operation], ...] = (
        lambda: pay(Asset.native(), other, some, source),
        lambda: pay(asset, other, some, source),
        lambda: pay(asset, other, draw(st.integers(1, 100)), source),
        lambda: ChangeTrust(asset, amount(draw(st.just(0) | units)), source),
        lambda: CreateAccount(other.id, amount(some), source),
        lambda: AccountMerge(other.id, source),
        lambda: ManageData("name", draw(st.none() | st.just("value")), source),
        lambda: BumpSequence(draw(st.integers(0, 2**40)), source),
        lambda: SetTrustLineFlags(other.id, asset, AUTHORIZED, MAINTAIN, issuer.id),
        lambda: SetTrustLineFlags(other.id, asset, MAINTAIN, AUTHORIZED, issuer.id),
    )
    return draw(st.sampled_from(kinds))()


class Conservation(RuleBasedStateMachine):
    """Sends anything, and adds up what events say."""

    def __init__(self) -> None:
        super().__init__()
        self.network = setup().network
        self.network.revert(setup().mark)
        self.issued = usd_held()
        self.marks: list[tuple[int, int]] = []

    def living(self) -> list[Sender]:
        there = self.network.entries()
        return [p for p in setup().people if xdr.account_key(p.key.raw_public_key()) in there]

    def note(self, sent: Sent) -> None:
        if sent.refused:
            return
        assert sent.meta is not None
        usd = setup().usd.contract.address.contract_id
        for operation in sent.meta.operations:
            for emitted in operation.events:
                if emitted.contract_id != usd:
                    continue
                assert emitted.body.v0 is not None
                name = scval.from_symbol(emitted.body.v0.topics[0])
                if name in ("mint", "burn", "clawback"):
                    moved = scval.from_int128(emitted.body.v0.data)
                    self.issued += moved if name == "mint" else -moved

    @rule(
        payer=who,
        source=who,
        bumped=st.booleans(),
        some=st.lists(operations(), min_size=1, max_size=3),
    )
    def classic(self, payer: int, source: int, bumped: bool, some: list[Operation]) -> None:
        people, living = setup().people, self.living()
        sender = living[source % len(living)]
        envelope = sender.build(*some)
        signers = {sender.id, *(op.source.account_id for op in some if op.source)}
        for person in people:
            if person.id in signers:
                envelope.sign(person.key)
        if not bumped:
            self.note(sender.submit(envelope))
            return
        outer = TransactionBuilder.build_fee_bump_transaction(
            people[payer].id, 150, envelope, self.network.passphrase
        )
        outer.sign(people[payer].key)
        self.note(sender.submit(outer))

    @rule(
        source=who,
        other=st.integers(0, 5),
        native=st.booleans(),
        method=st.sampled_from(["transfer", "mint", "burn", "clawback", "trust"]),
        some=units,
    )
    def contract(self, source: int, other: int, native: bool, method: str, some: int) -> None:
        living = self.living()
        sender = living[source % len(living)]
        made = setup().lumens if native else setup().usd
        holders = [*(person.id for person in setup().people), setup().contract.id]
        arguments = {
            "transfer": (sender.id, holders[other], some),
            "burn": (sender.id, some),
            "trust": (sender.id,),
        }.get(method, (holders[other], some))
        operation: InvokeHostFunction = made.call(method, *arguments)
        try:
            sent = sender.invoke(operation)
        except PrepareTransactionException:
            return
        assert sent.code in (Code.txSUCCESS, Code.txFAILED, Code.txINSUFFICIENT_BALANCE)
        self.note(sent)

    @rule(move=st.sampled_from(["time", "mark", "revert"]), position=st.integers(0, 100))
    def network_moves(self, move: str, position: int) -> None:
        if move == "time":
            self.network.advance_ledgers(1)
        elif move == "mark":
            self.marks.append((self.network.snapshot(), self.issued))
        elif self.marks:
            mark, self.issued = self.marks[position % len(self.marks)]
            del self.marks[position % len(self.marks) + 1 :]
            self.network.revert(mark)

    @invariant()
    def lumens_are_held_or_paid_as_fees(self) -> None:
        assert lumens_held() + self.network.history.latest.fee_pool == TOTAL_COINS

    @invariant()
    def what_is_held_was_issued(self) -> None:
        assert usd_held() == self.issued

    @invariant()
    def accounts_keep_reserves_for_what_they_have(self) -> None:
        kept: dict[bytes, int] = {}
        for key in self.network.entries():
            if xdr.key_type(key) in (xdr.TRUSTLINE, xdr.DATA):
                kept[key[8:40]] = kept.get(key[8:40], 0) + 1
        for person in setup().people:
            (entry,) = self.network.lookup(xdr.account_key(person.key.raw_public_key()))
            has = kept.get(person.key.raw_public_key(), 0)
            assert has == (0 if entry is None else entry.account.subentries)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=20, stateful_step_count=40)
