"""The examples of README.md do what they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from localnet.tests.support.pytest_sessions import pytester

__all__ = ["pytester"]

pytest_plugins = ["pytester"]

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
TESTS = [example for example in EXAMPLES if "def test_" in example]
PROGRAMS = [example for example in EXAMPLES if example not in TESTS]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_runs_from_the_root_of_the_repository(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(README.parents[1])
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    exec(compile(program, str(README), "exec"), {"__name__": "__main__"})  # noqa: S102 - our own


def test_the_tests_of_the_example_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(*TESTS)
    passed = sum(example.count("def test_") for example in TESTS)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=passed)
