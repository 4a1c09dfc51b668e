"""The coverage table against the model alone."""

from __future__ import annotations

import pytest

from callora_vault.model.versions import ABIS, VAULT_V2
from callora_vault.parity.coverage import Coverage, Table
from callora_vault.parity.factory.table import factory_table
from callora_vault.parity.vault.table import vault_table

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
