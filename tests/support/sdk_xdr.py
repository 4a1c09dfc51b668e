"""XDR for the codec's tests, built with stellar-sdk alone."""

from stellar_sdk import Address, StrKey, scval, xdr
from tests.support.strategies import CONTRACT

HASH = bytes(range(32))


def instance(
    *items: tuple[xdr.SCVal, xdr.SCVal], contract_id: str = CONTRACT
) -> xdr.LedgerEntryData:
    """An instance entry with these items in its storage; none at all for a bare contract."""
    storage = xdr.SCMap([xdr.SCMapEntry(*item) for item in items]) if items else None
    executable = xdr.ContractExecutable(
        xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM, wasm_hash=xdr.Hash(HASH)
    )
    return xdr.LedgerEntryData(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.ContractDataEntry(
            ext=xdr.ExtensionPoint(0),
            contract=Address(contract_id).to_xdr_sc_address(),
            key=xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE),
            durability=xdr.ContractDataDurability.PERSISTENT,
            val=xdr.SCVal(
                xdr.SCValType.SCV_CONTRACT_INSTANCE,
                instance=xdr.SCContractInstance(executable, storage),
            ),
        ),
    )


def fields(**values: xdr.SCVal) -> xdr.SCVal:
    """A map of Symbols in the order given."""
    entries = [xdr.SCMapEntry(scval.to_symbol(name), value) for name, value in values.items()]
    return xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries))


def event(
    topics: list[xdr.SCVal],
    data: xdr.SCVal,
    contract_id: str | None = CONTRACT,
    kind: xdr.ContractEventType = xdr.ContractEventType.CONTRACT,
) -> xdr.ContractEvent:
    """An event as a contract or the host emits it."""
    emitter = None
    if contract_id is not None:
        emitter = xdr.ContractID(xdr.Hash(StrKey.decode_contract(contract_id)))
    body = xdr.ContractEventBody(0, xdr.ContractEventV0(topics, data))
    return xdr.ContractEvent(xdr.ExtensionPoint(0), emitter, kind, body)


def diagnostic(*topics: xdr.SCVal, data: xdr.SCVal | None = None) -> xdr.DiagnosticEvent:
    """A diagnostic event of a failed call."""
    told = event(
        list(topics),
        scval.to_void() if data is None else data,
        kind=xdr.ContractEventType.DIAGNOSTIC,
    )
    return xdr.DiagnosticEvent(False, told)


def host_error(kind: xdr.SCErrorType, code: xdr.SCErrorCode) -> xdr.SCVal:
    """An error of the host."""
    return xdr.SCVal(xdr.SCValType.SCV_ERROR, error=xdr.SCError(kind, code=code))


def contract_error(number: int) -> xdr.SCVal:
    """An error that a contract returned."""
    error = xdr.SCError(xdr.SCErrorType.SCE_CONTRACT, contract_code=xdr.Uint32(number))
    return xdr.SCVal(xdr.SCValType.SCV_ERROR, error=error)
