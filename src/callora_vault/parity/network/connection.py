"""Contracts on a network, as a client of its RPC sees them: deploy, call, read what is stored.

Every call is sent, refused ones too, and judged by what its transaction's meta says. Simulation,
recording and enforcing, is observed beside it. Source: the JSON-RPC reference of Stellar RPC.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

import attrs
from stellar_sdk import (
    Account,
    Keypair,
    SorobanServer,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import BaseRequestError, PrepareTransactionException, SdkError
from stellar_sdk.operation import InvokeHostFunction
from stellar_sdk.soroban_rpc import (
    AuthMode,
    GetTransactionResponse,
    GetTransactionStatus,
    SendTransactionStatus,
    SimulateTransactionResponse,
)
from stellar_sdk.utils import sha256

from callora_vault.codec.calls import host_function
from callora_vault.codec.errors import find_error
from callora_vault.codec.keys import (
    account_key,
    code_key,
    instance_key,
    is_nonce,
    nonce_key,
    setting_key,
)
from callora_vault.model.calls import Call, FactoryCall
from callora_vault.model.units import Address
from callora_vault.parity import outcomes
from callora_vault.parity.errors import CannotRun, Inconclusive, check_url, no_rpc
from callora_vault.parity.network.signatures import Nonces, Signer, authorise
from callora_vault.parity.steps import Lane, Role
from callora_vault.rpc.results import result_name
from callora_vault.rpc.urls import cause, origin
from soroban_localnet import LocalNetwork

INCLUSION_FEE: Final = 100
RETENTION_LEDGERS: Final = 64
"""Nothing looks back further than the last transaction."""

# For calls that no simulation can measure, since they are refused.
GENEROUS_INSTRUCTIONS: Final = 50_000_000
GENEROUS_BYTES: Final = 60_000
GENEROUS_FEE: Final = 100_000_000

FOOTPRINT_ATTEMPTS: Final = 8
"""How many keys a refused call may turn out to touch, one after the other."""

_UNDECLARED: Final = re.compile(rb"trying to access ([a-z ]+) outside of the footprint")

RENT_RESERVE: Final = 50_000_000
"""Stroops on top of what was simulated, for a renewal that falls due one ledger later."""

POLLS: Final = 60
POLL_SECONDS: Final = 1

LOOK: Final = "look at the network"
_T = TypeVar("_T")

KEYS: Final = (Role.OWNER, Role.STRANGER, Role.PAYER)
"""Who has a key and an account."""


@attrs.frozen
class Connection:
    """A network to work on: its RPC, and how an account is funded there.

    `local` is the embedded network, where time can be moved; None for any other.
    """

    server: SorobanServer
    passphrase: str
    protocol: int
    fund: Callable[[str], None]
    local: LocalNetwork | None = None


def connect_local() -> Connection:
    """Start an embedded network and connect to it, without a socket."""
    network = LocalNetwork(retention=RETENTION_LEDGERS)

    def fund(address: str) -> None:
        network.fund(address)

    return Connection(network.server(), network.passphrase, network.protocol_version, fund, network)


def connect(rpc_url: str, passphrase: str, friendbot_url: str) -> Connection:
    """Connect to a Stellar RPC. Raises CannotRun where nothing answers, or another network."""
    check_url(rpc_url, "--rpc-url")
    check_url(friendbot_url, "--friendbot")
    client = RequestsClient()
    server = SorobanServer(rpc_url, client)
    try:
        network = server.get_network()
    except (SdkError, ValueError) as error:
        raise no_rpc(rpc_url, error, "--rpc-url") from error
    if network.passphrase != passphrase:
        raise CannotRun(
            f"the network at {origin(rpc_url)} has the passphrase {network.passphrase!r}, "
            f"not {passphrase!r}",
            "give the network's own --network-passphrase",
        )

    def fund(address: str) -> None:
        try:
            answer = client.get(friendbot_url, {"addr": address})
        except BaseRequestError as error:
            raise _friendbot_failed(friendbot_url, cause(error)) from error
        if answer.status_code != 200:
            raise _friendbot_failed(friendbot_url, f"status {answer.status_code}")

    return Connection(server, passphrase, network.protocol_version, fund)


def _friendbot_failed(url: str, reason: str) -> CannotRun:
    return CannotRun(f"friendbot at {origin(url)} gave no lumens ({reason})", "check --friendbot")


@attrs.frozen
class Usage:
    """What an accepted call declared and paid: instructions, bytes, stroops."""

    instructions: int
    read_bytes: int
    write_bytes: int
    fee: int


@attrs.frozen
class Observation:
    """What a call did on the network.

    `outcome`, `recorded` and `enforced` are words of outcomes.py: of the transaction, of recording
    simulation (which asks for no signature) and of enforcing simulation. `counts` tells whether the
    signature was a good one, `nested_counts` whether for the calls under this one too, `ledger` in
    which ledger the transaction was. `changed` are the keys of the entries that the call wrote,
    without lives and nonces; `nonces` those that it used up.
    """

    outcome: str
    recorded: str
    enforced: str
    counts: bool
    nested_counts: bool
    ledger: int
    returned: xdr.SCVal | None = None
    events: tuple[xdr.ContractEvent, ...] = ()
    changed: tuple[xdr.LedgerKey, ...] = ()
    nonces: tuple[int, ...] = ()
    replayed: bool = False
    """Whether the nonce was used up before."""
    usage: Usage | None = None


@attrs.frozen
class Entry:
    """An entry that a call may touch: whether it may write it, and whether it is archived."""

    key: xdr.LedgerKey
    writes: bool
    archived: bool


@attrs.frozen
class Asked:
    """A call to make, how it is signed, and what it may touch.

    `nested` are the calls that it makes in turn and that its signature covers, `other` is the
    contract that a signature for another contract names.
    """

    contract: Address
    other: Address
    call: Call | FactoryCall
    signer: Role
    lane: Lane
    touches: Sequence[Entry]
    nested: Sequence[tuple[Address, Call]] = ()


Mark: TypeAlias = tuple[int, dict[Role, int]]


class Wire:
    """The way to a network, and the people who call contracts there. Raises CannotRun."""

    def __init__(self, connection: Connection) -> None:
        self._server = connection.server
        self.passphrase = connection.passphrase
        self._local = connection.local
        self._salts = itertools.count()
        self._nonces = Nonces(itertools.count(1))
        self._keys = {role: self._make_key(role) for role in KEYS}
        self.people: dict[Role, Address] = {
            role: key.public_key for role, key in self._keys.items()
        }
        self.people[Role.NOBODY] = self._make_key(Role.NOBODY).public_key
        for key in self._keys.values():
            connection.fund(key.public_key)
        self._accounts = {role: self._load_account(key) for role, key in self._keys.items()}
        self.minimum_ttl = self._read_minimum_ttl()
        self._learned: list[xdr.LedgerKey] = []

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to go by."""
        return self._local is not None

    # -- set-up ----------------------------------------------------------------------------

    def _make_key(self, role: Role) -> Keypair:
        if self._local is None:
            return Keypair.random()
        return Keypair.from_raw_ed25519_seed(sha256(b"parity " + role.value.encode()))

    def _load_account(self, key: Keypair) -> Account:
        return self._server.load_account(key.public_key)

    def salt(self) -> bytes:
        """Return a salt that nobody has used."""
        if self._local is None:
            return secrets.token_bytes(32)
        return next(self._salts).to_bytes(32, "big")

    def upload(self, code: bytes) -> bytes:
        """Upload a contract's code and return its hash."""
        builder = self._builder(Role.PAYER).append_upload_contract_wasm_op(code)
        self._set_up(builder, "upload the contract")
        return sha256(code)

    def create(self, code_hash: bytes) -> Address:
        """Create an instance that nobody has called yet."""
        builder = self._builder(Role.PAYER).append_create_contract_op(
            code_hash, self._keys[Role.PAYER].public_key, salt=self.salt()
        )
        created = self._set_up(builder, "create an instance")
        return scval.from_address(created).address

    def _set_up(self, builder: TransactionBuilder, purpose: str) -> xdr.SCVal:
        """Send a transaction that has to succeed; return its value."""
        try:
            prepared = self._server.prepare_transaction(builder.build())
        except PrepareTransactionException as error:
            reason = error.simulate_transaction_response.error or str(error)
            raise CannotRun(
                f"the network refuses to {purpose}: {reason.splitlines()[0]}",
                "give a contract that this network takes",
            ) from error
        prepared.sign(self._keys[Role.PAYER])
        answer = self._send(prepared)
        meta = _meta(answer)
        if answer.status != GetTransactionStatus.SUCCESS or meta.soroban_meta is None:
            raise CannotRun(f"could not {purpose}: {_result(answer)}", LOOK)
        return meta.soroban_meta.return_value or scval.to_void()

    def _read_minimum_ttl(self) -> int:
        """Read how many ledgers a new or restored entry lives, the one of its making included."""
        key = setting_key(xdr.ConfigSettingID.CONFIG_SETTING_STATE_ARCHIVAL)
        found = self._ask(lambda: self._server.get_ledger_entries([key])).entries
        if not found:
            raise CannotRun("the network does not tell its settings", "use another RPC")
        entry = xdr.LedgerEntryData.from_xdr(found[0].xdr).config_setting
        assert entry is not None  # noqa: S101 - asked for by its key
        assert entry.state_archival_settings is not None  # noqa: S101 - likewise
        return entry.state_archival_settings.min_persistent_ttl.uint32

    def mark(self) -> Mark | None:
        """Mark the world as it is, to return to it; None where that cannot be."""
        if self._local is None:
            return None
        sequences = {role: account.sequence for role, account in self._accounts.items()}
        return self._local.snapshot(), sequences

    def revert(self, mark: Mark) -> None:
        """Return to a mark."""
        assert self._local is not None  # noqa: S101 - it made the mark
        snapshot, sequences = mark
        self._local.revert(snapshot)
        for role, sequence in sequences.items():
            self._accounts[role].sequence = sequence
        self._nonces = Nonces(itertools.count(1))

    def forget(self) -> None:
        """Forget the keys that refused calls have touched: they are of another example."""
        self._learned = []

    # -- calls -----------------------------------------------------------------------------

    def submit(self, asked: Asked) -> Observation:
        """Make a call: simulate it without and with its signature, then send it.

        Raises CannotRun, Inconclusive.
        """
        signer = Signer(self.people[asked.signer], self._keys.get(asked.signer))
        by_source = asked.lane is Lane.SOURCE and signer.key is not None
        source = asked.signer if by_source else Role.PAYER
        operation = InvokeHostFunction(host_function(asked.contract, asked.call))
        envelope = self._builder(source).append_operation(operation).build()
        recorded = self._simulate(envelope, AuthMode.RECORD)
        authorisation = authorise(
            asked.call,
            asked.lane,
            signer,
            contract=asked.contract,
            other_contract=asked.other,
            nested=asked.nested,
            other_key=self._keys[Role.STRANGER if asked.signer is Role.PAYER else Role.PAYER],
            ledger=recorded.latest_ledger,
            passphrase=self.passphrase,
            nonces=self._nonces,
        )
        operation.auth = list(authorisation.entries)
        enforced = self._simulate(envelope, AuthMode.ENFORCE)
        if enforced.transaction_data is not None and enforced.error is None:
            data = xdr.SorobanTransactionData.from_xdr(enforced.transaction_data)
            data.resource_fee.int64 += RENT_RESERVE
        else:
            data = self._generous(asked.touches, recorded, signer, authorisation.nonce)
        answer = self._declare_and_send(envelope, source, data)
        for _ in range(FOOTPRINT_ATTEMPTS):
            if not self._learn_footprint(answer):
                break
            data = self._generous(asked.touches, recorded, signer, authorisation.nonce)
            again = self._builder(source).append_operation(operation).build()
            answer = self._declare_and_send(again, source, data)
        observed = self._observe(answer, data)
        if authorisation.nonce is not None and authorisation.nonce in observed.nonces:
            self._nonces.use(signer.address, authorisation.nonce, authorisation.until)
        return attrs.evolve(
            observed,
            recorded=_simulated(recorded),
            enforced=_simulated(enforced),
            counts=authorisation.counts,
            nested_counts=authorisation.nested_counts,
            replayed=authorisation.replayed,
        )

    def _declare_and_send(
        self, envelope: TransactionEnvelope, source: Role, data: xdr.SorobanTransactionData
    ) -> GetTransactionResponse:
        envelope.transaction.soroban_data = data
        envelope.transaction.fee = INCLUSION_FEE + data.resource_fee.int64
        envelope.sign(self._keys[source])
        return self._send(envelope)

    def _learn_footprint(self, answer: GetTransactionResponse) -> bool:
        """Note a key that a refused call touched and that nobody had declared."""
        if answer.status == GetTransactionStatus.SUCCESS:
            return False
        for diagnostic in _diagnostics(answer):
            if found := list(_undeclared(diagnostic)):
                self._learned += found
                return True
        return False

    def _learned_entries(self, touched: Collection[str]) -> Iterator[Entry]:
        """Yield the keys that refused calls have touched, but for those in `touched`, as XDR."""
        learned = [key for key in self._learned if key.to_xdr() not in touched]
        if learned:
            for key, found in zip(learned, self.entries(learned)[1], strict=True):
                yield Entry(key, writes=True, archived=found is not None and found[1] == 0)

    def _builder(self, source: Role) -> TransactionBuilder:
        account = self._accounts[source]
        return TransactionBuilder(account, self.passphrase, INCLUSION_FEE).add_time_bounds(0, 0)

    def _simulate(
        self, envelope: TransactionEnvelope, mode: AuthMode
    ) -> SimulateTransactionResponse:
        return self._ask(lambda: self._server.simulate_transaction(envelope, auth_mode=mode))

    def _generous(
        self,
        touches: Sequence[Entry],
        recorded: SimulateTransactionResponse,
        signer: Signer,
        nonce: int | None,
    ) -> xdr.SorobanTransactionData:
        """Declare what a call may touch, where simulation cannot tell because it is refused."""
        touches = [*touches, *self._learned_entries({entry.key.to_xdr() for entry in touches})]
        written = [entry for entry in touches if entry.writes or entry.archived]
        archived = [index for index, entry in enumerate(written) if entry.archived]
        known = [entry.key for entry in written]
        read_only = [entry.key for entry in touches if not entry.writes and not entry.archived]
        if nonce is not None:
            known.append(nonce_key(signer.address, nonce))
            if signer.key is not None:
                read_only.append(account_key(signer.address))
        if recorded.transaction_data is not None and recorded.error is None:
            data = xdr.SorobanTransactionData.from_xdr(recorded.transaction_data)
            footprint = data.resources.footprint
            seen = {key.to_xdr() for key in (*known, *read_only)}
            to_restore = _archived(data)
            for key in _unseen(footprint.read_write, seen):
                if key in to_restore:
                    archived.append(len(known))
                known.append(key)
            read_only += _unseen(footprint.read_only, seen)
        return _declare(
            read_only,
            known,
            xdr.Uint32(GENEROUS_INSTRUCTIONS),
            xdr.Uint32(GENEROUS_BYTES),
            GENEROUS_FEE,
            archived,
        )

    def _observe(
        self, answer: GetTransactionResponse, data: xdr.SorobanTransactionData
    ) -> Observation:
        assert answer.ledger is not None  # noqa: S101 - it is in one
        meta = _meta(answer)
        if answer.status != GetTransactionStatus.SUCCESS:
            result = _result(answer)
            if result != xdr.InvokeHostFunctionResultCode.INVOKE_HOST_FUNCTION_TRAPPED.name:
                raise Inconclusive(result)
            outcome = outcomes.of_failure(find_error(_diagnostics(answer)), result)
            return Observation(outcome, "", "", False, False, answer.ledger)
        assert meta.soroban_meta is not None  # noqa: S101 - it succeeded
        resources = data.resources
        changed = _changed_data(meta.operations[0].changes)
        assert answer.result_xdr is not None  # noqa: S101 - it is in a ledger
        fee = xdr.TransactionResult.from_xdr(answer.result_xdr).fee_charged.int64
        return Observation(
            outcomes.ACCEPTED,
            "",
            "",
            False,
            False,
            answer.ledger,
            returned=meta.soroban_meta.return_value,
            events=tuple(
                event
                for event in meta.operations[0].events
                if event.type == xdr.ContractEventType.CONTRACT
            ),
            changed=tuple(_changed_keys(meta.operations[0].changes)),
            nonces=tuple(_nonces(changed)),
            usage=Usage(
                resources.instructions.uint32,
                resources.disk_read_bytes.uint32,
                resources.write_bytes.uint32,
                fee,
            ),
        )

    # -- what is stored, and the world --------------------------------------------------------

    def entries(self, keys: Sequence[xdr.LedgerKey]) -> tuple[int, list[tuple[str, int] | None]]:
        """Read entries: the latest ledger, and each in base64 with the ledger until which it lives.

        One that is archived lives until 0, one that is not there is None.
        """
        answer = self._ask(lambda: self._server.get_ledger_entries(list(keys)))
        found = {e.key: (e.xdr, e.live_until_ledger or 0) for e in answer.entries or ()}
        return answer.latest_ledger, [found.get(key.to_xdr()) for key in keys]

    def close_ledger(self) -> None:
        """Close a ledger with nothing in it."""
        if self._local is not None:
            self._local.close_ledgers()

    def age(self, ledgers: int) -> None:
        """Let ledgers go by. Raises CannotRun where the network is not an embedded one."""
        if self._local is None:
            raise CannotRun("time cannot be moved on this network", "leave --rpc-url out")
        self._local.advance_ledgers(ledgers)

    def restore(self, keys: list[xdr.LedgerKey]) -> None:
        """Restore archived entries."""
        data = _declare([], keys, xdr.Uint32(0), xdr.Uint32(0), 0, [])
        builder = self._builder(Role.PAYER).append_restore_footprint_op().set_soroban_data(data)
        self._set_up(builder, "restore what is archived")

    # -- transport -------------------------------------------------------------------------

    def _ask(self, question: Callable[[], _T]) -> _T:
        try:
            return question()
        except BaseRequestError as error:
            raise CannotRun(f"the RPC gave no answer ({cause(error)})", LOOK) from error

    def _send(self, envelope: TransactionEnvelope) -> GetTransactionResponse:
        """Send a transaction and wait until it is in a ledger."""
        for _ in range(POLLS):
            sent = self._ask(lambda: self._server.send_transaction(envelope))
            if sent.status != SendTransactionStatus.TRY_AGAIN_LATER:
                break
            time.sleep(POLL_SECONDS)
        if sent.status == SendTransactionStatus.ERROR:
            code = "no reason"
            if sent.error_result_xdr is not None:
                result = xdr.TransactionResult.from_xdr(sent.error_result_xdr)
                code = result.result.code.name
            raise CannotRun(f"the network took no transaction: {code}", LOOK)
        for _ in range(POLLS):
            answer = self._ask(lambda: self._server.get_transaction(sent.hash))
            if answer.status != GetTransactionStatus.NOT_FOUND:
                return answer
            time.sleep(POLL_SECONDS)
        raise CannotRun("a transaction was sent and is in no ledger", LOOK)


def _declare(
    read_only: list[xdr.LedgerKey],
    read_write: list[xdr.LedgerKey],
    instructions: xdr.Uint32,
    size: xdr.Uint32,
    fee: int,
    archived: list[int],
) -> xdr.SorobanTransactionData:
    """Declare a footprint and its resources; `archived` are indexes in `read_write`."""
    indexes = xdr.SorobanResourcesExtV0([xdr.Uint32(index) for index in archived])
    return xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(1, indexes) if archived else xdr.SorobanTransactionDataExt(0),
        xdr.SorobanResources(xdr.LedgerFootprint(read_only, read_write), instructions, size, size),
        xdr.Int64(fee),
    )


def _simulated(answer: SimulateTransactionResponse) -> str:
    """Name what a simulation came to."""
    if answer.error is None:
        return outcomes.ACCEPTED
    error = find_error(map(xdr.DiagnosticEvent.from_xdr, answer.events or ()))
    if error is None:  # no event tells of a budget that is used up
        raise Inconclusive(f"simulated: {answer.error.splitlines()[0]}")
    return outcomes.of_failure(error, "simulated")


def _undeclared(diagnostic: xdr.DiagnosticEvent) -> Iterator[xdr.LedgerKey]:
    """Yield what may be the key that a call touched and had not declared; nothing for others."""
    body = diagnostic.event.body.v0
    values = [] if body is None or body.data.vec is None else body.data.vec.sc_vec
    told = values[0].str if values else None
    said = None if told is None else _UNDECLARED.fullmatch(told.sc_string)
    if said is None:
        return
    match said[1], values[1:]:
        case b"contract data key", [holder, name] if holder.address is not None:
            for durability in xdr.ContractDataDurability:
                key = xdr.LedgerKeyContractData(holder.address, name, durability)
                yield xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=key)
        case b"contract instance", [holder]:
            yield instance_key(scval.from_address(holder).address)
        case b"contract code", [code_hash]:
            yield code_key(scval.from_bytes(code_hash))


def _archived(data: xdr.SorobanTransactionData) -> list[xdr.LedgerKey]:
    """List the keys that a transaction marks as archived, to be restored."""
    marks = data.ext.resource_ext
    indexes = [] if marks is None else marks.archived_soroban_entries
    return [data.resources.footprint.read_write[index.uint32] for index in indexes]


def _unseen(keys: Iterable[xdr.LedgerKey], seen: set[str]) -> list[xdr.LedgerKey]:
    """Leave out nonces, which are those of a simulation, and what is there already."""
    return [key for key in keys if key.to_xdr() not in seen and not is_nonce(key)]


def _changed_keys(changes: xdr.LedgerEntryChanges) -> Iterable[xdr.LedgerKey]:
    """Yield the keys of what a call wrote, besides lives and nonces."""
    for change in changes.ledger_entry_changes:
        entry = change.created or change.updated
        if change.removed is not None:
            key = change.removed
        elif entry is not None:
            key = _key(entry)
        else:
            continue
        if key.ttl is None and not is_nonce(key):
            yield key


def _changed_data(changes: xdr.LedgerEntryChanges) -> list[xdr.ContractDataEntry]:
    entries = (c.created or c.updated or c.restored for c in changes.ledger_entry_changes)
    found = (None if entry is None else entry.data.contract_data for entry in entries)
    return [data for data in found if data is not None]


def _nonces(changed: list[xdr.ContractDataEntry]) -> Iterable[int]:
    for data in changed:
        if data.key.nonce_key is not None:
            yield data.key.nonce_key.nonce.int64


def _key(entry: xdr.LedgerEntry) -> xdr.LedgerKey:
    """Return the key of an entry that a call may change; of other types, the type alone."""
    data = entry.data
    if data.contract_data is not None:
        held = data.contract_data
        key = xdr.LedgerKeyContractData(held.contract, held.key, held.durability)
        return xdr.LedgerKey(data.type, contract_data=key)
    if data.contract_code is not None:
        return code_key(data.contract_code.hash.hash)
    if data.ttl is not None:
        return xdr.LedgerKey(data.type, ttl=xdr.LedgerKeyTtl(data.ttl.key_hash))
    assert data.account is not None  # noqa: S101 - a call changes no other entries
    return xdr.LedgerKey(data.type, account=xdr.LedgerKeyAccount(data.account.account_id))


@lru_cache(maxsize=1)
def _decode_meta(text: str) -> xdr.TransactionMetaV4 | None:
    """Decode the meta of a transaction, which several questions are asked about, once."""
    return xdr.TransactionMeta.from_xdr(text).v4


def _meta(answer: GetTransactionResponse) -> xdr.TransactionMetaV4:
    assert answer.result_meta_xdr is not None  # noqa: S101 - it is in a ledger
    meta = _decode_meta(answer.result_meta_xdr)
    if meta is None:
        raise CannotRun("the network gives transaction meta of another version than 4", LOOK)
    return meta


def _diagnostics(answer: GetTransactionResponse) -> list[xdr.DiagnosticEvent]:
    beside = map(xdr.DiagnosticEvent.from_xdr, answer.diagnostic_events_xdr or ())
    return [*_meta(answer).diagnostic_events, *beside]


def _result(answer: GetTransactionResponse) -> str:
    assert answer.result_xdr is not None  # noqa: S101 - it is in a ledger
    return result_name(xdr.TransactionResult.from_xdr(answer.result_xdr))
