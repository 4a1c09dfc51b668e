"""soroban-localnet: serve a network over HTTP until it is stopped."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version

from cyclopts import App, CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError

from soroban_localnet.errors import LocalnetError
from soroban_localnet.serve.exit_codes import COULD_NOT_START, STOPPED
from soroban_localnet.serve.options import DEFAULTS, OUTPUT, Options, check

app = App(
    name="soroban-localnet",
    version=lambda: version("soroban-localnet"),
    result_action="return_value",
)
_KINDS: dict[object, str] = {int: "a whole number", float: "a number"}

for flag in ("--help", "--version"):
    app[flag].group = OUTPUT


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code of the process."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        problem = f"{_explain(error)}; --help lists the options"
        code = COULD_NOT_START
    except LocalnetError as error:
        problem = " ".join(str(error).split())
        code = error.exit_code
    else:
        return code if isinstance(code, int) else STOPPED
    print(f"soroban-localnet: {problem}", file=sys.stderr)
    return code


def _explain(error: CycloptsError) -> str:
    """Say in one line what is wrong with the options."""
    match error:
        case UnusedCliTokensError():
            return f"unexpected argument: {' '.join(error.unused_tokens or ())}"
        case MissingArgumentError():
            return f"{error.keyword} has no value"
        case CoercionError(token=token, target_type=kind) if token is not None and kind in _KINDS:
            return f'{token.keyword}: "{token.value}" is not {_KINDS[kind]}'
    return " ".join(str(error).split()).rstrip(".")


@app.default
def serve(options: Options = DEFAULTS) -> int:
    """Serve a Soroban network on this machine: JSON-RPC on /, friendbot on /friendbot.

    Ctrl-C or SIGTERM stops it. Exit codes: 0 it was stopped, 2 it could not start.
    """
    check(options)
    # what takes long to import is imported when the options are known to be right
    from soroban_localnet.serve.started import Started  # noqa: PLC0415

    with ExitStack() as stack:
        started = Started.start(stack, options)
        stopped = _stop_by_signal()
        gc.freeze()
        gc.enable()
        started.warn()
        started.show()
        while not stopped.wait(1):  # a wait without an end cannot be interrupted on Windows
            pass
    return STOPPED


def _stop_by_signal() -> threading.Event:
    """Let the first signal end the serving, and a second one the process at once."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        if stopped.is_set():
            os._exit(STOPPED)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped
