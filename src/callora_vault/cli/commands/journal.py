"""callora-vault journal: what was sent, what became of it, and the lives of a network."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from callora_vault.cli.exit_codes import COULD_NOT_RUN, DONE
from callora_vault.cli.options import JournalOptions, Json, SigningOptions
from callora_vault.cli.views.journal import show_all, show_begun, show_entry, show_forgotten
from callora_vault.client import Journal, JournalEntry
from callora_vault.client.entries import State
from callora_vault.model.units import BadValue

app = App(
    name="journal", help="List, show and forget what was sent; begin a new life of a network."
)
_JOURNAL = JournalOptions()
_SIGNING = SigningOptions()


@app.command(name="list")
def list_entries(
    *,
    state: Annotated[tuple[State, ...], Parameter(negative=())] = (),
    options: JournalOptions = _JOURNAL,
    json: Json = False,
) -> int:
    """List the transactions of every life of a network, or of all networks.

    Parameters
    ----------
    state
        Only those of this state: open, applied, failed, unknown, ...; may be repeated.
    """
    passphrase = options.passphrase()
    with options.noted() as journal:
        found = [
            (life, journal.listed(life.network, *(state or State), life=life))
            for life in journal.lives(passphrase)
        ]
    show_all(found, json)
    return DONE


@app.command
def show(name: str, /, *, options: JournalOptions = _JOURNAL, json: Json = False) -> int:
    """Show all that is noted of a transaction.

    Parameters
    ----------
    name
        Its hash, or the request key; several transactions may have had one key.
    """
    with options.noted() as journal:
        found = _named(journal, name, options)
        lives = {life.id: life for life in journal.lives()}
    if not found:
        raise BadValue("name", f"the journal has no transaction with the hash or key {name!r}")
    show_entry([(lives[entry.life], entry) for entry in found], json)
    return DONE


@app.command
def forget(name: str, /, *, options: JournalOptions = _JOURNAL, json: Json = False) -> int:
    """Forget a transaction, whose request key and request ids are free then.

    An open one is never forgotten: it may be applied still. One that is applied can be repeated
    after this, and is applied once more. Exit codes: 0 forgotten, 2 nothing was.

    Parameters
    ----------
    name
        Its hash, or the request key of a single transaction.
    """
    with options.noted() as journal:
        found = _named(journal, name, options)
        if len(found) != 1:
            how = "no transaction" if not found else f"{len(found)} transactions, give a hash:"
            hashes = ", ".join(entry.hash for entry in found)
            raise BadValue("name", f"the journal has {how} {hashes or f'with the name {name!r}'}")
        (entry,) = found
        journal.drop(entry)
    show_forgotten(entry, json)
    return DONE


@app.command
def new_life(*, options: SigningOptions = _SIGNING, json: Json = False) -> int:
    """Say that a network began anew, where no RPC can tell; earlier requests are kept apart.

    Their keys and request ids are free on the network from now on: what is repeated is applied
    again. What is open is never sent any more. Needs no key.
    """
    network = options.connect()
    with options.noted() as journal:
        life = journal.life(network.passphrase)
        entries = journal.listed(network.passphrase, *State)
        options.confirm_words(
            network, f"begin a new life: {len(entries)} transactions are kept apart, and free"
        )
        begun = journal.end_life(life, "by hand")
    if begun.id == life.id:
        return COULD_NOT_RUN
    show_begun(life, begun, entries, json)
    return DONE


def _named(journal: Journal, name: str, options: JournalOptions) -> list[JournalEntry]:
    passphrase = options.passphrase()
    return [e for e in journal.named(name) if passphrase in (None, e.network)]
