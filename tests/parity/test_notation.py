from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callora_vault import parity
from callora_vault.model.units import BadValue
from callora_vault.model.versions import VAULT_V2
from callora_vault.parity import (
    Age,
    Code,
    DeductItem,
    Lane,
    Made,
    Place,
    Restore,
    Role,
    Step,
    Submit,
)
from callora_vault.parity.factory import strategies as factory_strategies
from callora_vault.parity.notation import NAMES, from_json, python, text, to_json
from callora_vault.parity.vault.strategies import calls

STEPS = st.one_of(
    st.builds(Age, st.integers(1, 10**6)),
    st.just(Restore()),
    st.sampled_from(VAULT_V2.methods).flatmap(lambda method: calls(method, None, None)),
    factory_strategies.placements(),
    factory_strategies.creations(),
    factory_strategies.migrations([Made(Role.STRANGER, 3)], lambda old: (Code.V2, Role.PAYER)),
)


@given(STEPS)
def test_a_step_is_the_same_after_json(step: Step) -> None:
    assert from_json(to_json(step)) == step


@given(STEPS)
def test_the_python_of_a_step_makes_the_step(step: Step) -> None:
    names = {name: getattr(parity, name) for name in NAMES}
    assert eval(python(step), names) == step  # noqa: S307 - what we wrote ourselves


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"call": "deposit"},
        {"age": "soon"},
        {"call": "deposit", "arguments": {}, "signer": "somebody", "lane": "address"},
        {"call": "deposit", "arguments": {}, "signer": "owner", "lane": "air"},
        {"call": "deposit", "arguments": {"amount": {}}, "signer": "owner", "lane": "address"},
    ],
)
def test_a_step_that_cannot_be_read_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        from_json(document)


def test_a_step_reads_like_a_sentence() -> None:
    step = Submit.of("deduct", Role.STRANGER, Lane.EXPIRED, caller=Role.OWNER, amount=1)
    assert text(step) == "deduct(caller=owner, amount=1) with an expired signature of stranger"
    batch = (DeductItem(1, "a"), DeductItem(2))
    step = Submit.of("batch_deduct", caller=Role.OWNER, items=batch)
    assert text(step) == "batch_deduct(caller=owner, items=[1 for a, 2]) signed by owner"
    step = Submit.of("batch_deduct", caller=Role.OWNER, items=(DeductItem(1),) * 51)
    assert text(step) == "batch_deduct(caller=owner, items=51 times [1]) signed by owner"
    assert text(factory_strategies.migrate(Code.V1, old=Made(Role.OWNER, 2))) == (
        "migrate(old=vault 2 of owner, old_wasm_hash=v1, wasm_hash=v2, salt=salt 1) signed by owner"
    )
    assert text(Place(Role.VAULT, Code.V2)) == "vault has code v2 and is not initialised"
