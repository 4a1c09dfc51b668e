"""Strategies for the model's tests: boundaries first, then anything."""

from hypothesis import strategies as st

from callora_vault.model.calls import (
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.events import (
    DeductEvent,
    DepositEvent,
    Event,
    InitEvent,
    SetAuthorizedCallerEvent,
    WithdrawEvent,
    WithdrawToEvent,
)
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import I128_MAX, I128_MIN
from callora_vault.model.vault import State

OWNER = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
STRANGER = "GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7"
CONTRACT = "CA3D5KRYM6CB7OWQ6TWYRR3Z4T7GNZLKERYNZGGA5SOAOPIFY6YQGAXE"

addresses = st.sampled_from((OWNER, STRANGER, CONTRACT))
i128s = st.one_of(
    st.integers(-3, 12),
    st.sampled_from((I128_MIN, I128_MIN + 1, I128_MAX - 1, I128_MAX)),
    st.integers(I128_MIN, I128_MAX),
)
symbols = st.one_of(
    st.just(""),
    st.text("abcXYZ019_", max_size=32),
    st.text("_", min_size=32, max_size=32),
)

metas = st.builds(VaultMeta, addresses, i128s, i128s, st.none() | addresses)
"""Every VaultMeta that can be stored, those that no vault writes among them."""

valid_metas = st.builds(
    VaultMeta, addresses, i128s.map(abs), i128s.map(abs), st.none() | addresses
).filter(lambda meta: max(meta.balance, meta.min_deposit) <= I128_MAX)
"""Every VaultMeta that a vault can write."""

states: st.SearchStrategy[State] = st.one_of(st.none(), metas)
signers = st.frozensets(addresses)

items = st.lists(st.builds(DeductItem, st.integers(1, 4) | i128s, st.none() | symbols), max_size=4)

calls: st.SearchStrategy[Call] = st.one_of(
    st.builds(Init, addresses, st.none() | i128s, st.none() | i128s),
    st.just(GetMeta()),
    st.just(Balance()),
    st.builds(Deposit, i128s),
    st.builds(Deduct, addresses, i128s, st.none() | symbols),
    st.builds(Withdraw, i128s),
    st.builds(WithdrawTo, addresses, i128s),
    st.builds(BatchDeduct, addresses, items),
    st.builds(SetAuthorizedCaller, st.none() | addresses),
)

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(InitEvent, addresses, i128s),
    st.builds(DepositEvent, i128s, i128s),
    st.builds(DeductEvent, addresses, symbols, i128s, i128s),
    st.builds(WithdrawEvent, addresses, i128s, i128s),
    st.builds(WithdrawToEvent, addresses, addresses, i128s, i128s),
    st.builds(SetAuthorizedCallerEvent, addresses, st.none() | addresses),
)
