"""A contract's declared interface (its spec), compared with that of a version of the vault.

Types are compared by their content, not by their names: `Result` counts as its success type, a
struct as its fields, and error numbers are compared separately. Source: SEP-48.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

import attrs
from stellar_sdk import xdr
from stellar_sdk.sep.contract_spec import ContractSpec

from callora_vault import wasm
from callora_vault.model.versions import ABIS, Abi

_Type = xdr.SCSpecType
_DEEPEST = 16
"""How deep nested types are followed; specs can be circular."""


class Match(Enum):
    """How a method compares with the version's."""

    SAME = "same"
    OTHER = "other"
    MISSING = "missing"
    EXTRA = "extra"


@attrs.frozen
class Method:
    """A method of the version or of the contract; the signature is None on the side without it."""

    name: str
    match: Match
    expected: str | None
    found: str | None


@attrs.frozen
class Interface:
    """A contract's methods and error numbers beside those of the closest version.

    `errors` are the numbers whose names differ: number, the version's name, the contract's.
    """

    abi: Abi
    methods: tuple[Method, ...]
    errors: tuple[tuple[int, str | None, str | None], ...]

    @property
    def differences(self) -> int:
        """How many of the version's methods the contract lacks or has with another signature."""
        return sum(method.match in (Match.MISSING, Match.OTHER) for method in self.methods)

    @property
    def missing(self) -> frozenset[str]:
        """The version's methods that the contract lacks or has with another signature."""
        return frozenset(m.name for m in self.methods if m.match in (Match.MISSING, Match.OTHER))


def compare(spec: ContractSpec) -> Interface:
    """Compare a contract's spec with every version's; return the closest, of equals the newest."""
    compared = [_against(abi, spec) for abi in reversed(tuple(ABIS.values()))]
    return min(compared, key=lambda interface: interface.differences)


def _against(abi: Abi, spec: ContractSpec) -> Interface:
    expected, found = _methods(_own_spec(abi.name)), _methods(spec)
    methods = []
    for name in sorted(expected.keys() | found.keys()):
        wanted, there = expected.get(name), found.get(name)
        if wanted is None:
            match = Match.EXTRA
        elif there is None:
            match = Match.MISSING
        else:
            match = Match.SAME if wanted == there else Match.OTHER
        methods.append(Method(name, match, wanted, there))
    wanted_errors, found_errors = _errors(_own_spec(abi.name)), _errors(spec)
    errors = [
        (number, wanted_errors.get(number), found_errors.get(number))
        for number in sorted(wanted_errors.keys() | found_errors.keys())
        if wanted_errors.get(number) != found_errors.get(number)
    ]
    return Interface(abi, tuple(methods), tuple(errors))


@lru_cache
def _own_spec(name: str) -> ContractSpec:
    return ContractSpec.from_wasm(wasm.read(name))


def _methods(spec: ContractSpec) -> dict[str, str]:
    return {
        _text(function.name.sc_symbol): _signature(function, spec) for function in spec.functions
    }


def _errors(spec: ContractSpec) -> dict[int, str]:
    return {
        case.value.uint32: _text(case.name) for error in spec.error_enums for case in error.cases
    }


def _signature(function: xdr.SCSpecFunctionV0, spec: ContractSpec) -> str:
    arguments = ", ".join(
        f"{_text(field.name)}: {_describe(field.type, spec)}" for field in function.inputs
    )
    returned = ", ".join(_describe(output, spec) for output in function.outputs)
    return f"({arguments})" + (f" -> {returned}" if returned else "")


def _describe(kind: xdr.SCSpecTypeDef, spec: ContractSpec, depth: int = 0) -> str:
    """Write a type by its content."""
    if depth == _DEEPEST:
        return "…"

    def inner(of: xdr.SCSpecTypeDef) -> str:
        return _describe(of, spec, depth + 1)

    if kind.result is not None:
        return inner(kind.result.ok_type)
    if kind.option is not None:
        return f"Option<{inner(kind.option.value_type)}>"
    if kind.vec is not None:
        return f"Vec<{inner(kind.vec.element_type)}>"
    if kind.map is not None:
        return f"Map<{inner(kind.map.key_type)}, {inner(kind.map.value_type)}>"
    if kind.tuple is not None:
        return f"({', '.join(map(inner, kind.tuple.value_types))})"
    if kind.bytes_n is not None:
        return f"BytesN<{kind.bytes_n.n.uint32}>"
    if kind.udt is None:
        name = kind.type.name.removeprefix("SC_SPEC_TYPE_")
        return _NAMES.get(kind.type, name.capitalize())
    name = _text(kind.udt.name)
    for struct in spec.structs:
        if _text(struct.name) == name:
            fields = sorted(f"{_text(field.name)}: {inner(field.type)}" for field in struct.fields)
            return f"{{{', '.join(fields)}}}"
    return name


_NAMES = {
    kind: kind.name.removeprefix("SC_SPEC_TYPE_").lower()
    for kind in (
        _Type.SC_SPEC_TYPE_BOOL,
        _Type.SC_SPEC_TYPE_U32,
        _Type.SC_SPEC_TYPE_I32,
        _Type.SC_SPEC_TYPE_U64,
        _Type.SC_SPEC_TYPE_I64,
        _Type.SC_SPEC_TYPE_U128,
        _Type.SC_SPEC_TYPE_I128,
        _Type.SC_SPEC_TYPE_U256,
        _Type.SC_SPEC_TYPE_I256,
    )
}


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
