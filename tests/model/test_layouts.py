import pytest
from hypothesis import given
from hypothesis import strategies as st

from callora_vault.model.layouts import (
    LAYOUTS,
    V0,
    V1,
    V2,
    Difference,
    Fault,
    Layout,
    UnknownLayout,
    differences,
    recognise,
)
from callora_vault.model.renewal import LEDGERS_PER_DAY, live_until_after_write

fields = st.dictionaries(
    st.sampled_from(("owner", "balance", "min_deposit", "authorized_caller", "other")),
    st.sampled_from(("Address", "I128", "Void", "U64")),
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_is_recognised_by_its_own_fields(layout: Layout) -> None:
    for number in (0, -1):
        assert (
            recognise({name: kind.value[number] for name, kind in layout.types.items()}) is layout
        )


def test_an_authorised_caller_that_is_void_is_there() -> None:
    without = {name: kind.value[0] for name, kind in V1.types.items()}
    assert recognise({**without, "authorized_caller": "Void"}) is V2
    assert recognise(without) is V1


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_fields_are_sorted_by_name(layout: Layout) -> None:
    assert [field.name for field in layout.fields] == sorted(layout.types)


@given(fields)
def test_fields_are_a_layout_or_every_one_that_differs_is_named(types: dict[str, str]) -> None:
    try:
        fitting = recognise(types).types
        assert fitting.keys() == types.keys()
        assert all(types[name] in kind.value for name, kind in fitting.items())
    except UnknownLayout as unknown:
        assert unknown.closest is not None
        named = {difference.field for difference in unknown.differences}
        wanted = unknown.closest.types
        assert named == {
            name
            for name in wanted.keys() | types.keys()
            if name not in wanted or types.get(name) not in wanted[name].value
        }
        assert all(name in str(unknown) for name in named)


@given(fields)
def test_no_layout_is_closer_than_the_closest(types: dict[str, str]) -> None:
    try:
        recognise(types)
    except UnknownLayout as unknown:
        least = min(len(differences(layout, types)) for layout in LAYOUTS)
        assert len(unknown.differences) == least


def test_each_kind_of_difference_is_named() -> None:
    with pytest.raises(UnknownLayout) as caught:
        recognise({"owner": "Void", "min_deposit": "I128", "balance": "I128", "fee": "U32"})
    assert caught.value.closest is V1
    assert caught.value.differences == (
        Difference("fee", Fault.EXTRA, None, "U32"),
        Difference("owner", Fault.WRONG_TYPE, "Address", "Void"),
    )
    assert str(caught.value) == (
        "unknown storage layout (the closest is v1): fee (U32) is extra; owner is Void, not Address"
    )


def test_a_field_that_is_void_is_not_a_missing_one() -> None:
    with pytest.raises(UnknownLayout, match="min_deposit"):
        recognise({"balance": "I128", "owner": "Address", "min_deposit": "Void"})


def test_no_field_at_all_is_the_layout_with_the_fewest_missing() -> None:
    with pytest.raises(UnknownLayout) as caught:
        recognise({})
    assert caught.value.closest is V0
    assert {difference.fault for difference in caught.value.differences} == {Fault.MISSING}


@pytest.mark.parametrize(
    ("left", "after"),
    [
        (0, 30 * LEDGERS_PER_DAY),
        (29 * LEDGERS_PER_DAY, 30 * LEDGERS_PER_DAY),
        (29 * LEDGERS_PER_DAY + 1, 29 * LEDGERS_PER_DAY + 1),
        (60 * LEDGERS_PER_DAY, 60 * LEDGERS_PER_DAY),
    ],
)
def test_a_write_renews_what_has_29_days_or_less_to_30(left: int, after: int) -> None:
    assert live_until_after_write(1000, 1000 + left) == 1000 + after
