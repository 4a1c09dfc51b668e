"""A factory under test on a network: call it, prepare vaults for it, read both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache, partial
from importlib import resources
from typing import Final, TypeAlias

import attrs
from stellar_sdk import StrKey, scval, xdr

from callora_vault import wasm
from callora_vault.codec.addresses import vault_address
from callora_vault.codec.entries import encode_meta
from callora_vault.codec.keys import account_key, code_key, instance_key, successor_key
from callora_vault.codec.values import encode_address, encode_fields, encode_i128, encode_symbol
from callora_vault.model.calls import Call, Create, FactoryCall, Init, Migrate, Successor, Withdraw
from callora_vault.model.factory import Code as VaultCode
from callora_vault.model.factory import Factory, FactoryState, Instance, nested_calls
from callora_vault.model.layouts import META_KEY, V0, VaultMeta
from callora_vault.model.units import Address
from callora_vault.model.vault import Accepted, Outcome, Signers, State
from callora_vault.model.vault import transition as vault_transition
from callora_vault.model.versions import ABIS, VAULT_V1, VAULT_V2, Abi
from callora_vault.parity.errors import CannotRun
from callora_vault.parity.network.connection import Connection
from callora_vault.parity.network.footprint import Entry
from callora_vault.parity.network.observation import Observation
from callora_vault.parity.network.session import Asked, Mark, Session
from callora_vault.parity.steps import Argument, Code, Made, Odd, Place, Role, Salt, Submit

VAULTS: Final = (Role.VAULT, Role.OTHER_VAULT)
"""The vaults that exist from the start, before init."""

_NO_CODE: Final = bytes([0xEE]) * 32


def _keeps(state: State, call: Call, signers: Signers) -> Outcome:
    """Behave like the code `keeper`: accept a withdrawal and take nothing out."""
    outcome = vault_transition(state, call, signers)
    if isinstance(call, Withdraw) and isinstance(outcome, Accepted):
        return attrs.evolve(outcome, state=state)
    return outcome


def _forgets_minimum(state: State, call: Call, signers: Signers) -> Outcome:
    """Behave like the code `v0`: store no minimum."""
    outcome = vault_transition(state, call, signers)
    if isinstance(call, Init) and isinstance(outcome, Accepted) and outcome.state is not None:
        stored = attrs.evolve(outcome.state, min_deposit=0)
        return Accepted(stored, stored, outcome.events)
    return outcome


VAULT_V0: Final = Abi("v0", VAULT_V1.calls, V0)

CODES: Final[Mapping[Code, VaultCode]] = {
    Code.V1: VaultCode(VAULT_V1),
    Code.V2: VaultCode(VAULT_V2),
    Code.V0: VaultCode(VAULT_V0, _forgets_minimum),
    Code.KEEPER: VaultCode(VAULT_V1, _keeps),
    Code.RAW: VaultCode(VAULT_V1),
}
"""The model of each code; a vault of raw stores an unknown layout."""


@cache
def _compiled(code: Code) -> bytes:
    if code.value in ABIS:
        return wasm.read(code.value)
    return (resources.files("callora_vault.parity") / "data" / f"{code.value}.wasm").read_bytes()


def _odd(odd: Odd, owner: Address) -> xdr.SCVal:
    """Build a stored value of an unknown layout, the fields sorted by name."""
    one, void, who = encode_i128(1), scval.to_void(), encode_address(owner)
    v2 = {"authorized_caller": void, "balance": one, "min_deposit": one, "owner": who}
    v1 = {name: v2[name] for name in ("balance", "min_deposit", "owner")}
    match odd:
        case Odd.EXTRA:
            fields = {**v2, "version": one}
        case Odd.MISNAMED:
            fields = {"balance": one, "min_deposit": one, "owner": who, "spender": void}
        case Odd.MISSING:
            fields = {"owner": who}
        case Odd.CALLER_ALONE:
            fields = {"authorized_caller": void, "balance": one, "owner": who}
        case Odd.BALANCE:
            fields = {**v1, "balance": scval.to_uint64(1)}
        case Odd.OWNER:
            fields = {**v1, "owner": void}
        case Odd.MINIMUM:
            fields = {**v1, "min_deposit": void}
        case Odd.CALLER:
            fields = {**v2, "authorized_caller": one}
        case Odd.STRING:
            value = encode_fields({"balance": one})
            assert value.map is not None  # noqa: S101 - it is one
            # a String comes before any Symbol
            value.map.sc_map.insert(0, xdr.SCMapEntry(scval.to_string("owner"), who))
            return value
        case Odd.LIST:
            return scval.to_vec([one, who])
    return encode_fields(fields)


class Kind(Enum):
    """The kinds of entries that matter to a factory."""

    INSTANCE = "instance"
    CODE = "code"
    SUCCESSOR = "successor"
    ACCOUNT = "account"
    """The entry of an account in the place of a vault."""


Id: TypeAlias = tuple[Kind, Address | bytes]
"""An entry: the instance of a contract, the code of a hash, the successor of a vault."""


@attrs.frozen
class Reading:
    """Entries on the ledger: base64, and live-until ledgers.

    What is archived lives until 0, what is not there is None. `ledger` is the one in which it was
    read; it does not count in comparisons.
    """

    entries: Mapping[Id, tuple[str, int] | None]
    ledger: int = attrs.field(eq=False)

    def lives(self, entry: Id) -> int | None:
        """Return the live-until ledger of an entry; None if it does not exist."""
        found = self.entries.get(entry)
        return None if found is None else found[1]


class FactoryContract:
    """A factory under test on an embedded network, with codes to deploy and vaults to migrate.

    Raises CannotRun.
    """

    def __init__(self, connection: Connection, code: bytes) -> None:
        if connection.local is None:
            raise CannotRun(
                "a factory can be compared only on the embedded network, where vaults can be put "
                "in any state",
                "leave --rpc-url out",
            )
        self._local = connection.local
        self._session = session = Session(connection)
        self._code = session.upload(code)
        self.hashes = {code: session.upload(_compiled(code)) for code in CODES}
        self.codes = {self.hashes[code]: known for code, known in CODES.items()}
        self.hashes[Code.NONE] = _NO_CODE
        self._other = session.create(self._code)
        address = session.create(self._code)
        self.factory = Factory(
            address, cache(partial(vault_address, address, passphrase=session.passphrase))
        )
        for role in VAULTS:
            session.addresses[role] = session.create(self.hashes[Code.V1])
        self._begin = self.mark()

    @property
    def addresses(self) -> dict[Role, Address]:
        """The address of every role."""
        return self._session.addresses

    @property
    def minimum_ttl(self) -> int:
        """The TTL of a new or restored entry, in ledgers, the first included."""
        return self._session.minimum_ttl

    def fresh(self) -> FactoryState:
        """Start an example: a factory that nobody has called yet. Returns the model's state."""
        self.revert(self._begin)
        vaults = {self.addresses[role]: Instance(self.hashes[Code.V1]) for role in VAULTS}
        return FactoryState(self.codes, vaults)

    def mark(self) -> Mark:
        """Mark the network as it is, to return to it."""
        mark = self._session.mark()
        assert mark is not None  # noqa: S101 - the network is embedded
        return mark

    def revert(self, mark: Mark) -> None:
        """Return to a mark of this example."""
        self._session.revert(mark)

    def resolve(self, argument: Argument) -> object:
        """Return the value of an argument of a step."""
        match argument:
            case Role():
                return self.addresses[argument]
            case Code():
                return self.hashes[argument]
            case Salt(number):
                return _salt(number)
            case Made(owner, number):
                return self.factory.address_of(self.addresses[owner], _salt(number))
        return argument

    def instance(self, step: Place) -> Instance:
        """Return the model's instance for a step that puts one on the ledger."""
        return Instance(self.hashes[step.code], _state(step, self.addresses))

    def place(self, step: Place) -> None:
        """Replace an instance on the ledger; its TTL stays."""
        vault, instance = self.addresses[step.role], self.instance(step)
        ledger, (found,) = self._session.entries([instance_key(vault)])
        assert found is not None  # noqa: S101 - these vaults exist from the beginning
        data = xdr.LedgerEntryData.from_xdr(found[0])
        held = data.contract_data
        assert held is not None  # noqa: S101 - it is an instance
        executable = xdr.ContractExecutable(
            xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM,
            wasm_hash=xdr.Hash(instance.wasm_hash),
        )
        meta = None
        if step.odd is not None:
            meta = _odd(step.odd, self.addresses[Role.OWNER])
        elif instance.state is not None:
            meta = encode_meta(instance.state, CODES[step.code].abi.layout)
        stored = None if meta is None else [xdr.SCMapEntry(encode_symbol(META_KEY), meta)]
        storage = None if stored is None else xdr.SCMap(stored)
        held.val.instance = xdr.SCContractInstance(executable, storage)
        entry = xdr.LedgerEntry(xdr.Uint32(ledger), data, xdr.LedgerEntryExt(0))
        live_until = found[1] or ledger + self.minimum_ttl
        self._local.set_entry(entry.to_xdr_bytes(), live_until)

    def key(self, entry: Id) -> xdr.LedgerKey:
        """Build the key of an entry."""
        kind, of = entry
        if isinstance(of, bytes):
            return code_key(of)
        if kind is Kind.INSTANCE:
            return instance_key(of)
        if kind is Kind.ACCOUNT:
            return account_key(of)
        return successor_key(self.factory.address, of)

    @property
    def instance_id(self) -> Id:
        """The factory's own instance."""
        return Kind.INSTANCE, self.factory.address

    @property
    def code_id(self) -> Id:
        """The factory's own code."""
        return Kind.CODE, self._code

    def code_of(self, contract: Address, state: FactoryState) -> bytes:
        """Return the hash of a contract's code."""
        if contract == self.factory.address:
            return self._code
        return state.vaults[contract].wasm_hash

    def read(self, vaults: Iterable[Address]) -> Reading:
        """Read the factory, every code, and vaults with their successors. Raises CannotRun."""
        listed = [self.instance_id, self.code_id]
        listed += [(Kind.CODE, code) for code in self.codes]
        for vault in vaults:
            listed += ((Kind.INSTANCE, vault), (Kind.SUCCESSOR, vault))
        ledger, found = self._session.entries([self.key(entry) for entry in listed])
        return Reading(dict(zip(listed, found, strict=True)), ledger)

    def submit(
        self, step: Submit, call: FactoryCall, state: FactoryState, before: Reading
    ) -> Observation:
        """Make a call. Raises CannotRun, Inconclusive."""
        written = self.written(call, state)
        touched = self.touched(call, state)
        signer = self.addresses[step.signer]
        if signer in state.vaults:  # the host asks a contract whether it has signed
            touched += ((Kind.INSTANCE, signer), (Kind.CODE, state.vaults[signer].wasm_hash))
        touches = [
            Entry(self.key(entry), writes=entry in written, archived=before.lives(entry) == 0)
            for entry in dict.fromkeys(touched)
        ]
        return self._session.submit(
            Asked(
                self.factory.address,
                self._other,
                call,
                step.signer,
                step.lane,
                touches,
                nested_calls(self.factory, state, call),
            )
        )

    def new_vault(self, call: FactoryCall, state: FactoryState) -> Address | None:
        """Return the address at which a call deploys, None if it does not deploy."""
        match call:
            case Create(owner, _, salt):
                return self.factory.address_of(owner, salt)
            case Migrate(old, _, _, salt):
                found = state.vaults.get(old)
                if found is not None and found.state is not None:
                    return self.factory.address_of(found.state.owner, salt)
        return None

    def written(self, call: FactoryCall, state: FactoryState) -> list[Id]:
        """List the entries that a call may write."""
        listed: list[Id] = []
        new = self.new_vault(call, state)
        if new is not None:
            listed.append((Kind.INSTANCE, new))
        if isinstance(call, Migrate):
            at = Kind.INSTANCE if StrKey.is_valid_contract(call.old) else Kind.ACCOUNT
            listed += ((at, call.old), (Kind.SUCCESSOR, call.old))
        return listed

    def touched(self, call: FactoryCall, state: FactoryState) -> list[Id]:
        """List the entries that a call reads or writes."""
        listed = [self.instance_id, self.code_id, *self.written(call, state)]
        if isinstance(call, Successor):
            listed.append((Kind.SUCCESSOR, call.old))
        else:
            listed.append((Kind.CODE, call.wasm_hash))
        if isinstance(call, Migrate) and call.old in state.vaults:
            listed.append((Kind.CODE, state.vaults[call.old].wasm_hash))
        return list(dict.fromkeys(listed))

    def close_ledger(self) -> None:
        """Close an empty ledger."""
        self._session.close_ledger()

    def age(self, ledgers: int) -> None:
        """Let ledgers pass."""
        self._session.age(ledgers)

    def restore(self, reading: Reading) -> None:
        """Restore archived entries."""
        archived = [entry for entry in reading.entries if reading.lives(entry) == 0]
        if archived:
            self._session.restore([self.key(entry) for entry in archived])


def _salt(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _state(step: Place, addresses: Mapping[Role, Address]) -> State:
    """Return the model's state of a vault after a step that puts it on the ledger."""
    if step.owner is None or step.odd is not None:
        return None
    caller = step.authorized_caller
    return VaultMeta(
        addresses[step.owner],
        step.balance,
        step.min_deposit,
        None if caller is None else addresses[caller],
    )
