"""Once per request id: alone, in a batch, under another key, in another batch."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.deployed_vault import OWNER, DeployedVault
from tests.support.transports import Altering, always

from callora_vault import BadValue, InsufficientBalance
from callora_vault.client import (
    Journal,
    JournalUnusable,
    KeyReused,
    Limits,
    RequestIdUsed,
    Skipped,
    State,
    Unreachable,
    Unreadable,
    Unsettled,
    VaultClient,
)
from callora_vault.codec.calls import host_function, identity
from callora_vault.model.calls import (
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    describe_call,
    plain,
)
from soroban_localnet.faults import DropAfter, DropBefore

ME = OWNER.public_key
FUNDS = 1_000


def item(amount: int, request_id: str | None = None) -> DeductItem:
    return DeductItem(amount, request_id)


@pytest.fixture
def vault(deployed: DeployedVault, journal: Journal) -> VaultClient:
    """A vault of v2 with FUNDS."""
    vault = deployed.client(journal, contract=deployed.fresh["v2"])
    vault.init(ME, FUNDS)
    return vault


def again(deployed: DeployedVault, journal: Journal, **options: Any) -> VaultClient:
    return deployed.client(journal, contract=deployed.fresh["v2"], **options)


def test_a_batch_with_an_id_that_was_deducted_alone_is_refused_before_signing(
    deployed: DeployedVault, vault: VaultClient
) -> None:
    alone = vault.submit(Deduct(ME, 3, "req_1"))
    ledger = deployed.network.latest_ledger
    with pytest.raises(RequestIdUsed, match="item 1: the request id 'req_1' is applied") as used:
        vault.batch_deduct(ME, [item(1, "req_0"), item(3, "req_1")])
    taken = used.value
    assert (taken.item, taken.state, taken.transaction) == (1, "applied", alone.transaction)
    assert deployed.network.latest_ledger == ledger
    assert vault.batch_deduct(ME, [item(1, "req_0")]) == FUNDS - 4  # it is free still


def test_an_id_of_a_batch_is_not_deducted_alone_nor_in_another_batch(vault: VaultClient) -> None:
    vault.batch_deduct(ME, [item(1, "a"), item(2, "b")])
    for key in (None, "another key"):
        with pytest.raises(RequestIdUsed, match="'b' is applied already") as used:
            vault.deduct(ME, 2, "b", key=key)
        assert used.value.item is None
        with pytest.raises(RequestIdUsed, match="item 0"):
            vault.batch_deduct(ME, [item(2, "b"), item(1, "c")], key=key)
    assert vault.balance() == FUNDS - 3


def test_a_deduct_under_another_key_is_the_same_request(vault: VaultClient) -> None:
    first = vault.submit(Deduct(ME, 2, "a"), key="k")
    second = vault.submit(Deduct(ME, 2, "a"), key="l")
    assert (second.repeated, second.transaction) == (True, first.transaction)
    with pytest.raises(RequestIdUsed):
        vault.deduct(ME, 3, "a", key="l")


def test_the_whole_batch_repeated_returns_its_result(vault: VaultClient) -> None:
    items = [item(1, "a"), item(2), item(3, "b")]
    first = vault.submit(BatchDeduct(ME, items))
    for key in (None, "another key"):
        repeated = vault.submit(BatchDeduct(ME, items), key=key)
        assert attrs.evolve(first, repeated=True) == repeated
    assert vault.submit(BatchDeduct(ME, items), skip_applied=True).skipped == ()
    with pytest.raises(RequestIdUsed):
        vault.batch_deduct(ME, items[:2])
    assert vault.balance() == FUNDS - 6


def test_items_without_an_id_are_never_told_apart(vault: VaultClient) -> None:
    assert vault.batch_deduct(ME, [item(1), item(1)]) == FUNDS - 2
    assert vault.batch_deduct(ME, [item(1), item(1)]) == FUNDS - 4


def test_applied_items_are_left_out_on_request_and_told(vault: VaultClient) -> None:
    alone = vault.submit(Deduct(ME, 3, "a"))
    batch = vault.submit(BatchDeduct(ME, [item(5, "b")]))
    receipt = vault.submit(
        BatchDeduct(ME, [item(3, "a"), item(7, "c"), item(5, "b"), item(1)]), skip_applied=True
    )
    assert receipt.returned == FUNDS - 16
    assert receipt.skipped == (
        Skipped(0, "a", alone.transaction),
        Skipped(2, "b", batch.transaction),
    )
    nothing = vault.submit(BatchDeduct(ME, [item(3, "a"), item(5, "b")]), skip_applied=True)
    assert (nothing.repeated, nothing.transaction) == (True, batch.transaction)
    assert [each.item for each in nothing.skipped] == [0, 1]
    assert vault.batch_deduct(ME, [item(9, "a")], skip_applied=True) == FUNDS - 3
    assert vault.balance() == FUNDS - 16


def test_a_refused_batch_frees_all_its_ids(
    deployed: DeployedVault, journal: Journal, vault: VaultClient
) -> None:
    with pytest.raises(InsufficientBalance):
        vault.batch_deduct(ME, [item(1, "a"), item(FUNDS, "b")])
    away = deployed.faulty(always("sendTransaction", DropBefore()))
    with pytest.raises(Unsettled):
        again(deployed, journal, transport=away, limits=Limits(timeout=5)).batch_deduct(
            ME, [item(1, "a"), item(2, "b")]
        )
    deployed.network.advance_time(61)
    assert vault.deduct(ME, 1, "a") == FUNDS - 1
    assert vault.batch_deduct(ME, [item(2, "b")]) == FUNDS - 3


def test_an_open_item_is_settled_first(
    deployed: DeployedVault, journal: Journal, vault: VaultClient
) -> None:
    lost = deployed.faulty(always("getTransaction", DropAfter()))
    with pytest.raises(Unsettled):
        again(deployed, journal, transport=lost, limits=Limits(timeout=1)).deduct(ME, 1, "a")
    away = deployed.faulty(always("getTransaction", DropBefore()))
    with pytest.raises(RequestIdUsed, match=r"'a' is open already, .*settle that first") as used:
        again(deployed, journal, transport=away, limits=Limits(timeout=1)).batch_deduct(
            ME, [item(1, "a")], skip_applied=True
        )
    assert used.value.state == "open"
    receipt = vault.submit(BatchDeduct(ME, [item(1, "a"), item(4, "b")]), skip_applied=True)
    assert [each.request_id for each in receipt.skipped] == ["a"]
    assert vault.balance() == FUNDS - 5


def test_a_name_and_an_id_of_one_vault_share_their_request_ids(
    deployed: DeployedVault, journal: Journal, vault: VaultClient
) -> None:
    vault.deduct(ME, 1, "a")
    by_name = again(deployed, journal, scope="vault shop")
    assert by_name.submit(Deduct(ME, 1, "a")).repeated
    with pytest.raises(RequestIdUsed):
        by_name.deduct(ME, 2, "a")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([item(1, "a"), item(2, "a")], "item 0: the request id 'a' is there twice"),
        ([item(1, "a"), item(2, "")], "item 1: an empty one names no request"),
    ],
)
def test_a_batch_that_cannot_be_told_apart_is_refused(
    vault: VaultClient, items: list[DeductItem], said: str
) -> None:
    with pytest.raises(BadValue, match=said):
        vault.batch_deduct(ME, items)


def test_an_empty_id_is_refused_as_a_key_and_never_replaced(
    deployed: DeployedVault, journal: Journal, vault: VaultClient
) -> None:
    with pytest.raises(BadValue, match="an empty one names no request; give None, or a key"):
        vault.deduct(ME, 1, "")
    assert vault.deduct(ME, 1, "", key="k") == vault.deduct(ME, 1, "", key="k") == FUNDS - 1


names = st.sampled_from(["a", "b", "c"])
requests: st.SearchStrategy[Call] = st.one_of(
    st.builds(Deduct, st.just(ME), st.integers(1, 3), st.none() | names),
    st.builds(
        BatchDeduct,
        st.just(ME),
        st.lists(
            st.builds(DeductItem, st.integers(1, 3), st.none() | names), min_size=1, max_size=3
        ),
    ),
)


@given(calls=st.lists(st.tuples(requests, st.booleans()), min_size=2, max_size=6))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_id_is_in_two_deductions_whatever_is_called(
    deployed: DeployedVault,
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[tuple[Call, bool]],
) -> None:
    deployed.reset()
    taken: list[str] = []
    left = FUNDS
    with Journal(tmp_path_factory.mktemp("ids") / "journal.db") as journal:
        vault = again(deployed, journal)
        vault.init(ME, FUNDS)
        for call, skip in calls:
            try:
                receipt = vault.submit(call, skip_applied=skip)
            except (RequestIdUsed, BadValue, KeyReused):
                continue
            if not receipt.repeated:
                for event in receipt.events:
                    left -= event.amount  # type: ignore[union-attr]
                    taken += [event.request_id] if event.request_id else []  # type: ignore[union-attr]
        assert sorted(taken) == sorted(set(taken))
        assert vault.balance() == left


# What a request is: its XDR


class Name(StrEnum):
    ONE = "req_1"

    def __str__(self) -> str:
        return "something else"


class Amount(IntEnum):
    THREE = 3

    def __repr__(self) -> str:
        return "thirty"


def test_subclasses_of_str_and_int_are_what_is_under_them(
    journal: Journal, vault: VaultClient
) -> None:
    assert vault.deduct(ME, Amount.THREE, Name.ONE) == FUNDS - 3
    receipt = vault.submit(Deduct(ME, 3, "req_1"))
    assert receipt.repeated
    assert vault.submit(Deduct(ME, Amount.THREE, Name.ONE)).transaction == receipt.transaction
    (entry,) = [e for e in journal.named("req_1") if e.state is State.APPLIED]
    assert entry.request == f"deduct(caller={ME}, amount=3, request_id=req_1)"
    call = plain(Deduct(ME, Amount.THREE, Name.ONE))
    assert (type(call.amount), type(call.request_id)) == (int, str)


def test_the_contract_is_no_part_of_what_a_call_is(deployed: DeployedVault) -> None:
    one, two = deployed.fresh["v1"], deployed.fresh["v2"]
    call = Deduct(ME, 3, "a")
    assert identity(host_function(one, call)) == identity(host_function(two, call))
    assert identity(host_function(one, call)) != identity(host_function(one, Deduct(ME, 4, "a")))
    assert identity(host_function(one, call)) != identity(host_function(one, Deduct(ME, 3)))


def test_a_call_is_written_for_people() -> None:
    batch = BatchDeduct(ME, [item(1, "a"), item(2)])
    assert describe_call(batch) == f"batch_deduct(caller={ME}, items=[1 for a, 2])"
    assert describe_call(Deduct(ME, 3)) == f"deduct(caller={ME}, amount=3)"


# Answers and journals of programs to come


def test_a_result_of_a_version_to_come_is_applied_and_said_so(
    deployed: DeployedVault, journal: Journal, vault: VaultClient
) -> None:
    transport = Altering(deployed.network, "getTransaction", of_version(9))
    newer = again(deployed, journal, transport=transport)
    for client in (newer, newer, vault):
        with pytest.raises(Unreadable, match="meta is of version 9, and this program reads 4"):
            client.deduct(ME, 1, "a")
    assert vault.balance() == FUNDS - 1
    (entry,) = journal.named("a")
    assert entry.state is State.APPLIED


def of_version(version: int) -> Callable[[dict[str, Any]], None]:
    """Change the version of an answer's transaction meta."""

    def change(result: dict[str, Any]) -> None:
        if "resultMetaXdr" in result:
            raw = base64.b64decode(result["resultMetaXdr"])
            result["resultMetaXdr"] = base64.b64encode(
                version.to_bytes(4, "big") + raw[4:]
            ).decode()

    return change


def test_a_state_of_a_program_to_come_is_said(journal: Journal, vault: VaultClient) -> None:
    vault.deduct(ME, 1, "a")
    with sqlite3.connect(journal.path) as database:
        database.execute("UPDATE sent SET state = 'postponed' WHERE key = 'a'")
    database.close()
    with pytest.raises(
        JournalUnusable, match=r"does not know \('postponed' is not a valid State\)"
    ):
        vault.deduct(ME, 1, "a")


def test_what_is_applied_is_returned_without_asking(
    deployed: DeployedVault, journal: Journal, vault: VaultClient
) -> None:
    """Whatever an RPC would say: that it was never found, or nothing at all."""
    first = vault.submit(Deduct(ME, 1, "a"))
    batch = vault.submit(BatchDeduct(ME, [item(1, "b")]))
    deposit = vault.submit(Deposit(10), key="d")
    transport = deployed.faulty(lambda number, method: DropBefore())
    dead = again(deployed, journal, transport=transport, limits=Limits(timeout=5))
    assert dead.submit(Deduct(ME, 1, "a")).transaction == first.transaction
    assert dead.submit(BatchDeduct(ME, [item(1, "b")])).transaction == batch.transaction
    assert dead.submit(Deposit(10), key="d") == attrs.evolve(deposit, repeated=True)
    with pytest.raises(Unreachable):
        dead.deduct(ME, 1, "c")
    deployed.network.advance_ledgers(200_000)
    plan = deployed.faulty(lambda number, method: None)
    forgot = again(deployed, journal, transport=plan)
    assert forgot.submit(Deduct(ME, 1, "a")).repeated
    asked = len(plan.methods)
    for _ in range(3):
        assert forgot.submit(Deduct(ME, 1, "a")).repeated
    assert len(plan.methods) == asked
