"""Entry of the command line: `soroban-localnet`, or `python -m soroban_localnet`.

It imports next to nothing before it knows what to do when it is told to stop.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from soroban_localnet.serve.exit_codes import COULD_NOT_START, STOPPED

_SERVE_EXTRA = ("cyclopts", "rich", "starlette", "uvicorn")


def main() -> None:
    """Run the command line and end the process with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(STOPPED))
    gc.disable()  # imports make objects that stay: looking through them takes a fifth of the start
    try:
        from soroban_localnet.serve import command  # noqa: PLC0415 - after the signals

        code = command.run(sys.argv[1:])
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in _SERVE_EXTRA:
            raise
        problem = f"{missing.name} is missing: pip install 'soroban-localnet[serve]'"
        print(f"soroban-localnet: {problem}", file=sys.stderr)
        code = COULD_NOT_START
    raise SystemExit(code)


if __name__ == "__main__":
    main()
