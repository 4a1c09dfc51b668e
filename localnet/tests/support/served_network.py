"""A served network with something of everything on it, and what must hold after each request."""

from __future__ import annotations

import faulthandler
import http.client
import json
import logging
import sys
import threading
import warnings
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from localnet.tests.support.clock import START
from localnet.tests.support.contract import (
    CODE,
    CODE_HASH,
    Kind,
    account_key,
    create,
    deploy,
    resources,
    upload,
)
from localnet.tests.support.sender import Sender
from stellar_sdk import (
    Account,
    AllowTrust,
    Asset,
    AuthorizationFlag,
    ChangeTrust,
    Claimant,
    ExtendFootprintTTL,
    FeeBumpTransaction,
    FeeBumpTransactionEnvelope,
    InvokeHostFunction,
    Keypair,
    LiquidityPoolAsset,
    ManageData,
    MuxedAccount,
    Payment,
    Price,
    RestoreFootprint,
    SetOptions,
    Signer,
    StrKey,
    TransactionBuilder,
    TransactionEnvelope,
    TrustLineFlags,
    scval,
)
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.auth import authorize_entry

from soroban_localnet import LocalNetwork, xdr
from soroban_localnet.serve.http import serve_http

HANG_SECONDS = 10
ERROR_CODES = {-32700, -32600, -32601, -32602}
HTTP_ERRORS = {400, 404, 405, 413, 415}
"""The status codes of the HTTP server besides 200."""

LAST = Path(".build/fuzz-request")
"""Where the latest request is kept."""

_CRASH = "the Soroban host trapped"
_KEYS = "could not query captive core"
"""How stellar-rpc refuses to look for no keys, or for one twice: as an internal error."""


class Broken(AssertionError):
    """The network did what it never may."""


class Hung(BaseException):
    """No answer came in time; no smaller request is looked for, that would take too long."""


@attrs.frozen
class Answer:
    """An answer over HTTP, its body decoded where it is JSON."""

    status: int
    document: Any


class _Faults(logging.Handler):
    """Collects what a server only writes into its log when it has a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.seen.append(self.format(record))

    def caught(self, caught: Any) -> None:
        self.seen.append(f"{caught.exc_type.__name__}: {caught.exc_value}")


def _key(number: int) -> Keypair:
    return Keypair.from_raw_ed25519_seed(bytes([number]) * 32)


class ServedNetwork:
    """A network over HTTP, envelopes that are valid there, and bytes that mean something on it.

    It is the same each time. `last` is a file for the latest request: where the process hangs as a
    whole, a watchdog ends it, and the request is found there. `asked` counts requests, `accepted`
    those that got transactions into ledgers, `crashes` the answers that say that the host trapped.
    """

    def __init__(self, url: str, network: LocalNetwork, faults: _Faults, last: FileIO) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self.connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=HANG_SECONDS
        )
        self._faults = faults
        self._last = last
        self.network = network
        self.asked = self.accepted = 0
        self.crashes: Counter[str] = Counter()
        self.alice, self.bob = Sender(network, _key(1)), Sender(network, _key(2))
        self.usd = Asset("USD", self.bob.id)
        self.alice.invoke(upload())
        self.contract, self.other = (deploy(self.alice, bytes([n]) * 32) for n in (1, 2))
        self.alice.invoke(self.contract.call("add", Kind.PERSISTENT, "archived", 1))
        self.alice.invoke(self.contract.call("add", Kind.TEMPORARY, "expired", 1))
        longer = resources([*self.contract.code, self.other.instance], fee=100_000_000)
        self.alice.declare(longer, ExtendFootprintTTL(300_000))
        network.advance_ledgers(130_000)
        for kind in Kind:
            self.alice.invoke(self.contract.call("add", kind, "n", 1))
        self._issue_an_asset()
        self.keys = [key.to_xdr_bytes() for key in self._ledger_keys()]
        self.envelopes = {
            name: envelope.to_xdr_object().to_xdr_bytes() for name, envelope in self._envelopes()
        }
        self.oldest = network.history.oldest.sequence
        applied = self._inside("getTransactions", startLedger=self.oldest)["transactions"]
        self.hashes = [transaction["txHash"] for transaction in applied]
        self.known = [
            self.alice.key.raw_public_key(),
            self.bob.key.raw_public_key(),
            network.node.root.raw_public_key(),
            StrKey.decode_contract(self.contract.id),
            network.node.native_contract,
            CODE_HASH,
            network.network_id,
            *map(bytes.fromhex, self.hashes),
        ]
        self._mark = network.snapshot()
        self.beginning = self.state()

    def _issue_an_asset(self) -> None:
        flags = AuthorizationFlag.AUTHORIZATION_REVOCABLE
        flags |= AuthorizationFlag.AUTHORIZATION_CLAWBACK_ENABLED
        self.bob.send(SetOptions(set_flags=flags))
        self.alice.send(ChangeTrust(self.usd))
        self.bob.send(Payment(self.alice.id, self.usd, "100"))
        self.alice.send(ManageData("data", b"value"))
        for asset in (Asset.native(), self.usd):
            builder = self._builder().append_create_stellar_asset_contract_from_asset_op(asset)
            self.alice.invoke(*builder.operations)

    # -- what there is -----------------------------------------------------------------------

    def _inside(self, method: str, **params: Any) -> Any:
        """Call a method without a socket."""
        return self.network.dispatcher.call(method, params)

    def _builder(self) -> TransactionBuilder:
        account = Account(self.alice.id, self.alice.sequence)
        return TransactionBuilder(account, self.network.passphrase, base_fee=1_000)

    def _signed(self, builder: TransactionBuilder) -> TransactionEnvelope:
        if builder.time_bounds is None:
            builder.add_time_bounds(0, 0)
        envelope = builder.build()
        envelope.sign(self.alice.key)
        if any(operation.source is not None for operation in builder.operations):
            envelope.sign(self.bob.key)
        return envelope

    def _ledger_keys(self) -> Iterator[stellar_xdr.LedgerKey]:
        yield account_key(self.alice.id)
        yield account_key(_key(9).public_key)
        yield _trustline_key(self.alice.key, self.usd)
        yield from self.contract.code
        for name in ("n", "archived", "expired", "missing"):
            yield self.contract.entry(Kind.PERSISTENT, name)
            yield self.contract.entry(Kind.TEMPORARY, name)

    def _envelopes(self) -> Iterator[tuple[str, TransactionEnvelope | FeeBumpTransactionEnvelope]]:
        for name, builder in self._classic():
            yield name, self._signed(builder)
        yield "fee bump", self._fee_bump()
        for name, operation in self._invocations():
            envelope = self.alice.prepare(operation)
            for invocation in envelope.transaction.operations:
                assert isinstance(invocation, InvokeHostFunction)
                invocation.auth = [self._allowed(entry) for entry in invocation.auth]
            envelope.sign(self.alice.key)
            yield name, envelope
        archived = self.contract.entry(Kind.PERSISTENT, "archived")
        extended = self.alice.declared(resources(self.contract.code), ExtendFootprintTTL(200_000))
        restored = self.alice.declared(resources([], [archived], fee=10**8), RestoreFootprint())
        for name, envelope in (("extend", extended), ("restore", restored)):
            envelope.sign(self.alice.key)
            yield name, envelope

    def _allowed(
        self, entry: stellar_xdr.SorobanAuthorizationEntry
    ) -> stellar_xdr.SorobanAuthorizationEntry:
        if (
            entry.credentials.type
            == stellar_xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
        ):
            return entry
        until = self.network.latest_ledger + 100
        return authorize_entry(entry, self.bob.key, until, self.network.passphrase)

    def _invocations(self) -> Iterator[tuple[str, InvokeHostFunction]]:
        for kind in Kind:
            yield f"add {kind.name.lower()}", self.contract.call("add", kind, "n", 1)
        yield "restoring add", self.contract.call("add", Kind.PERSISTENT, "archived", 1)
        yield "approve", self.contract.call("approve", self.alice.id, 1)
        yield "approve of another", self.contract.call("approve", self.bob.id, 1)
        yield "relay", self.contract.call("relay", self.other.id, self.bob.id, 1)
        yield "burn", self.contract.call("burn", scval.to_uint32(10))
        yield "allocate", self.contract.call("allocate", scval.to_uint32(3))
        yield "emit", self.contract.call("emit", scval.to_uint32(2), scval.to_uint32(9))
        yield "upload", upload(CODE + b"\0\2\1x")  # a custom section more
        yield "create", create(self.alice, bytes([7]) * 32)
        for name, asset in (("lumens", Asset.native()), ("an asset", self.usd)):
            contract = asset.contract_id(self.network.passphrase)
            yield f"transfer of {name}", _transfer(contract, self.alice.id, self.bob.id)

    def _classic(self) -> Iterator[tuple[str, TransactionBuilder]]:
        build, bob, usd, alice = self._builder, self.bob.id, self.usd, self.alice.id
        lumens, pool = Asset.native(), LiquidityPoolAsset(Asset.native(), usd)
        pool_id, balance_id = pool.liquidity_pool_id, "00000000" + "07" * 32
        yield "create account", build().append_create_account_op(_key(7).public_key, "5")
        yield "payment", build().append_payment_op(bob, lumens, "1")
        yield "payment of an asset", build().append_payment_op(bob, usd, "1")
        yield "payment by the issuer", build().append_payment_op(alice, usd, "1", bob)
        muxed = MuxedAccount(bob, 5)
        yield "payment to a muxed account", build().append_payment_op(muxed, lumens, "1")
        path = [usd]
        yield (
            "path payment, receive",
            build().append_path_payment_strict_receive_op(bob, lumens, "1", usd, "1", path),
        )
        yield (
            "path payment, send",
            build().append_path_payment_strict_send_op(bob, lumens, "1", usd, "1", path),
        )
        price = Price(1, 2)
        yield "sell offer", build().append_manage_sell_offer_op(lumens, usd, "1", price)
        yield "buy offer", build().append_manage_buy_offer_op(lumens, usd, "1", price)
        yield "passive offer", build().append_create_passive_sell_offer_op(lumens, usd, "1", price)
        signer = Signer.ed25519_public_key(bob, 1)
        yield (
            "set options",
            build().append_set_options_op(
                bob,
                master_weight=1,
                low_threshold=1,
                med_threshold=1,
                high_threshold=1,
                signer=signer,
                home_domain="example.org",
            ),
        )
        yield (
            "signer by hash",
            build().append_set_options_op(signer=Signer.sha256_hash(CODE_HASH, 1)),
        )
        yield "trust", build().append_change_trust_op(usd, "100")
        yield "trust in a pool", build().append_change_trust_op(pool, "100")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, but networks have to answer it
            allow_trust = AllowTrust(alice, "USD", True, bob)
        yield "allow trust", build().append_operation(allow_trust)
        flags = TrustLineFlags.AUTHORIZED_FLAG
        yield (
            "trust line flags",
            build().append_set_trust_line_flags_op(alice, usd, flags, None, bob),
        )
        yield "merge", build().append_account_merge_op(bob)
        yield "inflation", build().append_inflation_op()
        yield "data", build().append_manage_data_op("name", b"value")
        yield "bump sequence", build().append_bump_sequence_op(2**40)
        claimants = [Claimant(bob)]
        yield "claimable", build().append_create_claimable_balance_op(lumens, "1", claimants)
        yield "claim", build().append_claim_claimable_balance_op(balance_id)
        yield "claw back a balance", build().append_clawback_claimable_balance_op(balance_id)
        yield "claw back", build().append_clawback_op(usd, alice, "1", bob)
        yield "begin sponsoring", build().append_begin_sponsoring_future_reserves_op(bob)
        yield "end sponsoring", build().append_end_sponsoring_future_reserves_op()
        yield "revoke", build().append_revoke_account_sponsorship_op(bob)
        yield (
            "deposit",
            build().append_liquidity_pool_deposit_op(pool_id, "1", "1", Price(1, 2), Price(2, 1)),
        )
        yield "withdraw", build().append_liquidity_pool_withdraw_op(pool_id, "1", "1", "1")
        several = build().append_payment_op(bob, lumens, "1").append_bump_sequence_op(0)
        yield "several", several.append_payment_op(alice, usd, "2", bob)
        yield "memo", build().append_payment_op(bob, lumens, "1").add_text_memo("thanks")
        conditions = build().append_payment_op(bob, lumens, "1").add_time_bounds(0, 2**40)
        conditions.set_ledger_bounds(0, 10**6).set_min_sequence_number(1).set_min_sequence_age(0)
        yield "conditions", conditions.set_min_sequence_ledger_gap(0)

    def _fee_bump(self) -> FeeBumpTransactionEnvelope:
        inner = self._signed(self._builder().append_payment_op(self.bob.id, Asset.native(), "1"))
        bump = FeeBumpTransactionEnvelope(
            FeeBumpTransaction(MuxedAccount(self.bob.id), 10_000, inner), self.network.passphrase
        )
        bump.sign(self.bob.key)
        return bump

    def sign(self, envelope: bytes) -> bytes:
        """Sign anew what can be decoded: alice and who else is in it, and bob his fee bump."""
        try:
            decoded = stellar_xdr.TransactionEnvelope.from_xdr_bytes(envelope)
            bump = decoded.fee_bump
            inner = decoded.v1 if bump is None else bump.tx.inner_tx.v1
            if inner is not None:
                bobs = any(operation.source_account for operation in inner.tx.operations)
                signers = (self.alice.key, self.bob.key) if bobs else (self.alice.key,)
                self._sign(inner, stellar_xdr.EnvelopeType.ENVELOPE_TYPE_TX, *signers)
            if bump is not None:
                self._sign(bump, stellar_xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP, self.bob.key)
            return decoded.to_xdr_bytes()
        except Exception:  # the decoder raises whatever Python raises on bad input
            return envelope

    def _sign(
        self,
        envelope: stellar_xdr.TransactionV1Envelope | stellar_xdr.FeeBumpTransactionEnvelope,
        kind: stellar_xdr.EnvelopeType,
        *signers: Keypair,
    ) -> None:
        payload = self.network.network_id + kind.to_xdr_bytes() + envelope.tx.to_xdr_bytes()
        digest = xdr.sha256(payload)
        envelope.signatures = [key.sign_decorated(digest).to_xdr_object() for key in signers]

    # -- what must hold ----------------------------------------------------------------------

    def state(self) -> Any:
        """Return everything that a refused request must leave as it is, to be compared."""
        entries = {
            key: (entry.xdr, entry.live_until, entry.ttl_modified)
            for key, entry in self.network.entries().items()
        }
        return entries, self.network.latest_ledger, self.network.history.latest.hash

    def ask(
        self,
        body: bytes,
        path: str = "/",
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request over HTTP. Raises Hung or Broken where no answer comes."""
        self.asked += 1
        headers = {"Content-Type": "application/json", **(headers or {})}
        self._last.seek(0)
        self._last.write(body)
        self._last.truncate()
        # where the process hangs as a whole, nothing but this ends it
        faulthandler.dump_traceback_later(HANG_SECONDS + 1, exit=True)
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            content = response.read()
        except TimeoutError:
            raise Hung(f"no answer within {HANG_SECONDS} s to {body[:2_000]!r}") from None
        except (http.client.HTTPException, OSError) as error:
            self.connection.close()
            raise Broken(f"no answer: {error!r}") from error
        finally:
            faulthandler.cancel_dump_traceback_later()
        if self._faults.seen:
            seen = "\n".join(self._faults.seen)
            self._faults.seen.clear()
            raise Broken(f"a fault in the server:\n{seen}")
        kind = response.headers.get_content_type()
        try:
            document = json.loads(content) if content and kind.endswith("json") else content
        except ValueError as error:
            raise Broken(f"no JSON: {content[:200]!r}") from error
        return Answer(response.status, document)

    def check_http(self, answer: Answer, friendbot: bool = False) -> None:
        """Check an answer that need not be JSON-RPC, and that only friendbot changed anything."""
        if answer.status not in {200, *HTTP_ERRORS}:
            raise Broken(f"status {answer.status}")
        if friendbot and answer.status == 200 and answer.document.get("successful"):
            self._back()
        self._unchanged()

    def call(self, body: bytes) -> Any:
        """Post a body to JSON-RPC and check all that must hold; return the document."""
        answer = self.ask(body)
        if answer.status not in (200, 204, 413):
            raise Broken(f"status {answer.status}: {answer.document}")
        silent = _silently_sent(body)
        if answer.status == 204:
            if answer.document != b"":
                raise Broken(f"no content, but {answer.document}")
            documents: list[Any] = []
        else:
            several = isinstance(answer.document, list)
            documents = answer.document if several else [answer.document]
        sent = sum(map(self._check, documents))
        if sent or (silent and self.state() != self.beginning):
            self._back(sent + silent)
        self._unchanged()
        return answer.document

    def request(self, method: str, **params: Any) -> Any:
        """Call a method as a well-behaved client does, and return the answer."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.call(json.dumps(body).encode())

    def _check(self, document: Any) -> bool:
        """Check the form of an answer; tell whether it says that a transaction was accepted."""
        match document:
            case {"jsonrpc": "2.0", "id": int() | str() | None, "result": dict(result), **rest}:
                if rest:
                    raise Broken(f"more than an answer: {rest}")
                if str(result.get("error", "")).startswith(_CRASH):
                    self.crashes[str(result["error"])] += 1
                return result.get("status") == "PENDING"
            case {
                "jsonrpc": "2.0",
                "id": int() | str() | None,
                "error": {"code": int(code), "message": str(message)},
                **rest,
            }:
                if rest:
                    raise Broken(f"more than an error: {rest}")
                if message.startswith(_CRASH):
                    self.crashes[message] += 1
                elif code not in ERROR_CODES and not message.startswith(_KEYS):
                    raise Broken(f"error {code}: {message}")
                return False
        raise Broken(f"no JSON-RPC: {str(document)[:300]}")

    def _unchanged(self) -> None:
        if self.state() != self.beginning:
            self.network.revert(self._mark)
            raise Broken("the ledger changed, and nobody was told")

    def _back(self, sent: int = 1) -> None:
        """Check what accepted transactions did, and take it back."""
        self.accepted += 1
        before, ledger, _ = self.beginning
        after, latest, _ = self.state()
        try:
            if not 1 <= latest - ledger <= sent:
                raise Broken(f"{latest - ledger} ledgers for {sent} transactions")
            if _money(after) > _money(before):
                raise Broken("money out of nothing")
            for key, (entry, *_) in after.items():
                if key not in before or before[key][0] is not entry:
                    _canonical(stellar_xdr.LedgerEntry, entry)
            for closed in self._inside("getLedgers", startLedger=ledger + 1)["ledgers"]:
                _canonical(stellar_xdr.LedgerCloseMeta, b64decode(closed["metadataXdr"]))
        finally:
            self.network.revert(self._mark)

    def lives(self) -> None:
        """Check that a transaction goes through as on the first day."""
        answer = self.request("sendTransaction", transaction=text(self.envelopes["payment"]))
        if answer.get("result", {}).get("status") != "PENDING":
            raise Broken(f"a payment does not go through any more: {answer}")


def _silently_sent(body: bytes) -> int:
    """Count the transactions in a body that asks for no answer about them."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return 0
    requests = document if isinstance(document, list) else [document]
    return sum(
        "id" not in request and request.get("method") == "sendTransaction"
        for request in requests
        if isinstance(request, dict)
    )


def text(data: bytes) -> str:
    """Encode bytes as JSON-RPC carries them."""
    return b64encode(data).decode()


def _trustline_key(holder: Keypair, asset: Asset) -> stellar_xdr.LedgerKey:
    return stellar_xdr.LedgerKey(
        stellar_xdr.LedgerEntryType.TRUSTLINE,
        trust_line=stellar_xdr.LedgerKeyTrustLine(
            holder.xdr_account_id(), asset.to_trust_line_asset_xdr_object()
        ),
    )


def _transfer(contract: str, sender: str, receiver: str) -> InvokeHostFunction:
    arguments = [scval.to_address(sender), scval.to_address(receiver), scval.to_int128(5)]
    return InvokeHostFunction.from_xdr_object(
        TransactionBuilder(Account(sender, 0), "")
        .append_invoke_contract_function_op(contract, "transfer", arguments)
        .operations[0]
        .to_xdr_object()
    )


def _money(entries: dict[bytes, Sequence[Any]]) -> int:
    """Add up all lumens that accounts hold."""
    decoded = (
        stellar_xdr.LedgerEntry.from_xdr_bytes(entry).data.account
        for key, (entry, *_) in entries.items()
        if xdr.key_type(key) == stellar_xdr.LedgerEntryType.ACCOUNT
    )
    return sum(account.balance.int64 for account in decoded if account is not None)


def _canonical(kind: Any, data: bytes) -> None:
    """Check that bytes are XDR of a type, read by stellar-sdk and written again."""
    if kind.from_xdr_bytes(data).to_xdr_bytes() != data:
        raise Broken(f"no canonical {kind.__name__}: {data.hex()}")


@contextmanager
def served_network() -> Iterator[ServedNetwork]:
    """Serve a network while the context lasts, and watch its log."""
    faults = _Faults()
    network = LocalNetwork(start_time=START, clock=lambda: START)
    loggers = [logging.getLogger(), logging.getLogger("uvicorn")]
    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = sys.unraisablehook = faults.caught
    try:
        LAST.parent.mkdir(exist_ok=True)
        with LAST.open("wb", buffering=0) as last, serve_http(network) as endpoint:
            for logger in loggers:
                logger.addHandler(faults)
            served = ServedNetwork(endpoint.url, network, faults, last)
            yield served
            served.connection.close()
    finally:
        threading.excepthook, sys.unraisablehook = hooks
        for logger in loggers:
            logger.removeHandler(faults)
