"""The tour and the table of a vault, against the model alone."""

from __future__ import annotations

from itertools import product

import pytest

from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Accepted, State, transition
from callora_vault.model.versions import ABIS, VAULT_V2, Abi
from callora_vault.parity import Age, Lane, Restore, Role, Submit, outcomes
from callora_vault.parity.coverage import Coverage
from callora_vault.parity.steps import Step
from callora_vault.parity.vault import tour
from callora_vault.parity.vault.table import StateClass, vault_table

ADDRESSES = {
    Role.OWNER: "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
    Role.STRANGER: "GDQP2KPQGKIHYJGXNUIYOMHARUARCA7DJT5FO2FFOOKY3B2WSQHG4W37",
    Role.PAYER: "GBRPYHIL2CI3FNQ4BXLFMNDLFJUNPU2HY3ZMFSHONUCEOASW7QC7OX2H",
    Role.NOBODY: "GBRPYHIL2CI3FNQ4BXLFMNDLFJUNPU2HY3ZMFSHONUCEOASW7QC7OX2H",
    Role.OTHER_VAULT: "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC",
    Role.VAULT: "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC",
}


def _run(example: tuple[Step, ...], coverage: Coverage) -> None:
    state: State = None
    for step in example:
        if not isinstance(step, Submit):
            continue
        good = step.lane in (Lane.ADDRESS, Lane.SOURCE) and step.signer is not Role.VAULT
        signers = frozenset({ADDRESSES[step.signer]}) if good else frozenset[str]()
        outcome = transition(state, step.call(ADDRESSES), signers)
        word = outcomes.of_model(outcome)
        coverage.cells[step.method, word, StateClass.of(state)] += 1
        coverage.lanes[step.method, step.lane] += 1
        if isinstance(outcome, Accepted):
            state = outcome.state


@pytest.mark.parametrize("abi", ABIS.values(), ids=ABIS)
def test_the_tour_reaches_every_cell_that_the_table_calls_reachable_and_no_other(
    abi: Abi,
) -> None:
    coverage, table = Coverage(), vault_table(abi)
    for example in tour.examples(abi, can_age=False):
        _run(example, coverage)
    assert coverage.missed(table, frozenset(table.methods), can_age=False) == []
    reachable = {(c.method, c.outcome, c.state) for c in table.cells if c.unreachable is None}
    assert set(coverage.cells) == reachable


def test_the_tour_lets_no_ledgers_go_by_where_that_cannot_be() -> None:
    steps = [step for example in tour.examples(VAULT_V2, can_age=False) for step in example]
    assert not any(isinstance(step, Age | Restore) for step in steps)


def test_a_state_is_in_the_class_of_its_balance() -> None:
    owner = ADDRESSES[Role.OWNER]
    for balance, minimum in product((0, 1, I128_MAX - 1, I128_MAX), (0, 5)):
        found = StateClass.of(VaultMeta(owner, balance, minimum))
        expected = {0: StateClass.EMPTY, I128_MAX: StateClass.FULL}
        assert found is expected.get(balance, StateClass.FUNDED)
    assert StateClass.of(None) is StateClass.ABSENT
