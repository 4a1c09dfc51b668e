"""The steps that all modes of a migration share, and their setup."""

from __future__ import annotations

from typing import Final

import attrs

from callora_vault.client import approval
from callora_vault.client.deploy import Deployer
from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import Limits
from callora_vault.client.transactions import Action, Transactions, measure
from callora_vault.client.vault import VaultClient
from callora_vault.errors import CalloraError
from callora_vault.migration.errors import CannotMigrate, CodeMissing, Why
from callora_vault.migration.plan import Plan, code_at_hand
from callora_vault.model.errors import FactoryError, FactoryErrorCode
from callora_vault.model.units import Address
from callora_vault.rpc.errors import SimulationFailed
from callora_vault.rpc.network import Network

TRIES: Final = 10
"""How often a changing vault is read and signed again."""


@attrs.frozen
class Setup:
    """All that is needed to carry out a plan.

    `owner` signs and pays; `limits` are those of one call; `code` is the new vault's, None if it is
    on the ledger or one of this package's.
    """

    network: Network
    journal: Journal
    plan: Plan
    owner: Signer
    limits: Limits
    code: bytes | None = None

    def until(self) -> float:
        """Return the deadline of a call that begins now."""
        return self.network.deadline(self.limits.timeout)

    def transactions(self) -> Transactions:
        """Return the sender of the owner's transactions."""
        signers = {self.owner.address: self.owner}
        return Transactions(self.network, self.journal, self.owner, signers, self.limits)

    def deployer(self) -> Deployer:
        """Return the deployer of the owner's account."""
        return Deployer(self.network, self.journal, self.owner, self.limits)

    def client(self, contract: Address) -> VaultClient:
        """Return a client of a vault, with the migration's scope of requests."""
        return VaultClient(
            contract,
            self.network,
            self.journal,
            [self.owner],
            scope=self.plan.scope,
            limits=self.limits,
        )


def upload(setup: Setup) -> None:
    """Upload the new code. Raises CodeMissing, and as `Deployer.upload`."""
    at_hand = code_at_hand(setup.plan, setup.code)
    if at_hand is None:
        raise CodeMissing(setup.plan.new_code)
    setup.deployer().upload(at_hand)


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


def refusal(plan: Plan, failure: SimulationFailed) -> CalloraError:
    """Return the error of a failed simulation: the factory's number, or a vault that refuses."""
    code = None if failure.error is None else failure.error.factory_error
    if code is FactoryErrorCode.AuthorizedCallerUnsupported:
        return CannotMigrate(plan.old, Why.AUTHORISED_CALLER)
    if code is not None:
        return FactoryError(code)
    return CannotMigrate(plan.old, Why.REFUSES, failure.text)
