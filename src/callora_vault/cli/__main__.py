"""Entry of the command line."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from callora_vault.cli.exit_codes import COULD_NOT_RUN, DONE, INTERRUPTED, PIPE_CLOSED

TRACEBACK = "CALLORA_VAULT_TRACEBACK"


def main() -> NoReturn:
    """Run the command line and end the process with the exit code of the command."""
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        code = _run()
    except KeyboardInterrupt:
        code = _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # nobody reads the output any more; the interpreter must not write to it when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except SystemExit:  # raised by rich for a closed pipe
        code = PIPE_CLOSED
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        # some libraries turn an interrupt into another error
        code = _fail("interrupted", INTERRUPTED) if interrupted else _fault(error)
    raise SystemExit(code)


class _Said(logging.Handler):
    """What the client has to say besides its results: a line each, as errors are."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        print(f"callora-vault: {record.getMessage()}", file=sys.stderr)


def _run() -> int:
    # imported here, where Ctrl-C is handled: these imports take most of the start-up time
    from cyclopts import CycloptsError  # noqa: PLC0415
    from platformdirs import user_cache_path  # noqa: PLC0415

    # by default Hypothesis creates a folder in the current directory
    os.environ.setdefault(
        "HYPOTHESIS_STORAGE_DIRECTORY", str(user_cache_path("callora-vault") / "hypothesis")
    )
    from callora_vault.cli.app import EXPECTED, app  # noqa: PLC0415
    from callora_vault.cli.usage import explain  # noqa: PLC0415

    said = _Said(logging.WARNING)
    logging.getLogger("callora_vault").addHandler(said)
    try:
        code = app(sys.argv[1:], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _fail(explain(error), COULD_NOT_RUN)
    except EXPECTED as error:
        return _fail(str(error), error.exit_code)
    finally:
        logging.getLogger("callora_vault").removeHandler(said)
    return code if isinstance(code, int) else DONE


def _fault(error: Exception) -> int:
    return _fail(
        f"a fault of this program ({type(error).__name__}: {error}); "
        f"please report it with the output of the same command with {TRACEBACK}=1",
        COULD_NOT_RUN,
    )


def _fail(message: str, code: int) -> int:
    print(f"callora-vault: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
