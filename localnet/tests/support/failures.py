"""Transactions that come to nothing: what they leave untouched, and the code that says why."""

from __future__ import annotations

import attrs
from localnet.tests.support.sender import Code, Sender, Sent
from stellar_sdk import Keypair, Operation

from soroban_localnet import xdr
from soroban_localnet.ledger.account import Account


def _entries(sender: Sender) -> dict[bytes, bytes]:
    return {key: entry.xdr for key, entry in sender.network.entries().items()}


def _account(sender: Sender) -> Account:
    (entry,) = sender.network.lookup(xdr.account_key(sender.key.raw_public_key()))
    assert entry is not None
    return entry.account


def failure(
    sender: Sender, *operations: Operation, signers: tuple[Keypair, ...] | None = None
) -> str:
    """Send what fails in a ledger: it costs the fee and the sequence number, nothing else.

    Returns the code of the first operation that failed.
    """
    entries, account = _entries(sender), _account(sender)
    sent = sender.send(*operations, signers=signers)
    assert sent.code == Code.txFAILED
    assert not sent.refused
    assert sent.meta is not None
    assert sent.meta.operations == []
    after, left = _entries(sender), _account(sender)
    assert {k for k in entries | after if entries.get(k) != after.get(k)} == {
        b"\0" * 8 + account.public_key
    }
    assert left == attrs.evolve(
        account,
        balance=account.balance - sent.fee_charged,
        sequence=account.sequence + 1,
        sequence_ledger=left.sequence_ledger,
        sequence_time=left.sequence_time,
        extensions=3,
    )
    return _first_failure(sent)


def refusal(
    sender: Sender, *operations: Operation, signers: tuple[Keypair, ...] | None = None
) -> str:
    """Send what may not enter a ledger: it changes nothing. Returns the operation's code."""
    before = _entries(sender), sender.network.latest_ledger
    sent = sender.send(*operations, signers=signers)
    assert sent.refused
    assert (_entries(sender), sender.network.latest_ledger) == before
    return _first_failure(sent) if sent.code == Code.txFAILED else sent.code.name


def _first_failure(sent: Sent) -> str:
    return next(code for code in sent.outcomes if not code.endswith("_SUCCESS"))
