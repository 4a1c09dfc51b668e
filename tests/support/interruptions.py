"""What ends or disturbs a client: after an answer, and before or after a write to its journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from callora_vault.client import Journal, JournalEntry


class Killed(BaseException):
    """The client's process ends here; its journal stays."""


class Counted:
    """Something that happens at a point: after an answer, or before or after a journal write."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self.points = 0
        self._act = act

    def __call__(self) -> None:
        self.points += 1
        self._act(self.points)


def killed_at(point: int) -> Counted:
    """End the process that migrates at one point."""

    def act(now: int) -> None:
        if now == point:
            raise Killed

    return Counted(act)


class WatchedJournal(Journal):
    """A journal around whose writes something happens."""

    def __init__(
        self, path: Path, after: Callable[[], None], before: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(path)
        self._before = before
        self._after = after

    def add(self, *arguments: Any) -> JournalEntry:
        self._before()
        entry = super().add(*arguments)
        self._after()
        return entry

    def settle(self, *arguments: Any) -> JournalEntry:
        self._before()
        entry = super().settle(*arguments)
        self._after()
        return entry
