"""A clock that ticks in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Pace:
    """Calls `tick` every `seconds` until it is stopped.

    A tick that takes longer than that delays the next; none is made up for. What a tick raises is
    logged, and the next one comes all the same.
    """

    def __init__(self, seconds: float, tick: Callable[[], None]) -> None:
        if not 0 < seconds <= threading.TIMEOUT_MAX:
            raise ValueError("ledger_interval: must be more than 0 seconds")
        self.seconds = seconds
        self._tick = tick
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soroban-localnet-pace", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic() + self.seconds
        while not self._stopped.wait(due - time.monotonic()):
            try:
                self._tick()
            except Exception:
                _log.exception("no ledger was closed")
            due = max(due + self.seconds, time.monotonic())

    def stop(self) -> None:
        """Stop; a tick that has begun ends first."""
        self._stopped.set()
        self._thread.join()
