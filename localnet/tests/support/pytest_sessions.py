"""pytest sessions inside a test."""

from __future__ import annotations

from pathlib import Path

import pytest

HOME = str(Path.home())


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Run sessions with the machine's home, where the cache of the compiled host is.

    A session in this process must not end with faulthandler's handlers: with them go those of
    wasmtime, and the next trap of the host ends the process.
    """
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, HOME)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:faulthandler")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return pytester
