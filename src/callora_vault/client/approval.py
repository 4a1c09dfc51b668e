"""The check before a signature: a transaction may do what its call needs and nothing else.

The client builds the authorisation tree and the footprint of its call and compares them with the
RPC's simulation. They must be equal: a node, an argument, an address or a ledger entry that differs
raises RefusedToSign, and no key is used. From the simulation only the declared resources are taken,
within the limit of the fee.

Source: authorisation, footprints and archived entries in the Stellar documentation; CAP-46-11,
CAP-66 (archived entries), CAP-71 (credentials that name their address).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs
from stellar_sdk import Address as StellarAddress
from stellar_sdk import scval, xdr

from callora_vault.client.errors import FeeTooHigh, UnexpectedAuthorisation, UnexpectedFootprint
from callora_vault.codec.keys import is_nonce, nonce_key
from callora_vault.model.units import Address
from callora_vault.rpc.answers import Simulation

_Credentials = xdr.SorobanCredentialsType


@attrs.frozen
class Expected:
    """What a transaction may do.

    `signer` authorises `invocation`; both are None if no authorisation is needed. `read_only` and
    `read_write` are the ledger entries that it may touch, without the signer's nonce.
    """

    signer: Address | None
    invocation: xdr.SorobanAuthorizedInvocation | None
    read_only: tuple[xdr.LedgerKey, ...]
    read_write: tuple[xdr.LedgerKey, ...]


def check(
    simulation: Simulation,
    expected: Expected,
    *,
    by_address: bool,
    nonce: int,
    fee_limit: int,
    headroom: int,
) -> xdr.SorobanTransactionData:
    """Compare a simulation with what is expected; return the resources to declare.

    Arguments: `by_address`, whether the signer signs with address credentials, then with `nonce`;
    `fee_limit` and `headroom`, what is added to the simulated fee within it, in stroops.
    Raises UnexpectedAuthorisation, UnexpectedFootprint, FeeTooHigh.
    """
    _check_authorisation(simulation.authorisation, expected, by_address=by_address)
    footprint, archived = _footprint(simulation.data, expected, by_address=by_address, nonce=nonce)
    fee = simulation.fee
    if not 0 <= fee <= fee_limit:
        raise FeeTooHigh(fee, fee_limit)
    resources = simulation.data.resources
    indexes = xdr.SorobanResourcesExtV0([xdr.Uint32(index) for index in archived])
    return xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(1, indexes) if archived else xdr.SorobanTransactionDataExt(0),
        xdr.SorobanResources(
            footprint, resources.instructions, resources.disk_read_bytes, resources.write_bytes
        ),
        xdr.Int64(min(fee + headroom, fee_limit)),
    )


def _check_authorisation(
    recorded: Sequence[xdr.SorobanAuthorizationEntry], expected: Expected, *, by_address: bool
) -> None:
    wanted = 0 if expected.invocation is None else 1
    if len(recorded) != wanted:
        trees = "; ".join(f"{_who(entry)} {_tree(entry.root_invocation)}" for entry in recorded)
        raise UnexpectedAuthorisation(
            "the authorisation to sign",
            _tree(expected.invocation) if expected.invocation else "nothing",
            trees or "nothing",
        )
    for entry in recorded:
        assert expected.invocation is not None  # noqa: S101 - one is wanted
        signer = expected.signer if by_address else None
        found = _address(entry.credentials)
        if found != signer:
            raise UnexpectedAuthorisation(
                "the signer", signer or "the source account", found or "the source account"
            )
        _compare(expected.invocation, entry.root_invocation, ())


def _compare(
    expected: xdr.SorobanAuthorizedInvocation,
    found: xdr.SorobanAuthorizedInvocation,
    path: tuple[str, ...],
) -> None:
    """Raise UnexpectedAuthorisation for the first node that differs, from the root down."""
    where = " in ".join((*reversed(path), "the signed call")) if path else "the signed call"
    if found.function != expected.function:
        raise UnexpectedAuthorisation(where, _call(expected.function), _call(found.function))
    if len(found.sub_invocations) != len(expected.sub_invocations):
        raise UnexpectedAuthorisation(
            f"the nested calls of {_call(expected.function)}",
            _trees(expected.sub_invocations),
            _trees(found.sub_invocations),
        )
    for number, (inner, other) in enumerate(
        zip(expected.sub_invocations, found.sub_invocations, strict=True), 1
    ):
        _compare(inner, other, (*path, f"call {number}"))


def _address(credentials: xdr.SorobanCredentials) -> Address | None:
    """Return the account that must sign; None stands for the source account."""
    if credentials.type == _Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT:
        return None
    held = credentials.address or credentials.address_v2
    if held is None:
        kind = credentials.type.name.removeprefix("SOROBAN_CREDENTIALS_").replace("_", " ").lower()
        raise UnexpectedAuthorisation("the signer", "one account", f"given by {kind} credentials")
    return StellarAddress.from_xdr_sc_address(held.address).address


def _who(entry: xdr.SorobanAuthorizationEntry) -> str:
    return f"by {_address(entry.credentials) or 'the source account'}:"


def _tree(node: xdr.SorobanAuthorizedInvocation) -> str:
    inner = f" with {_trees(node.sub_invocations)}" if node.sub_invocations else ""
    return _call(node.function) + inner


def _trees(nodes: Iterable[xdr.SorobanAuthorizedInvocation]) -> str:
    return "; ".join(map(_tree, nodes)) or "nothing"


def outline(node: xdr.SorobanAuthorizedInvocation, depth: int = 0) -> Iterator[str]:
    """Write a tree for people: a line for each call, nested calls indented."""
    yield "  " * depth + _call(node.function)
    for inner in node.sub_invocations:
        yield from outline(inner, depth + 1)


def _call(function: xdr.SorobanAuthorizedFunction) -> str:
    called = function.contract_fn
    if called is None:
        return "the creation of a contract " + function.to_json()
    contract = StellarAddress.from_xdr_sc_address(called.contract_address).address
    name = called.function_name.sc_symbol.decode(errors="replace")
    return f"{name}({', '.join(map(_value, called.args))}) on {contract}"


def _value(value: xdr.SCVal) -> str:
    if value.i128 is not None:
        return str(scval.from_int128(value))
    if value.address is not None:
        return StellarAddress.from_xdr_sc_address(value.address).address
    if value.sym is not None:
        return value.sym.sc_symbol.decode(errors="replace")
    if value.bytes is not None:
        return value.bytes.sc_bytes.hex()
    return value.to_json()


def _footprint(
    simulated: xdr.SorobanTransactionData, expected: Expected, *, by_address: bool, nonce: int
) -> tuple[xdr.LedgerFootprint, list[int]]:
    """Return the expected footprint, and which of its read-write entries are archived.

    The call restores an archived entry, which is read-write for that.
    """
    read_only = _by_xdr(simulated.resources.footprint.read_only)
    read_write = _by_xdr(simulated.resources.footprint.read_write)
    archived = _archived(simulated)
    wanted_only, wanted_write = _by_xdr(expected.read_only), _by_xdr(expected.read_write)
    for key in archived & wanted_only.keys():
        wanted_write[key] = wanted_only.pop(key)
    if by_address and expected.signer is not None:
        # the RPC recorded a nonce of its own; this client's replaces it
        own = nonce_key(expected.signer, nonce)
        recorded = [key for key, value in read_write.items() if _is_nonce_of(value, own)]
        if len(recorded) == 1:
            del read_write[recorded[0]]
            read_write[own.to_xdr_bytes()] = own
        wanted_write[own.to_xdr_bytes()] = own
    if read_only.keys() != wanted_only.keys() or read_write.keys() != wanted_write.keys():
        raise UnexpectedFootprint(
            (*_more(read_only, wanted_only, "read"), *_more(read_write, wanted_write, "write")),
            (*_more(wanted_only, read_only, "read"), *_more(wanted_write, read_write, "write")),
        )
    indexes = [index for index, key in enumerate(wanted_write) if key in archived]
    return xdr.LedgerFootprint(list(wanted_only.values()), list(wanted_write.values())), indexes


def _by_xdr(keys: Iterable[xdr.LedgerKey]) -> dict[bytes, xdr.LedgerKey]:
    return {key.to_xdr_bytes(): key for key in keys}


def _archived(simulated: xdr.SorobanTransactionData) -> set[bytes]:
    """Collect the read-write entries that the call would restore."""
    extension = simulated.ext.resource_ext
    marked = [] if extension is None else extension.archived_soroban_entries
    keys = simulated.resources.footprint.read_write
    return {keys[i.uint32].to_xdr_bytes() for i in marked if i.uint32 < len(keys)}


def _is_nonce_of(key: xdr.LedgerKey, own: xdr.LedgerKey) -> bool:
    assert own.contract_data is not None  # noqa: S101 - every nonce is contract data
    data = key.contract_data
    return is_nonce(key) and data is not None and data.contract == own.contract_data.contract


def _more(
    one: dict[bytes, xdr.LedgerKey], other: dict[bytes, xdr.LedgerKey], verb: str
) -> tuple[str, ...]:
    return tuple(f"{verb} {_name(one[key])}" for key in one if key not in other)


def _name(key: xdr.LedgerKey) -> str:
    data = key.contract_data
    if data is not None and data.key.type == xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE:
        return f"the instance of {StellarAddress.from_xdr_sc_address(data.contract).address}"
    if key.contract_code is not None:
        return f"the code {key.contract_code.hash.hash.hex()}"
    return key.to_json()
