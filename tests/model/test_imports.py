import subprocess
import sys

import pytest

MODEL = (
    "units",
    "errors",
    "calls",
    "events",
    "layouts",
    "renewal",
    "versions",
    "vault",
    "refusals",
    "memory",
    "factory",
)


@pytest.mark.parametrize(
    "module", ("callora_vault", *(f"callora_vault.model.{name}" for name in MODEL))
)
def test_the_model_loads_attrs_and_the_standard_library_alone(module: str) -> None:
    script = f"""
import sys
before = set(sys.modules)
import {module}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(loaded - sys.stdlib_module_names))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) <= {"attr", "attrs", "callora_vault"}
