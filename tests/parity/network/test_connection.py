"""Other networks than the embedded one, and networks that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from stellar_sdk import Keypair, SorobanServer, StrKey
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import ConnectionError as NoConnection

from callora_vault.model.versions import VAULT_V1, VAULT_V2, Abi
from callora_vault.parity import (
    CannotRun,
    Connection,
    Verdict,
    audit,
    committed,
    connect,
    connect_local,
    deployed,
)
from callora_vault.parity.steps import Step
from callora_vault.parity.vault import tour
from callora_vault.parity.vault.contract import VaultContract
from soroban_localnet import LocalNetwork
from soroban_localnet.rpc.in_process import InProcessClient
from soroban_localnet.serve.http import serve_http


def test_the_same_machine_runs_against_another_rpc_over_http() -> None:
    network = LocalNetwork("Some other network ; 2026")
    with serve_http(network) as endpoint:
        connection = connect(endpoint.url, network.passphrase, endpoint.friendbot_url)
        report = audit(committed("v1"), connection, examples=2, steps=5, seed=1)
    assert report.verdict is Verdict.AGREE
    assert report.network == "Some other network ; 2026"
    assert any("clock cannot be moved" in note for note in report.not_compared)


def test_a_factory_is_judged_on_the_embedded_network_alone() -> None:
    connection = attrs.evolve(connect_local(), local=None)
    with pytest.raises(CannotRun, match="only on the embedded network"):
        audit(committed("factory"), connection)


def test_an_rpc_that_does_not_answer_is_named_without_secrets() -> None:
    with pytest.raises(CannotRun, match=r"at http://127\.0\.0\.1:9 \(Connection refused\)") as no:
        connect("http://user:hunter2@127.0.0.1:9/key/abc?token=t", "p", "http://127.0.0.1:9")
    assert "hunter2" not in str(no.value)
    assert "token" not in str(no.value)


def test_a_wrong_passphrase_is_named_beside_the_right_one() -> None:
    network = LocalNetwork("the right one")
    with (
        serve_http(network) as endpoint,
        pytest.raises(CannotRun, match="has the passphrase 'the right one', not 'the wrong one'"),
    ):
        connect(endpoint.url, "the wrong one", endpoint.friendbot_url)


def test_a_friendbot_that_is_none_is_named() -> None:
    network = LocalNetwork()
    with serve_http(network) as endpoint:
        connection = connect(endpoint.url, network.passphrase, endpoint.url + "/nothing")
        with pytest.raises(CannotRun, match=r"friendbot at .* funded no account"):
            audit(committed(), connection, examples=1)


def test_the_code_of_a_deployed_contract_is_read_from_its_network() -> None:
    connection = connect_local()
    vault = VaultContract(connection, committed().code, VAULT_V2).vault
    assert connection.local is not None
    with serve_http(connection.local) as endpoint:
        target = deployed(vault, endpoint.url)
        assert (target.name, target.code) == (vault, committed().code)
        absent = StrKey.encode_contract(bytes(32))
        for contract in ("nonsense", Keypair.random().public_key, absent):
            with pytest.raises(CannotRun, match=f"no code was found for {contract}"):
                deployed(contract, endpoint.url)


class _Failing(InProcessClient):
    """A transport that gives way to a fault at one request of a method."""

    def __init__(
        self, network: LocalNetwork, method: str, after: int, fault: Callable[[Any], Response]
    ) -> None:
        super().__init__(network.dispatcher)
        self._method = method
        self._left = after
        self._fault = fault

    def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
    ) -> Response:
        answer = super().post(url, data, json_data)
        if json_data is not None and json_data["method"] == self._method:
            self._left -= 1
            if self._left == 0:
                return self._fault(answer)
        return answer


def _failing(method: str, after: int, fault: Callable[[Any], Response]) -> Connection:
    good = connect_local()
    assert good.local is not None
    client = _Failing(good.local, method, after, fault)
    return attrs.evolve(good, server=SorobanServer("http://localnet.invalid", client))


def _dropped(answer: Response) -> Response:
    raise NoConnection("the answer was dropped")


def _changed(key: str, value: object) -> Callable[[Response], Response]:
    def change(answer: Response) -> Response:
        document = answer.json()
        document["result"][key] = value
        return answer

    return change


@pytest.mark.parametrize(
    ("method", "fault", "reason"),
    [
        ("sendTransaction", _dropped, "the RPC gave no answer (the request failed)"),
        ("getTransaction", _dropped, "the RPC gave no answer (the request failed)"),
        ("simulateTransaction", _dropped, "the RPC gave no answer (the request failed)"),
        ("getLedgerEntries", _dropped, "the RPC gave no answer (the request failed)"),
        ("sendTransaction", _changed("status", "ERROR"), "the network rejected a transaction"),
        ("getLedgerEntries", _changed("entries", []), "the vault is no longer on the ledger"),
    ],
)
def test_a_network_that_fails_in_the_middle_of_a_run_is_never_agreement(
    method: str, fault: Callable[[Any], Response], reason: str
) -> None:
    report = audit(committed(), _failing(method, 60, fault), examples=1, steps=3, seed=1)
    assert report.verdict is Verdict.ERROR
    assert report.reason is not None
    assert reason in report.reason


def test_a_divergence_that_is_seen_once_and_not_again_is_not_lost() -> None:
    def unlike(answer: Response) -> Response:
        answer.json()["result"]["entries"][0]["liveUntilLedgerSeq"] += 1
        return answer

    report = audit(committed(), _failing("getLedgerEntries", 60, unlike), examples=1, seed=1)
    assert report.verdict is Verdict.ERROR
    assert report.reason is not None
    assert "once and not again" in report.reason


def test_a_run_that_misses_a_reachable_outcome_is_no_agreement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def short(abi: Abi, *, can_age: bool) -> list[tuple[Step, ...]]:
        return [example for example in whole(abi, can_age=can_age) if example[-1] != overflow]

    whole = tour.examples
    overflow = list(tour.examples(VAULT_V1, can_age=False))[-1][-1]
    monkeypatch.setattr(tour, "examples", short)
    report = audit(committed("v1"), connect_local(), examples=1, steps=1, seed=1)
    assert report.verdict is Verdict.ERROR
    assert report.reason is not None
    assert "never reached" in report.reason
