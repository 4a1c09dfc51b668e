"""What a browser sends for a page: refused, unless the page's origin was named."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from localnet.tests.support.http_requests import JSON, Answer, fetch
from stellar_sdk import Keypair

from soroban_localnet import LocalNetwork
from soroban_localnet.serve.http import Endpoint, serve_http

PAGE = "http://wallet.example"
HEALTH = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getHealth"}).encode()


@pytest.fixture(scope="module")
def network() -> LocalNetwork:
    return LocalNetwork()


@pytest.fixture(scope="module")
def endpoint(network: LocalNetwork) -> Iterator[Endpoint]:
    with serve_http(network) as served:
        yield served


@pytest.fixture(scope="module")
def open_to_page(network: LocalNetwork) -> Iterator[Endpoint]:
    with serve_http(network, cors=[PAGE]) as served:
        yield served


@pytest.fixture(scope="module")
def open_to_all(network: LocalNetwork) -> Iterator[Endpoint]:
    with serve_http(network, cors=["*"]) as served:
        yield served


def preflight(endpoint: Endpoint, origin: str = PAGE, method: str = "POST", **more: str) -> Answer:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-client-name",
    }
    return fetch(endpoint.url, method="OPTIONS", headers={**asked, **more})


def post(endpoint: Endpoint, **headers: str) -> Answer:
    return fetch(endpoint.url, HEALTH, headers={**JSON, **headers})


def reads(answer: Answer, origin: str = PAGE) -> bool:
    """Tell whether a browser lets a page of that origin read the answer."""
    return answer.headers.get("access-control-allow-origin") in (origin, "*")


@pytest.mark.parametrize("origin", [PAGE, "null", "http://127.0.0.1:8000", "chrome-extension://x"])
def test_a_page_gets_nothing(endpoint: Endpoint, origin: str) -> None:
    for answer in (post(endpoint, Origin=origin), preflight(endpoint, origin)):
        assert answer.status == 403
        assert not reads(answer, origin)
        assert f"--cors {origin}" in answer.document["error"]["message"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_cannot_send_what_needs_no_leave(
    endpoint: Endpoint, network: LocalNetwork, site: str
) -> None:
    before = network.latest_ledger
    url = f"{endpoint.friendbot_url}?addr={Keypair.random().public_key}"
    assert fetch(url, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status == 403
    form = {"Origin": PAGE, "Content-Type": "text/plain"}
    assert fetch(url, b"", headers=form).status == 403
    assert network.latest_ledger == before


def test_a_person_may_look(endpoint: Endpoint) -> None:
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
    assert fetch(endpoint.url, headers=typed).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:80",
        "LOCALHOST",
        "localhost.",
        "app.localhost:1",
        "127.0.0.1",
        "127.8.9.1:8000",
        "[::1]",
        "[::1]:8000",
    ],
)
def test_names_of_this_machine_are_served(endpoint: Endpoint, host: str) -> None:
    assert post(endpoint, Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8000",
        "localhost.example",
        "notlocalhost",
        "127.0.0.1.example",
        "127.0.0.1@rebound.example",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 - a name, not where anybody listens
        "[::]",
        "[",
        "::1",
    ],
)
def test_other_names_are_refused(endpoint: Endpoint, network: LocalNetwork, host: str) -> None:
    before = network.latest_ledger
    url = f"{endpoint.friendbot_url}?addr={Keypair.random().public_key}"
    for answer in (post(endpoint, Host=host), fetch(url, headers={"Host": host})):
        assert answer.status == 403
        assert repr(host) in answer.document["error"]["message"]
    assert network.latest_ledger == before


def test_a_page_whose_origin_was_named_gets_in(open_to_page: Endpoint) -> None:
    asked = preflight(open_to_page, **{"Access-Control-Request-Private-Network": "true"})
    assert asked.status == 200
    assert reads(asked)
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "x-client-name" in asked.headers["access-control-allow-headers"]
    assert asked.headers["access-control-allow-private-network"] == "true"
    answer = post(open_to_page, Origin=PAGE)
    assert (answer.status, answer.document["result"]["status"]) == (200, "healthy")
    assert reads(answer)
    assert "origin" in answer.headers["vary"].lower()


def test_errors_can_be_read_by_a_page_whose_origin_was_named(open_to_page: Endpoint) -> None:
    answer = fetch(open_to_page.friendbot_url, headers={"Origin": PAGE})
    assert answer.status == 400
    assert reads(answer)


@pytest.mark.parametrize("origin", ["https://wallet.example", f"{PAGE}:80", "http://x.example"])
def test_other_origins_stay_out(open_to_page: Endpoint, origin: str) -> None:
    for answer in (post(open_to_page, Origin=origin), preflight(open_to_page, origin)):
        assert answer.status == 403
        assert not reads(answer, origin)


def test_programs_come_in_as_before(open_to_page: Endpoint) -> None:
    answer = post(open_to_page)
    assert answer.status == 200
    assert not reads(answer)


@pytest.mark.parametrize("origin", [PAGE, "null"])
def test_all_origins_can_be_let_in(open_to_all: Endpoint, origin: str) -> None:
    for answer in (post(open_to_all, Origin=origin), preflight(open_to_all, origin)):
        assert answer.status == 200
        assert reads(answer, origin)
    assert post(open_to_all, Origin=origin, Host="rebound.example").status == 403


def test_methods_that_nothing_needs_are_not_granted(open_to_page: Endpoint) -> None:
    answer = preflight(open_to_page, method="DELETE")
    assert answer.status == 400
    assert "DELETE" not in answer.headers["access-control-allow-methods"]


def test_where_other_machines_come_in_any_name_is_served(network: LocalNetwork) -> None:
    with serve_http(network, host="0.0.0.0") as endpoint:  # noqa: S104 - it is what is tested
        assert endpoint.url.startswith("http://127.0.0.1:")
        assert post(endpoint, Host="localnet:8000").status == 200
        assert post(endpoint, Host="localnet:8000", Origin="http://localnet:8000").status == 403
