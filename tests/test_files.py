from __future__ import annotations

from pathlib import Path

import pytest

from callora_vault import files


@pytest.mark.parametrize("content", ["n\u00e4chste\n", b"\0\xff"])
def test_a_file_is_made_or_replaced_whole(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "file"
    files.replace(path, "before")
    files.replace(path, content)
    written = path.read_bytes()
    assert (written.decode() if isinstance(content, str) else written) == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [files.PUBLIC, files.PRIVATE, 0o640])
def test_a_file_has_the_mode_that_is_asked_for(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    for _ in range(2):
        files.replace(path, "text", mode)
        assert path.stat().st_mode & 0o777 == mode


def test_what_cannot_be_replaced_stays_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        files.replace(folder, "text")
    assert list(tmp_path.iterdir()) == [folder]
