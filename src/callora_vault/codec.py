"""The values of vault and factory in XDR: calls, returned values, events, errors, entries.

Values are encoded with the types of stellar-sdk. What is decoded is checked in full: anything that
is not exactly as STORAGE.md has it raises CannotDecode or UnknownLayout.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import zip_longest
from typing import Any, Final, TypeVar

import attrs
from stellar_sdk import Address as StellarAddress
from stellar_sdk import Keypair, Network, StrKey, scval, xdr
from stellar_sdk.utils import sha256

from callora_vault import units
from callora_vault.calls import (
    Balance,
    BatchDeduct,
    Call,
    Create,
    Deduct,
    DeductItem,
    Deposit,
    FactoryCall,
    GetMeta,
    Init,
    Migrate,
    SetAuthorizedCaller,
    Successor,
    Withdraw,
    WithdrawTo,
)
from callora_vault.errors import ERRORS, FACTORY_ERRORS, FactoryErrorCode, VaultErrorCode
from callora_vault.events import EVENTS, FACTORY_EVENTS, Event, FactoryEvent
from callora_vault.layouts import (
    META_KEY,
    Difference,
    Fault,
    Layout,
    UnknownLayout,
    VaultMeta,
    check_meta,
    recognise,
)
from callora_vault.units import Address, ScType, Symbol


@attrs.frozen
class CannotDecode(ValueError):
    """XDR that does not hold what it should: ``what`` is ``found`` instead of ``expected``."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


# Scalars. The objects that cached functions return are shared: they are never changed.

_VOID: Final = scval.to_void()
_ADDRESS_TYPES: Final = (
    xdr.SCAddressType.SC_ADDRESS_TYPE_ACCOUNT,
    xdr.SCAddressType.SC_ADDRESS_TYPE_CONTRACT,
)


@lru_cache(maxsize=4096)
def encode_address(value: Address) -> xdr.SCVal:
    """Encode a ``G...`` or ``C...`` strkey. Raises BadValue."""
    return scval.to_address(units.address(value, "address"))


@lru_cache(maxsize=4096)
def encode_symbol(value: Symbol) -> xdr.SCVal:
    """Encode a symbol. Raises BadValue."""
    return scval.to_symbol(units.symbol(value, "symbol"))


def encode_optional_address(value: Address | None) -> xdr.SCVal:
    """Encode an address, or Void for None. Raises BadValue."""
    return _VOID if value is None else encode_address(value)


def encode_i128(value: int) -> xdr.SCVal:
    """Encode an amount. Raises BadValue."""
    return scval.to_int128(units.amount(value, "amount"))


def type_name(value: xdr.SCVal) -> str:
    """Name the type of a value as layouts.py does, such as ``I128``.

    An address that is neither an account's nor a contract's has a name of its own.
    """
    if value.address is not None and value.address.type not in _ADDRESS_TYPES:
        return "Address:" + value.address.type.name.removeprefix("SC_ADDRESS_TYPE_").lower()
    return _type_name(value.type)


@cache
def _type_name(kind: xdr.SCValType) -> str:
    return _words(kind.name.removeprefix("SCV_"))


def _words(name: str) -> str:
    return "".join(map(str.capitalize, name.split("_")))


def decode_address(value: xdr.SCVal, what: str) -> Address:
    """Decode the address of an account or a contract. Raises CannotDecode about ``what``."""
    if value.address is None or value.address.type not in _ADDRESS_TYPES:
        raise CannotDecode(what, str(ScType.ADDRESS), type_name(value))
    if value.address.contract_id is not None:
        return _contract_address(value.address.contract_id.contract_id.hash)
    key = value.address.account_id.account_id.ed25519  # type: ignore[union-attr]
    return _account_address(key.uint256)  # type: ignore[union-attr]


def decode_optional_address(value: xdr.SCVal, what: str) -> Address | None:
    """Decode an address, or None from Void. Raises CannotDecode about ``what``."""
    return None if value.type == xdr.SCValType.SCV_VOID else decode_address(value, what)


def decode_symbol(value: xdr.SCVal, what: str) -> Symbol:
    """Decode a symbol. Raises CannotDecode about ``what``."""
    if value.sym is None:
        raise CannotDecode(what, str(ScType.SYMBOL), type_name(value))
    try:
        return units.symbol(value.sym.sc_symbol.decode(), what)
    except ValueError as error:
        raise CannotDecode(what, "a valid Symbol", repr(value.sym.sc_symbol)) from error


def decode_i128(value: xdr.SCVal, what: str) -> int:
    """Decode an amount. Raises CannotDecode about ``what``."""
    if value.i128 is None:
        raise CannotDecode(what, str(ScType.I128), type_name(value))
    return value.i128.hi.int64 << 64 | value.i128.lo.uint64


_account_address: Final = lru_cache(maxsize=4096)(StrKey.encode_ed25519_public_key)
_contract_address: Final = lru_cache(maxsize=4096)(StrKey.encode_contract)


_ENCODE: Final[Mapping[ScType, Callable[[Any], xdr.SCVal]]] = {
    ScType.ADDRESS: encode_address,
    ScType.OPTIONAL_ADDRESS: encode_optional_address,
    ScType.SYMBOL: encode_symbol,
    ScType.I128: encode_i128,
}
_DECODE: Final[Mapping[ScType, Callable[[xdr.SCVal, str], Address | Symbol | int | None]]] = {
    ScType.ADDRESS: decode_address,
    ScType.OPTIONAL_ADDRESS: decode_optional_address,
    ScType.SYMBOL: decode_symbol,
    ScType.I128: decode_i128,
}


# Calls


def encode_call(call: Call | FactoryCall) -> tuple[str, list[xdr.SCVal]]:
    """Encode a call: the name of the method and its arguments in order."""
    return call.method, _arguments(call)


def _arguments(call: Call | FactoryCall) -> list[xdr.SCVal]:
    match call:
        case Init(owner, initial_balance, min_deposit):
            return [
                encode_address(owner),
                _optional_i128(initial_balance),
                _optional_i128(min_deposit),
            ]
        case GetMeta() | Balance():
            return []
        case Deposit(amount) | Withdraw(amount):
            return [encode_i128(amount)]
        case Deduct(caller, amount, request_id):
            return [encode_address(caller), encode_i128(amount), _optional_symbol(request_id)]
        case WithdrawTo(to, amount):
            return [encode_address(to), encode_i128(amount)]
        case BatchDeduct(caller, items):
            return [encode_address(caller), scval.to_vec([_item(item) for item in items])]
        case SetAuthorizedCaller(authorized):
            return [encode_optional_address(authorized)]
        case Create(owner, wasm_hash, salt, initial_balance, min_deposit):
            return [
                encode_address(owner),
                scval.to_bytes(wasm_hash),
                scval.to_bytes(salt),
                _optional_i128(initial_balance),
                _optional_i128(min_deposit),
            ]
        case Migrate(old, old_wasm_hash, wasm_hash, salt):
            hashes = (old_wasm_hash, wasm_hash, salt)
            return [encode_address(old), *map(scval.to_bytes, hashes)]
        case Successor(old):
            return [encode_address(old)]


def _optional_i128(value: int | None) -> xdr.SCVal:
    return _VOID if value is None else encode_i128(value)


def _optional_symbol(value: Symbol | None) -> xdr.SCVal:
    return _VOID if value is None else encode_symbol(value)


def _item(item: DeductItem) -> xdr.SCVal:
    return encode_fields(
        {"amount": encode_i128(item.amount), "request_id": _optional_symbol(item.request_id)}
    )


def encode_fields(fields: Mapping[str, xdr.SCVal]) -> xdr.SCVal:
    """Build a struct, a map of Symbols, from fields that are sorted by name. Raises BadValue."""
    entries = [xdr.SCMapEntry(encode_symbol(name), value) for name, value in fields.items()]
    return xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries))


def decode_returned(
    call: Call, value: xdr.SCVal, layout: Layout | None = None
) -> VaultMeta | int | None:
    """Decode what ``call`` returned. Raises CannotDecode, UnknownLayout.

    A VaultMeta must be of ``layout``, for other layouts can decode to equal values; None stands for
    any that is known.
    """
    match call:
        case Init() | GetMeta():
            found, meta = decode_meta(value)
            if layout is not None and found is not layout:
                raise CannotDecode(call.method, f"layout {layout.name}", f"layout {found.name}")
            return meta
        case SetAuthorizedCaller():
            if value.type != xdr.SCValType.SCV_VOID:
                raise CannotDecode(call.method, "Void", type_name(value))
            return None
    return decode_i128(value, call.method)


def encode_returned(value: VaultMeta | int | None, layout: Layout) -> xdr.SCVal:
    """Encode what a vault of ``layout`` returns. Raises BadValue."""
    match value:
        case VaultMeta():
            return encode_meta(value, layout)
        case None:
            return _VOID
    return encode_i128(value)


def decode_factory_returned(call: FactoryCall, value: xdr.SCVal) -> Address | None:
    """Decode what a call of the factory returned. Raises CannotDecode."""
    if isinstance(call, Successor):
        return decode_optional_address(value, call.method)
    return decode_address(value, call.method)


# Events


_EVENTS: Final[dict[str, type[Event]]] = {event.shape.name: event for event in EVENTS}
_FACTORY_EVENTS: Final[dict[str, type[FactoryEvent]]] = {
    event.shape.name: event for event in FACTORY_EVENTS
}
_contract_id: Final = lru_cache(maxsize=4096)(StrKey.decode_contract)


def encode_event(event: Event | FactoryEvent, contract_id: Address) -> xdr.ContractEvent:
    """Encode an event as the contract ``contract_id`` emits it. Raises BadValue."""
    shape = event.shape
    topics = [encode_symbol(shape.name)]
    topics += [_ENCODE[kind](getattr(event, name)) for name, kind in shape.topics]
    data = [_ENCODE[kind](getattr(event, name)) for name, kind in shape.data]
    return xdr.ContractEvent(
        ext=xdr.ExtensionPoint(0),
        contract_id=xdr.ContractID(xdr.Hash(_contract_id(contract_id))),
        type=xdr.ContractEventType.CONTRACT,
        body=xdr.ContractEventBody(
            0, xdr.ContractEventV0(topics, data[0] if len(data) == 1 else scval.to_vec(data))
        ),
    )


def decode_event(event: xdr.ContractEvent, contract_id: Address) -> Event:
    """Decode an event of the vault ``contract_id``. Raises CannotDecode, for others' events too."""
    return _decode_event(event, contract_id, _EVENTS)


def decode_factory_event(event: xdr.ContractEvent, contract_id: Address) -> FactoryEvent:
    """Decode an event of the factory ``contract_id``. Raises CannotDecode likewise."""
    return _decode_event(event, contract_id, _FACTORY_EVENTS)


_Event = TypeVar("_Event", Event, FactoryEvent)


def _decode_event(
    event: xdr.ContractEvent, contract_id: Address, kinds: Mapping[str, type[_Event]]
) -> _Event:
    emitter = event.contract_id
    if emitter is None or emitter.contract_id.hash != _contract_id(contract_id):
        found = "no contract" if emitter is None else _contract_address(emitter.contract_id.hash)
        raise CannotDecode("the event's contract", contract_id, found)
    if event.type != xdr.ContractEventType.CONTRACT or event.body.v0 is None:
        raise CannotDecode("the event's type", "CONTRACT", event.type.name)
    topics, data = event.body.v0.topics, event.body.v0.data
    name = decode_symbol(topics[0], "the event's name") if topics else ""
    kind = kinds.get(name)
    if kind is None:
        raise CannotDecode("the event's name", ", ".join(kinds), repr(name))
    shape = kind.shape
    items = [data] if len(shape.data) == 1 else _items(data, name)
    values: dict[str, Any] = {}
    values |= _fields(shape.topics, topics[1:], f"the topics of {name}")
    values |= _fields(shape.data, items, f"the data of {name}")
    return kind(**values)


def _items(data: xdr.SCVal, name: str) -> list[xdr.SCVal]:
    if data.vec is None:
        raise CannotDecode(f"the data of {name}", "Vec", type_name(data))
    return data.vec.sc_vec


def _fields(
    expected: Sequence[tuple[str, ScType]], found: Sequence[xdr.SCVal], what: str
) -> dict[str, Address | Symbol | int | None]:
    if len(expected) != len(found):
        raise CannotDecode(what, f"{len(expected)} values", f"{len(found)} values")
    return {
        name: _DECODE[kind](value, f"{name} in {what}")
        for (name, kind), value in zip(expected, found, strict=True)
    }


# Errors


@attrs.frozen
class HostError:
    """The error that ended an invocation.

    ``code`` is the contract's own number where ``type`` is SCE_CONTRACT, else an SCErrorCode.
    """

    type: xdr.SCErrorType
    code: int

    @property
    def vault_error(self) -> VaultErrorCode | None:
        """The vault's error number; None for the host's errors and for unknown numbers."""
        if self.type != xdr.SCErrorType.SCE_CONTRACT or self.code not in ERRORS:
            return None
        return VaultErrorCode(self.code)

    @property
    def factory_error(self) -> FactoryErrorCode | None:
        """The factory's error number; None for the host's errors and for other numbers."""
        if self.type != xdr.SCErrorType.SCE_CONTRACT or self.code not in FACTORY_ERRORS:
            return None
        return FactoryErrorCode(self.code)

    def __str__(self) -> str:
        kind = _words(self.type.name.removeprefix("SCE_"))
        if self.type == xdr.SCErrorType.SCE_CONTRACT:
            return f"Error({kind}, #{self.code})"
        return f"Error({kind}, {_words(xdr.SCErrorCode(self.code).name.removeprefix('SCEC_'))})"


def decode_error(error: xdr.SCError) -> HostError:
    """Decode an ScError."""
    if error.contract_code is not None:
        return HostError(error.type, error.contract_code.uint32)
    if error.code is None:
        raise CannotDecode("the error", "a code", "none")
    return HostError(error.type, error.code.value)


def find_error(diagnostics: Iterable[xdr.DiagnosticEvent]) -> HostError | None:
    """Find the error that ended an invocation: the last one that its diagnostic events name.

    Earlier ones belong to inner calls, or are what the last one grew from.
    """
    found = None
    for diagnostic in diagnostics:
        body = diagnostic.event.body.v0
        topics = [] if body is None else body.topics
        if len(topics) > 1 and topics[0] == _ERROR_TOPIC and topics[1].error is not None:
            found = topics[1].error
    return None if found is None else decode_error(found)


_ERROR_TOPIC: Final = encode_symbol("error")


# Stored entries


@attrs.frozen
class StoredVault:
    """What the instance entry of a vault holds.

    ``layout`` and ``meta`` are None before ``init``. ``extra`` has the instance's entries besides
    ``meta``; a vault of contracts/ has none.
    """

    executable: xdr.ContractExecutable
    layout: Layout | None
    meta: VaultMeta | None
    extra: tuple[xdr.SCMapEntry, ...]


def decode_stored(entry: xdr.LedgerEntryData) -> StoredVault:
    """Decode an instance entry. Raises UnknownLayout; CannotDecode if it is no instance at all."""
    if entry.contract_data is None:
        raise CannotDecode("the entry", "CONTRACT_DATA", entry.type.name)
    instance = entry.contract_data.val.instance
    if instance is None:
        raise CannotDecode("the entry", "ContractInstance", type_name(entry.contract_data.val))
    layout, meta = None, None
    extra = []
    for item in [] if instance.storage is None else instance.storage.sc_map:
        if item.key == _META_KEY:
            layout, meta = decode_meta(item.val)
        else:
            extra.append(item)
    return StoredVault(instance.executable, layout, meta, tuple(extra))


_META_KEY: Final = encode_symbol(META_KEY)


def decode_meta(value: xdr.SCVal) -> tuple[Layout, VaultMeta]:
    """Decode the stored ``meta`` of any known layout. Raises UnknownLayout."""
    if value.map is None:
        wrong = Difference(META_KEY, Fault.WRONG_TYPE, "Map", type_name(value))
        raise UnknownLayout(None, (wrong,))
    entries = value.map.sc_map
    names = [_field_name(entry.key) for entry in entries]
    layout = recognise(
        {name: type_name(entry.val) for name, entry in zip(names, entries, strict=True)}
    )
    values: dict[str, Any] = {}
    for field, name, entry in zip_longest(layout.fields, names, entries):
        if field is None or field.name != name:
            wrong = Difference(name, Fault.OUT_OF_ORDER, None, None)
            raise UnknownLayout(layout, (wrong,))
        values[name] = _DECODE[field.type](entry.val, name)
    return layout, VaultMeta(**values)


def _field_name(key: xdr.SCVal) -> str:
    """Name a key: a Symbol by its text, any other value as JSON."""
    return key.to_json() if key.sym is None else key.sym.sc_symbol.decode(errors="replace")


def encode_meta(meta: VaultMeta, layout: Layout) -> xdr.SCVal:
    """Encode ``meta`` as a vault of ``layout`` stores it. Raises BadValue."""
    check_meta(meta)
    return encode_fields(
        {field.name: _ENCODE[field.type](getattr(meta, field.name)) for field in layout.fields}
    )


@lru_cache(maxsize=1024)
def instance_key(contract_id: Address) -> xdr.LedgerKey:
    """Build the key of a contract's instance entry."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            contract=StellarAddress(contract_id).to_xdr_sc_address(),
            key=xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE),
            durability=xdr.ContractDataDurability.PERSISTENT,
        ),
    )


@lru_cache(maxsize=1024)
def code_key(wasm_hash: bytes) -> xdr.LedgerKey:
    """Build the key of the code entry with this SHA-256."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_CODE,
        contract_code=xdr.LedgerKeyContractCode(xdr.Hash(wasm_hash)),
    )


@lru_cache(maxsize=1024)
def account_key(account: Address) -> xdr.LedgerKey:
    """Build the key of an account's entry (G...)."""
    account_id = Keypair.from_public_key(account).xdr_account_id()
    return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=xdr.LedgerKeyAccount(account_id))


def nonce_key(signer: Address, nonce: int) -> xdr.LedgerKey:
    """Build the key of the entry that uses a signer's nonce up."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            contract=StellarAddress(signer).to_xdr_sc_address(),
            key=xdr.SCVal(
                xdr.SCValType.SCV_LEDGER_KEY_NONCE,
                nonce_key=xdr.SCNonceKey(xdr.Int64(nonce)),
            ),
            durability=xdr.ContractDataDurability.TEMPORARY,
        ),
    )


def is_nonce(key: xdr.LedgerKey) -> bool:
    """Tell whether a key is one of ``nonce_key``."""
    data = key.contract_data
    return data is not None and data.key.type == xdr.SCValType.SCV_LEDGER_KEY_NONCE


def setting_key(setting: xdr.ConfigSettingID) -> xdr.LedgerKey:
    """Build the key of a setting of the network."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONFIG_SETTING, config_setting=xdr.LedgerKeyConfigSetting(setting)
    )


# The factory


def vault_address(factory: Address, owner: Address, salt: bytes, passphrase: str) -> Address:
    """Tell the address at which a factory deploys for an owner and a salt. Raises BadValue.

    The salt of the deployment is the SHA-256 of the owner as an ScVal in XDR, then ``salt``, so
    that nobody but the owner can take the address. Arguments: ``passphrase``, of the network.
    """
    bound = sha256(encode_address(owner).to_xdr_bytes() + units.bytes32(salt, "salt"))
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            network_id=xdr.Hash(Network(passphrase).network_id()),
            contract_id_preimage=xdr.ContractIDPreimage(
                xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
                from_address=xdr.ContractIDPreimageFromAddress(
                    StellarAddress(factory).to_xdr_sc_address(), xdr.Uint256(bound)
                ),
            ),
        ),
    )
    return _contract_address(sha256(preimage.to_xdr_bytes()))


SUCCESSOR_KEY: Final = "Successor"
"""The first item of the key under which a factory stores the successor of a vault."""


def successor_key(factory: Address, old: Address) -> xdr.LedgerKey:
    """Build the key of the entry in which a factory stores the vault that ``old`` went to."""
    return xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            contract=StellarAddress(factory).to_xdr_sc_address(),
            key=scval.to_vec([encode_symbol(SUCCESSOR_KEY), encode_address(old)]),
            durability=xdr.ContractDataDurability.PERSISTENT,
        ),
    )


def decode_successor(entry: xdr.LedgerEntryData) -> Address:
    """Decode the entry of a successor_key. Raises CannotDecode."""
    if entry.contract_data is None:
        raise CannotDecode("the entry", "CONTRACT_DATA", entry.type.name)
    return decode_address(entry.contract_data.val, "the successor")


def encode_authorisation(
    contract_id: Address,
    call: Call | FactoryCall,
    nested: Iterable[tuple[Address, Call]] = (),
) -> xdr.SorobanAuthorizedInvocation:
    """Build the tree that is signed for ``call``, with the calls that it makes in turn under it."""
    method, arguments = encode_call(call)
    function = xdr.SorobanAuthorizedFunction(
        xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN,
        contract_fn=xdr.InvokeContractArgs(
            StellarAddress(contract_id).to_xdr_sc_address(),
            xdr.SCSymbol(method.encode()),
            arguments,
        ),
    )
    return xdr.SorobanAuthorizedInvocation(
        function, [encode_authorisation(*each) for each in nested]
    )
