"""Ctrl-C in tests that start processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def foreground() -> Iterator[None]:
    """Let Ctrl-C interrupt, child processes too; a suite in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
