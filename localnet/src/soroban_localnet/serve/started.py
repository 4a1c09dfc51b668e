"""A network that the command started, and what the command prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from json import dumps
from typing import Self

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soroban_localnet.ledger import settings
from soroban_localnet.network import LocalNetwork
from soroban_localnet.serve.browser_guard import is_loopback
from soroban_localnet.serve.development_accounts import DevelopmentAccounts
from soroban_localnet.serve.http import Endpoint, serve_http
from soroban_localnet.serve.options import CannotStart, Options
from soroban_localnet.storage.fork import REAL_KEYS_WARNING, Fork


@attrs.frozen
class Started:
    """A network that was just started."""

    options: Options
    network: LocalNetwork
    fork: Fork | None
    development: DevelopmentAccounts
    endpoint: Endpoint

    @classmethod
    def start(cls, stack: ExitStack, options: Options) -> Self:
        """Start what the options ask for; it ends with the stack. Raises LocalnetError."""
        fork = None
        if options.fork is not None or options.fork_cache is not None:
            fork = stack.enter_context(Fork.connect(options.fork, cache=options.fork_cache))
        network = LocalNetwork(
            options.passphrase,
            settings=None if options.settings is None else settings.load(options.settings),
            ledger_interval=options.close_time,
            state=options.state,
            fork=fork,
        )
        stack.enter_context(network)
        development = DevelopmentAccounts.derive(options.seed, options.accounts)
        development.fund(network)
        return cls(options, network, fork, development, _serve(stack, options, network))

    def warn(self) -> None:
        """Print warnings to the error output."""
        lines = []
        if not is_loopback(self.options.host):
            lines.append(
                f"anyone who can reach {self.options.host} can use this network and its accounts: "
                "--host 127.0.0.1 keeps it to this machine"
            )
        if self.fork is not None:
            lines += [*self.fork.remarks, REAL_KEYS_WARNING]
        console = Console(stderr=True, highlight=False)
        for line in lines:
            console.print(Text(line, "yellow"), soft_wrap=True)

    def show(self) -> None:
        """Print the URLs, accounts and facts; the command goes on if nobody reads them."""
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
        interval = (
            "at once" if options.close_time is None else f"every {options.close_time:g} seconds"
        )
        yield "ledgers", f"{interval}, the latest is {network.latest_ledger}"
        if options.state is None:
            yield "state", "in memory, lost when it stops"
        else:
            yield "state", str(options.state)
        if options.control:
            yield "control", "localnet_ methods are served"

    def _settings(self) -> str:
        if self.options.settings is not None:
            return str(self.options.settings)
        shipped = dict(self.network.settings.entries) == dict(settings.load().entries)
        return "the testnet's limits and fees" if shipped else "those of the state file"

    def _print_accounts(self, console: Console) -> None:
        console.print(
            "Development accounts with 10,000 XLM each. Anyone can derive these keys: use them on "
            "this network and nowhere else."
        )
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
        table.add_column("account", justify="right", style="dim")
        table.add_column("public key, and the secret key below it", overflow="fold")
        for number, key in enumerate(self.development.keys):
            table.add_row(str(number), Text(key.public_key, "bold"))
            table.add_row("", Text(key.secret))
        console.print(table)
        console.print("A wallet derives them from this phrase:")
        console.print(Text(f"{self.development.phrase}\n", "bold"), soft_wrap=True)


def _serve(stack: ExitStack, options: Options, network: LocalNetwork) -> Endpoint:
    serving = serve_http(
        network, options.port, host=options.host, control=options.control, cors=options.cors
    )
    try:
        return stack.enter_context(serving)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotStart(
            f"cannot listen on port {options.port} of {options.host} ({reason})",
            "--port 0 takes a free port, --host names an address of this machine",
        ) from error
