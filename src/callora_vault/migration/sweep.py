"""Moving late deposits from the old vault to the new one: withdraw, then deposit.

Each pair is in the journal: after an interruption the next sweep first deposits what was withdrawn.
A remainder below the new vault's minimum deposit stays in the old vault and is reported.
"""

from __future__ import annotations

from typing import Final

import attrs

from callora_vault.client.entries import State
from callora_vault.client.errors import CallFailed, UnexpectedCode
from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import Limits
from callora_vault.client.transactions import resume
from callora_vault.client.vault import VaultClient
from callora_vault.migration.checks import check_key, check_network, check_old, find_new_vault
from callora_vault.migration.errors import KeepsMoving, NotMigrated
from callora_vault.migration.ledger import look
from callora_vault.migration.plan import LIMITS, Mode, Plan
from callora_vault.migration.record import SWEEP, withdrawn
from callora_vault.migration.steps import TRIES, Setup
from callora_vault.model.calls import Deposit, Withdraw
from callora_vault.model.errors import InsufficientBalance
from callora_vault.model.units import I128_MAX, Address, BadValue
from callora_vault.rpc.errors import SimulationFailed
from callora_vault.rpc.network import Network

_WITHDRAW: Final = SWEEP + "withdraw {}"
_DEPOSIT: Final = SWEEP + "deposit {}"


@attrs.frozen
class Swept:
    """What a sweep moved from `old` to `new`; `remainder` is what it left in `old`.

    `minimum` is the new vault's minimum deposit; a smaller remainder stays.
    """

    old: Address
    new: Address
    moved: int
    remainder: int
    minimum: int


def sweep(
    network: Network, journal: Journal, plan: Plan, owner: Signer, limits: Limits = LIMITS
) -> Swept:
    """Move late deposits to the new vault, once each.

    Raises BadValue in mode zero, whose old vault is not drained; WrongNetwork, WrongKey,
    NotMigrated, MigratedElsewhere, CannotMigrate, UnexpectedCode, KeepsMoving; and as
    `VaultClient.submit`. After any of them the same call continues.
    """
    check_network(network, plan)
    check_key(owner.address, plan)
    if plan.mode is Mode.ZERO:
        raise BadValue(
            "plan",
            "--mode zero leaves the old vault as it is; withdraw with `callora-vault withdraw`",
        )
    setup = Setup(network, journal, plan, owner, limits)
    until = setup.until()
    view = look(network, plan, until)
    new, held = find_new_vault(network, plan, view, until)
    if held.code != plan.new_code:
        raise UnexpectedCode(new, f"the code {held.code}")
    check_old(view, plan)
    resume(network, journal, limits)
    return _Sweep(journal, plan, setup.client(plan.old), setup.client(new)).run()


class _Sweep:
    def __init__(self, journal: Journal, plan: Plan, old: VaultClient, new: VaultClient) -> None:
        self._journal = journal
        self._plan = plan
        self._old = old
        self._new = new
        self._moved = 0

    def run(self) -> Swept:
        number = tries = 0
        while True:
            amount = withdrawn(self._journal, self._plan, _WITHDRAW.format(number))
            if amount is not None:
                self._deposit(number, amount)
                number += 1
                continue
            balance, minimum, room = self._amounts()
            if balance < minimum or balance > room:
                return Swept(self._plan.old, self._new.contract, self._moved, balance, minimum)
            if tries == TRIES:
                raise KeepsMoving(self._plan.old, tries, self._moved)
            tries += 1
            try:
                self._old.submit(Withdraw(balance), key=_WITHDRAW.format(number))
            except (InsufficientBalance, CallFailed, SimulationFailed):
                if self._amounts()[0] == balance:  # otherwise somebody deducted meanwhile
                    raise

    def _deposit(self, number: int, amount: int) -> None:
        key = _DEPOSIT.format(number)
        entry = self._journal.find(self._plan.network, self._plan.scope, key)
        if entry is None or entry.state is not State.APPLIED:
            self._new.submit(Deposit(amount), key=key)
            self._moved += amount

    def _amounts(self) -> tuple[int, int, int]:
        """Return the old vault's balance, the new one's minimum, and the most that it can take."""
        old, new = self._old.stored().meta, self._new.stored().meta
        if old is None or new is None:
            raise NotMigrated(self._plan.old, "one of the vaults is not initialised")
        return old.balance, max(new.min_deposit, 1), I128_MAX - new.balance
