"""A fork whose remote begins anew, lags behind, or has dropped the ledger that was forked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from localnet.tests.support.fork_transport import URL, RemoteTransport, at, fork_of
from localnet.tests.support.sender import Sender
from stellar_sdk import xdr

from soroban_localnet import Fork, LocalNetwork, RemoteBeganAnew, RemoteFailed


def key_of(sender: Sender) -> bytes:
    account = xdr.LedgerKeyAccount(sender.key.xdr_account_id())
    return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=account).to_xdr_bytes()


def entry_of(fork: Fork, sender: Sender) -> bytes:
    found = fork.get(key_of(sender))
    assert found is not None
    return found.xdr


class Remote:
    """A network, and a fork of it whose cache has one account; it can be started again."""

    def __init__(self, folder: Path, retention: int = 120_960) -> None:
        self.network = LocalNetwork(retention=retention)
        self.alice, self.bob = Sender(self.network), Sender(self.network)
        self.network.close_ledgers(10)
        self.network.advance_time(5)
        self.cache = folder / "cache"
        self.transport = RemoteTransport(self.network)
        with self.fork() as fork:
            self.kept = entry_of(fork, self.alice)

    def fork(self) -> Fork:
        return Fork.connect(URL, client=self.transport, cache=self.cache)

    def start_again(self, ledgers: int) -> None:
        """Begin anew, later, with so many ledgers."""
        again = LocalNetwork()
        again.advance_time(60)
        again.close_ledgers(max(ledgers - again.latest_ledger, 0))
        self.transport = RemoteTransport(again)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


@pytest.mark.parametrize("ledgers", [3, 500], ids=["fewer ledgers", "more ledgers"])
def test_a_cache_from_before_the_remote_began_anew_is_refused_and_stays_as_it_is(
    remote: Remote, ledgers: int
) -> None:
    forked = remote.network.latest_ledger
    remote.start_again(ledgers)
    with pytest.raises(RemoteBeganAnew, match="its network began anew") as refused:
        remote.fork()
    assert refused.value.ledger == forked
    with Fork.connect(None, cache=remote.cache) as fork:
        assert entry_of(fork, remote.alice) == remote.kept


def test_a_remote_that_began_anew_while_it_was_away_is_not_read_from(remote: Remote) -> None:
    remote.start_again(500)

    def away(method: str, answer: dict[str, Any]) -> None:
        raise ConnectionError

    remote.transport.alter = away
    with remote.fork() as fork:
        assert entry_of(fork, remote.alice) == remote.kept
        remote.transport.alter = None
        with pytest.raises(RemoteBeganAnew):
            fork.get(key_of(remote.bob))


def test_a_remote_that_begins_anew_under_a_running_fork_is_not_read_from(remote: Remote) -> None:
    forked = fork_of(remote.transport)
    assert at(remote.alice, forked).entry() == remote.alice.entry()
    remote.start_again(3)
    again = remote.transport
    transport = RemoteTransport(remote.network)
    forked = fork_of(transport)
    transport._client = again._client
    with pytest.raises(RemoteBeganAnew):
        forked.lookup(key_of(remote.bob))


def _older(remote: Remote) -> Callable[[str, dict[str, Any]], None]:
    """Answer as a node that has not come to the ledger that was forked."""
    lower = remote.network.latest_ledger - 5

    def alter(method: str, answer: dict[str, Any]) -> None:
        if method == "getLatestLedger":
            answer["result"] |= {"sequence": lower, "closeTime": "1"}

    return alter


def test_a_remote_that_lags_behind_is_no_new_network(remote: Remote) -> None:
    remote.transport.alter = _older(remote)
    with remote.fork() as fork:
        assert "does not answer" in " ".join(fork.remarks)
        with pytest.raises(RemoteFailed, match="it is behind, at ledger"):
            fork.get(key_of(remote.bob))
        remote.transport.alter = None
        assert fork.get(key_of(remote.bob)) is not None


def test_a_remote_that_has_dropped_the_forked_ledger_is_the_same_network(tmp_path: Path) -> None:
    remote = Remote(tmp_path, retention=20)
    for later in (0, 100):
        remote.network.advance_time(later)
        remote.network.close_ledgers(50)
        with remote.fork() as fork:
            assert fork.get(key_of(remote.bob)) is not None


def test_a_remote_that_began_anew_in_the_past_shows_by_its_oldest_ledger(tmp_path: Path) -> None:
    """Its number is past the forked one's, and all that it has is from before that."""
    remote = Remote(tmp_path)
    again = LocalNetwork(retention=5, start_time=remote.network.now - 1_000)
    again.close_ledgers(500)
    remote.transport = RemoteTransport(again)
    with pytest.raises(RemoteBeganAnew):
        remote.fork()
