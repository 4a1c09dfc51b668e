"""Calls of vault and factory: arguments, authorisation tree, returned value."""

from collections.abc import Iterable

from stellar_sdk import Address as StellarAddress
from stellar_sdk import scval, xdr
from stellar_sdk.utils import sha256

from callora_vault.codec.entries import decode_meta, encode_meta
from callora_vault.codec.values import (
    VOID,
    CannotDecode,
    decode_address,
    decode_i128,
    decode_optional_address,
    encode_address,
    encode_fields,
    encode_i128,
    encode_optional_address,
    encode_optional_i128,
    encode_optional_symbol,
    type_name,
)
from callora_vault.model.calls import (
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
from callora_vault.model.layouts import Layout, VaultMeta
from callora_vault.model.units import Address, Symbol


def encode_call(call: Call | FactoryCall) -> tuple[str, list[xdr.SCVal]]:
    """Encode a call: the name of the method and its arguments in order."""
    return call.method, _arguments(call)


def invocation(contract: Address, call: Call | FactoryCall) -> xdr.InvokeContractArgs:
    """Build the invocation of a call: the same for the operation and for its authorisation."""
    method, arguments = encode_call(call)
    return xdr.InvokeContractArgs(
        StellarAddress(contract).to_xdr_sc_address(), xdr.SCSymbol(method.encode()), arguments
    )


def host_function(contract: Address, call: Call | FactoryCall) -> xdr.HostFunction:
    """Build the host function that invokes a call."""
    return xdr.HostFunction(
        xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT,
        invoke_contract=invocation(contract, call),
    )


def identity(function: xdr.HostFunction) -> str:
    """Return what makes two calls one and the same: a hash of the XDR, in hex.

    The contract does not count, for a vault may move to another one.
    """
    called = function.invoke_contract
    if called is None:
        return sha256(function.to_xdr_bytes()).hex()
    method = xdr.SCVal(xdr.SCValType.SCV_SYMBOL, sym=called.function_name)
    return sha256(scval.to_vec([method, *called.args]).to_xdr_bytes()).hex()


def request_ids_of(function: xdr.HostFunction) -> tuple[Symbol, ...]:
    """Return the request ids of a deduct or a batch, in order; none is no id, and an empty one."""
    called = function.invoke_contract
    if called is None or len(called.args) < 2:
        return ()
    method, last = called.function_name.sc_symbol, called.args[-1]
    given: list[xdr.SCVal] = []
    if method == b"deduct":
        given = [last]
    elif method == b"batch_deduct" and last.vec is not None:
        fields = [entry for item in last.vec.sc_vec if item.map for entry in item.map.sc_map]
        given = [f.val for f in fields if f.key.sym and f.key.sym.sc_symbol == b"request_id"]
    symbols = (value.sym.sc_symbol.decode() for value in given if value.sym is not None)
    return tuple(filter(None, symbols))


def _arguments(call: Call | FactoryCall) -> list[xdr.SCVal]:
    match call:
        case Init(owner, initial_balance, min_deposit):
            return [
                encode_address(owner),
                encode_optional_i128(initial_balance),
                encode_optional_i128(min_deposit),
            ]
        case GetMeta() | Balance():
            return []
        case Deposit(amount) | Withdraw(amount):
            return [encode_i128(amount)]
        case Deduct(caller, amount, request_id):
            return [encode_address(caller), encode_i128(amount), encode_optional_symbol(request_id)]
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
                encode_optional_i128(initial_balance),
                encode_optional_i128(min_deposit),
            ]
        case Migrate(old, old_wasm_hash, wasm_hash, salt):
            hashes = (old_wasm_hash, wasm_hash, salt)
            return [encode_address(old), *map(scval.to_bytes, hashes)]
        case Successor(old):
            return [encode_address(old)]


def _item(item: DeductItem) -> xdr.SCVal:
    return encode_fields(
        {"amount": encode_i128(item.amount), "request_id": encode_optional_symbol(item.request_id)}
    )


def decode_returned(
    call: Call, value: xdr.SCVal, layout: Layout | None = None
) -> VaultMeta | int | None:
    """Decode what `call` returned. Raises CannotDecode, UnknownLayout.

    A VaultMeta must be of `layout`, because other layouts can decode to equal values; None accepts
    any known layout.
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
    """Encode what a vault of `layout` returns. Raises BadValue."""
    match value:
        case VaultMeta():
            return encode_meta(value, layout)
        case None:
            return VOID
    return encode_i128(value)


def decode_factory_returned(call: FactoryCall, value: xdr.SCVal) -> Address | None:
    """Decode the value that a call of the factory returned. Raises CannotDecode."""
    if isinstance(call, Successor):
        return decode_optional_address(value, call.method)
    return decode_address(value, call.method)


def encode_authorisation(
    contract_id: Address,
    call: Call | FactoryCall,
    nested: Iterable[tuple[Address, Call]] = (),
) -> xdr.SorobanAuthorizedInvocation:
    """Build the authorisation tree of `call`, with its nested calls."""
    function = xdr.SorobanAuthorizedFunction(
        xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN,
        contract_fn=invocation(contract_id, call),
    )
    return xdr.SorobanAuthorizedInvocation(
        function, [encode_authorisation(*each) for each in nested]
    )
