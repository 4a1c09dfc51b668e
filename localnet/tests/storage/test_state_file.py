"""The state file: what a network answered is there after its process is gone, however it went."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localnet.tests.support.clock import START
from localnet.tests.support.contract import CODE_KEY, Contract, Kind, account_key, deploy, upload
from localnet.tests.support.paying_process import PAYEE, PAYER
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import Asset, Keypair, Payment, scval, xdr
from stellar_sdk.exceptions import SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import GetTransactionStatus

from soroban_localnet import FileError, FileInUse, FileMismatch, LocalNetwork, UnknownSnapshot
from soroban_localnet.ledger.settings import load

STARTING = 10_000 * 10**7


def observe(network: LocalNetwork) -> list[Any]:
    """Return all that a network says of itself and holds."""
    first = network.history.oldest.sequence
    page = {"startLedger": first, "pagination": {"limit": 200}}
    answers = [
        network.dispatcher.call(method, params)
        for method, params in (
            ("getHealth", {}),
            ("getNetwork", {}),
            ("getLatestLedger", {}),
            ("getFeeStats", {}),
            ("getLedgers", page),
            ("getTransactions", page),
            ("getEvents", {**page, "filters": []}),
        )
    ]
    held = {k: (e.xdr, e.live_until, e.ttl_modified) for k, e in network.entries().items()}
    return [*answers, held, network.settings, network.node.time_offset]


# -- starting again --------------------------------------------------------------------------


def test_a_network_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with LocalNetwork("some network", start_time=START, state=path) as network:
        alice = Sender(network)
        alice.invoke(upload())
        contract = deploy(alice)
        alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 5))
        alice.invoke(contract.call("emit", scval.to_uint32(2), scval.to_uint32(10)))
        network.advance_time(1_000_000)
        network.remove_entry(CODE_KEY.to_xdr_bytes())
        alice.invoke(upload())
        before = observe(network)
    with LocalNetwork(state=path) as network:
        assert observe(network) == before
        alice.network, alice.server = network, network.server()
        sent = alice.invoke(contract.call("add", Kind.PERSISTENT, "n", 2))
        assert sent.code == Code.txSUCCESS
        check_chain(network)


def check_chain(network: LocalNetwork) -> None:
    """Check that each ledger's header is that of its hash and names the one before."""
    page = {"startLedger": network.history.oldest.sequence, "pagination": {"limit": 200}}
    previous = None
    for ledger in network.dispatcher.call("getLedgers", page)["ledgers"]:
        found = xdr.LedgerHeaderHistoryEntry.from_xdr(ledger["headerXdr"])
        assert found.hash.hash.hex() == ledger["hash"]
        if previous is not None:
            assert found.header.previous_ledger_hash.hash.hex() == previous
        previous = ledger["hash"]


STEPS = st.one_of(
    st.tuples(st.just("pay"), st.integers(1, 9)),
    st.tuples(st.just("add"), st.sampled_from(Kind)),
    st.tuples(st.just("remove"), st.sampled_from(Kind)),
    st.tuples(st.just("fail"), st.none()),
    st.tuples(st.just("close"), st.integers(1, 5)),
    st.tuples(st.just("ledgers"), st.integers(1, 30)),
    st.tuples(st.just("time"), st.integers(0, 1_000)),
    st.tuples(st.just("forget"), st.none()),
    st.tuples(st.just("mark"), st.none()),
    st.tuples(st.just("back"), st.integers(0, 3)),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=14), st.integers(3, 20))
def test_whatever_happened_is_there_again(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]], retention: int
) -> None:
    path = tmp_path_factory.mktemp("state") / "file"
    network = LocalNetwork(start_time=START, retention=retention, state=path)
    try:
        alice = Sender(network)
        alice.invoke(upload())
        contract = deploy(alice)
        marks: list[int] = []
        for name, argument in [*steps, ("restart", None)]:
            if name == "restart":
                before = observe(network)
                network.close()
                network = LocalNetwork(retention=retention, state=path)
                alice.network, alice.server = network, network.server()
                assert observe(network) == before
                marks.clear()
            else:
                take(name, argument, alice, contract, marks)
    finally:
        network.close()


def take(name: str, argument: Any, alice: Sender, contract: Contract, marks: list[int]) -> None:
    network = alice.network
    if name == "pay":
        alice.send(Payment(Keypair.random().public_key, Asset.native(), str(argument)))
    elif name == "add":
        alice.invoke(contract.call("add", argument, "n", 1))
    elif name == "remove":
        alice.invoke(contract.call("remove", argument, "n"))
    elif name == "fail":
        alice.send(Payment(Keypair.random().public_key, Asset.native(), "100000"))
    elif name == "close":
        network.close_ledgers(argument)
    elif name == "ledgers":
        network.advance_ledgers(argument)
    elif name == "time":
        network.advance_time(argument)
    elif name == "forget":
        network.remove_entry(contract.entry(Kind.PERSISTENT, "n").to_xdr_bytes())
    elif name == "mark":
        marks.append(network.snapshot())
    elif marks:
        index = argument % len(marks)
        network.revert(marks[index])
        del marks[index + 1 :]


def test_snapshots_are_of_the_process(tmp_path: Path) -> None:
    with LocalNetwork(state=tmp_path / "state") as network:
        mark = network.snapshot()
    with LocalNetwork(state=tmp_path / "state") as network, pytest.raises(UnknownSnapshot):
        network.revert(mark)


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    with LocalNetwork(start_time=START, state=tmp_path / "state") as network:
        alice, bob = Sender(network), Sender(network)
        written: list[int] = []
        connection = sqlite(network)
        before = connection.total_changes
        alice.send(Payment(bob.id, Asset.native(), "1"))
        written.append(connection.total_changes - before)
        assert written == [3]  # two accounts and a ledger


def sqlite(network: LocalNetwork) -> sqlite3.Connection:
    assert network.node.state is not None
    return network.node.state.database.connection


def test_the_file_forgets_what_the_network_forgets(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with LocalNetwork(retention=10, state=path) as network:
        network.close_ledgers(50)
        assert ledgers_in(network) == 10
    with LocalNetwork(retention=4, state=path) as network:
        assert network.history.oldest.sequence == network.latest_ledger - 3
        network.close_ledgers()
        assert ledgers_in(network) == 4


def ledgers_in(network: LocalNetwork) -> int:
    ((count,),) = sqlite(network).execute("SELECT count(*) FROM ledger")
    return int(count)


# -- files of others -------------------------------------------------------------------------


def test_a_file_is_used_by_one_network_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "state"
    script = "import sys; from soroban_localnet import *; from pathlib import Path\n"
    script += "try: LocalNetwork(state=Path(sys.argv[1]))\nexcept FileInUse as error: print(error)"
    with LocalNetwork(state=path) as network:
        with pytest.raises(FileInUse) as error:
            LocalNetwork(state=path)
        assert error.value.path == path
        command = [sys.executable, "-c", script, str(path)]
        said = subprocess.run(command, capture_output=True, check=True, text=True)
        assert said.stdout.startswith(f"{path}: is in use by another network")
        network.close_ledgers()
    LocalNetwork(state=path).close()


def a_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (a)")


def a_later_form(path: Path) -> None:
    LocalNetwork(state=path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text("# notes\n" * 100), "a file of another kind"),
        (a_database, "a file of another kind"),
        (a_later_form, "has format 99, this version of soroban-localnet reads format 1"),
    ],
    ids=["a text", "a database of another program", "a later form"],
)
def test_a_file_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, make: Any, reason: str
) -> None:
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    with pytest.raises(FileMismatch, match=reason) as error:
        LocalNetwork(state=path)
    assert error.value.path == path
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    LocalNetwork("one", state=path).close()
    with pytest.raises(FileMismatch, match='is of the network "one", not "two"'):
        LocalNetwork("two", state=path)
    with pytest.raises(FileMismatch, match="other settings"):
        LocalNetwork("one", state=path, settings=load(live_state_bytes=1))
    with LocalNetwork(state=path) as network:
        assert network.passphrase == "one"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "state"):
        with pytest.raises(FileError, match="unable to open database file") as error:
            LocalNetwork(state=path)
        assert error.value.path == path


def test_an_empty_file_becomes_a_state_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.touch()
    LocalNetwork("one", state=path).close()
    with LocalNetwork(state=path) as network:
        assert network.passphrase == "one"


def test_after_its_end_a_network_changes_nothing(tmp_path: Path) -> None:
    network = LocalNetwork(state=tmp_path / "state")
    network.close()
    before = observe(network)
    with pytest.raises(FileError, match="closed"):
        network.close_ledgers()
    with pytest.raises(FileError, match="closed"):
        network.advance_time(10)
    assert observe(network) == before


# -- what cannot be saved has not happened ---------------------------------------------------


def test_a_full_disk_applies_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with LocalNetwork(start_time=START, state=path) as network:
        alice = Sender(network)
        envelope = alice.prepare(upload())
        envelope.sign(alice.key)
        before = observe(network)
        ((pages,),) = sqlite(network).execute("PRAGMA page_count")
        sqlite(network).execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(SorobanRpcErrorResponse) as error:
            alice.submit(envelope)
        assert error.value.code == -32603
        assert error.value.message == f"{path}: database or disk is full (SQLITE_FULL)"
        assert observe(network) == before
        sqlite(network).execute(f"PRAGMA max_page_count = {pages + 100}")
        assert alice.submit(envelope).code == Code.txSUCCESS
        last = observe(network)
    with LocalNetwork(state=path) as network:
        assert observe(network) == last


CHANGES: dict[str, Callable[[Sender, int], object]] = {
    "pay": lambda alice, mark: alice.network.fund(Keypair.random().public_key),
    "close": lambda alice, mark: alice.network.close_ledgers(),
    "ledgers": lambda alice, mark: alice.network.advance_ledgers(10),
    "time": lambda alice, mark: alice.network.advance_time(10),
    "revert": lambda alice, mark: alice.network.revert(mark),
    "set": lambda alice, mark: alice.network.impersonate(alice.id),
    "remove": lambda alice, mark: alice.network.remove_entry(account_key(alice.id).to_xdr_bytes()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_the_file_refuses_changes_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "state"
    with LocalNetwork(start_time=START, state=path) as network:
        alice = Sender(network)
        mark = network.snapshot()
        Sender(network)
        before = observe(network)
        sqlite(network).set_authorizer(no_commit)
        with pytest.raises(FileError, match="not authorized"):
            CHANGES[name](alice, mark)
        assert observe(network) == before
        sqlite(network).set_authorizer(None)
        CHANGES[name](alice, mark)
        last = observe(network)
        assert last != before
    with LocalNetwork(state=path) as network:
        assert observe(network) == last


def no_commit(action: int, statement: str | None, *_: object) -> int:
    """Let SQLite do everything but end a transaction well."""
    refused = action == sqlite3.SQLITE_TRANSACTION and statement == "COMMIT"
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


# -- kills -----------------------------------------------------------------------------------


class PayingProcess:
    """A process that pays until it is killed: support/paying_process.py."""

    def __init__(self) -> None:
        script = Path(__file__).parents[1] / "support" / "paying_process.py"
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, path: Path, payments: int, *, kill_after: int | None = None, **task: int
    ) -> list[str]:
        """Let a child pay, and kill it after so many answers; return the hashes it was answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"path": str(path), "payments": payments, **task})
        print(line, file=self._process.stdin, flush=True)
        paid: list[str] = []
        self.refused = ""
        for said in self._process.stdout:
            word, _, rest = said.strip().partition(" ")
            if word == "pid":
                child = int(rest)
            elif word == "paid":
                paid.append(rest)
                if len(paid) == kill_after:
                    os.kill(child, signal.SIGKILL)
            elif word == "refused":
                self.refused = rest
            elif word == "ended":
                break
        return paid

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait() == 0
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def writer() -> Iterator[PayingProcess]:
    with closing(PayingProcess()) as running:
        yield running


def applied(path: Path, paid: list[str]) -> int:
    """Check that a file has the payments that were answered, exactly; return how many it has."""
    with LocalNetwork(start_time=START, state=path) as network:
        server = network.server()
        check_chain(network)
        for transaction_hash in paid:
            found = server.get_transaction(transaction_hash)
            assert found.status == GetTransactionStatus.SUCCESS
        payments = network.latest_ledger - 3
        if payments < 0:
            return payments
        sequence = server.load_account(PAYER.public_key).sequence
        assert sequence & 0xFFFFFFFF == payments
        total = payments * (payments + 1) // 2
        assert balance(network, PAYER) == STARTING - total - 100 * payments
        assert balance(network, PAYEE) == STARTING + total
        return payments


def balance(network: LocalNetwork, key: Keypair) -> int:
    found = network.entry(account_key(key.public_key).to_xdr_bytes())
    assert found is not None
    account = xdr.LedgerEntry.from_xdr_bytes(found[0]).data.account
    assert account is not None
    return account.balance.int64


def test_what_was_answered_survives_every_kill(tmp_path: Path, writer: PayingProcess) -> None:
    path = tmp_path / "state"
    paid: list[str] = []
    for kill_after in (1, 2, 1, 8, 1, 3):
        paid += writer.run(path, 1_000, kill_after=kill_after)
        assert applied(path, paid) in (len(paid), len(paid) + 1)


@pytest.mark.parametrize("part", range(2))
def test_a_kill_in_the_midst_of_writing_leaves_nothing_half(
    tmp_path: Path, writer: PayingProcess, part: int
) -> None:
    draw = random.Random(part)  # noqa: S311 - it chooses moments
    begun = set()
    for number in range(7):
        path = tmp_path / str(number)
        paid = writer.run(path, 10, die_at=draw.randrange(1, 1_300))
        assert len(paid) < 10
        there = applied(path, paid)
        begun.add(there >= 0)
        assert there in (len(paid), len(paid) + 1) if there >= 0 else not paid
        paid += writer.run(path, 2)
        assert applied(path, paid) == max(there, 0) + 2
    assert begun == {False, True}


def test_a_write_that_was_cut_off_leaves_what_was_before(
    tmp_path: Path, writer: PayingProcess
) -> None:
    path = tmp_path / "state"
    writer.run(path, 1_000, kill_after=10)
    log = Path(f"{path}-wal").read_bytes()
    there = []
    for cut in sorted(random.Random(1).sample(range(len(log)), 12)):  # noqa: S311 - as above
        copy = tmp_path / f"copy-{cut}"
        shutil.copy(path, copy)
        Path(f"{copy}-wal").write_bytes(log[:cut])
        there.append(applied(copy, []))
    assert there == sorted(there)
    assert len(set(there)) > 3


def test_a_file_that_may_not_grow_keeps_what_was_answered(
    tmp_path: Path, writer: PayingProcess
) -> None:
    path = tmp_path / "state"
    paid = writer.run(path, 1_000, file_bytes=200_000)
    assert paid
    assert writer.refused == f"{path}: disk I/O error (SQLITE_IOERR_WRITE)"
    assert applied(path, paid) == len(paid)
