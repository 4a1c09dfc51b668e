"""The migration without a factory: make an instance, drain the old vault into it, step by step.

Between the last withdrawal and ``init`` no vault holds the balance; the journal and the ledger do
remember it, and whoever resumes goes on there. The new vault is made and its code checked before
anything is withdrawn. Its balance comes with ``init``, which no minimum deposit binds.

A stranger can give the fresh instance an owner first. Then it is left alone and the next one made.
In zero start nothing is withdrawn: the old vault can be neither drained nor protected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from stellar_sdk import xdr

from callora_vault.calls import Init, SetAuthorizedCaller, Withdraw
from callora_vault.client.deploy import IDS, Deployer, contract_id, from_address
from callora_vault.client.errors import (
    AppliedByOthers,
    NoFreeId,
    SimulationFailed,
    UnexpectedCode,
    Unknown,
    Unreadable,
    Unsettled,
)
from callora_vault.client.journal import Journal, JournalEntry, State
from callora_vault.client.keys import Signer
from callora_vault.client.network import EventRecord, Network
from callora_vault.client.results import Success
from callora_vault.client.transactions import Limits
from callora_vault.client.vault import VaultClient
from callora_vault.codec import CannotDecode, decode_event
from callora_vault.errors import AlreadyInitialized, InsufficientBalance
from callora_vault.events import WithdrawEvent
from callora_vault.layouts import VaultMeta
from callora_vault.migration import chain as ledger
from callora_vault.migration.atomic import TRIES, Applied, upload
from callora_vault.migration.chain import Held
from callora_vault.migration.errors import (
    CannotMigrate,
    HistoryGone,
    KeepsMoving,
    NotMigrated,
    Why,
    WithdrawnByOthers,
)
from callora_vault.migration.plan import Mode, Plan, instance_salt
from callora_vault.units import Address

_WITHDRAWS: Final = ("withdraw", "withdraw_to")


def apply(
    network: Network,
    journal: Journal,
    plan: Plan,
    owner: Signer,
    code: bytes | None,
    limits: Limits,
) -> Applied:
    """Migrate, or go on with it. Raises what ``migration.apply`` does."""
    return _Run(network, journal, plan, owner, code, limits).apply()


def instances(plan: Plan) -> Iterator[Address]:
    """Yield the ids that the new vault may have, in the order in which they are tried."""
    for number in range(IDS):
        preimage = from_address(plan.owner, instance_salt(plan.salt, number))
        yield contract_id(preimage, plan.network)


def find(network: Network, plan: Plan, until: float) -> tuple[Address, Held]:
    """Return the new vault, once it has its owner. Raises NotMigrated, CannotMigrate."""
    for contract in instances(plan):
        held = ledger.held(network, contract, until)
        if held is None or held.stored.meta is None:
            raise NotMigrated(plan.old, "the new vault is not initialised")
        if held.stored.meta.owner == plan.owner:
            return contract, held
    raise NotMigrated(plan.old, "strangers took every new instance")


def drains(journal: Journal, plan: Plan) -> list[tuple[JournalEntry, int]]:
    """List what this migration has withdrawn: the applied transactions and their amounts.

    Raises Unreadable, Unsettled, Unknown, AppliedByOthers.
    """
    found: list[tuple[JournalEntry, int]] = []
    while True:
        key = _drain(len(found))
        amount = withdrawn(journal, plan, key)
        entry = journal.find(plan.network, plan.scope, key)
        if amount is None or entry is None:
            return found
        found.append((entry, amount))


def withdrawn(journal: Journal, plan: Plan, key: str) -> int | None:
    """Return what the withdrawal of this key took out; None where it was not applied.

    Raises Unreadable, Unsettled, Unknown, AppliedByOthers.
    """
    entry = journal.find(plan.network, plan.scope, key)
    if entry is None or entry.state in (State.FAILED, State.NEVER_APPLIED):
        return None
    _settled(entry)
    return _amount(plan.old, entry)


def _settled(entry: JournalEntry) -> None:
    about = entry.key, entry.contract, entry.hash
    if entry.state is State.OPEN:
        raise Unsettled(*about, entry.max_time)
    if entry.state is State.UNKNOWN:
        raise Unknown(*about, entry.signed_ledger)
    if entry.state is State.APPLIED_BY_OTHERS:
        raise AppliedByOthers(*about)


def _drain(number: int) -> str:
    return f"drain {number}"


def _amount(old: Address, entry: JournalEntry) -> int:
    """Return what an applied withdrawal took out: what was signed, and the result says so."""
    assert isinstance(entry.result, Success)  # noqa: S101 - it was applied
    about = entry.key, entry.contract, entry.hash
    for event in entry.result.events:
        try:
            decoded = decode_event(event, old)
        except CannotDecode as error:
            raise Unreadable(*about, str(error)) from error
        if isinstance(decoded, WithdrawEvent) and entry.request == repr(Withdraw(decoded.amount)):
            return decoded.amount
    raise Unreadable(*about, f"it has no event of {entry.request}")


class _Run:
    def __init__(
        self,
        network: Network,
        journal: Journal,
        plan: Plan,
        owner: Signer,
        code: bytes | None,
        limits: Limits,
    ) -> None:
        self._network = network
        self._journal = journal
        self._plan = plan
        self._owner = owner
        self._code = code
        self._limits = limits
        self._deployer = Deployer(network, journal, owner, limits)
        self._tries = 0

    def apply(self) -> Applied:
        plan = self._plan
        self._client(plan.old).resume()
        new, owned = self._instance(0)
        if not owned:
            drained = self._drain() if plan.mode is Mode.STEPWISE else 0
            new = self._init(new, drained)
        self._authorise(new)
        hashes = [entry.hash for entry in self._own()]
        fees = (e.result.fee.charged for e in self._own() if isinstance(e.result, Success))
        return Applied(plan.old, new, self._tries, tuple(hashes), sum(fees))

    def _own(self) -> list[JournalEntry]:
        applied = self._journal.listed(self._plan.network, State.APPLIED)
        return [entry for entry in applied if entry.scope == self._plan.scope]

    def _client(self, contract: Address) -> VaultClient:
        return VaultClient(
            contract,
            self._network,
            self._journal,
            [self._owner],
            scope=self._plan.scope,
            limits=self._limits,
        )

    def _until(self) -> float:
        return self._network.deadline(self._limits.timeout)

    # -- the new vault -------------------------------------------------------------------------

    def _instance(self, first: int) -> tuple[Address, bool]:
        """Return an instance without an owner, or the one that is ours already, and which."""
        plan = self._plan
        code_hash = bytes.fromhex(plan.new_code)
        for number, contract in enumerate(instances(plan)):
            if number < first:
                continue
            held = ledger.held(self._network, contract, self._until())
            if held is None:
                chain = ledger.look(self._network, plan, self._until())
                ledger.check_old(chain, plan)
                if not chain.code_lives:
                    upload(
                        self._network, self._journal, plan, self._owner, self._code, self._limits
                    )
                self._deployer.create(code_hash, instance_salt(plan.salt, number))
                held = ledger.held(self._network, contract, self._until())
            elif self._journal.find(plan.network, contract, "create") is None:
                self._check_withdrawals()
            if held is None or held.code != plan.new_code:
                raise UnexpectedCode(contract, "other code than in the plan")
            if held.stored.meta is None:
                return contract, False
            if held.stored.meta.owner == plan.owner:
                return contract, True
        raise NoFreeId(plan.scope, tuple(instances(plan)))

    def _check_withdrawals(self) -> None:
        """See that nothing was withdrawn by a run whose journal is not here."""
        plan = self._plan
        if plan.mode is Mode.ZERO:
            return
        ours = {entry.hash for entry, _ in drains(self._journal, plan)}
        found = [
            event.transaction
            for event in events_since(self._network, plan.old, plan.ledger + 1, self._until())
            if _name(event) in _WITHDRAWS and event.transaction not in ours
        ]
        if found:
            raise WithdrawnByOthers(plan.old, tuple(dict.fromkeys(found)))

    def _init(self, contract: Address, balance: int) -> Address:
        """Give the new vault its owner and balance; where somebody was faster, the next one."""
        plan = self._plan
        for number, expected in enumerate(instances(plan)):
            if expected != contract:
                continue
            with suppress(AlreadyInitialized):  # by whom is read back
                self._tries += 1
                self._client(contract).submit(
                    Init(plan.owner, balance, plan.min_deposit), key=f"init {number}"
                )
            held = ledger.held(self._network, contract, self._until())
            meta = None if held is None else held.stored.meta
            if meta is not None and meta.owner == plan.owner:
                return contract
            contract, _ = self._instance(number + 1)
        raise NoFreeId(plan.scope, tuple(instances(plan)))

    def _authorise(self, new: Address) -> None:
        """Carry the authorised caller over, once."""
        entry = self._journal.find(self._plan.network, self._plan.scope, "authorise")
        if entry is not None and entry.state is State.APPLIED:
            return
        caller = self._old().authorized_caller
        if caller is not None:
            self._tries += 1
            self._client(new).submit(SetAuthorizedCaller(caller), key="authorise")

    # -- the old one ---------------------------------------------------------------------------

    def _old(self) -> VaultMeta:
        return ledger.check_old(ledger.look(self._network, self._plan, self._until()), self._plan)

    def _drain(self) -> int:
        """Withdraw until the old vault is empty; return what all withdrawals took out."""
        old = self._client(self._plan.old)
        tries = 0
        while True:
            before = drains(self._journal, self._plan)
            drained = sum(amount for _, amount in before)
            balance = self._old().balance
            if balance == 0:
                return drained
            if tries == TRIES:
                raise KeepsMoving(self._plan.old, tries, drained)
            tries += 1
            self._tries += 1
            try:
                with suppress(InsufficientBalance):  # deducted meanwhile
                    old.submit(Withdraw(balance), key=_drain(len(before)))
            except SimulationFailed as failed:
                raise CannotMigrate(self._plan.old, Why.REFUSES, failed.text) from failed


def events_since(
    network: Network, contract: Address, start: int, until: float
) -> list[EventRecord]:
    """Read a contract's events from a ledger on. Raises HistoryGone, and as Network."""
    oldest = network.oldest_ledger(until)
    if oldest > start:
        raise HistoryGone(contract, start)
    latest = network.tip(until).ledger
    found: list[EventRecord] = []
    begin: int | str = start
    through = start - 1
    while through < latest:
        page = network.events(contract, begin, until)
        found += page.events
        begin, through = page.cursor, page.through
    return found


def _name(event: EventRecord) -> str:
    topic = xdr.SCVal.from_xdr(event.topics[0]) if event.topics else None
    sym = None if topic is None else topic.sym
    return "" if sym is None else sym.sc_symbol.decode(errors="replace")
