import os
from pathlib import Path

import pytest

from llm_gateway.config import ConfigError
from llm_gateway.config.files import MAX_BYTES, is_file, read_text


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_text(path, "f.yaml")
    return str(caught.value)


def test_a_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\r\n")
    assert read_text(path, "f") == "a: é\r\n"


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * MAX_BYTES)
    assert len(read_text(path, "f")) == MAX_BYTES


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "f") == "f.yaml: cannot be read: No such file or directory"


def test_a_directory(tmp_path: Path) -> None:
    assert complaint(tmp_path) == "f.yaml: expected a file, found something else"


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    assert complaint(tmp_path / "f") == "f.yaml: expected a file, found something else"


def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    assert complaint(tmp_path / "f" / "g") == "f.yaml: cannot be read: Not a directory"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert complaint(tmp_path / ("f" * 300)) == "f.yaml: cannot be read: File name too long"


def test_a_path_that_no_system_takes() -> None:
    assert complaint(Path("a\0b")) == "f.yaml: cannot be read: not a valid path"


def test_a_file_over_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    assert complaint(path) == "f.yaml: expected at most 1 MiB"


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a: 1\nb: \xff\n")
    assert complaint(path) == "f.yaml:2: expected UTF-8 text"


def test_is_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    assert is_file(tmp_path / "f")
    for other in (tmp_path, tmp_path / "g", tmp_path / "f" / "g", Path("a\0b")):
        assert not is_file(other)


def test_what_cannot_be_looked_at_counts_as_a_file_so_that_reading_it_tells(tmp_path: Path) -> None:
    assert is_file(tmp_path / ("f" * 300))
