"""Any calls in any order, under faults: client and model come to the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.deployed_vault import OWNER, STRANGER, DeployedVault
from tests.support.exactly_once import Run
from tests.support.strategies import i128s, symbols

from callora_vault import CallRefused, VaultMeta, VaultModel
from callora_vault.client import (
    Journal,
    NeverApplied,
    SourceBusy,
    Unreachable,
    Unsettled,
    VaultClient,
    from_keypair,
)
from callora_vault.client.request_ids import ids_of
from callora_vault.model.calls import (
    Balance,
    BatchDeduct,
    Call,
    Deduct,
    DeductItem,
    Deposit,
    GetMeta,
    Init,
    SetAuthorizedCaller,
    Withdraw,
    WithdrawTo,
)
from callora_vault.model.events import Event
from callora_vault.model.versions import VAULT_V1, VAULT_V2, Abi
from soroban_localnet.faults import Faults

PEOPLE = {key.public_key: from_keypair(key) for key in (OWNER, STRANGER)}
addresses = st.sampled_from(sorted(PEOPLE))
amounts = st.integers(-1, 40) | i128s

openings = st.builds(Init, addresses, st.none() | st.integers(0, 50), st.none() | st.integers(0, 5))
calls: st.SearchStrategy[Call] = st.one_of(
    st.builds(Init, addresses, st.none() | amounts, st.none() | amounts),
    st.just(GetMeta()),
    st.just(Balance()),
    st.builds(Deposit, amounts),
    st.builds(Deduct, addresses, amounts, st.none() | symbols),
    st.builds(Withdraw, amounts),
    st.builds(WithdrawTo, addresses, amounts),
    st.builds(
        BatchDeduct,
        addresses,
        st.lists(st.builds(DeductItem, amounts, st.none() | symbols), max_size=3),
    ),
    st.builds(SetAuthorizedCaller, st.none() | addresses),
)


@attrs.frozen
class Came:
    """What came of a call: the returned value and the events, or the refusal with its values."""

    returned: VaultMeta | int | None
    events: tuple[Event, ...]
    refused: str | None


def of_model(model: VaultModel, call: Call) -> Came:
    before = len(model.events)
    try:
        return Came(model.call(call), model.events[before:], None)
    except CallRefused as refused:
        return Came(None, (), repr(refused))


def of_client(vault: VaultClient, call: Call, key: str) -> Came:
    """Call until it is settled: what is not is repeated with the same key."""
    while True:
        try:
            if isinstance(call, GetMeta | Balance):
                return Came(vault.call(call), (), None)
            receipt = vault.submit(call, key=key)
            return Came(receipt.returned, receipt.events, None)
        except CallRefused as refused:
            return Came(None, (), repr(refused))
        except (Unsettled, SourceBusy, Unreachable, NeverApplied):
            continue


def without_taken_ids(calls: Iterable[Call]) -> list[Call]:
    """Leave out what the client alone refuses: a request id that is there a second time."""
    seen: set[str] = set()
    kept = []
    for call in calls:
        ids = [request_id for _, request_id in ids_of(call)]
        if len({*ids} - seen) == len(ids):
            seen.update(ids)
            kept.append(call)
    return kept


@given(
    abi=st.sampled_from((VAULT_V1, VAULT_V2)),
    opening=st.none() | openings,
    then=st.lists(calls, min_size=1, max_size=8),
    signers=st.sets(addresses, min_size=1).map(sorted),
    seed=st.integers(0, 2**32),
    likely=st.sampled_from([0.0, 0.02, 0.05]),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_client_and_model_agree(
    deployed: DeployedVault,
    abi: Abi,
    opening: Call | None,
    then: list[Call],
    signers: list[str],
    seed: int,
    likely: float,
) -> None:
    deployed.reset()
    model = VaultModel(signers=signers, abi=abi)
    transport = deployed.faulty(Faults.of_every_kind(seed, likely))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.db") as journal:
        vault = deployed.client(
            journal,
            tuple(PEOPLE[address] for address in signers),
            contract=deployed.fresh[abi.name],
            transport=transport,
        )
        known = without_taken_ids(call for call in then if type(call) in abi.calls)
        for number, call in enumerate([*([] if opening is None else [opening]), *known]):
            assert of_client(vault, call, str(number)) == of_model(model, call)
        assert (
            deployed.client(journal, (), contract=deployed.fresh[abi.name]).stored().meta
            == model.meta
        )


def test_a_faulty_fraction_is_applied_exactly_once(tmp_path: Path) -> None:
    report = Run(tmp_path, seed=2).deduct(150)
    assert report.wrong == ()
    assert report.settled + report.unknown == 150
    assert report.faults > 100
    assert report.kills > 5
