"""A file is replaced whole, and as closed as it is asked to be."""

import os

import pytest

from siyu_kit.whole_file import write_whole


@pytest.mark.parametrize(("mode", "seen"), [(0o666, 0o640), (0o600, 0o600)])
def test_the_new_content_is_there_alone_with_what_the_umask_leaves(tmp_path, mode, seen):
    path = tmp_path / "file"
    path.write_bytes(b"a longer content than the new one")
    before = os.umask(0o027)
    try:
        write_whole(path, b"new", mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == seen
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / "file.partial").mkdir()
    with pytest.raises(OSError, match="partial"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
