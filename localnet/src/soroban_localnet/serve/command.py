"""soroban-localnet: serve a network over HTTP until somebody stops it.

What takes long to import is imported when the options are known to be right.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
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
    from soroban_localnet.network import LocalNetwork
    from soroban_localnet.serve.development_accounts import DevelopmentAccounts
    from soroban_localnet.serve.http import Endpoint
    from soroban_localnet.storage.fork import Fork

LONGEST_CLOSE_TIME = 86_400
MOST_ACCOUNTS = 1000

_NETWORK = Group("The network", sort_key=1)
_ACCOUNTS = Group("Development accounts", sort_key=2)
_DOOR = Group("Who comes in", sort_key=3)
_SCREEN = Group("What is printed", sort_key=4)

app = App(
    name="soroban-localnet",
    version=lambda: version("soroban-localnet"),
    result_action="return_value",
)


class CannotStart(Exception):
    """The network cannot be served as it was asked for.

    Arguments: `cause` and `remedy`, together one line.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code of the process."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        problem = f"{' '.join(str(error).split()).rstrip('.')}; --help lists the options"
    except (CannotStart, LocalnetError) as error:
        problem = " ".join(str(error).split())
    else:
        return code if isinstance(code, int) else STOPPED
    print(f"soroban-localnet: {problem}", file=sys.stderr)
    return COULD_NOT_START


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Options:
    """What the network is, who comes in, and what is printed."""

    close_time: Annotated[
        float | None,
        Parameter(
            group=_NETWORK,
            validator=Number(gt=0, lte=LONGEST_CLOSE_TIME),
            help="Seconds from one ledger to the next; without it, a transaction gets one at once.",
        ),
    ] = None
    state: Annotated[
        Path | None,
        Parameter(
            group=_NETWORK, help="Keep the network in this file, and go on with what is in it."
        ),
    ] = None
    fork: Annotated[
        str | None,
        Parameter(
            group=_NETWORK,
            env_var="SOROBAN_LOCALNET_FORK",
            help="Go on from the network of this Stellar RPC. Entries are read from there when "
            "they are needed; nothing is written there.",
        ),
    ] = None
    fork_cache: Annotated[
        Path | None,
        Parameter(
            group=_NETWORK,
            help="Keep in this file what a fork has read; without --fork, live on it alone.",
        ),
    ] = None
    passphrase: Annotated[
        str | None,
        Parameter(
            group=_NETWORK,
            help="The network's passphrase; without it, that of standalone networks.",
        ),
    ] = None
    settings: Annotated[
        Path | None,
        Parameter(
            group=_NETWORK,
            help="Limits and fees, a file in stellar-core's JSON form; without it, the testnet's.",
        ),
    ] = None
    accounts: Annotated[
        int,
        Parameter(
            group=_ACCOUNTS,
            validator=Number(gte=0, lte=MOST_ACCOUNTS),
            help="How many there are, with 10,000 XLM each.",
        ),
    ] = 10
    seed: Annotated[
        str, Parameter(group=_ACCOUNTS, help="Any text; another text makes other accounts.")
    ] = "soroban-localnet"
    port: Annotated[
        int,
        Parameter(
            group=_DOOR,
            validator=Number(gte=0, lte=65535),
            help="Where to listen; 0 takes a free port.",
        ),
    ] = 8000
    host: Annotated[
        str,
        Parameter(
            group=_DOOR,
            help="The address to listen on; any but this machine's own lets other machines in.",
        ),
    ] = "127.0.0.1"
    cors: Annotated[
        tuple[str, ...],
        Parameter(
            group=_DOOR,
            negative="",
            show_default=False,
            help="Let pages of this origin in, such as http://localhost:3000, or * for all. "
            "Give it again for more.",
        ),
    ] = ()
    control: Annotated[
        bool,
        Parameter(
            group=_DOOR,
            negative="",
            show_default=False,
            help="Serve the localnet_ methods too, which move time and change entries.",
        ),
    ] = False
    json: Annotated[
        bool,
        Parameter(group=_SCREEN, negative="", show_default=False, help="Print one line of JSON."),
    ] = False
    quiet: Annotated[
        bool, Parameter(group=_SCREEN, negative="", show_default=False, help="Print the URL alone.")
    ] = False


_DEFAULTS = Options()

for flag in ("--help", "--version"):
    app[flag].group = _SCREEN


@app.default
def serve(options: Options = _DEFAULTS) -> int:
    """Serve a Soroban network on this machine: JSON-RPC on /, friendbot on /friendbot.

    Ctrl-C or SIGTERM stops it. Exit codes: 0 it was stopped, 2 it could not start.
    """
    _check(options)
    with ExitStack() as stack:
        fork = _fork(stack, options)
        network = _network(stack, options, fork)
        development = _development(options, network)
        endpoint = _serve(stack, options, network)
        stopped = _stop_by_signal()
        gc.freeze()
        gc.enable()
        _warn(options, fork)
        _Started(options, network, fork, development, endpoint).show()
        while not stopped.wait(1):  # a wait without an end cannot be interrupted on Windows
            pass
    return STOPPED


def _check(options: Options) -> None:
    """Refuse origins that are none, and options that exclude each other. Raises CannotStart."""
    if options.json and options.quiet:
        raise CannotStart("--json and --quiet exclude each other", "give one of them")
    for origin in options.cors:
        parts = urlsplit(origin)
        if origin not in ("*", f"{parts.scheme}://{parts.netloc}"):
            raise CannotStart(
                f"--cors {origin} is no origin",
                "give scheme, host and port, such as http://localhost:3000, or * for all",
            )
    if options.fork is None and options.fork_cache is None:
        return
    for name, value in (("passphrase", options.passphrase), ("settings", options.settings)):
        if value is not None:
            raise CannotStart(f"a fork has the {name} of its network", f"drop --{name}")


# -- what is started ---------------------------------------------------------------------------


def _fork(stack: ExitStack, options: Options) -> Fork | None:
    if options.fork is None and options.fork_cache is None:
        return None
    from soroban_localnet.storage.fork import Fork  # noqa: PLC0415

    return stack.enter_context(Fork.connect(options.fork, cache=options.fork_cache))


def _network(stack: ExitStack, options: Options, fork: Fork | None) -> LocalNetwork:
    from soroban_localnet.ledger import settings  # noqa: PLC0415
    from soroban_localnet.network import LocalNetwork  # noqa: PLC0415

    network = LocalNetwork(
        options.passphrase,
        settings=None if options.settings is None else settings.load(options.settings),
        close_time=options.close_time,
        state=options.state,
        fork=fork,
    )
    return stack.enter_context(network)


def _development(options: Options, network: LocalNetwork) -> DevelopmentAccounts:
    from soroban_localnet.serve.development_accounts import DevelopmentAccounts  # noqa: PLC0415

    development = DevelopmentAccounts.derive(options.seed, options.accounts)
    development.fund(network)
    return development


def _serve(stack: ExitStack, options: Options, network: LocalNetwork) -> Endpoint:
    from soroban_localnet.serve.http import serve_http  # noqa: PLC0415

    door = serve_http(
        network, options.port, host=options.host, control=options.control, cors=options.cors
    )
    try:
        return stack.enter_context(door)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotStart(
            f"cannot listen on port {options.port} of {options.host} ({reason})",
            "--port 0 takes a free port, --host names an address of this machine",
        ) from error


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


# -- what is printed ---------------------------------------------------------------------------


def _warn(options: Options, fork: Fork | None) -> None:
    from soroban_localnet.serve.browser_guard import is_loopback  # noqa: PLC0415

    lines = []
    if not is_loopback(options.host):
        lines.append(
            f"whoever reaches {options.host} can use this network and the accounts below: "
            "--host 127.0.0.1 keeps it to this machine"
        )
    if fork is not None:
        from soroban_localnet.storage.fork import REAL_KEYS_WARNING  # noqa: PLC0415

        lines += [*fork.remarks, REAL_KEYS_WARNING]
    console = Console(stderr=True, highlight=False)
    for line in lines:
        console.print(Text(line, "yellow"), soft_wrap=True)


@attrs.frozen
class _Started:
    """What somebody wants to know of a network that has just been started."""

    options: Options
    network: LocalNetwork
    fork: Fork | None
    development: DevelopmentAccounts
    endpoint: Endpoint

    def show(self) -> None:
        """Print it; a reader that has gone away is no reason to stop."""
        console = Console(highlight=False)
        with suppress(SystemExit):  # rich's answer to a pipe that nobody reads any more
            if self.options.json:
                console.out(dumps(self._document()))
            elif self.options.quiet:
                console.out(self.endpoint.url)
            else:
                self._print(console)

    def _document(self) -> dict[str, object]:
        return {
            "url": self.endpoint.url,
            "friendbotUrl": self.endpoint.friendbot_url,
            "passphrase": self.network.passphrase,
            "protocolVersion": self.network.protocol_version,
            "latestLedger": self.network.latest_ledger,
            "control": self.options.control,
            "recoveryPhrase": self.development.phrase,
            "accounts": [
                {"address": key.public_key, "secret": key.secret} for key in self.development.keys
            ],
        }

    def _print(self, console: Console) -> None:
        if self.development.keys:
            self._print_accounts(console)
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim")
        facts.add_column(overflow="fold")
        for name, value in self._facts():
            facts.add_row(name, Text(value))
        console.print(facts)
        console.print(Text("Ctrl-C stops it.", "dim"))

    def _facts(self) -> Iterator[tuple[str, str]]:
        options, network, fork = self.options, self.network, self.fork
        yield "RPC", self.endpoint.url
        yield "friendbot", f"{self.endpoint.friendbot_url}?addr=G..."
        yield "passphrase", network.passphrase
        yield "protocol", str(network.protocol_version)
        if fork is not None:
            yield "fork of", f"{fork.name}, from ledger {fork.first_ledger().sequence}"
        else:
            yield "settings", self._settings()
        pace = "at once" if options.close_time is None else f"every {options.close_time:g} seconds"
        yield "ledgers", f"{pace}, the latest is {network.latest_ledger}"
        if options.state is None:
            yield "state", "in memory, gone when it stops"
        else:
            yield "state", str(options.state)
        if options.control:
            yield "control", "localnet_ methods are served"

    def _settings(self) -> str:
        from soroban_localnet.ledger import settings  # noqa: PLC0415

        if self.options.settings is not None:
            return str(self.options.settings)
        shipped = dict(self.network.settings.entries) == dict(settings.load().entries)
        return "the testnet's limits and fees" if shipped else "those of the state file"

    def _print_accounts(self, console: Console) -> None:
        console.print(
            "Accounts with 10,000 XLM each, to develop with. Everybody can make these keys: use "
            "them on this network and nowhere else."
        )
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
        table.add_column("account", justify="right", style="dim")
        table.add_column("public key, and the secret key under it", overflow="fold")
        for number, key in enumerate(self.development.keys):
            table.add_row(str(number), Text(key.public_key, "bold"))
            table.add_row("", Text(key.secret))
        console.print(table)
        console.print("A wallet makes them from this phrase:")
        console.print(Text(f"{self.development.phrase}\n", "bold"), soft_wrap=True)
