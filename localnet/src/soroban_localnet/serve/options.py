"""The options of the command, and the checks between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import attrs
from cyclopts import Group, Parameter
from cyclopts.validators import Number

from soroban_localnet.errors import LocalnetError

LONGEST_CLOSE_TIME = 86_400
MOST_ACCOUNTS = 1000
_NETWORK = Group("The network", sort_key=1)
_ACCOUNTS = Group("Development accounts", sort_key=2)
_CONNECTIONS = Group("Connections", sort_key=3)
OUTPUT = Group("Output", sort_key=4)


class CannotStart(LocalnetError):
    """The network cannot be served as it was asked for.

    Arguments: `cause` and `remedy`, together one line.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Options:
    """The options of the command."""

    close_time: Annotated[
        float | None,
        Parameter(
            group=_NETWORK,
            validator=Number(gt=0, lte=LONGEST_CLOSE_TIME),
            help="Seconds from one ledger to the next. Default: close a ledger for each "
            "transaction at once.",
        ),
    ] = None
    state: Annotated[
        Path | None,
        Parameter(
            group=_NETWORK, help="Keep the network in this file, and continue from it if it exists."
        ),
    ] = None
    fork: Annotated[
        str | None,
        Parameter(
            group=_NETWORK,
            env_var="SOROBAN_LOCALNET_FORK",
            help="Start from the network of this Stellar RPC. Entries are read from there when "
            "they are needed; nothing is written there.",
        ),
    ] = None
    fork_cache: Annotated[
        Path | None,
        Parameter(
            group=_NETWORK,
            help="Keep in this file what a fork reads. Without --fork, use only this file.",
        ),
    ] = None
    passphrase: Annotated[
        str | None,
        Parameter(
            group=_NETWORK,
            help="The network's passphrase. Default: that of standalone networks.",
        ),
    ] = None
    settings: Annotated[
        Path | None,
        Parameter(
            group=_NETWORK,
            help="Limits and fees: a file in stellar-core's JSON form. Default: the testnet's.",
        ),
    ] = None
    accounts: Annotated[
        int,
        Parameter(
            group=_ACCOUNTS,
            validator=Number(gte=0, lte=MOST_ACCOUNTS),
            help="Number of accounts, with 10,000 XLM each.",
        ),
    ] = 10
    seed: Annotated[
        str, Parameter(group=_ACCOUNTS, help="Any text; the same text gives the same accounts.")
    ] = "soroban-localnet"
    port: Annotated[
        int,
        Parameter(
            group=_CONNECTIONS,
            validator=Number(gte=0, lte=65535),
            help="The port to listen on; 0 takes a free port.",
        ),
    ] = 8000
    host: Annotated[
        str,
        Parameter(
            group=_CONNECTIONS,
            help="The address to listen on. With any but a loopback address, other machines "
            "can connect.",
        ),
    ] = "127.0.0.1"
    cors: Annotated[
        tuple[str, ...],
        Parameter(
            group=_CONNECTIONS,
            negative="",
            show_default=False,
            help="Allow web pages of this origin, such as http://localhost:3000, or * for all. "
            "May be repeated.",
        ),
    ] = ()
    control: Annotated[
        bool,
        Parameter(
            group=_CONNECTIONS,
            negative="",
            show_default=False,
            help="Also serve the localnet_ methods, which move time and change entries.",
        ),
    ] = False
    json: Annotated[
        bool,
        Parameter(group=OUTPUT, negative="", show_default=False, help="Print one line of JSON."),
    ] = False
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative="", show_default=False, help="Print only the URL.")
    ] = False


DEFAULTS = Options()


def check(options: Options) -> None:
    """Reject wrong origins, and options that exclude each other. Raises CannotStart."""
    if options.json and options.quiet:
        raise CannotStart("--json and --quiet exclude each other", "give one of them")
    for origin in options.cors:
        parts = urlsplit(origin)
        if origin not in ("*", f"{parts.scheme}://{parts.netloc}"):
            raise CannotStart(
                f"--cors {origin} is not an origin",
                "give scheme, host and port, such as http://localhost:3000, or * for all",
            )
    if options.fork is None and options.fork_cache is None:
        return
    for name, value in (("passphrase", options.passphrase), ("settings", options.settings)):
        if value is not None:
            raise CannotStart(f"a fork has the {name} of its network", f"drop --{name}")
