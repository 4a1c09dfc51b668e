"""A vault of contracts/mutants/upstream.rs, used as its own users use it."""

from __future__ import annotations

from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, STRANGER
from tests.support.migrations import Migrating

from callora_vault.model.calls import Deduct, Deposit, Withdraw
from callora_vault.model.units import Address

EIGHT_DAYS = 8 * 17_280
LEFT = BALANCE - 7 * 500 + 700 + 3 * 500 - 5 - 95
LINES = (
    "3 negative deducts created 1,500 (ledgers ",
    "12 deducts by callers that were not authorised, 2,000 in all (ledgers ",
    "1 deposit of 0 (ledger ",
    "2 deducts of 0 (ledgers ",
)


def used(here: Migrating) -> Address:
    """A vault that a backend deducts from which is not the owner, with what its users do to it."""
    old = here.foreign("upstream", minimum=0)
    for number in range(7):
        here.call(old, CHANNEL, Deduct(CHANNEL.public_key, 500, f"r{number}"))
    here.call(old, STRANGER, Deposit(700))
    for number in range(3):
        here.call(old, CHANNEL, Deduct(CHANNEL.public_key, -500, f"back{number}"))
    for _ in range(2):
        here.call(old, STRANGER, Deduct(STRANGER.public_key, 0))
    here.call(old, OWNER, Deduct(OWNER.public_key, 5))
    here.call(old, STRANGER, Deposit(0))
    here.call(old, OWNER, Withdraw(95))
    assert here.stored(old).balance == LEFT
    return old


def later(here: Migrating, old: Address) -> None:
    """What its users do to it when it has been migrated, and nobody told them."""
    here.call(old, STRANGER, Deposit(40))
    here.call(old, CHANNEL, Deduct(CHANNEL.public_key, -500, "late"))
