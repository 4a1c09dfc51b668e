"""A fork whose remote fails, lies, is of a newer protocol, or is not there; and its cache file."""

from __future__ import annotations

import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from localnet.tests.support.contract import (
    CODE,
    CODE_KEY,
    Contract,
    Kind,
    account_key,
    code_key,
    counter,
    create,
    upload,
)
from localnet.tests.support.fork_transport import URL, RemoteTransport, at, fork_of
from localnet.tests.support.sender import Code, Sender
from stellar_sdk import Asset, Keypair, Payment, scval, xdr
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import SorobanRpcErrorResponse

from soroban_localnet import (
    FileMismatch,
    Fork,
    ForkError,
    LocalNetwork,
    NeedsNewerProtocol,
    RemoteFailed,
    RemoteMismatch,
)
from soroban_localnet.ledger.account import Account
from soroban_localnet.ledger.settings import load

SECRET = "a-key-of-mine"
PERSISTENT = Kind.PERSISTENT

# -- a remote that fails ---------------------------------------------------------------------


def status(code: int) -> Callable[..., Response]:
    return lambda method, answer: Response(code, "busy", {"Retry-After": "3600"}, URL)


def text(content: str) -> Callable[..., Response]:
    return lambda method, answer: Response(200, content, {}, URL)


def raising(method: str, answer: dict[str, Any]) -> None:
    raise ConnectionError(f"https://rpc.example/v1/{SECRET} is down")


def problem(method: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "core\nis away"}}


def entries_of(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[..., dict[str, Any]]:
    """Change the entries of an answer, or put others in their place."""

    def altered(method: str, answer: dict[str, Any]) -> dict[str, Any]:
        if method == "getLedgerEntries":
            held = answer["result"]["entries"]
            answer["result"]["entries"] = change(held) or held
        return answer

    return altered


def set_all(**values: Any) -> Callable[..., dict[str, Any]]:
    return entries_of(lambda held: [{**item, **values} for item in held])


def without_lives(held: list[dict[str, Any]]) -> None:
    for item in held:
        item.pop("liveUntilLedgerSeq", None)


SOMEBODY = b64encode(account_key(Keypair.random().public_key).to_xdr_bytes()).decode()

THEIRS = b64encode(Account(bytes(32), 1, 1).encode(1)[4:-4]).decode()

FAILURES: dict[str, tuple[Any, str]] = {
    "429": (status(429), "HTTP status 429"),
    "503": (status(503), "HTTP status 503"),
    "unreachable": (raising, "cannot be reached"),
    "an error": (problem, r"core is away \(-32603\)"),
    "no json": (text("<html>"), "cannot be read"),
    "cut json": (text('{"jsonrpc": "2.0", "result": {"entr'), "cannot be read"),
    "empty": (text(""), "cannot be read"),
    "deep json": (text("[" * 100_000), "cannot be read"),
    "nothing": (text("{}"), "cannot be read"),
    "no object": (text('{"result": []}'), "cannot be read"),
    "a wrong type": (text('{"result": {"entries": [{"key": 1}]}}'), "cannot be read"),
    "not asked for": (set_all(key=SOMEBODY), "not asked for"),
    "no xdr": (set_all(xdr="AAAA"), "cannot be read"),
    "no base64": (set_all(xdr="*"), "cannot be read"),
    "another entry": (set_all(xdr=THEIRS), "another entry than"),
    "no life": (entries_of(without_lives), "without a TTL"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_the_remote_is_an_error_that_names_it_and_changes_nothing(
    alice: Sender, contract: Contract, transport: RemoteTransport, forked: LocalNetwork, name: str
) -> None:
    alter, reason = FAILURES[name]
    here = at(alice, forked)
    call = contract.call("add", PERSISTENT, "n", 2)
    ready = at(alice, fork_of(transport)).prepare(call)
    ready.sign(alice.key)
    unprepared = here.build(call)
    before = forked.server().get_latest_ledger()
    transport.alter = alter
    for attempt in (
        lambda: here.server.simulate_transaction(unprepared),
        lambda: here.server.send_transaction(ready),
        lambda: here.server.get_ledger_entries([contract.instance, CODE_KEY]),
    ):
        with pytest.raises(SorobanRpcErrorResponse, match=reason) as error:
            attempt()
        assert error.value.code == -32603
        assert str(error.value.message).startswith("fork of https://rpc.example: ")
    assert forked.server().get_latest_ledger() == before
    with pytest.raises(RemoteFailed, match=reason):
        forked.lookup(CODE_KEY.to_xdr_bytes())
    transport.alter = None
    assert here.submit(ready).code == Code.txSUCCESS
    assert counter(here, contract, PERSISTENT) == 7


def test_a_remote_that_fails_in_the_midst_of_a_call_breaks_nothing(
    alice: Sender, contract: Contract, transport: RemoteTransport, forked: LocalNetwork
) -> None:
    """The counter is asked for by the host, while it simulates."""
    here = at(alice, forked)
    call = contract.call("add", PERSISTENT, "n", 2)
    forked.lookup(contract.instance.to_xdr_bytes(), CODE_KEY.to_xdr_bytes())
    for alter in (status(503), raising, problem):
        transport.alter = alter
        with pytest.raises(SorobanRpcErrorResponse, match=r"fork of https://rpc\.example"):
            here.server.simulate_transaction(here.build(call))
    transport.alter = None
    assert scval.from_uint64(here.invoke(call).value) == 7


def test_a_payment_to_somebody_who_cannot_be_read_is_not_applied(
    alice: Sender, bob: Sender, transport: RemoteTransport, forked: LocalNetwork
) -> None:
    here = at(alice, forked)
    envelope = here.build(Payment(bob.id, Asset.native(), "1"))
    envelope.sign(alice.key)
    before = here.entry(), forked.latest_ledger
    transport.alter = status(503)
    with pytest.raises(SorobanRpcErrorResponse, match="HTTP status 503"):
        here.server.send_transaction(envelope)
    assert (here.entry(), forked.latest_ledger) == before
    transport.alter = None
    assert here.submit(envelope).code == Code.txSUCCESS


def test_a_transaction_that_fails_for_the_remote_does_not_hold_up_others(
    alice: Sender, bob: Sender, transport: RemoteTransport, forked: LocalNetwork
) -> None:
    carol = Sender(forked)
    here = at(alice, forked)
    envelope = here.build(Payment(bob.id, Asset.native(), "1"))
    envelope.sign(alice.key)
    transport.alter = status(503)
    with pytest.raises(SorobanRpcErrorResponse):
        here.server.send_transaction(envelope)
    assert carol.send(Payment(alice.id, Asset.native(), "1")).code == Code.txSUCCESS


@pytest.mark.parametrize("name", ["429", "unreachable", "an error", "no json", "nothing"])
def test_a_fork_does_not_begin_where_the_remote_fails(
    transport: RemoteTransport, name: str
) -> None:
    transport.alter, reason = FAILURES[name]
    with pytest.raises(RemoteFailed, match=reason) as error:
        Fork.connect(URL, client=transport)
    assert error.value.remote == "https://rpc.example"


def test_no_message_has_the_path_of_the_url(
    transport: RemoteTransport, forked: LocalNetwork
) -> None:
    """Providers put a secret key there."""
    fork = Fork.connect(URL, client=transport)
    transport.alter = raising
    with pytest.raises(RemoteFailed) as error:
        fork.get(CODE_KEY.to_xdr_bytes())
    assert error.value.__suppress_context__
    for said in (str(error.value), repr(fork), repr(forked), " ".join(fork.remarks)):
        assert SECRET not in said
    with pytest.raises(RemoteFailed) as error:
        Fork.connect(f"http://me:{SECRET}@127.0.0.1:9/{SECRET}?{SECRET}")
    assert (
        str(error.value)
        == "fork of http://127.0.0.1:9: getNetwork: cannot be reached; check the URL"
    )


@pytest.mark.parametrize("url", ["", "rpc.example", "ftp://rpc.example", "http://", "http://x:y"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ForkError, match="it is not the http or https URL of a Stellar RPC"):
        Fork.connect(url)


class _Slow(BaseHTTPRequestHandler):
    """Answers 503 with a long time to wait, twice; then keeps silent until it is told to end."""

    asked = 0
    ended = threading.Event()

    def do_POST(self) -> None:
        type(self).asked += 1
        if self.asked > 2:
            self.ended.wait()
            return
        self.send_response(503)
        self.send_header("Retry-After", "3600")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def slow_remote() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        _Slow.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_remote_does_not_decide_how_long_it_is_waited_for() -> None:
    with slow_remote() as url, pytest.raises(RemoteFailed, match="no answer in time"):
        Fork.connect(url, timeout=0.2)
    assert _Slow.asked == 3


# -- a remote of a newer protocol ------------------------------------------------------------


def of_protocol_30(method: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Make an answer that of a network that runs protocol 30, with a header of its own form."""
    result = answer["result"]
    if "protocolVersion" in result:
        result["protocolVersion"] = 30
    if "headerXdr" in result:
        header = bytes(3) + b"\x1e" + b64decode(result["headerXdr"])[4:] + bytes(8)
        result["headerXdr"] = b64encode(header).decode()
        result["id"] = sha256(header).hexdigest()
    for item in result.get("entries", ()):
        if b64decode(item["xdr"])[:8] == COSTS_OF_INSTRUCTIONS:
            item["xdr"] = b64encode(with_one_more(b64decode(item["xdr"]))).decode()
    return answer


COSTS_OF_INSTRUCTIONS = bytes((0, 0, 0, 8, 0, 0, 0, 6))


def with_one_more(costs: bytes) -> bytes:
    """Return cost parameters with one more of them."""
    data = xdr.LedgerEntryData.from_xdr_bytes(costs)
    assert data.config_setting is not None
    table = data.config_setting.contract_cost_params_cpu_insns
    assert table is not None
    table.contract_cost_params.append(table.contract_cost_params[0])
    return data.to_xdr_bytes()


@pytest.fixture
def newer(transport: RemoteTransport) -> RemoteTransport:
    transport.alter = of_protocol_30
    return transport


def test_a_remote_of_a_newer_protocol_runs_as_the_hosts(
    alice: Sender, contract: Contract, newer: RemoteTransport
) -> None:
    fork = Fork.connect(URL, client=newer)
    assert fork.remarks == (
        "the remote runs protocol 30, this network runs 29",
        "default setting: contract_cost_params_cpu_instructions: "
        "has 87 cost parameters, not 86; complete it",
        "the header of the first ledger is a substitute: the remote's cannot be read",
    )
    network = LocalNetwork(fork=fork)
    assert network.settings.entries == load().entries
    assert network.server().get_network().protocol_version == 29
    assert network.latest_ledger == alice.network.latest_ledger
    here = at(alice, network)
    assert scval.from_uint64(here.invoke(contract.call("add", PERSISTENT, "n", 2)).value) == 7


def needing(protocol: int) -> bytes:
    """Return the test contract's code as if it was built for another protocol."""
    place = CODE.index(b"contractenvmetav0") + len(b"contractenvmetav0") + 4
    assert CODE[place : place + 4] < (100).to_bytes(4, "big")
    return CODE[:place] + protocol.to_bytes(4, "big") + CODE[place + 4 :]


def replace_code(network: LocalNetwork, code: bytes) -> None:
    found = network.entry(CODE_KEY.to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.contract_code is not None
    entry.data.contract_code.code = code
    network.set_entry(entry.to_xdr_bytes(), found[1])


def test_code_that_needs_the_newer_protocol_is_refused_by_name(
    alice: Sender, contract: Contract, newer: RemoteTransport
) -> None:
    call = contract.call("add", PERSISTENT, "n", 2)
    ready = alice.prepare(call)
    ready.sign(alice.key)
    replace_code(alice.network, needing(30))
    here = at(alice, fork_of(newer))
    before = here.network.server().get_latest_ledger()
    reason = (
        f"contract code {sha256(CODE).hexdigest()} needs protocol 30, the embedded host runs 29"
    )
    for attempt in (
        lambda: here.server.simulate_transaction(here.build(call)),
        lambda: here.server.send_transaction(ready),
    ):
        with pytest.raises(SorobanRpcErrorResponse, match=reason) as error:
            attempt()
        assert error.value.code == -32603
    assert here.network.server().get_latest_ledger() == before
    assert here.server.get_ledger_entries([CODE_KEY]).entries  # reading it is no matter
    assert here.send(Payment(alice.id, Asset.native(), "1")).code == Code.txSUCCESS


def test_code_that_another_contract_calls_is_refused_by_name_too(
    alice: Sender, contract: Contract, newer: RemoteTransport
) -> None:
    another = CODE + bytes((0, 3, 1)) + b"no"  # with a section that says nothing
    alice.invoke(upload(another))
    created = alice.invoke(create(alice, bytes(31) + b"2", sha256(another).digest()))
    caller = Contract(scval.from_address(created.value).address)
    replace_code(alice.network, needing(30))
    here = at(alice, fork_of(newer))
    call = caller.call("relay", contract.id, alice.id, 1)
    with pytest.raises(SorobanRpcErrorResponse, match="needs protocol 30"):
        here.server.simulate_transaction(here.build(call))
    assert here.invoke(caller.call("add", PERSISTENT, "n", 1)).code == Code.txSUCCESS


def test_code_for_the_hosts_protocol_runs(alice: Sender, newer: RemoteTransport) -> None:
    alice.invoke(upload(needing(29)))
    created = alice.invoke(create(alice, bytes(31) + b"2", sha256(needing(29)).digest()))
    call = Contract(scval.from_address(created.value).address).call("add", PERSISTENT, "n", 2)
    assert at(alice, fork_of(newer)).invoke(call).code == Code.txSUCCESS


def test_an_entry_of_a_newer_form_is_refused_by_name_and_the_others_are_there(
    alice: Sender, bob: Sender, newer: RemoteTransport
) -> None:
    forked = fork_of(newer)
    key = account_key(bob.id)

    def grown(method: str, answer: dict[str, Any]) -> dict[str, Any]:
        for item in answer["result"].get("entries", ()):
            if b64decode(item["key"]) == key.to_xdr_bytes():
                item["xdr"] = b64encode(b64decode(item["xdr"]) + bytes(4)).decode()
        return answer

    newer.alter = grown
    with pytest.raises(NeedsNewerProtocol) as error:
        forked.lookup(key.to_xdr_bytes())
    assert error.value.subject == f"account {bob.id}"
    assert (error.value.protocol, error.value.embedded) == (30, 29)
    here = at(alice, forked)
    assert here.entry() == alice.entry()
    with pytest.raises(SorobanRpcErrorResponse, match=f"account {bob.id} needs protocol 30"):
        here.send(Payment(bob.id, Asset.native(), "1"))
    assert here.send(Payment(alice.id, Asset.native(), "1")).code == Code.txSUCCESS


# -- the cache file --------------------------------------------------------------------------


def asked_of(path: Path, transport: RemoteTransport) -> LocalNetwork:
    return LocalNetwork(fork=Fork.connect(URL, client=transport, cache=path))


def test_a_cache_is_enough_for_what_was_asked_before(
    tmp_path: Path, alice: Sender, contract: Contract, transport: RemoteTransport
) -> None:
    path = tmp_path / "cache"
    call = contract.call("add", PERSISTENT, "n", 2)
    with Fork.connect(URL, client=transport, cache=path) as fork:
        online = LocalNetwork(fork=fork)
        here = at(alice, online)
        here.invoke(call)
        here.server.get_ledger_entries([code_key(bytes(32))])
    alice.network.close_ledgers(100)
    with Fork.connect(None, cache=path) as fork:
        offline = LocalNetwork(fork=fork)
        here = at(alice, offline)
        assert offline.passphrase == online.passphrase
        assert here.server.get_ledger_entries([code_key(bytes(32))]).entries == []
        assert scval.from_uint64(here.invoke(call).value) == 7  # what was written is not kept
        assert offline.latest_ledger == online.latest_ledger
        with pytest.raises(RemoteFailed, match="it lacks an entry of C"):
            offline.lookup(contract.entry(Kind.TEMPORARY, "n").to_xdr_bytes())


def test_a_cache_lets_the_remote_be_away_until_it_is_needed(
    tmp_path: Path, alice: Sender, bob: Sender, transport: RemoteTransport
) -> None:
    path = tmp_path / "cache"
    with Fork.connect(URL, client=transport, cache=path) as fork:
        fork.get(account_key(alice.id).to_xdr_bytes())
    transport.alter = status(503)
    with Fork.connect(URL, client=transport, cache=path) as fork:
        assert fork.remarks == (
            "https://rpc.example does not answer: entries that the cache lacks cannot be read",
        )
        network = LocalNetwork(fork=fork)
        assert at(alice, network).entry() == alice.entry()
        with pytest.raises(RemoteFailed, match="HTTP status 503"):
            network.fund(bob.id)
        transport.alter = None
        assert at(bob, network).entry() == bob.entry()


def test_entries_of_two_processes_with_one_cache_agree(
    tmp_path: Path, alice: Sender, bob: Sender, transport: RemoteTransport
) -> None:
    path = tmp_path / "cache"
    key = account_key(alice.id).to_xdr_bytes()
    with (
        Fork.connect(URL, client=transport, cache=path) as first,
        Fork.connect(URL, client=transport, cache=path) as second,
    ):
        before = first.get(key)
        alice.send(Payment(bob.id, Asset.native(), "1"))
        after = second.get(key)
        assert before is not None
        assert after is not None
        assert after.xdr == before.xdr
        assert second.identity == first.identity


def test_a_cache_of_another_network_is_refused(tmp_path: Path, transport: RemoteTransport) -> None:
    path = tmp_path / "cache"
    other = LocalNetwork("another network")
    Fork.connect(URL, client=transport, cache=path).close()
    with pytest.raises(RemoteMismatch) as error:
        Fork.connect(URL, client=RemoteTransport(other), cache=path)
    assert (error.value.expected, error.value.found) == (
        passphrase_of(transport),
        "another network",
    )


def test_a_remote_that_became_another_network_is_refused(
    tmp_path: Path, alice: Sender, transport: RemoteTransport
) -> None:
    path = tmp_path / "cache"
    Fork.connect(URL, client=transport, cache=path).close()
    other = RemoteTransport(LocalNetwork("another network"), alter=status(503))
    with Fork.connect(URL, client=other, cache=path) as fork:
        other.alter = None
        with pytest.raises(RemoteMismatch):
            fork.get(account_key(alice.id).to_xdr_bytes())


def passphrase_of(transport: RemoteTransport) -> str:
    return Fork.connect(URL, client=transport).passphrase


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path, transport: RemoteTransport) -> None:
    state, notes = tmp_path / "state", tmp_path / "notes"
    LocalNetwork(state=state).close()
    notes.write_text("# notes\n" * 100)
    for path in (state, notes):
        before = path.read_bytes()
        with pytest.raises(FileMismatch, match="a file of another kind"):
            Fork.connect(URL, client=transport, cache=path)
        assert path.read_bytes() == before


def test_a_fork_needs_a_remote_or_a_filled_cache(tmp_path: Path) -> None:
    with pytest.raises(ForkError, match="or a cache that an earlier fork filled"):
        Fork.connect(None)
    with pytest.raises(ForkError, match="or a cache that an earlier fork filled"):
        Fork.connect(None, cache=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


# -- with a state file -----------------------------------------------------------------------


def test_a_fork_with_a_state_file_goes_on_without_its_remote(
    tmp_path: Path, alice: Sender, contract: Contract, transport: RemoteTransport
) -> None:
    state, cache = tmp_path / "state", tmp_path / "cache"
    call = contract.call("add", PERSISTENT, "n", 2)
    key = contract.entry(Kind.TEMPORARY, "n").to_xdr_bytes()
    with (
        Fork.connect(URL, client=transport, cache=cache) as fork,
        LocalNetwork(fork=fork, state=state) as network,
    ):
        at(alice, network).invoke(call)
        network.remove_entry(key)
        funded = Sender(network)
        latest = network.server().get_latest_ledger()
    with (
        Fork.connect(None, cache=cache) as fork,
        LocalNetwork(fork=fork, state=state) as network,
    ):
        assert network.server().get_latest_ledger() == latest
        assert network.entry(key) is None
        assert scval.from_uint64(at(alice, network).invoke(call).value) == 9
        assert at(funded, network).balance == 10_000 * 10**7
    assert counter(alice, contract, PERSISTENT) == 5


def test_a_state_file_and_a_fork_have_to_belong_together(
    tmp_path: Path, transport: RemoteTransport
) -> None:
    state, plain = tmp_path / "state", tmp_path / "plain"
    LocalNetwork(state=plain).close()
    first, second = tmp_path / "first", tmp_path / "second"
    with pytest.raises(ForkError, match="a state file of a fork needs a cache"):
        LocalNetwork(fork=Fork.connect(URL, client=transport), state=state)
    with Fork.connect(URL, client=transport, cache=first) as fork:
        LocalNetwork(fork=fork, state=state).close()
        with pytest.raises(FileMismatch, match="belongs to a network that is not a fork"):
            LocalNetwork(fork=fork, state=plain)
    with pytest.raises(
        FileMismatch, match="belongs to a fork; give the URL and the cache of that fork as well"
    ):
        LocalNetwork(state=state)
    transport.alter = of_protocol_30
    with (
        Fork.connect(URL, client=transport, cache=second) as fork,
        pytest.raises(FileMismatch, match="belongs to another fork; use the cache of that fork"),
    ):
        LocalNetwork(fork=fork, state=state)
