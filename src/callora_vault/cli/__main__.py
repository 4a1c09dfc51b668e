"""Entry of the command line."""

from __future__ import annotations

import os
import sys

from cyclopts import App, CycloptsError
from platformdirs import user_cache_path
from rich.console import Console

from callora_vault.cli import parity

COULD_NOT_RUN = 2
INTERRUPTED = 130
TRACEBACK = "CALLORA_VAULT_TRACEBACK"

app = App(
    name="callora-vault",
    help="A prepaid Soroban vault: its model, its contract, and the proof that they agree.",
    result_action="return_value",
)
app.command(parity.parity)


def main() -> None:
    """Run the command line and end the process with the exit code of the command."""
    # Hypothesis would leave a folder wherever the command is run
    os.environ.setdefault(
        "HYPOTHESIS_STORAGE_DIRECTORY", str(user_cache_path("callora-vault") / "hypothesis")
    )
    try:
        code = app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"callora-vault: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(COULD_NOT_RUN) from None
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        print(
            f"callora-vault: a fault of this program, {type(error).__name__}: "
            f"{' '.join(str(error).split())}; please report it with what {TRACEBACK}=1 shows",
            file=sys.stderr,
        )
        raise SystemExit(COULD_NOT_RUN) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted")
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
