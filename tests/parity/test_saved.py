from __future__ import annotations

from pathlib import Path

from callora_vault.model.versions import VAULT_V2
from callora_vault.parity import saved
from callora_vault.parity.factory import tour as factory_tour
from callora_vault.parity.vault import tour


def test_saved_examples_come_back_and_go_away(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    examples = [*tour.examples(VAULT_V2, can_age=True)][::40]
    examples += [*factory_tour.examples()][::40]
    saved.store(folder, "ab" * 32, examples)
    assert saved.load(folder, "ab" * 32) == examples
    assert saved.load(folder, "cd" * 32) == []
    saved.store(folder, "ab" * 32, [])
    assert saved.load(folder, "ab" * 32) == []


def test_a_damaged_file_of_saved_examples_is_as_good_as_none(tmp_path: Path) -> None:
    folder = tmp_path
    for content in ("", "[[{}]]", "{", "[[1]]", '{"a": 1}', "[null]"):
        (folder / f"{'ab' * 32}.json").write_text(content)
        assert saved.load(folder, "ab" * 32) == []
