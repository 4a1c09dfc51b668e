"""What a contract has on the ledger: its raw stored entry, its code, and how long they live.

Nothing here calls the contract: what it would say of itself is no evidence. Source: STORAGE.md;
CAP-46-12 (state archival).
"""

from __future__ import annotations

import attrs
from stellar_sdk import scval, xdr
from stellar_sdk.utils import external_ref_owner_address

from callora_vault.codec.keys import code_key
from callora_vault.codec.values import CannotDecode
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
    """How long an entry lives: the last ledger, ledgers left, and the date it runs out.

    `runs_out` is an estimate, in seconds since 1970, from 5 seconds a ledger. An archived entry
    has no ledgers left; anybody can restore it.
    """

    live_until: int
    ledgers_left: int
    runs_out: int

    @property
    def archived(self) -> bool:
        """Whether it has to be restored before it can be used."""
        return self.ledgers_left < 0


@attrs.frozen
class Reference:
    """An executable by reference (CAP-85): `owner` says which code `tag` stands for now."""

    owner: Address
    tag: bytes


@attrs.frozen
class Inspection:
    """A contract as the ledger has it.

    `layout` and `meta` are None before `init`, and where `problem` says why the stored
    entry is none of a vault's, field by field. `extra` are other keys of the instance, in words.
    `code` is None where there is none to read (a Stellar asset contract, or code that is gone),
    then `executable` says what there is. `entry` is the raw instance entry.
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
        """Why the contract's behaviour can change, None where it cannot."""
        if self.reference is not None:
            return f"its code is what {self.reference.owner} says it is"
        if self.code is None:
            return "its code cannot be read"
        if self.code.changes_itself:
            return "it can replace its own code"
        return None


@attrs.frozen
class NotAVault(CalloraError):
    """A contract whose stored entry is none of a vault's; `problem` says why."""

    contract: Address
    problem: str

    def __str__(self) -> str:
        return f"{self.contract} is no vault: {self.problem}"


def inspect(network: Network, contract: Address, until: float) -> Inspection:
    """Read a contract. Arguments: `until`, a moment of the network's clock.

    Raises BadValue, NoVault where there is no such contract, and what Network raises.
    """
    units.contract(contract, "contract")
    found = read_instance(network, contract, until)
    tip = network.tip(until, at_least=found.ledger)
    entry = found.entry
    held = entry.contract_data
    if held is None or held.val.instance is None:
        raise CannotDecode("the entry", "ContractInstance", entry.type.name)
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
    """Say what an instance runs: in words, by which reference, and the hash of its code."""
    if executable.wasm_hash is not None:
        return f"WASM {executable.wasm_hash.hash.hex()}", None, executable.wasm_hash.hash
    if executable.external_ref is None:
        return "a Stellar asset contract", None, None
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
    words = f"code by reference to {owner.address}, "
    words += "which names none" if named is None else f"now WASM {named.hex()}"
    return words, reference, named


def _can_begin(code: Code) -> bool:
    """Say whether code could give a contract that stores nothing an owner, as far as is known."""
    if code.interface is None:
        return True
    return any(m.name == "init" and m.match is not Match.MISSING for m in code.interface.methods)


def _is_meta(key: xdr.SCVal) -> bool:
    return key.sym is not None and key.sym.sc_symbol == b"meta"


def _life(live_until: int | None, ledger: int, close_time: int) -> Life:
    last = live_until or 0
    left = last - ledger if last else -1
    return Life(last, left, close_time + max(left, 0) * LEDGER_SECONDS)
