"""The migration in one transaction: the factory's ``migrate`` under one signature.

There is no ledger in which both vaults hold the balance, or neither. The owner signs the balance as
it was read, so a call that changes it meanwhile voids the signature: it is read and signed again, a
few times, and then left as it is. Whether it has happened is what the factory's entry says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
from stellar_sdk import xdr

from callora_vault import wasm
from callora_vault.client import approval
from callora_vault.client.approval import Expected
from callora_vault.client.deploy import Deployer
from callora_vault.client.errors import UnexpectedAuthorisation, Unknown
from callora_vault.client.journal import Journal, JournalEntry, State
from callora_vault.client.keys import Signer
from callora_vault.client.refusals import failed
from callora_vault.client.transactions import Action, Limits, Transactions, measure
from callora_vault.codec.calls import call_function, encode_authorisation
from callora_vault.codec.keys import code_key, instance_key, successor_key
from callora_vault.errors import CalloraError
from callora_vault.migration import ledger
from callora_vault.migration.errors import CannotMigrate, CodeMissing, KeepsMoving, Why
from callora_vault.migration.ledger import Chain
from callora_vault.migration.plan import SWEEP, Plan, code_at_hand
from callora_vault.model.calls import Call, Init, SetAuthorizedCaller, Withdraw
from callora_vault.model.errors import FactoryError, FactoryErrorCode
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address
from callora_vault.rpc.errors import SimulationFailed, Unreachable
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import Success

TRIES: Final = 10
"""How often a vault that changes is read and signed anew."""
_KEY: Final = "migrate"


@attrs.frozen
class Applied:
    """A migration that is done: from ``old`` to ``new``.

    ``transactions`` are the hashes of what this journal has of it, in order, the upload of the new
    code among them; ``fee`` the stroops that they cost. ``tries``: how often something was signed
    for the vaults; 0 where all was done before.
    """

    old: Address
    new: Address
    tries: int
    transactions: tuple[str, ...]
    fee: int


def tree(plan: Plan, meta: VaultMeta) -> xdr.SorobanAuthorizedInvocation:
    """Build what the owner signs when the old vault stores ``meta``."""
    nested: list[tuple[Address, Call]] = []
    if meta.balance > 0:
        nested.append((plan.old, Withdraw(meta.balance)))
    nested.append((plan.new, Init(meta.owner, meta.balance, meta.min_deposit)))
    if meta.authorized_caller is not None:
        nested.append((plan.new, SetAuthorizedCaller(meta.authorized_caller)))
    return encode_authorisation(_factory(plan), plan.call, nested)


def action(plan: Plan, chain: Chain) -> Action:
    """Build the transaction for what the ledger has: its call, tree, and footprint."""
    meta = chain.old.stored.meta
    assert meta is not None  # noqa: S101 - checked before
    factory = _factory(plan)
    withdrawn, only_read = [instance_key(plan.old)], [instance_key(factory)]
    if meta.balance == 0:  # nothing is withdrawn
        withdrawn, only_read = [], [*only_read, *withdrawn]
    codes = dict.fromkeys((plan.old_code, plan.new_code, wasm.code_hash("factory").hex()))
    return Action(
        scope=plan.scope,
        key=_KEY,
        contract=factory,
        request=f"migrate {plan.old} to {plan.new}",
        function=call_function(factory, plan.call),
        expected=Expected(
            plan.owner,
            tree(plan, meta),
            (*only_read, *(code_key(bytes.fromhex(code)) for code in codes)),
            (*withdrawn, instance_key(plan.new), successor_key(factory, plan.old)),
        ),
    )


def simulated(network: Network, plan: Plan, doing: Action, until: float, limits: Limits) -> int:
    """Simulate a transaction and compare it with what is expected; return its resource fee.

    Nothing is signed. Raises RefusedToSign, CannotMigrate, FactoryError, SimulationFailed.
    """
    try:
        simulation = measure(network, doing, plan.owner, until)
    except SimulationFailed as failure:
        raise refusal(plan, failure) from failure
    approval.check(
        simulation,
        doing.expected,
        by_address=False,
        nonce=0,
        fee_limit=limits.resource_fee,
        headroom=0,
    )
    return simulation.fee


def apply(
    network: Network,
    journal: Journal,
    plan: Plan,
    owner: Signer,
    code: bytes | None,
    limits: Limits,
) -> Applied:
    """Migrate, or find that it is done. Raises what ``migration.apply`` does."""
    until = network.deadline(limits.timeout)
    transactions = Transactions(network, journal, owner, {owner.address: owner}, limits)
    tries = 0
    before: Chain | None = None
    trouble: CalloraError | None = None
    while True:
        chain = ledger.look(network, plan, until)
        ledger.check_factory(chain, plan)
        if ledger.check_successor(chain, plan):
            return applied(journal, plan, plan.new, tries)
        ledger.check_old(chain, plan)
        if trouble is not None:
            if before is not None and chain.old.modified == before.old.modified:
                raise trouble  # nothing moved, so this is what would be said again
            if tries == TRIES:
                raise KeepsMoving(plan.old, tries) from trouble
        if not chain.code_lives:
            upload(network, journal, plan, owner, code, limits)
        before = chain
        tries += 1
        try:
            entry, _ = transactions.submit(action(plan, chain), until)
            if isinstance(entry.result, Success):
                _await_successor(network, plan, until)
                return applied(journal, plan, plan.new, tries)
            trouble = _failure(entry)
        except UnexpectedAuthorisation as other:
            trouble = other
        except SimulationFailed as refused:
            trouble = refusal(plan, refused)
        except Unknown as unknown:
            _by_successor(network, journal, plan, until, unknown)
            trouble, before = unknown, None


def upload(
    network: Network,
    journal: Journal,
    plan: Plan,
    owner: Signer,
    code: bytes | None,
    limits: Limits,
) -> None:
    """Bring the new code onto the ledger. Raises CodeMissing, and as ``Deployer.upload``."""
    at_hand = code_at_hand(plan, code)
    if at_hand is None:
        raise CodeMissing(plan.new_code)
    Deployer(network, journal, owner, limits).upload(at_hand)


def _failure(entry: JournalEntry) -> CalloraError:
    failure = failed(entry)
    code = None if failure.error is None else failure.error.factory_error
    return failure if code is None else FactoryError(code)


def _await_successor(network: Network, plan: Plan, until: float) -> None:
    """See the new vault on the ledger; a node that lags behind shows it later."""
    waits = network.waits(until)
    while not ledger.check_successor(ledger.look(network, plan, until), plan):
        if next(waits, _OVER) is _OVER:
            raise Unreachable(network.name, f"it does not show the successor of {plan.old}")


_OVER: Final = object()


def _by_successor(
    network: Network, journal: Journal, plan: Plan, until: float, unknown: Unknown
) -> None:
    """The factory's entry tells of a migration for ever."""

    def look() -> tuple[int, bool]:
        chain = ledger.look(network, plan, until)
        return chain.ledger, chain.successor is not None

    entry = journal.find(network.passphrase, plan.scope, _KEY)
    assert entry is not None  # noqa: S101 - it is the one that is unknown
    settle_by_ledger(network, journal, entry, until, unknown, look)


def settle_by_ledger(
    network: Network,
    journal: Journal,
    entry: JournalEntry,
    until: float,
    unknown: Unknown,
    look: Callable[[], tuple[int, bool]],
) -> None:
    """Settle a transaction that the network forgot, by what the ledger has of its effect.

    Arguments: ``look`` says in which ledger it looked, and whether the effect is there.
    Raises ``unknown`` where the transaction can still be applied.
    """
    tip = network.tip(until)
    if tip.close_time <= entry.max_time:
        raise unknown
    ledger_seen, applied = look()
    if ledger_seen < tip.ledger:
        raise unknown
    if not applied:
        journal.settle(entry, State.NEVER_APPLIED)


def refusal(plan: Plan, failure: SimulationFailed) -> CalloraError:
    """Say what a simulation's failure means: the factory's number, or a vault that refuses."""
    code = None if failure.error is None else failure.error.factory_error
    if code is FactoryErrorCode.AuthorizedCallerUnsupported:
        return CannotMigrate(plan.old, Why.AUTHORISED_CALLER)
    if code is not None:
        return FactoryError(code)
    return CannotMigrate(plan.old, Why.REFUSES, failure.text)


def applied(journal: Journal, plan: Plan, new: Address, tries: int) -> Applied:
    """Sum up what a journal has of a migration that is done."""
    found = [
        (entry.hash, entry.result.fee.charged)
        for entry in journal.listed(plan.network, State.APPLIED)
        if isinstance(entry.result, Success) and _is_of(entry, plan, new)
    ]
    fee = sum(charged for _, charged in found)
    return Applied(plan.old, new, tries, tuple(hashed for hashed, _ in found), fee)


def _is_of(entry: JournalEntry, plan: Plan, new: Address) -> bool:
    if entry.scope == plan.scope:
        return not entry.key.startswith(SWEEP)
    if entry.scope == new:
        return entry.key == "create"
    return entry.request == f"upload {plan.new_code}"


def _factory(plan: Plan) -> Address:
    assert plan.factory is not None  # noqa: S101 - every plan of this mode has one
    return plan.factory
