"""Accounts on a network that deploy contracts and call them.

Every call is sent, also one that will be refused, and judged by the meta of its transaction.
Simulation, recording and enforcing, is observed too. Source: the JSON-RPC reference of Stellar RPC.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from stellar_sdk import Account, Keypair, TransactionBuilder, TransactionEnvelope, scval, xdr
from stellar_sdk.exceptions import PrepareTransactionException
from stellar_sdk.operation import InvokeHostFunction
from stellar_sdk.soroban_rpc import AuthMode, GetTransactionResponse, GetTransactionStatus
from stellar_sdk.utils import sha256

from callora_vault.codec.calls import host_function
from callora_vault.codec.keys import setting_key
from callora_vault.model.calls import Call, FactoryCall
from callora_vault.model.units import Address
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.network.connection import LOOK, Connection
from callora_vault.parity.network.footprint import Entry, declare, generous, undeclared
from callora_vault.parity.network.observation import (
    Observation,
    diagnostics,
    meta_of,
    observe,
    result_of,
    simulated,
)
from callora_vault.parity.network.signatures import Nonces, Signer, authorise
from callora_vault.parity.steps import Lane, Role

INCLUSION_FEE: Final = 100
FOOTPRINT_ATTEMPTS: Final = 8
"""How many undeclared keys a refused call may touch."""

RENT_RESERVE: Final = 50_000_000
"""Stroops on top of the simulated fee, for a renewal that falls due one ledger later."""

KEYS: Final = (Role.OWNER, Role.STRANGER, Role.PAYER)
"""The roles with a key and an account."""


@attrs.frozen
class Asked:
    """A call to make, how it is signed, and what it may touch.

    `nested` are its nested calls, which its signature covers; `other` is the contract in a
    signature for another contract.
    """

    contract: Address
    other: Address
    call: Call | FactoryCall
    signer: Role
    lane: Lane
    touches: Sequence[Entry]
    nested: Sequence[tuple[Address, Call]] = ()


@attrs.frozen
class Mark:
    """A moment of a session: the network's snapshot, and what the session knows of it."""

    snapshot: int
    sequences: Mapping[Role, int]
    nonces: Nonces
    learned: tuple[xdr.LedgerKey, ...]


class Session:
    """Funded accounts on a network, one for each role, that deploy contracts and call them.

    Raises CannotRun.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = connection.server
        self.passphrase = connection.passphrase
        self._local = connection.local
        self._salts = itertools.count()
        self._nonces = Nonces()
        self._keys = {role: self._make_key(role) for role in KEYS}
        self.addresses: dict[Role, Address] = {
            role: key.public_key for role, key in self._keys.items()
        }
        self.addresses[Role.NOBODY] = self._make_key(Role.NOBODY).public_key
        for key in self._keys.values():
            connection.fund(key.public_key)
        self._accounts = {role: self._load_account(key) for role, key in self._keys.items()}
        self.minimum_ttl = self._read_minimum_ttl()
        self._learned: list[xdr.LedgerKey] = []

    @property
    def can_age(self) -> bool:
        """Whether ledgers can be made to pass."""
        return self._local is not None

    # -- set-up ----------------------------------------------------------------------------

    def _make_key(self, role: Role) -> Keypair:
        if self._local is None:
            return Keypair.random()
        return Keypair.from_raw_ed25519_seed(sha256(b"parity " + role.value.encode()))

    def _load_account(self, key: Keypair) -> Account:
        return self._server.load_account(key.public_key)

    def salt(self) -> bytes:
        """Return an unused salt."""
        if self._local is None:
            return secrets.token_bytes(32)
        return next(self._salts).to_bytes(32, "big")

    def upload(self, code: bytes) -> bytes:
        """Upload a contract's code and return its hash."""
        builder = self._builder(Role.PAYER).append_upload_contract_wasm_op(code)
        self._set_up(builder, "upload the contract")
        return sha256(code)

    def create(self, code_hash: bytes) -> Address:
        """Create a new instance."""
        builder = self._builder(Role.PAYER).append_create_contract_op(
            code_hash, self._keys[Role.PAYER].public_key, salt=self.salt()
        )
        created = self._set_up(builder, "create an instance")
        return scval.from_address(created).address

    def _set_up(self, builder: TransactionBuilder, purpose: str) -> xdr.SCVal:
        """Send a transaction that must succeed; return its value."""
        try:
            prepared = self._server.prepare_transaction(builder.build())
        except PrepareTransactionException as error:
            reason = error.simulate_transaction_response.error or str(error)
            raise CannotRun(
                f"could not {purpose}: {reason.splitlines()[0]}",
                "give a contract that this network accepts",
            ) from error
        prepared.sign(self._keys[Role.PAYER])
        answer = self._connection.send(prepared)
        meta = meta_of(answer)
        if answer.status != GetTransactionStatus.SUCCESS or meta.soroban_meta is None:
            raise CannotRun(f"could not {purpose}: {result_of(answer)}", LOOK)
        return meta.soroban_meta.return_value or scval.to_void()

    def _read_minimum_ttl(self) -> int:
        """Read the minimum TTL of a new or restored entry, in ledgers, the first included."""
        key = setting_key(xdr.ConfigSettingID.CONFIG_SETTING_STATE_ARCHIVAL)
        found = self._connection.ask(lambda: self._server.get_ledger_entries([key])).entries
        if not found:
            raise CannotRun("the RPC does not return the network's settings", "use another RPC")
        entry = xdr.LedgerEntryData.from_xdr(found[0].xdr).config_setting
        assert entry is not None  # noqa: S101 - asked for by its key
        assert entry.state_archival_settings is not None  # noqa: S101 - likewise
        return entry.state_archival_settings.min_persistent_ttl.uint32

    def mark(self) -> Mark | None:
        """Take a snapshot of the network; None if it is not the embedded one."""
        if self._local is None:
            return None
        sequences = {role: account.sequence for role, account in self._accounts.items()}
        snapshot = self._local.snapshot()
        return Mark(snapshot, sequences, self._nonces.copy(), tuple(self._learned))

    def revert(self, mark: Mark) -> None:
        """Return to a mark; those that were made after it are gone."""
        assert self._local is not None  # noqa: S101 - it made the mark
        self._local.revert(mark.snapshot)
        for role, sequence in mark.sequences.items():
            self._accounts[role].sequence = sequence
        self._nonces = mark.nonces.copy()
        self._learned = list(mark.learned)

    def forget(self) -> None:
        """Forget the keys that refused calls of the last example have touched."""
        self._learned = []

    # -- calls -----------------------------------------------------------------------------

    def submit(self, asked: Asked) -> Observation:
        """Make a call: simulate it without and with its signature, then send it.

        Raises CannotRun, Inconclusive.
        """
        signer = Signer(self.addresses[asked.signer], self._keys.get(asked.signer))
        by_source = asked.lane is Lane.SOURCE and signer.key is not None
        source = asked.signer if by_source else Role.PAYER
        operation = InvokeHostFunction(host_function(asked.contract, asked.call))
        envelope = self._builder(source).append_operation(operation).build()
        recorded = self._connection.simulate(envelope, AuthMode.RECORD)
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
        enforced = self._connection.simulate(envelope, AuthMode.ENFORCE)
        if enforced.transaction_data is not None and enforced.error is None:
            data = xdr.SorobanTransactionData.from_xdr(enforced.transaction_data)
            data.resource_fee.int64 += RENT_RESERVE
        else:
            data = generous(self._touched(asked), recorded, signer, authorisation.nonce)
        answer = self._declare_and_send(envelope, source, data)
        for _ in range(FOOTPRINT_ATTEMPTS):
            if not self._learn_footprint(answer):
                break
            data = generous(self._touched(asked), recorded, signer, authorisation.nonce)
            again = self._builder(source).append_operation(operation).build()
            answer = self._declare_and_send(again, source, data)
        observed = observe(answer, data)
        if authorisation.nonce is not None and authorisation.nonce in observed.nonces:
            self._nonces.use(signer.address, authorisation.nonce, authorisation.until)
        return attrs.evolve(
            observed,
            recorded=simulated(recorded),
            enforced=simulated(enforced),
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
        return self._connection.send(envelope)

    def _learn_footprint(self, answer: GetTransactionResponse) -> bool:
        """Add an undeclared key that a refused call touched."""
        if answer.status == GetTransactionStatus.SUCCESS:
            return False
        for diagnostic in diagnostics(answer):
            if found := list(undeclared(diagnostic)):
                self._learned += found
                return True
        return False

    def _touched(self, asked: Asked) -> list[Entry]:
        """List what a call may touch, with the undeclared keys of earlier refused calls."""
        touched = {entry.key.to_xdr() for entry in asked.touches}
        learned = [key for key in self._learned if key.to_xdr() not in touched]
        if not learned:
            return list(asked.touches)
        _, found = self._connection.entries(learned)
        return [
            *asked.touches,
            *(
                Entry(key, writes=True, archived=entry is not None and entry[1] == 0)
                for key, entry in zip(learned, found, strict=True)
            ),
        ]

    def _builder(self, source: Role) -> TransactionBuilder:
        account = self._accounts[source]
        return TransactionBuilder(account, self.passphrase, INCLUSION_FEE).add_time_bounds(0, 0)

    # -- the ledger ------------------------------------------------------------------------

    def entries(self, keys: Sequence[xdr.LedgerKey]) -> tuple[int, list[tuple[str, int] | None]]:
        """Read entries, as Connection.entries does. Raises CannotRun."""
        return self._connection.entries(keys)

    def close_ledger(self) -> None:
        """Close a ledger with nothing in it."""
        if self._local is not None:
            self._local.close_ledgers()

    def age(self, ledgers: int) -> None:
        """Let ledgers pass. Raises CannotRun if the network is not the embedded one."""
        if self._local is None:
            raise CannotRun("this network's clock cannot be moved", "leave --rpc-url out")
        self._local.advance_ledgers(ledgers)

    def restore(self, keys: list[xdr.LedgerKey]) -> None:
        """Restore archived entries."""
        data = declare([], keys, xdr.Uint32(0), xdr.Uint32(0), 0, [])
        builder = self._builder(Role.PAYER).append_restore_footprint_op().set_soroban_data(data)
        self._set_up(builder, "restore what is archived")
