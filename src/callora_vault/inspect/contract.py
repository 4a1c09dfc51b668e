"""A contract on the ledger: its stored entry, its code, and their TTL.

Nothing here calls the contract: its own answers are not evidence. Source: STORAGE.md; CAP-46-12
(state archival).
"""

from __future__ import annotations

import attrs
from stellar_sdk import scval, xdr
from stellar_sdk.utils import external_ref_owner_address

from callora_vault.codec.entries import describe_executable
from callora_vault.codec.keys import code_key
from callora_vault.codec.values import CannotDecode, words
from callora_vault.errors import CalloraError
from callora_vault.inspect.code import Code, read_code
from callora_vault.inspect.interface import Match
from callora_vault.model import units
from callora_vault.model.layouts import Layout, UnknownLayout, VaultMeta
from callora_vault.model.renewal import LEDGER_SECONDS
from callora_vault.model.units import Address
from callora_vault.rpc.network import Network
from callora_vault.rpc.reading import read_instance


@attrs.frozen
class Life:
    """The TTL of an entry: its live-until ledger, ledgers left, and the estimated date.

    `runs_out` is in seconds since 1970, estimated with 5 seconds a ledger. An archived entry has no
    ledgers left; anybody can restore it.
    """

    live_until: int
    ledgers_left: int
    runs_out: int

    @property
    def archived(self) -> bool:
        """Whether it must be restored before it can be used."""
        return self.ledgers_left < 0


@attrs.frozen
class Reference:
    """An executable by reference (CAP-85): `owner` decides which code `tag` stands for."""

    owner: Address
    tag: bytes


@attrs.frozen
class Inspection:
    """A contract on the ledger.

    `layout` and `meta` are None before `init`, and if `problem` says, field by field, why the
    stored entry is not a vault's. `extra` are other keys of the instance, as JSON. `code` is None
    if none can be read (the Stellar asset contract, or missing code); `executable` then describes
    what the instance runs. `entry` is the raw instance entry.
    """

    contract: Address
    ledger: int
    close_time: int
    executable: str
    reference: Reference | None
    code: Code | None
    layout: Layout | None
    meta: VaultMeta | None
    problem: str | None
    extra: tuple[str, ...]
    instance_life: Life
    code_life: Life | None
    entry: xdr.LedgerEntryData = attrs.field(repr=False)

    @property
    def can_change(self) -> str | None:
        """Why the contract's behaviour can change, None if it cannot."""
        if self.reference is not None:
            return f"{self.reference.owner} decides which code it runs"
        if self.code is None:
            return "its code cannot be read"
        if self.code.changes_itself:
            return "it can replace its own code"
        return None


@attrs.frozen
class NotAVault(CalloraError):
    """A contract whose stored entry is not a vault's; `problem` says why."""

    contract: Address
    problem: str

    def __str__(self) -> str:
        return f"{self.contract} is not a vault: {self.problem}; give the id of a vault"


def inspect(network: Network, contract: Address, until: float) -> Inspection:
    """Read a contract. Arguments: `until`, a moment of the network's clock.

    Raises BadValue, NoVault if the contract does not exist, and what Network raises.
    """
    units.contract(contract, "contract")
    found = read_instance(network, contract, until)
    tip = network.tip(until, at_least=found.ledger)
    entry = found.entry
    held = entry.contract_data
    if held is None or held.val.instance is None:
        raise CannotDecode("the entry", "ContractInstance", words(entry.type.name))
    instance = held.val.instance
    executable, reference, code_hash = _executable(network, instance.executable, until)
    code, code_life = None, None
    if code_hash is not None:
        codes = network.entries([code_key(code_hash)], until)
        there = codes.get(code_key(code_hash))
        if there is not None:
            contained = xdr.LedgerEntryData.from_xdr(there.xdr).contract_code
            assert contained is not None  # noqa: S101 - asked for by its key
            code = read_code(contained.code)
            code_life = _life(there.live_until_ledger, codes.ledger, tip.close_time)
    problem, layout, meta = None, None, None
    try:
        stored = found.vault()
        layout, meta = stored.layout, stored.meta
        extra = tuple(item.key.to_json() for item in stored.extra)
        if meta is None and code is not None and not _can_begin(code):
            problem = "it stores nothing, and its code has no init"
    except (UnknownLayout, CannotDecode) as error:
        problem = str(error)
        items = [] if instance.storage is None else instance.storage.sc_map
        extra = tuple(item.key.to_json() for item in items if not _is_meta(item.key))
    return Inspection(
        contract=contract,
        ledger=found.ledger,
        close_time=tip.close_time,
        executable=executable,
        reference=reference,
        code=code,
        layout=layout,
        meta=meta,
        problem=problem,
        extra=extra,
        instance_life=_life(found.live_until, found.ledger, tip.close_time),
        code_life=code_life,
        entry=entry,
    )


def _executable(
    network: Network, executable: xdr.ContractExecutable, until: float
) -> tuple[str, Reference | None, bytes | None]:
    """Return what an instance runs: in words, the reference to it, and the hash of its code."""
    if executable.wasm_hash is not None:
        return f"WASM {executable.wasm_hash.hash.hex()}", None, executable.wasm_hash.hash
    if executable.external_ref is None:
        return describe_executable(executable), None, None
    owner = external_ref_owner_address(executable.external_ref)
    reference = Reference(owner.address, executable.external_ref.tag.sc_string)
    key = xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_DATA,
        contract_data=xdr.LedgerKeyContractData(
            owner.to_xdr_sc_address(),
            scval.to_executable_tag(reference.tag),
            xdr.ContractDataDurability.PERSISTENT,
        ),
    )
    found = network.entries([key], until).get(key)
    named = None
    if found is not None:
        data = xdr.LedgerEntryData.from_xdr(found.xdr).contract_data
        named = None if data is None or data.val.bytes is None else data.val.bytes.sc_bytes
    shown = f"{describe_executable(executable)}, "
    shown += "which names none" if named is None else f"now WASM {named.hex()}"
    return shown, reference, named


def _can_begin(code: Code) -> bool:
    """Return whether code may have an `init`; unknown interfaces count as having one."""
    if code.interface is None:
        return True
    return any(m.name == "init" and m.match is not Match.MISSING for m in code.interface.methods)


def _is_meta(key: xdr.SCVal) -> bool:
    return key.sym is not None and key.sym.sc_symbol == b"meta"


def _life(live_until: int | None, ledger: int, close_time: int) -> Life:
    last = live_until or 0
    left = last - ledger if last else -1
    return Life(last, left, close_time + max(left, 0) * LEDGER_SECONDS)
