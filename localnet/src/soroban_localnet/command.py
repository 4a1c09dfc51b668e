"""soroban-localnet: serve a network over HTTP until somebody stops it.

What takes long to import is imported when the options are known to be right.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from importlib.metadata import version
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import attrs
from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soroban_localnet.__main__ import COULD_NOT_START, STOPPED
from soroban_localnet.errors import LocalnetError

if TYPE_CHECKING:
    from soroban_localnet.accounts import DevelopmentAccounts
    from soroban_localnet.http import Endpoint
    from soroban_localnet.network import LocalNetwork

PORT = 8000
ACCOUNTS = 10
SEED = "soroban-localnet"
LOOPBACK = "127.0.0.1"
LONGEST_CLOSE_TIME = 86_400

_NETWORK = Group("The network", sort_key=1)
_ACCOUNTS = Group("Development accounts", sort_key=2)
_DOOR = Group("Who comes in", sort_key=3)
_SCREEN = Group("What is printed", sort_key=4)

app = App(
    name="soroban-localnet",
    version=lambda: version("soroban-localnet"),
    result_action="return_value",
    group_parameters=_SCREEN,
)


class CannotStart(Exception):
    """The network cannot be served as it was asked for.

    Arguments: `cause` and `remedy`, together one line.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")


def run() -> int:
    """Run the command line and return the exit code of the process."""
    try:
        code = app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        problem = f"{' '.join(str(error).split())} --help lists the options."
    except (CannotStart, LocalnetError) as error:
        problem = " ".join(str(error).split())
    else:
        return code if isinstance(code, int) else STOPPED
    print(f"soroban-localnet: {problem}", file=sys.stderr)
    return COULD_NOT_START


@app.default
def serve(
    *,
    close_time: Annotated[float | None, Parameter(group=_NETWORK)] = None,
    state: Annotated[Path | None, Parameter(group=_NETWORK)] = None,
    fork: Annotated[
        str | None, Parameter(group=_NETWORK, env_var="SOROBAN_LOCALNET_FORK")
    ] = None,
    fork_cache: Annotated[Path | None, Parameter(group=_NETWORK)] = None,
    passphrase: Annotated[str | None, Parameter(group=_NETWORK)] = None,
    settings: Annotated[Path | None, Parameter(group=_NETWORK)] = None,
    accounts: Annotated[
        int, Parameter(group=_ACCOUNTS, validator=Number(gte=0, lte=1000))
    ] = ACCOUNTS,
    seed: Annotated[str, Parameter(group=_ACCOUNTS)] = SEED,
    port: Annotated[int, Parameter(group=_DOOR, validator=Number(gte=0, lte=65535))] = PORT,
    host: Annotated[str, Parameter(group=_DOOR)] = LOOPBACK,
    cors: Annotated[list[str] | None, Parameter(group=_DOOR, negative="")] = None,
    control: Annotated[bool, Parameter(group=_DOOR, negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Serve a Soroban network on this machine: JSON-RPC on /, friendbot on /friendbot.

    Ctrl-C or SIGTERM stops it. Exit codes: 0 it was stopped, 2 it could not start.

    Parameters
    ----------
    close_time
        Seconds from one ledger to the next; without it, a transaction gets one at once.
    state
        Keep the network in this file, and go on with what is in it.
    fork
        Go on from the network of this Stellar RPC: entries are read from there when they are
        needed, and nothing is written there.
    fork_cache
        Keep in this file what a fork has read; alone, it is a fork without a connection.
    passphrase
        The network's passphrase; without it, that of standalone networks.
    settings
        Limits and fees, a file in stellar-core's JSON form; without it, the testnet's.
    accounts
        How many accounts there are with 10,000 XLM.
    seed
        Any text; another one makes other accounts.
    port
        Where to listen; 0 takes a free port.
    host
        The address to listen on; one that is not this machine's own lets other machines in.
    cors
        Let pages of this origin in, such as http://localhost:3000, or * for all; again for more.
    control
        Serve the localnet_ methods too, which move time and change entries.
    json
        Print one line of JSON instead.
    quiet
        Print the URL alone.
    """
    options = _Options(close_time, passphrase, fork, fork_cache, settings, host, tuple(cors or ()))
    options.check()
    if json and quiet:
        raise CannotStart("--json and --quiet exclude each other", "give one of them")
    with ExitStack() as stack:
        network, remarks = _network(stack, options, state)
        development = _development(network, seed, accounts)
        endpoint = _serve(stack, network, options, port, control)
        stopped = _stop_by_signal()
        gc.freeze()
        gc.enable()
        _warn(options, remarks)
        started = _Started(network, endpoint, development, options, state, control)
        started.show(as_json=json, quiet=quiet)
        while not stopped.wait(1):  # a wait without an end would not be interrupted on Windows
            pass
    return STOPPED
