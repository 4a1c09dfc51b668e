"""The client as a state machine, for a few runs; `make stress` makes many."""

from __future__ import annotations

from pathlib import Path

from tests.support.stress import stress


def test_no_request_id_is_applied_twice_whatever_the_network_does(tmp_path: Path) -> None:
    assert stress(tmp_path, calls=40, first=3).calls >= 40
