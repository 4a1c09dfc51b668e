"""The RPC methods by their documented fields."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from importlib.metadata import version

import pytest
from localnet.tests.support.contract import CODE_KEY, Kind, account_key, code_key, ttl_key
from localnet.tests.support.rpc_setup import (
    Setup,
    ask,
    encoded,
    error,
    key_text,
    payment,
    result,
    signed,
    text,
)
from localnet.tests.support.sender import Sender
from stellar_sdk import Asset, Keypair, Payment, TransactionEnvelope, xdr

from soroban_localnet import STANDALONE, LocalNetwork

NO_HASH = "0" * 64


# -- the network -----------------------------------------------------------------------------


def test_get_health(setup: Setup) -> None:
    assert result(setup.network, "getHealth") == {
        "status": "healthy",
        "latestLedger": setup.network.latest_ledger,
        "latestLedgerCloseTime": str(setup.network.close_time),
        "oldestLedger": 1,
        "oldestLedgerCloseTime": "1790000000",
        "ledgerRetentionWindow": 120_960,
    }


def test_get_network(setup: Setup) -> None:
    assert result(setup.network, "getNetwork") == {
        "passphrase": STANDALONE,
        "protocolVersion": 29,
    }


def test_get_version_info(setup: Setup) -> None:
    assert result(setup.network, "getVersionInfo") == {
        "version": f"29.0.1-soroban-localnet.{version('soroban-localnet')}",
        "commitHash": "",
        "buildTimestamp": "",
        "captiveCoreVersion": "soroban-env-host 29.0.1",
        "protocolVersion": 29,
    }


def test_get_latest_ledger_comes_with_header_and_meta(setup: Setup) -> None:
    network = setup.network
    answer = result(network, "getLatestLedger")
    header = xdr.LedgerHeader.from_xdr(answer["headerXdr"])
    meta = xdr.LedgerCloseMeta.from_xdr(answer["metadataXdr"]).v2
    assert meta is not None
    assert answer["id"] == sha256(b64decode(answer["headerXdr"])).hexdigest()
    assert meta.ledger_header.header == header
    assert meta.ledger_header.hash.hash.hex() == answer["id"]
    assert header.ledger_seq.uint32 == answer["sequence"] == network.latest_ledger
    assert str(header.scp_value.close_time.time_point.uint64) == answer["closeTime"]
    assert header.ledger_version.uint32 == answer["protocolVersion"] == 29


def test_headers_form_a_chain(network: LocalNetwork) -> None:
    before = result(network, "getLatestLedger")
    network.close_ledgers()
    after = xdr.LedgerHeader.from_xdr(result(network, "getLatestLedger")["headerXdr"])
    assert after.previous_ledger_hash.hash.hex() == before["id"]


def test_the_meta_of_a_ledger_holds_its_transaction(alice: Sender) -> None:
    envelope = payment(alice)
    alice.submit(envelope)
    answer = result(alice.network, "getLatestLedger")
    meta = xdr.LedgerCloseMeta.from_xdr(answer["metadataXdr"]).v2
    assert meta is not None
    (processing,) = meta.tx_processing
    assert processing.result.transaction_hash.hash == envelope.hash()
    assert meta.tx_set.v1_tx_set is not None
    assert encoded(envelope) in meta.tx_set.v1_tx_set.to_xdr_bytes()


# -- entries ---------------------------------------------------------------------------------


def test_get_ledger_entries(setup: Setup) -> None:
    network = setup.network
    keys = [setup.contract.entry(Kind.PERSISTENT, "n"), account_key(setup.alice.id)]
    absent = account_key(Keypair.random().public_key)
    asked = [key_text(keys[0]), key_text(absent), key_text(keys[1])]
    answer = result(network, "getLedgerEntries", keys=asked)
    data, account = answer["entries"]
    assert answer["latestLedger"] == network.latest_ledger
    assert data["key"] == asked[0]
    assert xdr.LedgerEntryData.from_xdr(data["xdr"]).contract_data is not None
    assert xdr.LedgerEntryExt.from_xdr(data["extXdr"]).v == 0
    assert data["liveUntilLedgerSeq"] == data["lastModifiedLedgerSeq"] + 120_960 - 1
    assert account["key"] == asked[2]
    assert xdr.LedgerEntryData.from_xdr(account["xdr"]).account is not None
    assert "liveUntilLedgerSeq" not in account


def test_entries_of_settings_can_be_read(setup: Setup) -> None:
    keys = [text(key) for key, _ in setup.network.settings.entries]
    assert len(result(setup.network, "getLedgerEntries", keys=keys)["entries"]) == len(keys)


def test_no_keys_at_all_are_refused(setup: Setup) -> None:
    message = "could not query captive core: no keys specified in request"
    assert error(setup.network, "getLedgerEntries", keys=[]) == (-32603, message)


def test_the_same_key_twice_is_refused(setup: Setup) -> None:
    key = key_text(CODE_KEY)
    refused = ask(setup.network, "getLedgerEntries", {"keys": [key, key]})["error"]
    assert refused == {
        "code": -32603,
        "message": "could not query captive core: "
        "http request failed with non-200 status code (404)",
        "data": "keys: one key is given twice",
    }


def test_too_many_keys_are_refused(setup: Setup) -> None:
    keys = [key_text(CODE_KEY), *(key_text(code_key(bytes([n]) * 32)) for n in range(200))]
    assert len(result(setup.network, "getLedgerEntries", keys=keys[:200])["entries"]) == 1
    code, message = error(setup.network, "getLedgerEntries", keys=keys)
    assert (code, message) == (-32602, "key count (201) exceeds maximum supported (200)")


def test_ttl_entries_cannot_be_asked_for(setup: Setup) -> None:
    asked = [key_text(CODE_KEY), key_text(ttl_key(CODE_KEY))]
    code, message = error(setup.network, "getLedgerEntries", keys=asked)
    assert (code, message) == (-32602, "ledger ttl entries cannot be queried directly")


def test_a_sponsored_entry_names_its_sponsor_beside_its_data(
    network: LocalNetwork, alice: Sender, bob: Sender
) -> None:
    key = account_key(alice.id)
    found = network.entry(key.to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    sponsor = xdr.SponsorshipDescriptor(bob.key.xdr_account_id())
    no_more = xdr.LedgerEntryExtensionV1Ext(0)
    entry.ext = xdr.LedgerEntryExt(1, v1=xdr.LedgerEntryExtensionV1(sponsor, no_more))
    network.set_entry(entry.to_xdr_bytes())
    (answer,) = result(network, "getLedgerEntries", keys=[key_text(key)])["entries"]
    assert xdr.LedgerEntryData.from_xdr(answer["xdr"]) == entry.data
    assert xdr.LedgerEntryExt.from_xdr(answer["extXdr"]) == entry.ext


# -- transactions ----------------------------------------------------------------------------


def test_a_sent_transaction_is_pending_and_then_found(alice: Sender) -> None:
    network = alice.network
    envelope = payment(alice)
    before = network.latest_ledger, str(network.close_time)
    sent = result(network, "sendTransaction", transaction=envelope.to_xdr())
    assert sent == {
        "status": "PENDING",
        "hash": envelope.hash_hex(),
        "latestLedger": before[0],
        "latestLedgerCloseTime": before[1],
    }
    got = result(network, "getTransaction", hash=sent["hash"])
    assert xdr.TransactionResult.from_xdr(got.pop("resultXdr")).result.code == 0
    assert xdr.TransactionMeta.from_xdr(got.pop("resultMetaXdr")).v == 4
    events = got.pop("events")
    assert [len(of_operation) for of_operation in events["contractEventsXdr"]] == [1]
    xdr.ContractEvent.from_xdr(events["contractEventsXdr"][0][0])
    (fee,) = events["transactionEventsXdr"]
    assert xdr.TransactionEvent.from_xdr(fee).stage == 0
    assert got == {
        "status": "SUCCESS",
        "txHash": sent["hash"],
        "applicationOrder": 1,
        "feeBump": False,
        "envelopeXdr": envelope.to_xdr(),
        "ledger": network.latest_ledger,
        "createdAt": str(network.close_time),
        "latestLedger": network.latest_ledger,
        "latestLedgerCloseTime": str(network.close_time),
        "oldestLedger": 1,
        "oldestLedgerCloseTime": str(network.history.oldest.close_time),
    }


def test_a_failed_transaction_is_found_with_its_diagnostic_events(
    alice: Sender, bob: Sender
) -> None:
    operation = Payment(bob.id, Asset.native(), "1000000")
    envelope = signed(alice, alice.build(operation))
    result(alice.network, "sendTransaction", transaction=envelope.to_xdr())
    got = result(alice.network, "getTransaction", hash=envelope.hash_hex())
    assert got["status"] == "FAILED"
    assert xdr.TransactionResult.from_xdr(got["resultXdr"]).result.code == -1
    assert list(got["events"]) == ["transactionEventsXdr"]


def test_a_transaction_that_is_sent_again_is_a_duplicate_and_changes_nothing(
    alice: Sender,
) -> None:
    envelope = payment(alice)
    alice.submit(envelope)
    alice.network.close_ledgers(3)
    latest = alice.network.latest_ledger
    again = result(alice.network, "sendTransaction", transaction=envelope.to_xdr())
    assert again["status"] == "DUPLICATE"
    assert again["hash"] == envelope.hash_hex()
    assert "errorResultXdr" not in again
    assert alice.network.latest_ledger == latest


def test_a_refused_transaction_comes_with_its_result(setup: Setup) -> None:
    envelope = payment(setup.alice, sequence=setup.alice.sequence + 2)
    before = setup.state
    sent = result(setup.network, "sendTransaction", transaction=envelope.to_xdr())
    assert sent["status"] == "ERROR"
    refused = xdr.TransactionResult.from_xdr(sent["errorResultXdr"])
    assert refused.result.code == xdr.TransactionResultCode.txBAD_SEQ
    assert "diagnosticEventsXdr" not in sent
    assert setup.state == before
    unknown = result(setup.network, "getTransaction", hash=sent["hash"])
    assert unknown["status"] == "NOT_FOUND"


def test_a_refused_call_comes_with_the_event_that_explains_it(setup: Setup) -> None:
    envelope = TransactionEnvelope.from_xdr(text(setup.call), STANDALONE)
    data = envelope.transaction.soroban_data
    assert data is not None
    data.resources.instructions = xdr.Uint32(2**32 - 1)
    envelope.signatures = []
    before = setup.state
    sent = result(
        setup.network, "sendTransaction", transaction=signed(setup.alice, envelope).to_xdr()
    )
    assert sent["status"] == "ERROR"
    (event,) = sent["diagnosticEventsXdr"]
    assert b"instructions resources exceed" in xdr.DiagnosticEvent.from_xdr(event).to_xdr_bytes()
    assert setup.state == before


def test_an_unknown_transaction_is_not_found_in_the_window(setup: Setup) -> None:
    network = setup.network
    assert result(network, "getTransaction", hash=NO_HASH) == {
        "status": "NOT_FOUND",
        "txHash": NO_HASH,
        "applicationOrder": 0,
        "feeBump": False,
        "events": {},
        "ledger": 0,
        "createdAt": "0",
        "latestLedger": network.latest_ledger,
        "latestLedgerCloseTime": str(network.close_time),
        "oldestLedger": 1,
        "oldestLedgerCloseTime": str(network.history.oldest.close_time),
    }


def test_a_hash_may_have_capital_letters(alice: Sender) -> None:
    envelope = payment(alice)
    alice.submit(envelope)
    upper = envelope.hash_hex().upper()
    assert result(alice.network, "getTransaction", hash=upper)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("", "unexpected hash length (0)"),
        ("00", "unexpected hash length (2)"),
        (NO_HASH + "00", "unexpected hash length (66)"),
        ("z" * 64, "incorrect hash"),
        (" " * 64, "incorrect hash"),
        ("é" * 64, "incorrect hash"),
        ("00 " * 21 + "0", "incorrect hash"),
    ],
)
def test_what_is_no_hash_is_refused(setup: Setup, asked: str, message: str) -> None:
    code, text = error(setup.network, "getTransaction", hash=asked)
    assert code == -32602
    assert text.startswith(message)
