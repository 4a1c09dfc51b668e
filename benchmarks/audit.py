"""How fast a history is read and replayed: 100,000 events on one core."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import attrs
from stellar_sdk import StrKey, xdr

from callora_vault.codec.entries import encode_meta
from callora_vault.codec.events import encode_event
from callora_vault.codec.keys import instance_key
from callora_vault.codec.values import encode_symbol
from callora_vault.inspect import Verdict, audit, read
from callora_vault.inspect.history import appending
from callora_vault.model.calls import Call, Deduct, Deposit, Init
from callora_vault.model.layouts import V1
from callora_vault.model.vault import Accepted, State, transition
from callora_vault.rpc.answers import EventRecord

EVENTS = 100_000
OWNER = StrKey.encode_ed25519_public_key(bytes(31) + b"\1")
VAULT = StrKey.encode_contract(bytes(32))


def _entry(state: State) -> str:
    """Return the raw instance entry of a vault with this state."""
    assert state is not None
    key = instance_key(VAULT).contract_data
    assert key is not None
    kind = xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM
    executable = xdr.ContractExecutable(kind, wasm_hash=xdr.Hash(bytes(32)))
    stored = xdr.SCMap([xdr.SCMapEntry(encode_symbol("meta"), encode_meta(state, V1))])
    value = xdr.SCVal(
        xdr.SCValType.SCV_CONTRACT_INSTANCE, instance=xdr.SCContractInstance(executable, stored)
    )
    data = xdr.ContractDataEntry(
        xdr.ExtensionPoint(0), key.contract, key.key, key.durability, value
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=data).to_xdr()


def _write(path: Path) -> None:
    """Write the history of a vault that lives through EVENTS calls."""
    state: State = None
    with appending(path, "a network", VAULT) as (_, append):
        for number in range(EVENTS):
            call: Call = Deduct(OWNER, 1, f"r{number}") if number % 2 else Deposit(2)
            outcome = transition(state, call if number else Init(OWNER, 10), frozenset({OWNER}))
            assert isinstance(outcome, Accepted)
            state = outcome.state
            (event,) = outcome.events
            body = encode_event(event, VAULT).body.v0
            assert body is not None
            topics = tuple(topic.to_xdr() for topic in body.topics)
            identity, data = f"{number:019d}-0000000000", body.data.to_xdr()
            record = EventRecord(identity, number + 1, 0, "0" * 64, topics, data)
            append({"kind": "event", **attrs.asdict(record)})
        append({"kind": "seen", "from": 1, "through": EVENTS})
        append({"kind": "state", "ledger": EVENTS, "entry": _entry(state)})


def main() -> None:
    """Print the time to read and to replay a history."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        _write(path)
        start = time.process_time()
        history = read(path)
        loaded = time.process_time()
        audited = audit(history)
        done = time.process_time()
    assert audited.verdict is Verdict.CONSERVED
    assert audited.events == EVENTS
    reading = f"(reading {loaded - start:.2f} s)"
    print(f"audit of {EVENTS:,} events    {done - start:8.2f} s of one core   {reading}")


if __name__ == "__main__":
    main()
