"""The migration without a factory, step by step: create an instance, withdraw, initialise it.

Between the last withdrawal and `init` no vault holds the balance; journal and ledger record it, and
the same call continues from them. The new vault is created and its code checked before anything is
withdrawn. Its balance comes with `init`, to which no minimum deposit applies.

Somebody else can initialise the new instance first; it is then left alone and another one created.
The mode zero withdraws nothing: the old vault keeps its balance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final

from stellar_sdk import xdr

from callora_vault.client.approval import Expected
from callora_vault.client.deploy import IDS
from callora_vault.client.entries import JournalEntry, State
from callora_vault.client.errors import CallFailed, UnexpectedCode, Unknown
from callora_vault.client.transactions import Action, resume
from callora_vault.codec.calls import encode_authorisation, host_function
from callora_vault.codec.entries import decode_stored, describe_executable
from callora_vault.codec.keys import code_key, instance_key
from callora_vault.migration import checks, ledger
from callora_vault.migration.errors import (
    CannotMigrate,
    HistoryGone,
    InstancesTaken,
    KeepsMoving,
    Why,
    WithdrawnByOthers,
)
from callora_vault.migration.ledger import Held
from callora_vault.migration.plan import Mode, Plan, instance_salt, instances
from callora_vault.migration.record import (
    AUTHORISE,
    DRAIN,
    INIT,
    Applied,
    applied,
    drain_key,
    drains,
    settle_by_ledger,
)
from callora_vault.migration.steps import TRIES, Setup, upload
from callora_vault.model.calls import Init, SetAuthorizedCaller, Withdraw, describe_call
from callora_vault.model.errors import AlreadyInitialized, CallRefused, MissingMethod
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address
from callora_vault.rpc.answers import EventRecord
from callora_vault.rpc.errors import SimulationFailed
from callora_vault.rpc.following import events_to_tip
from callora_vault.rpc.network import Network

_WITHDRAWS: Final = ("withdraw", "withdraw_to")


def apply(setup: Setup) -> Applied:
    """Migrate, or continue. Raises what `migration.apply` does."""
    return _Run(setup).apply()


def withdrawal(plan: Plan, amount: int) -> Action:
    """Build the withdrawal of an amount, to price it in a plan."""
    call = Withdraw(amount)
    return Action(
        scope=plan.scope,
        key=drain_key(0),
        contract=plan.old,
        request=describe_call(call),
        function=host_function(plan.old, call),
        expected=Expected(
            plan.owner,
            encode_authorisation(plan.old, call),
            (code_key(bytes.fromhex(plan.old_code)),),
            (instance_key(plan.old),),
        ),
    )


class _Run:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._network = setup.network
        self._journal = setup.journal
        self._plan = setup.plan
        self._until = setup.until
        self._deployer = setup.deployer()
        self._tries = 0
        self._made: list[Address] = []

    def apply(self) -> Applied:
        plan = self._plan
        resume(self._network, self._journal, self._setup.limits)
        new, owned = self._instance(0)
        if not owned:
            drained = self._drain() if plan.mode is Mode.STEPWISE else 0
            new = self._init(new, drained)
        self._authorise(new)
        return applied(self._journal, plan, new, self._tries)

    # -- the new vault -------------------------------------------------------------------------

    def _instance(self, first: int) -> tuple[Address, bool]:
        """Return an instance without an owner, or ours; the second value is whether it is ours."""
        plan = self._plan
        code_hash = bytes.fromhex(plan.new_code)
        for number, contract in enumerate(instances(plan)):
            if number < first:
                continue
            held = ledger.held(self._network, contract, self._until())
            if held is None:
                if len(self._made) == IDS:
                    break
                view = ledger.look(self._network, plan, self._until())
                checks.check_old(view, plan)
                if not view.code_lives:
                    upload(self._setup)
                create = partial(self._deployer.create, code_hash, instance_salt(plan.salt, number))
                self._until_known(create, contract, "create", contract, lambda _: True)
                self._made.append(contract)
                held = ledger.held(self._network, contract, self._until())
            if held is None or held.code != plan.new_code:
                found = "no code" if held is None else describe_executable(held.stored.executable)
                raise UnexpectedCode(contract, found)
            meta = held.stored.meta
            ours = meta is not None and meta.owner == plan.owner
            if not ours and self._journal.find(plan.network, contract, "create") is None:
                self._check_withdrawals()
            if ours or meta is None:
                return contract, ours
            # somebody else was faster
        drained = sum(amount for _, amount in drains(self._journal, plan))
        raise InstancesTaken(plan.old, tuple(self._made), drained)

    def _check_withdrawals(self) -> None:
        """Check that no run with another journal has withdrawn anything."""
        plan = self._plan
        if plan.mode is Mode.ZERO:
            return
        ours = {entry.hash for entry, _ in drains(self._journal, plan)}
        found = [
            event.transaction
            for event in _events_since(self._network, plan.old, plan.ledger + 1, self._until())
            if _name(event) in _WITHDRAWS and event.transaction not in ours
        ]
        if found:
            raise WithdrawnByOthers(plan.old, tuple(dict.fromkeys(found)))

    def _init(self, contract: Address, balance: int) -> Address:
        """Initialise the new vault with owner and balance; if somebody was faster, the next one."""
        plan = self._plan
        for number, expected in enumerate(instances(plan)):
            if expected != contract:
                continue
            self._tries += 1
            self._initialise(contract, Init(plan.owner, balance, plan.min_deposit), number)
            held = ledger.held(self._network, contract, self._until())
            meta = None if held is None else held.stored.meta
            if meta is not None and meta.owner == plan.owner:
                return contract
            contract, _ = self._instance(number + 1)
        raise AssertionError("there is no end of instances")

    def _initialise(self, contract: Address, init: Init, number: int) -> None:
        """Send `init`; the caller reads back whose vault it is then."""
        key = f"{INIT}{number}"

        def send() -> None:
            with suppress(AlreadyInitialized):
                self._setup.client(contract).submit(init, key=key)

        self._until_known(send, self._plan.scope, key, contract, lambda meta: meta is not None)

    def _until_known(
        self,
        send: Callable[[], object],
        scope: str,
        key: str,
        contract: Address,
        shows: Callable[[VaultMeta | None], bool],
    ) -> None:
        """Make a call of a new vault; if the RPC no longer has it, its effect is read back."""

        def look() -> tuple[int, bool]:
            found = self._network.entries([instance_key(contract)], self._until())
            held = ledger.held_in(found, contract)
            return found.ledger, held is not None and shows(held.stored.meta)

        for tries in count(1):
            try:
                send()
            except Unknown as unknown:
                if tries == TRIES:
                    raise
                entry = self._journal.find(self._plan.network, scope, key)
                assert entry is not None  # noqa: S101 - it is the one that is unknown
                settle_by_ledger(self._network, self._journal, entry, self._until(), unknown, look)
                if not look()[1]:
                    continue
            return

    def _authorise(self, new: Address) -> None:
        """Carry over the authorised caller, once: a later change in the new vault stays."""
        plan = self._plan
        entry = self._journal.find(plan.network, plan.scope, AUTHORISE)
        if entry is not None and entry.state is State.APPLIED:
            return
        caller = self._authorised_before()
        held = ledger.held(self._network, new, self._until())
        meta = None if held is None else held.stored.meta
        if caller is None or (meta is not None and meta.authorized_caller is not None):
            return
        self._tries += 1

        def send() -> None:
            self._setup.client(new).submit(SetAuthorizedCaller(caller), key=AUTHORISE)

        def shows(meta: VaultMeta | None) -> bool:
            return meta is not None and meta.authorized_caller == caller

        try:
            self._until_known(send, plan.scope, AUTHORISE, new, shows)
        except MissingMethod as missing:
            raise CannotMigrate(plan.old, Why.AUTHORISED_CALLER, caller) from missing

    # -- the old one ---------------------------------------------------------------------------

    def _authorised_before(self) -> Address | None:
        """Return the old vault's authorised caller, whatever else changed there since."""
        old = ledger.look(self._network, self._plan, self._until()).old
        meta = old.stored.meta or self._plan.meta
        return meta.authorized_caller

    def _drain(self) -> int:
        """Withdraw until the old vault is empty; return the sum of all withdrawals."""
        plan = self._plan
        old = self._setup.client(plan.old)
        self._settle_unknown()
        tries = 0
        refused: Exception | None = None
        before: Held | None = None
        while True:
            done = list(drains(self._journal, plan))
            drained = sum(amount for _, amount in done)
            held = ledger.look(self._network, plan, self._until()).old
            balance = checks.check_held(held, plan).balance
            if balance == 0:
                return drained
            if done:
                self._check_taken(*done[-1])
            if refused is not None and before is not None and before.modified == held.modified:
                raise CannotMigrate(plan.old, Why.REFUSES, str(refused)) from refused
            if tries == TRIES:
                raise KeepsMoving(plan.old, tries, drained)
            tries += 1
            self._tries += 1
            before, refused = held, None
            try:
                old.submit(Withdraw(balance), key=drain_key(len(done)))
            except (CallRefused, CallFailed, SimulationFailed) as refusal:
                refused = refusal  # somebody may have deducted meanwhile

    def _check_taken(self, entry: JournalEntry, amount: int) -> None:
        """Check on the ledger that a withdrawal reduced the balance. Raises CannotMigrate.

        Only the transaction's own changes show that: others may call the vault in the same ledger,
        and the vault's events are not evidence.
        """
        plan = self._plan
        states = self._network.states(entry.hash, plan.old, self._until())
        if states is None:
            return  # the RPC no longer has it; the next withdrawal will show it
        metas = [decode_stored(state).meta for state in states]
        if not metas or metas[0] is None or metas[-1] is None:
            raise CannotMigrate(plan.old, Why.KEEPS_BALANCE, f"amount {amount}")
        if metas[0].balance - metas[-1].balance != amount:
            raise CannotMigrate(plan.old, Why.KEEPS_BALANCE, f"amount {amount}")

    def _settle_unknown(self) -> None:
        """Settle withdrawals that the RPC no longer has, if nobody has changed the vault since."""
        plan = self._plan
        for entry in self._journal.listed(plan.network, State.UNKNOWN):
            if entry.scope == plan.scope and entry.key.startswith(DRAIN):

                def look(signed: int = entry.signed_ledger) -> tuple[int, bool]:
                    view = ledger.look(self._network, plan, self._until())
                    return view.ledger, view.old.modified > signed

                unknown = Unknown(entry.key, entry.contract, entry.hash, entry.signed_ledger)
                settle_by_ledger(self._network, self._journal, entry, self._until(), unknown, look)


def _events_since(
    network: Network, contract: Address, start: int, until: float
) -> Sequence[EventRecord]:
    """Read a contract's events from a ledger on. Raises HistoryGone, and as Network."""
    if network.oldest_ledger(until) > start:
        raise HistoryGone(contract, start)
    if start > network.tip(until).ledger:
        return ()
    page = events_to_tip(network, contract, start, until)
    if page.first > start:
        raise HistoryGone(contract, start)
    return page.events


def _name(event: EventRecord) -> str:
    topic = xdr.SCVal.from_xdr(event.topics[0]) if event.topics else None
    sym = None if topic is None else topic.sym
    return "" if sym is None else sym.sc_symbol.decode(errors="replace")
