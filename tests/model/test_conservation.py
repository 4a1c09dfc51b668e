"""Balance = initial + deposits - deducts - withdrawals, over any run of calls."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.strategies import OWNER, STRANGER, addresses, i128s, items, signers, symbols

from callora_vault import CallRefused
from callora_vault.model.calls import (
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.events import InitEvent, SetAuthorizedCallerEvent
from callora_vault.model.memory import VaultModel
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Signers

mostly_signed = st.just(frozenset((OWNER, STRANGER))) | signers


class Conservation(RuleBasedStateMachine):
    """A vault beside a ledger of what went in and out, kept from the accepted calls alone."""

    def __init__(self) -> None:
        super().__init__()
        self.vault = VaultModel()
        self.total = 0

    def attempt(self, call: Call, signed: Signers, change: int) -> None:
        before, heard = self.vault.meta, self.vault.events
        try:
            self.vault.call(call, signers=signed)
        except CallRefused:
            assert (self.vault.meta, self.vault.events) == (before, heard)
        else:
            self.total += change

    @initialize(balance=st.integers(0, 20) | st.integers(0, I128_MAX), least=st.integers(0, 3))
    def begin(self, balance: int, least: int) -> None:
        self.attempt(Init(OWNER, balance, least), frozenset((OWNER,)), balance)

    @rule(owner=addresses, balance=i128s, signed=mostly_signed)
    def init_again(self, owner: str, balance: int, signed: Signers) -> None:
        self.attempt(Init(owner, balance), signed, balance)

    @rule(amount=i128s, signed=mostly_signed)
    def deposit(self, amount: int, signed: Signers) -> None:
        self.attempt(Deposit(amount), signed, amount)

    @rule(
        caller=st.just(OWNER) | addresses,
        amount=i128s,
        request_id=st.none() | symbols,
        signed=mostly_signed,
    )
    def deduct(self, caller: str, amount: int, request_id: str | None, signed: Signers) -> None:
        self.attempt(Deduct(caller, amount, request_id), signed, -amount)

    @rule(caller=st.just(OWNER) | addresses, batch=items, signed=mostly_signed)
    def batch_deduct(self, caller: str, batch: list[DeductItem], signed: Signers) -> None:
        self.attempt(BatchDeduct(caller, batch), signed, -sum(item.amount for item in batch))

    @rule(caller=st.none() | addresses, signed=mostly_signed)
    def set_authorized_caller(self, caller: str | None, signed: Signers) -> None:
        self.attempt(SetAuthorizedCaller(caller), signed, 0)

    @rule(amount=i128s, signed=mostly_signed)
    def withdraw(self, amount: int, signed: Signers) -> None:
        self.attempt(Withdraw(amount), signed, -amount)

    @rule(to=addresses, amount=i128s, signed=mostly_signed)
    def withdraw_to(self, to: str, amount: int, signed: Signers) -> None:
        self.attempt(WithdrawTo(to, amount), signed, -amount)

    @rule(signed=mostly_signed)
    def withdraw_all(self, signed: Signers) -> None:
        balance = self.vault.balance()
        self.attempt(Withdraw(balance), signed, -balance)

    @rule(signed=mostly_signed)
    def fill(self, signed: Signers) -> None:
        room = I128_MAX - self.vault.balance()
        self.attempt(Deposit(room), signed, room)

    @invariant()
    def the_balance_is_what_went_in_less_what_went_out(self) -> None:
        if self.vault.meta is not None:
            assert self.vault.balance() == self.total

    @invariant()
    def the_balance_is_never_negative_and_never_above_i128(self) -> None:
        if self.vault.meta is not None:
            assert 0 <= self.vault.balance() <= I128_MAX

    @invariant()
    def the_events_alone_tell_the_balance(self) -> None:
        balance = 0
        for event in self.vault.events:
            if isinstance(event, InitEvent):
                balance = event.balance
            elif not isinstance(event, SetAuthorizedCallerEvent):
                balance += event.amount if event.shape.name == "deposit" else -event.amount
                assert event.balance == balance
        assert balance == self.total


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
