"""The coverage table against the model alone."""

from __future__ import annotations

from itertools import product

from callora_vault.layouts import VaultMeta
from callora_vault.parity import Lane, Role, Submit, outcomes, tour
from callora_vault.parity.coverage import (
    CELLS,
    METHODS,
    NEVER_SIGNED,
    WRITE_METHODS,
    Coverage,
    StateClass,
)
from callora_vault.parity.steps import Step
from callora_vault.transition import Accepted, State, transition
from callora_vault.units import I128_MAX

PEOPLE = {
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
        signers = frozenset({PEOPLE[step.signer]}) if good else frozenset[str]()
        outcome = transition(state, step.call(PEOPLE), signers)
        word = outcomes.of_model(outcome)
        coverage.cells[step.method, word, StateClass.of(state)] += 1
        coverage.lanes[step.method, step.lane] += 1
        if isinstance(outcome, Accepted):
            state = outcome.state


def test_the_tour_reaches_every_cell_that_the_table_calls_reachable_and_no_other() -> None:
    coverage = Coverage()
    for example in tour.examples(can_age=False):
        _run(example, coverage)
    assert coverage.missed(frozenset(METHODS), can_age=False) == []
    reachable = {(c.method, c.outcome, c.state) for c in CELLS if c.unreachable is None}
    assert set(coverage.cells) == reachable


def test_every_cell_is_listed_once_and_an_unreachable_one_has_its_reason() -> None:
    keys = [(cell.method, cell.outcome, cell.state) for cell in CELLS]
    assert len(keys) == len(set(keys))
    for cell in CELLS:
        assert cell.unreachable is None or len(cell.unreachable) > 10


def test_a_run_that_reached_nothing_has_missed_every_reachable_cell_and_every_signature() -> None:
    missed = Coverage().missed(frozenset(METHODS), can_age=True)
    reachable = [cell for cell in CELLS if cell.unreachable is None]
    signatures = len(WRITE_METHODS) * len(Lane) - len(NEVER_SIGNED)
    assert len(missed) == len(reachable) + signatures + len(WRITE_METHODS)


def test_a_method_that_a_contract_lacks_is_no_part_of_what_it_should_reach() -> None:
    missed = Coverage().missed(frozenset({"balance"}), can_age=True)
    assert missed
    assert all(entry.startswith("balance ") for entry in missed)


def test_a_state_is_in_the_class_of_its_balance() -> None:
    owner = PEOPLE[Role.OWNER]
    for balance, minimum in product((0, 1, I128_MAX - 1, I128_MAX), (0, 5)):
        found = StateClass.of(VaultMeta(owner, balance, minimum))
        expected = {0: StateClass.EMPTY, I128_MAX: StateClass.FULL}
        assert found is expected.get(balance, StateClass.FUNDED)
    assert StateClass.of(None) is StateClass.ABSENT
