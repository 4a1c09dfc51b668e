"""The coverage table against the model alone."""

from __future__ import annotations

from itertools import product

import pytest

from callora_vault.model.layouts import VaultMeta
from callora_vault.model.units import I128_MAX
from callora_vault.model.vault import Accepted, State, transition
from callora_vault.model.versions import ABIS, VAULT_V2, Abi
from callora_vault.parity import Lane, Role, Submit, outcomes
from callora_vault.parity.coverage import Coverage, Table
from callora_vault.parity.factory.table import factory_table
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


TABLES = [*map(vault_table, ABIS.values()), factory_table()]


@pytest.mark.parametrize("table", TABLES, ids=[*ABIS, "factory"])
def test_every_cell_is_listed_once_and_an_unreachable_one_has_its_reason(table: Table) -> None:
    keys = [(cell.method, cell.outcome, cell.state) for cell in table.cells]
    assert len(keys) == len(set(keys))
    for cell in table.cells:
        assert cell.unreachable is None or len(cell.unreachable) > 10


@pytest.mark.parametrize("table", TABLES, ids=[*ABIS, "factory"])
def test_a_run_that_reached_nothing_has_missed_every_reachable_cell_and_every_signature(
    table: Table,
) -> None:
    missed = Coverage().missed(table, frozenset(table.methods), can_age=True)
    reachable = [cell for cell in table.cells if cell.unreachable is None]
    signatures = len(table.writes) * len(table.lanes) - len(table.never_signed)
    assert len(missed) == len(reachable) + signatures + len(table.writes)


def test_a_method_that_a_contract_lacks_is_no_part_of_what_it_should_reach() -> None:
    missed = Coverage().missed(vault_table(VAULT_V2), frozenset({"balance"}), can_age=True)
    assert missed
    assert all(entry.startswith("balance ") for entry in missed)


def test_a_state_is_in_the_class_of_its_balance() -> None:
    owner = ADDRESSES[Role.OWNER]
    for balance, minimum in product((0, 1, I128_MAX - 1, I128_MAX), (0, 5)):
        found = StateClass.of(VaultMeta(owner, balance, minimum))
        expected = {0: StateClass.EMPTY, I128_MAX: StateClass.FULL}
        assert found is expected.get(balance, StateClass.FUNDED)
    assert StateClass.of(None) is StateClass.ABSENT
