"""What is asked of the network: strategies of bodies, of parameters and of envelopes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from localnet.tests.support.served_network import ServedNetwork, text
from localnet.tests.support.xdr_values import damaged, fields, invented, odd, source_of
from stellar_sdk import StrKey, scval, xdr

Document = dict[str, Any]

_SEEDS = st.integers(0, 2**64 - 1)
_NUMBERS = st.sampled_from(
    (-1, 0, 1, 2, 10, 200, 201, 10_000, 2**31, 2**32, 2**53, 2**63, 2**64, -(2**63), 10**40)
) | st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.text(max_size=20) | st.sampled_from(
    ("", "base64", "json", "AAAA", "=", "é", "0" * 64, "g" * 64, "*", "**", "\x00", "1" * 5_000)
)
SCALARS = st.none() | st.booleans() | _NUMBERS | _TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def encoded(document: Any) -> bytes:
    """Encode a document as a body."""
    return json.dumps(document).encode()


# -- bodies ------------------------------------------------------------------------------------

_DEPTHS = st.sampled_from((2, 100, 999, 1_000, 5_000, 100_000))
_OPENERS = st.sampled_from(("[", '{"a":', '[{"params":', '{"jsonrpc":"2.0","id":1,"params":['))


@st.composite
def _deep(draw: st.DrawFn) -> bytes:
    opener, depth = draw(_OPENERS), draw(_DEPTHS)
    closers = {"[": "]", "{": "}"}
    closer = "".join(closers[c] for c in reversed(opener) if c in closers)
    return (opener * depth + "0" + (closer * depth if draw(st.booleans()) else "")).encode()


@st.composite
def _edited(draw: st.DrawFn, served: ServedNetwork) -> bytes:
    """A well-formed request with bytes changed."""
    body = encoded(draw(calls(served)))
    source = source_of(draw(_SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        at = source.randrange(len(body) + 1)
        piece = source.choice(
            (b"", b'"', b"}", b"[", b",", b"\\u0000", b"\\ud800", b"\xff", b"1e999")
        )
        body = body[:at] + piece + body[at + source.randrange(3) :]
    return body


@st.composite
def _shaped(draw: st.DrawFn) -> bytes:
    """An object of the form of a request, each of its parts anything."""
    parts = st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.just("2.0") | JSON,
            "id": SCALARS | JSON,
            "method": st.sampled_from(tuple(METHODS)) | JSON,
            "params": JSON,
            "more": JSON,
        },
    )
    return json.dumps(draw(parts)).encode(draw(st.sampled_from(("utf-8", "utf-16", "utf-8-sig"))))


@st.composite
def _batches(draw: st.DrawFn, served: ServedNetwork) -> bytes:
    items = draw(st.lists(calls(served) | JSON, max_size=4))
    return encoded(items * draw(st.sampled_from((1, 1, 50))))


@st.composite
def _large(draw: st.DrawFn) -> bytes:
    """A request whose size is about the limit of a body."""
    length = draw(st.sampled_from((1_000_000, 1_048_500, 1_048_576, 1_048_577, 3_000_000)))
    method = draw(st.sampled_from(tuple(METHODS)))
    name, filling = draw(st.sampled_from((("hash", "0"), ("transaction", "A"), ("keys", "["))))
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": {name: filling * length}}
    ).encode()


def bodies(served: ServedNetwork) -> st.SearchStrategy[bytes]:
    """Bodies of any kind: bytes, JSON, requests with a mistake, batches, deep and large ones."""
    usual = st.binary(max_size=200) | JSON.map(encoded)
    rare = st.one_of(_deep(), _large())
    return st.integers(0, 40).flatmap(
        lambda n: rare if n == 0 else st.one_of(usual, _edited(served), _shaped(), _batches(served))
    )


# -- ways in that are not JSON-RPC -------------------------------------------------------------

_PATHS = st.sampled_from(("/", "/friendbot", "/friendbot/", "/x", "//", "/%00", "/../", "/rpc"))
_VERBS = st.sampled_from(("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "X"))


@st.composite
def ways_in(draw: st.DrawFn, served: ServedNetwork) -> tuple[str, str, bytes, dict[str, str]]:
    """A verb, a path with a query, a body, headers."""
    known = [
        served.alice.id,
        StrKey.encode_ed25519_public_key(draw(st.binary(min_size=32, max_size=32))),
    ]
    address = draw(
        st.sampled_from((*known, served.contract.id, served.alice.id.lower(), "", "%ff"))
    )
    query = draw(
        st.sampled_from(("", "?addr=" + address, "?addr", f"?addr={address}&addr=x", "?&="))
    )
    headers = {
        "Content-Type": draw(st.sampled_from(("application/json", "text/plain", "", "x" * 500))),
        "Accept-Encoding": draw(st.sampled_from(("gzip", "identity", "*;q=0"))),
    }
    body = b"" if draw(st.booleans()) else b'{"jsonrpc": "2.0", "id": 1, "method": "getHealth"}'
    return draw(_VERBS), draw(_PATHS) + query, body, headers


# -- parameters by their schema ----------------------------------------------------------------

_PAGINATION = {"pagination": {"cursor": "cursor", "limit": "number"}}
_FILTERS = [{"type": "event type", "contractIds": ["contract"], "topics": [["topic"]]}]

METHODS: dict[str, Document] = {
    "getHealth": {},
    "getNetwork": {},
    "getVersionInfo": {},
    "getLatestLedger": {},
    "getFeeStats": {},
    "getLedgers": {"startLedger": "ledger", **_PAGINATION},
    "getTransactions": {"startLedger": "ledger", **_PAGINATION},
    "getEvents": {
        "startLedger": "ledger",
        "endLedger": "ledger",
        "filters": _FILTERS,
        **_PAGINATION,
    },
    "getLedgerEntries": {"keys": ["key"]},
    "getTransaction": {"hash": "hash"},
    "sendTransaction": {"transaction": "envelope"},
    "simulateTransaction": {
        "transaction": "envelope",
        "resourceConfig": {"instructionLeeway": "number"},
        "authMode": "auth mode",
        "useUpgradedAuth": "flag",
    },
    "getSomething": {"key": "key"},
}
"""The parameters of every method, by the kind of their values; the last one does not exist."""


def _kinds(served: ServedNetwork) -> dict[str, st.SearchStrategy[Any]]:
    latest, oldest, hashes = served.network.latest_ledger, served.oldest, served.hashes
    ledgers = (-1, 0, 1, oldest - 1, oldest, latest - 1, latest, latest + 1, 2**32 - 1, 2**32)
    contracts = (served.contract.id, served.alice.id, "C" * 56, served.contract.id[:-1])
    return {
        "ledger": st.sampled_from(ledgers),
        "number": _NUMBERS,
        "flag": st.booleans(),
        "hash": st.sampled_from((*hashes, "00" * 32, hashes[0].upper(), hashes[0][:-1])),
        "auth mode": st.sampled_from(("enforce", "record", "record_allow_nonroot", "", "x")),
        "event type": st.sampled_from(("contract", "system", "diagnostic", "contract,system", "")),
        "contract": st.sampled_from(contracts),
        "cursor": st.sampled_from(
            (f"{latest << 32:019d}-{0:010d}", f"{oldest << 32}-1", str(latest << 32), "-", "9" * 40)
        ),
        "topic": st.sampled_from(("*", "**", "")) | _invented(served, xdr.SCVal),
        "key": keys(served),
        "envelope": st.sampled_from([text(data) for data in served.envelopes.values()]),
    }


@st.composite
def _value(
    draw: st.DrawFn, shape: Any, kinds: dict[str, st.SearchStrategy[Any]], *, long: bool = True
) -> Any:
    """A value of the shape of a schema; now and then another one instead.

    One list may be a long one; what is in that may not, or a request would outgrow the memory.
    """
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(shape, str):
        return draw(kinds[shape])
    if isinstance(shape, list):
        times = draw(st.sampled_from((1, 1, 1, 1, 6, 201))) if long else 1
        inner = _value(shape[0], kinds, long=long and times == 1)
        return draw(st.lists(inner, max_size=3)) * times
    return {
        name: draw(_value(inner, kinds, long=long))
        for name, inner in shape.items()
        if draw(st.integers(0, 4)) > 0
    }


@st.composite
def calls(draw: st.DrawFn, served: ServedNetwork) -> Document:
    """A request whose parameters are those of its method, as to their names."""
    method = draw(st.sampled_from(tuple(METHODS)))
    shape = {**METHODS[method], "xdrFormat": "format"}
    kinds = {**_kinds(served), "format": st.sampled_from(("base64", "json", "", None))}
    return {
        "jsonrpc": "2.0",
        "id": draw(st.sampled_from((1, "a", 0, None, 2**70))),
        "method": method,
        "params": draw(_value(shape, kinds)),
    }


# -- XDR ---------------------------------------------------------------------------------------


def _invented(served: ServedNetwork, kind: Any) -> st.SearchStrategy[str]:
    return _SEEDS.map(
        lambda seed: text(invented(kind, source_of(seed), served.known).to_xdr_bytes())
    )


@st.composite
def keys(draw: st.DrawFn, served: ServedNetwork) -> str:
    """A ledger key: one that exists, one made up, or one with bytes changed."""
    way, source = draw(st.integers(0, 2)), source_of(draw(_SEEDS))
    if way == 0:
        return draw(_invented(served, xdr.LedgerKey))
    key = draw(st.sampled_from(served.keys))
    return text(key if way == 1 else damaged(key, source, draw(st.sampled_from(served.keys))))


def paths(envelope: bytes) -> list[str]:
    """Name all fields of an envelope."""
    return [path for path, _, _ in fields(xdr.TransactionEnvelope.from_xdr_bytes(envelope))]


def changed(
    envelope: bytes, places: Sequence[int], source: random.Random, served: ServedNetwork
) -> bytes:
    """Change fields of an envelope; return it as it was where XDR cannot say the new value."""
    decoded = xdr.TransactionEnvelope.from_xdr_bytes(envelope)
    try:
        for place in places:
            found = list(fields(decoded))
            _, held, put = found[place % len(found)]
            put(deepcopy(odd(held, source, served.known)))
        return decoded.to_xdr_bytes()
    except Exception:  # the encoder raises whatever Python raises on values out of range
        return envelope


@st.composite
def envelopes(draw: st.DrawFn, served: ServedNetwork) -> bytes:
    """An envelope: fields changed, bytes changed, or made up; mostly signed after that."""
    way, source = draw(st.integers(0, 5)), source_of(draw(_SEEDS))
    envelope = draw(st.sampled_from(list(served.envelopes.values())))
    if way == 0:
        envelope = invented(xdr.TransactionEnvelope, source, served.known).to_xdr_bytes()
    elif way == 1:
        envelope = damaged(envelope, source, draw(st.sampled_from(list(served.envelopes.values()))))
    else:
        places = [source.randrange(1_000) for _ in range(source.choice((1, 1, 2, 3)))]
        envelope = changed(envelope, places, source, served)
    return served.sign(envelope) if draw(st.integers(0, 4)) else envelope


def sending(envelope: bytes, method: str, mode: str | None = None) -> bytes:
    """The body that sends or simulates an envelope."""
    params = {"transaction": text(envelope)} | ({"authMode": mode} if mode else {})
    return encoded({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


@st.composite
def transactions(draw: st.DrawFn, served: ServedNetwork) -> bytes:
    """A body that sends or simulates an envelope."""
    method = draw(st.sampled_from(("sendTransaction", "sendTransaction", "simulateTransaction")))
    mode = None
    if method == "simulateTransaction":
        mode = draw(st.sampled_from((None, "enforce", "record", "record_allow_nonroot")))
    return sending(draw(envelopes(served)), method, mode)


def nested(served: ServedNetwork) -> Iterator[tuple[str, str, bytes]]:
    """Put an argument into vectors, and a call into calls, some deep, some deeper than allowed."""
    emit, approve = served.envelopes["emit"], served.envelopes["approve"]
    argument = scval.to_uint32(9).to_xdr_bytes()
    in_vector = scval.to_vec([scval.to_uint32(9)]).to_xdr_bytes().removesuffix(argument)
    decoded = xdr.TransactionEnvelope.from_xdr_bytes(approve)
    assert decoded.v1 is not None
    invoked = decoded.v1.tx.operations[0].body.invoke_host_function_op
    assert invoked is not None
    call = invoked.auth[0].root_invocation.to_xdr_bytes()
    in_call = call[:-1] + b"\1"
    for depth in (5, 90, 120, 240, 260, 480, 520, 5_000, 60_000):
        vectors = emit.replace(argument, in_vector * depth + argument)
        yield "emit", f"{depth} vectors", served.sign(vectors)
        calls_in_calls = approve.replace(call, in_call * min(depth, 5_000) + call)
        yield "approve", f"{depth} calls", served.sign(calls_in_calls)


def swept(served: ServedNetwork, every: int) -> Iterator[tuple[str, str, bytes]]:
    """Change each `every`th field of each envelope once: name of the envelope, path, envelope."""
    number = 0
    for name, envelope in served.envelopes.items():
        for index, path in enumerate(paths(envelope)):
            number += 1
            if number % every == 0:
                source = source_of(f"{name} {path}")
                yield name, path, served.sign(changed(envelope, [index], source, served))
