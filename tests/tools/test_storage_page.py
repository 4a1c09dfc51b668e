import re
from pathlib import Path

import attrs
import pytest
from stellar_sdk import scval, xdr
from tools.storage_page import EXAMPLE, PAGE, OutOfDate, check, main, page

from callora_vault.model.errors import ERRORS, FACTORY_ERRORS
from callora_vault.model.events import EVENTS, FACTORY_EVENTS
from callora_vault.model.layouts import LAYOUTS, Layout
from tools import storage_page

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_up_to_date() -> None:
    check(ROOT / PAGE)


def test_a_page_that_was_edited_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    with Path(PAGE).open("a") as written:
        written.write("more\n")
    assert main(["--check"]) == 1
    assert "STORAGE.md is out of date; run" in capsys.readouterr().err


def test_a_page_that_is_not_there_is_out_of_date(tmp_path: Path) -> None:
    with pytest.raises(OutOfDate):
        check(tmp_path / PAGE)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_example_in_hex_decodes_to_the_values_beside_it(layout: Layout) -> None:
    section = page().split(f"### {layout.name}\n")[1].split("\n#")[0]
    (raw,) = re.findall(r"^[0-9a-f]{40,}$", section, re.MULTILINE)
    value = xdr.SCVal.from_xdr_bytes(bytes.fromhex(raw))
    native = scval.to_native(value)
    assert isinstance(native, dict)
    decoded = {name: getattr(item, "address", item) for name, item in native.items()}
    values = attrs.asdict(EXAMPLE)
    assert decoded == {field.name: values[field.name] for field in layout.fields}
    for name, item in decoded.items():
        assert f"{name} = {item}" in section


def test_the_key_in_hex_decodes_to_the_symbol() -> None:
    (raw,) = re.findall(r"^Key as an ScVal in XDR: `([0-9a-f]+)`$", page(), re.MULTILINE)
    assert scval.from_symbol(xdr.SCVal.from_xdr_bytes(bytes.fromhex(raw))) == "meta"


def test_every_error_and_event_has_a_row() -> None:
    written = page()
    for code, error in ERRORS.items():
        assert f"| {code.value} | {error.__name__} |" in written
    for number, entry in FACTORY_ERRORS.items():
        assert f"| {number.value} | {number.name} |" in written
        assert f"| {entry.meaning} |" in written
    for event in (*EVENTS, *FACTORY_EVENTS):
        assert f"| `{event.shape.name}` | Symbol `{event.shape.name}`" in written


def test_the_page_is_the_same_whenever_it_is_made() -> None:
    assert storage_page.page() == storage_page.page()
