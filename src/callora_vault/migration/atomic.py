"""The migration in one transaction: the factory's `migrate` under one signature.

In every ledger exactly one of the two vaults holds the balance. The owner signs the balance that
was read, so a call that changes it meanwhile invalidates the signature: the balance is read and
signed again, up to TRIES times. The factory's entry shows whether the migration has happened.
"""

from __future__ import annotations

from typing import Final

from stellar_sdk import xdr

from callora_vault import wasm
from callora_vault.client.approval import Expected
from callora_vault.client.entries import JournalEntry
from callora_vault.client.errors import UnexpectedAuthorisation, Unknown
from callora_vault.client.journal import Journal
from callora_vault.client.refusals import failed
from callora_vault.client.transactions import Action
from callora_vault.codec.calls import encode_authorisation, host_function
from callora_vault.codec.keys import code_key, instance_key, successor_key
from callora_vault.errors import CalloraError
from callora_vault.migration.checks import check_factory, check_old, check_successor
from callora_vault.migration.errors import KeepsMoving
from callora_vault.migration.ledger import LedgerView, look
from callora_vault.migration.plan import Plan
from callora_vault.migration.record import MIGRATE, Applied, applied, settle_by_ledger
from callora_vault.migration.steps import TRIES, Setup, refusal, upload
from callora_vault.model.errors import FactoryError
from callora_vault.model.factory import Factory, FactoryState, Instance, nested_calls
from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import Address
from callora_vault.rpc.errors import SimulationFailed, Unreachable
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import Success


def tree(plan: Plan, meta: VaultMeta) -> xdr.SorobanAuthorizedInvocation:
    """Build the authorisation tree that the owner signs if the old vault stores `meta`."""
    factory = Factory(_factory(plan), lambda _owner, _salt: plan.new)
    vault = Instance(bytes.fromhex(plan.old_code), meta)
    nested = nested_calls(factory, FactoryState({}, {plan.old: vault}), plan.call)
    return encode_authorisation(factory.address, plan.call, nested)


def action(plan: Plan, view: LedgerView) -> Action:
    """Build the transaction for a view of the ledger: its call, tree, and footprint."""
    meta = view.old.stored.meta
    assert meta is not None  # noqa: S101 - checked before
    factory = _factory(plan)
    withdrawn, only_read = [instance_key(plan.old)], [instance_key(factory)]
    if meta.balance == 0:  # nothing is withdrawn
        withdrawn, only_read = [], [*only_read, *withdrawn]
    codes = dict.fromkeys((plan.old_code, plan.new_code, wasm.code_hash("factory").hex()))
    return Action(
        scope=plan.scope,
        key=MIGRATE,
        contract=factory,
        request=f"migrate {plan.old} to {plan.new}",
        function=host_function(factory, plan.call),
        expected=Expected(
            plan.owner,
            tree(plan, meta),
            (*only_read, *(code_key(bytes.fromhex(code)) for code in codes)),
            (*withdrawn, instance_key(plan.new), successor_key(factory, plan.old)),
        ),
    )


def apply(setup: Setup) -> Applied:
    """Migrate, unless that is already done. Raises what `migration.apply` does."""
    network, journal, plan = setup.network, setup.journal, setup.plan
    until = setup.until()
    transactions = setup.transactions()
    tries = 0
    before: LedgerView | None = None
    trouble: CalloraError | None = None
    while True:
        view = look(network, plan, until)
        check_factory(view, plan)
        if check_successor(view, plan):
            return applied(journal, plan, plan.new, tries)
        check_old(view, plan)
        if trouble is not None:
            if before is not None and view.old.modified == before.old.modified:
                raise trouble  # nothing changed, so the next attempt would fail in the same way
            if tries == TRIES:
                raise KeepsMoving(plan.old, tries) from trouble
        if not view.code_lives:
            upload(setup)
        before = view
        tries += 1
        try:
            entry, _ = transactions.submit(action(plan, view), until)
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


def _failure(entry: JournalEntry) -> CalloraError:
    failure = failed(entry)
    code = None if failure.error is None else failure.error.factory_error
    return failure if code is None else FactoryError(code)


def _await_successor(network: Network, plan: Plan, until: float) -> None:
    """Wait until the ledger shows the new vault; a node that lags behind shows it later."""
    waits = network.waits(until)
    while not check_successor(look(network, plan, until), plan):
        if next(waits, _OVER) is _OVER:
            raise Unreachable(network.name, f"it does not show the successor of {plan.old} yet")


_OVER: Final = object()


def _by_successor(
    network: Network, journal: Journal, plan: Plan, until: float, unknown: Unknown
) -> None:
    """Settle an unknown transaction by the factory's entry, which shows every migration."""

    def shows() -> tuple[int, bool]:
        view = look(network, plan, until)
        return view.ledger, view.successor is not None

    entry = journal.find(network.passphrase, plan.scope, MIGRATE)
    assert entry is not None  # noqa: S101 - it is the one that is unknown
    settle_by_ledger(network, journal, entry, until, unknown, shows)


def _factory(plan: Plan) -> Address:
    assert plan.factory is not None  # noqa: S101 - every plan of this mode has one
    return plan.factory
