"""Apply a plan, and continue it after an interruption: the same call does both."""

from __future__ import annotations

from typing import Final

from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import Limits
from callora_vault.migration import atomic, stepwise
from callora_vault.migration.checks import check_code, check_key, check_network
from callora_vault.migration.plan import LIMITS, Mode, Plan
from callora_vault.migration.record import Applied
from callora_vault.migration.steps import Setup
from callora_vault.rpc.network import Network

_APPLY: Final = {
    Mode.ATOMIC: atomic.apply,
    Mode.STEPWISE: stepwise.apply,
    Mode.ZERO: stepwise.apply,
}


def apply(
    network: Network,
    journal: Journal,
    plan: Plan,
    owner: Signer,
    *,
    code: bytes | None = None,
    accept_unknown_code: str | None = None,
    limits: Limits = LIMITS,
) -> Applied:
    """Carry out a plan once; what is already done is found on the ledger.

    Arguments: `owner`, who signs and pays; `code`, the new vault's, if it is neither on the ledger
    nor one of this package's; `accept_unknown_code`, the hash in hex of an old vault's code that is
    not this package's.
    Raises WrongNetwork, WrongKey, CannotMigrate, CodeMissing, MigratedElsewhere, RefusedToSign,
    FactoryError with nothing signed for the migration; KeepsMoving, WithdrawnByOthers; and as
    `VaultClient.submit`. After any of them the same call continues.
    """
    check_network(network, plan)
    check_key(owner.address, plan)
    check_code(plan, accept_unknown_code)
    return _APPLY[plan.mode](Setup(network, journal, plan, owner, limits, code))
