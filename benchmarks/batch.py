"""What a batch of 50 deductions costs, beside 50 deductions one by one."""

from __future__ import annotations

import attrs
from stellar_sdk import xdr

from callora_vault.model.calls import MAX_BATCH, DeductItem
from callora_vault.model.units import SYMBOL_LIMIT
from callora_vault.model.versions import VAULT_V2
from callora_vault.parity import Lane, Role, Submit, committed, connect_local
from callora_vault.parity.network.observation import Observation
from callora_vault.parity.network.session import INCLUSION_FEE
from callora_vault.parity.outcomes import ACCEPTED
from callora_vault.parity.steps import Argument
from callora_vault.parity.vault.contract import VaultContract

AIM = 0.25


@attrs.frozen
class Case:
    """How the caller signs, how long the request ids are, and the most that a batch may cost.

    A batch saves signatures and transactions; it pays for as many bytes of events, and its
    arguments are in the transaction twice: in the call and in what is signed.
    """

    lane: Lane
    length: int
    aim: float = AIM


CASES = (
    Case(Lane.ADDRESS, SYMBOL_LIMIT),
    Case(Lane.SOURCE, 24),
    Case(Lane.SOURCE, SYMBOL_LIMIT, 0.27),
)


@attrs.frozen
class Cost:
    """What a call declared and paid: instructions, bytes of its events, stroops for resources."""

    instructions: int
    event_bytes: int
    resource_fee: int


@attrs.frozen
class Costs:
    """One deduction and one full batch, neither of which renews anything."""

    deduct: Cost
    batch: Cost

    @property
    def ratio(self) -> float:
        """The batch's resource fee in parts of as many deductions'."""
        return self.batch.resource_fee / (MAX_BATCH * self.deduct.resource_fee)


def _cost(seen: Observation) -> Cost:
    assert seen.outcome == ACCEPTED, seen.outcome
    assert seen.usage is not None
    told = sum(len(event.to_xdr_bytes()) for event in seen.events)
    return Cost(seen.usage.instructions, told, seen.usage.fee - INCLUSION_FEE)


def measure(case: Case) -> Costs:
    """Make both calls on an embedded network."""
    contract = VaultContract(connect_local(), committed("v2").code, VAULT_V2)

    def call(method: str, **arguments: Argument) -> Cost:
        step = Submit.of(method, Role.OWNER, case.lane, **arguments)
        return _cost(contract.submit(step, contract.read()))

    items = tuple(
        DeductItem(1_000_000 + number, f"{number:0{case.length}d}") for number in range(MAX_BATCH)
    )
    call("init", owner=Role.OWNER, initial_balance=2**100, min_deposit=None)
    one = call("deduct", caller=Role.OWNER, amount=items[0].amount, request_id=items[0].request_id)
    return Costs(one, call("batch_deduct", caller=Role.OWNER, items=items))


def event_limit() -> int:
    """Read how many bytes of events and return value the network allows one transaction."""
    network = connect_local()
    setting = xdr.ConfigSettingID.CONFIG_SETTING_CONTRACT_EVENTS_V0
    key = xdr.LedgerKey(
        xdr.LedgerEntryType.CONFIG_SETTING, config_setting=xdr.LedgerKeyConfigSetting(setting)
    )
    found = network.server.get_ledger_entries([key]).entries
    assert found
    entry = xdr.LedgerEntryData.from_xdr(found[0].xdr).config_setting
    assert entry is not None
    assert entry.contract_events is not None
    return entry.contract_events.tx_max_contract_events_size_bytes.uint32


def main() -> None:
    limit = event_limit()
    for case in CASES:
        costs = measure(case)
        print(
            f"batch of {MAX_BATCH} {case.lane.value} the owner, request ids of {case.length}: "
            f"{costs.batch.instructions:,} instructions, "
            f"{costs.batch.event_bytes:,} of {limit:,} bytes of events, "
            f"{costs.batch.resource_fee:,} stroops, one deduct {costs.deduct.resource_fee:,}: "
            f"{costs.ratio:.3f} of {MAX_BATCH} deducts, aim {case.aim}"
        )


if __name__ == "__main__":
    main()
