"""Each call is applied exactly once, whatever the network does to its requests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from stellar_sdk import Asset, SorobanServer, TransactionBuilder, TransactionEnvelope
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import ConnectionError as NoConnection
from stellar_sdk.soroban_rpc import GetTransactionStatus
from tests.support.deployed_vault import BALANCE, CHANNEL, OWNER, STRANGER, URL, DeployedVault
from tests.support.threads import run_together
from tests.support.transports import Altering, always, once

from callora_vault import InsufficientBalance
from callora_vault.client import (
    AppliedByOthers,
    Journal,
    Limits,
    NeverApplied,
    NotAccepted,
    SourceBusy,
    State,
    Unknown,
    Unreachable,
    Unsettled,
    from_keypair,
)
from callora_vault.model.calls import Deduct
from soroban_localnet.faults import (
    ArriveLate,
    Delay,
    DropAfter,
    DropBefore,
    Duplicate,
    Fault,
    GatewayTimeout,
    Lag,
    NotFound,
    OldSequence,
    TooManyRequests,
    Truncated,
    TryAgainLater,
    Unavailable,
)
from soroban_localnet.rpc.in_process import InProcessClient

ME = OWNER.public_key
REQUESTS = 7
"""The first deduct of a client asks for network, vault, ledger, simulation, account, send, get."""

FAULTS = [
    Delay(2),
    DropBefore(),
    DropAfter(),
    ArriveLate(2),
    Duplicate(),
    TooManyRequests(),
    Unavailable(),
    GatewayTimeout(),
    Truncated(),
    Lag(),
    TryAgainLater(),
    NotFound(3),
    OldSequence(),
]


def states(deployed: DeployedVault, journal: Journal) -> list[State]:
    """What the journal says of its transactions, oldest first."""
    return [entry.state for entry in journal.listed(deployed.network.passphrase, *State)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_one_fault_at_any_request_changes_nothing(
    deployed: DeployedVault, journal: Journal, fault: Fault
) -> None:
    for at in range(1, REQUESTS + 2):
        transport = deployed.faulty(once(at, fault))
        vault = deployed.client(journal, transport=transport)
        left = BALANCE - at
        assert vault.deduct(ME, 1, f"req_{at}") == left
        assert vault.deduct(ME, 1, f"req_{at}") == left
    assert deployed.client(journal).balance() == left
    assert states(deployed, journal) == [State.APPLIED] * (REQUESTS + 1)


def test_a_transaction_that_no_node_takes_is_never_applied(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(
        journal, transport=deployed.faulty(always("sendTransaction", TryAgainLater()))
    )
    with pytest.raises((Unsettled, NeverApplied)):
        vault.deduct(ME, 1, "req_1")
    assert State.NEVER_APPLIED in states(deployed, journal)
    assert deployed.client(journal).deduct(ME, 1, "req_1") == BALANCE - 1
    assert states(deployed, journal).count(State.APPLIED) == 1


def test_a_new_transaction_is_signed_only_when_the_last_can_be_applied_no_more(
    deployed: DeployedVault, journal: Journal
) -> None:
    """The first transaction is held back, and sent after the second was applied."""
    held: list[dict[str, Any]] = []

    class Holding(InProcessClient):
        def post(
            self, url: str, data: Any = None, json_data: dict[str, Any] | None = None
        ) -> Response:
            assert json_data is not None
            if json_data["method"] == "sendTransaction":
                first = json_data["params"]["transaction"]
                if not held or held[0]["params"]["transaction"] == first:
                    held.append(json_data)
                    raise NoConnection("the answer was dropped")
            return super().post(url, data, json_data)

    vault = deployed.client(journal, transport=Holding(deployed.network.dispatcher))
    assert vault.deduct(ME, 1, "req_1") == BALANCE - 1
    assert states(deployed, journal) == [State.NEVER_APPLIED, State.APPLIED]
    assert len({request["params"]["transaction"] for request in held}) == 1
    late = deployed.network.client().post(URL, json_data=held[0]).json()
    assert late["result"]["status"] == "ERROR"
    assert deployed.client(journal).balance() == BALANCE - 1


def test_a_transaction_without_an_answer_stays_open_and_is_settled_later(
    deployed: DeployedVault, journal: Journal
) -> None:
    lost = deployed.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(
        Unsettled, match="repeat with the same request key, or run `callora-vault resume`"
    ) as open_:
        deployed.client(journal, transport=lost).deduct(ME, 1, "req_1")
    assert (open_.value.key, open_.value.contract) == ("req_1", deployed.vault)
    assert states(deployed, journal) == [State.OPEN]
    (entry,) = deployed.client(journal, ()).resume()
    assert (entry.state, entry.key) == (State.APPLIED, "req_1")
    assert deployed.client(journal, ()).resume() == ()
    receipt = deployed.client(journal).submit(Deduct(ME, 1, "req_1"))
    assert (receipt.repeated, receipt.returned) == (True, BALANCE - 1)


def test_a_network_that_is_away_before_the_signature_leaves_nothing_open(
    deployed: DeployedVault, journal: Journal
) -> None:
    away = deployed.faulty(always("simulateTransaction", DropBefore()))
    with pytest.raises(Unreachable, match=r"http://localnet\.invalid .*; nothing was sent"):
        deployed.client(journal, transport=away).deduct(ME, 1, "req_1")
    assert states(deployed, journal) == []


@pytest.mark.parametrize("address_credentials", [False, True])
def test_an_rpc_that_always_says_never_applied_ends_as_a_timeout(
    deployed: DeployedVault, journal: Journal, address_credentials: bool
) -> None:
    """It answers at once, so without a pause it would be signed for thousands of times."""
    sent = 0

    class Lying(InProcessClient):
        def post(
            self, url: str, data: Any = None, json_data: dict[str, Any] | None = None
        ) -> Response:
            nonlocal sent
            assert json_data is not None
            if json_data["method"] == "sendTransaction":
                sent += 1
                assert sent < 100
                raise NoConnection("dropped")
            answer = super().post(url, data, json_data)
            if json_data["method"] == "getTransaction":
                answer.json()["result"].update(latestLedgerCloseTime=str(10**10))
            return answer

    vault = deployed.client(
        journal,
        transport=Lying(deployed.network.dispatcher),
        limits=Limits(timeout=5),
        source=from_keypair(CHANNEL),
        address_credentials=address_credentials,
    )
    with pytest.raises((NeverApplied, Unsettled)):
        vault.deduct(ME, 1, "req_1")
    assert sent < 60


# Past retention


def forgotten(deployed: DeployedVault, journal: Journal) -> None:
    """Leave a transaction open that was applied, and that the network has forgotten since."""
    with pytest.raises(Unsettled):
        lost = deployed.faulty(always("getTransaction", DropAfter()))
        deployed.client(journal, transport=lost).deduct(ME, 1, "req_1")
    deployed.network.advance_ledgers(deployed.network.history.retention + 1)


def test_what_the_network_forgot_is_unknown_and_never_sent_again(
    deployed: DeployedVault, journal: Journal
) -> None:
    forgotten(deployed, journal)
    transport = deployed.faulty(lambda number, method: None)
    vault = deployed.client(journal, transport=transport)
    for _ in range(2):
        with pytest.raises(
            Unknown, match="whether the request 'req_1' was applied is unknown"
        ) as u:
            vault.deduct(ME, 1, "req_1")
        assert u.value.exit_code == 4
    assert "sendTransaction" not in transport.methods
    (entry,) = vault.for_the_operator()
    assert (entry.key, entry.state, entry.request) == (
        "req_1",
        State.UNKNOWN,
        f"deduct(caller={ME}, amount=1, request_id=req_1)",
    )
    assert vault.deduct(ME, 1, "req_2") == BALANCE - 2


def test_what_is_unknown_is_settled_by_an_rpc_that_remembers(
    deployed: DeployedVault, journal: Journal
) -> None:
    with pytest.raises(Unsettled):
        lost = deployed.faulty(always("getTransaction", DropAfter()))
        deployed.client(journal, transport=lost).deduct(ME, 1, "req_1")

    def forget(result: dict[str, Any]) -> None:
        result.update(status="NOT_FOUND", oldestLedger=10**6, latestLedgerCloseTime=str(10**10))

    with pytest.raises(Unknown):
        deployed.client(
            journal, transport=Altering(deployed.network, "getTransaction", forget)
        ).deduct(ME, 1, "req_1")
    assert deployed.client(journal).deduct(ME, 1, "req_1") == BALANCE - 1
    assert states(deployed, journal) == [State.APPLIED]


@pytest.mark.parametrize(
    ("close_time", "oldest", "state"),
    [(0, 0, State.OPEN), (1, 0, State.NEVER_APPLIED), (1, 1, State.UNKNOWN), (0, 1, State.OPEN)],
)
def test_never_applied_needs_one_answer_that_shows_both(
    deployed: DeployedVault, journal: Journal, close_time: int, oldest: int, state: State
) -> None:
    """Close time at max_time or one second past it; oldest ledger as noted, or one later."""
    away = deployed.faulty(always("sendTransaction", DropBefore()))
    limits = Limits(timeout=5)
    with pytest.raises(Unsettled):
        deployed.client(journal, transport=away, limits=limits).deduct(ME, 1, "req_1")
    (entry,) = journal.listed(deployed.network.passphrase, State.OPEN)

    def answer(result: dict[str, Any]) -> None:
        result["latestLedgerCloseTime"] = str(entry.max_time + close_time)
        result["oldestLedger"] = entry.signed_ledger + oldest

    class Answering(InProcessClient):
        def post(
            self, url: str, data: Any = None, json_data: dict[str, Any] | None = None
        ) -> Response:
            assert json_data is not None
            if json_data["method"] == "sendTransaction":
                raise NoConnection("dropped")
            found = super().post(url, data, json_data)
            if json_data["method"] == "getTransaction":
                answer(found.json()["result"])
            return found

    transport = Answering(deployed.network.dispatcher)
    deployed.client(journal, (), transport=transport, limits=limits).resume()
    assert states(deployed, journal) == [state]


# Accounts and sequence numbers


def test_a_call_waits_for_the_open_transaction_of_its_account(
    deployed: DeployedVault, journal: Journal
) -> None:
    lost = deployed.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(Unsettled):
        deployed.client(journal, transport=lost).deduct(ME, 1, "req_1")
    away = deployed.faulty(always("getTransaction", DropBefore()))
    with pytest.raises(SourceBusy, match="has an open transaction, for the request 'req_1'"):
        deployed.client(journal, transport=away).deduct(ME, 1, "req_2")
    assert deployed.client(journal).deduct(ME, 1, "req_2") == BALANCE - 2
    assert states(deployed, journal) == [State.APPLIED, State.APPLIED]


def test_a_sequence_number_that_somebody_else_used_is_not_fatal(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(journal)
    vault.deduct(ME, 1, "req_1")
    server = SorobanServer(URL, deployed.network.client())
    account = server.load_account(ME)
    builder = TransactionBuilder(account, deployed.network.passphrase).add_time_bounds(0, 0)
    other = builder.append_payment_op(STRANGER.public_key, Asset.native(), "1").build()
    other.sign(OWNER)
    server.send_transaction(other)
    assert vault.deduct(ME, 1, "req_2") == BALANCE - 2
    assert states(deployed, journal) == [State.APPLIED, State.NEVER_APPLIED, State.APPLIED]


def test_a_transaction_that_is_not_accepted_is_told_at_once_and_can_be_repeated(
    deployed: DeployedVault, journal: Journal
) -> None:
    poor = deployed.client(journal, limits=Limits(inclusion_fee=1))
    with pytest.raises(
        NotAccepted, match="txINSUFFICIENT_FEE; remove the cause and repeat"
    ) as refused:
        poor.deduct(ME, 1, "req_1")
    assert refused.value.code == "txINSUFFICIENT_FEE"
    assert states(deployed, journal) == [State.OPEN]
    with pytest.raises(NotAccepted):
        poor.deduct(ME, 1, "req_1")
    deployed.network.advance_time(61)
    assert deployed.client(journal).deduct(ME, 1, "req_1") == BALANCE - 1
    assert states(deployed, journal) == [State.NEVER_APPLIED, State.APPLIED]


def test_threads_of_one_client_take_turns(deployed: DeployedVault, journal: Journal) -> None:
    vault = deployed.client(journal)
    run_together(lambda number: vault.deduct(ME, 1, f"req_{number}"), 4)
    assert vault.balance() == BALANCE - 4


def test_clients_with_one_account_and_one_journal_take_turns(
    deployed: DeployedVault, journal: Journal
) -> None:
    clients = [deployed.client(Journal(journal.path)) for _ in range(3)]

    def deduct(number: int) -> None:
        for count in range(4):
            clients[number].deduct(ME, 1, f"req_{number}_{count}")

    run_together(deduct, 3)
    assert deployed.client(journal).balance() == BALANCE - 12
    assert states(deployed, journal).count(State.APPLIED) == 12


def test_one_request_of_two_clients_is_applied_once(
    deployed: DeployedVault, journal: Journal
) -> None:
    owner, channel = from_keypair(OWNER), from_keypair(CHANNEL)
    clients = [
        deployed.client(Journal(journal.path)),
        deployed.client(Journal(journal.path), (owner,), source=channel),
    ]
    results: list[int] = []

    def deduct(number: int) -> None:
        results.extend(clients[number].deduct(ME, 1, f"req_{count}") for count in range(5))

    run_together(deduct, 2)
    assert deployed.client(journal).balance() == BALANCE - 5
    assert sorted(results) == sorted(2 * list(range(BALANCE - 5, BALANCE)))


# The vault that a transaction was signed for


def test_an_open_request_is_settled_on_its_vault_before_it_goes_to_another(
    deployed: DeployedVault, journal: Journal
) -> None:
    other = deployed.fresh["v1"]
    deployed.client(journal, contract=other).init(ME, 100)
    lost = deployed.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(Unsettled):
        deployed.client(journal, transport=lost, scope="shop").deduct(ME, 1, "req_1")
    moved = deployed.client(journal, contract=other, scope="shop")
    receipt = moved.submit(Deduct(ME, 1, "req_1"))
    assert (receipt.repeated, receipt.returned) == (True, BALANCE - 1)
    assert moved.balance() == 100
    away = deployed.faulty(always("sendTransaction", DropBefore()))
    with pytest.raises(Unsettled):
        deployed.client(journal, transport=away, scope="shop", limits=Limits(timeout=5)).deduct(
            ME, 2, "req_2"
        )
    deployed.network.advance_time(61)
    assert moved.deduct(ME, 2, "req_2") == 98
    assert deployed.client(journal).balance() == BALANCE - 1


# What happens between simulation and application


class Interfering(InProcessClient):
    """A transport that lets something happen just before a transaction arrives, once."""

    def __init__(self, deployed: DeployedVault, interfere: Callable[[str], object]) -> None:
        super().__init__(deployed.network.dispatcher)
        self._interfere: Callable[[str], object] | None = interfere

    def post(self, url: str, data: Any = None, json_data: dict[str, Any] | None = None) -> Response:
        assert json_data is not None
        if json_data["method"] == "sendTransaction" and self._interfere:
            interfere, self._interfere = self._interfere, None
            interfere(json_data["params"]["transaction"])
        return super().post(url, data, json_data)


@pytest.mark.parametrize("address_credentials", [False, True])
def test_a_call_that_the_ledger_refuses_leaves_its_key_free(
    deployed: DeployedVault, journal: Journal, address_credentials: bool
) -> None:
    def drain(envelope: str) -> None:
        deployed.client(journal).withdraw(BALANCE)

    vault = deployed.client(
        journal,
        source=from_keypair(CHANNEL),
        address_credentials=address_credentials,
        transport=Interfering(deployed, drain),
    )
    before = deployed.network.latest_ledger
    with pytest.raises(InsufficientBalance) as refused:
        vault.deduct(ME, 1, "req_1")
    assert (refused.value.amount, refused.value.balance) == (1, 0)
    assert states(deployed, journal) == [State.FAILED, State.APPLIED]
    # a signature of the call alone could be used by others until it expires
    assert (deployed.network.latest_ledger > before + 2) == address_credentials
    deployed.client(journal).deposit(10)
    assert vault.deduct(ME, 1, "req_1") == 9


# A signature that somebody else uses


def steal(deployed: DeployedVault, envelope: str) -> bool:
    """Take the signature of a call into a transaction of a stranger; say whether that counts."""
    taken = TransactionEnvelope.from_xdr(envelope, deployed.network.passphrase)
    server = SorobanServer(URL, deployed.network.client())
    account = server.load_account(STRANGER.public_key)
    builder = TransactionBuilder(account, deployed.network.passphrase).add_time_bounds(0, 0)
    (operation,) = taken.transaction.operations
    theft = server.prepare_transaction(builder.append_operation(operation).build())
    theft.sign(STRANGER)
    sent = server.send_transaction(theft)
    return server.get_transaction(sent.hash).status == GetTransactionStatus.SUCCESS


def test_a_call_that_others_applied_with_its_signature_is_never_applied_again(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(
        journal,
        source=from_keypair(CHANNEL),
        address_credentials=True,
        transport=Interfering(deployed, lambda envelope: steal(deployed, envelope)),
    )
    for _ in range(2):
        with pytest.raises(
            AppliedByOthers, match=r"was applied once, .*; do not repeat the request"
        ):
            vault.deduct(ME, 1, "req_1")
    assert vault.balance() == BALANCE - 1
    (entry,) = vault.for_the_operator()
    assert (entry.key, entry.state) == ("req_1", State.APPLIED_BY_OTHERS)


def test_a_call_whose_transaction_was_held_back_is_not_repeated_where_others_applied_it(
    deployed: DeployedVault, journal: Journal
) -> None:
    class HoldingBack(Interfering):
        def post(
            self, url: str, data: Any = None, json_data: dict[str, Any] | None = None
        ) -> Response:
            answer = super().post(url, data, json_data)
            if answer.json().get("result", {}).get("status") == "FAILED":
                answer.json()["result"]["status"] = "NOT_FOUND"
            return answer

    vault = deployed.client(
        journal,
        source=from_keypair(CHANNEL),
        address_credentials=True,
        transport=HoldingBack(deployed, lambda envelope: steal(deployed, envelope)),
    )
    with pytest.raises(AppliedByOthers):
        vault.deduct(ME, 1, "req_1")
    assert vault.balance() == BALANCE - 1


@pytest.mark.parametrize("address_credentials", [False, True])
def test_only_the_signature_of_a_call_alone_can_be_used_by_others(
    deployed: DeployedVault, journal: Journal, address_credentials: bool
) -> None:
    stolen: list[bool] = []

    vault = deployed.client(
        journal,
        source=from_keypair(CHANNEL),
        address_credentials=address_credentials,
        transport=Interfering(deployed, lambda envelope: stolen.append(steal(deployed, envelope))),
    )
    with suppress(AppliedByOthers):
        vault.deduct(ME, 1, "req_1")
    assert stolen == [address_credentials]
    assert vault.balance() == BALANCE - 1


def test_whether_others_used_a_signature_is_unknown_once_its_nonce_is_gone(
    deployed: DeployedVault, journal: Journal
) -> None:
    vault = deployed.client(
        journal,
        source=from_keypair(CHANNEL),
        address_credentials=True,
        transport=deployed.faulty(always("sendTransaction", DropBefore())),
        limits=Limits(timeout=5),
    )
    with pytest.raises(Unsettled):
        vault.deduct(ME, 1, "req_1")
    deployed.network.advance_ledgers(1_000)
    with pytest.raises(Unknown):
        vault.deduct(ME, 1, "req_1")


# Nodes that lag behind


def test_an_answer_from_before_the_last_call_is_not_used(
    deployed: DeployedVault, journal: Journal
) -> None:
    """The second simulation of a read is answered as the first was, before the deduct."""
    transport = deployed.faulty(
        lambda number, method: Lag() if method == "simulateTransaction" else None
    )
    vault = deployed.client(journal, transport=transport, limits=Limits(timeout=5))
    assert vault.balance() == BALANCE
    assert vault.deduct(ME, 1, "req_1") == BALANCE - 1
    with pytest.raises(Unreachable, match=r"it answers from ledger \d+, before \d+"):
        vault.balance()
    assert Lag() in transport.injected.values()
