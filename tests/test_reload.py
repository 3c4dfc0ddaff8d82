"""A change of a file is noticed once, whatever kind of change it is."""

import os
from pathlib import Path

import pytest

from llm_gateway.reload import FileWatch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1")
    return path


def test_a_file_that_stays_has_not_changed(path: Path) -> None:
    watch = FileWatch([path])
    path.read_text()
    assert not watch.changed()


def test_a_new_content_is_a_change_and_is_told_once(path: Path) -> None:
    watch = FileWatch([path])
    path.write_text("a: 2, b: 3")
    assert watch.changed()
    assert not watch.changed()


def test_a_new_time_is_a_change_even_with_the_same_length(path: Path) -> None:
    watch = FileWatch([path])
    os.utime(path, ns=(1, 1))
    assert watch.changed()


def test_a_file_put_in_its_place_is_a_change(path: Path) -> None:
    stat = path.stat()
    watch = FileWatch([path])
    other = path.with_name("other")
    other.write_text("a: 2")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert watch.changed()


def test_a_file_that_goes_and_one_that_appears_are_changes(path: Path) -> None:
    watch = FileWatch([path])
    path.unlink()
    assert watch.changed()
    assert not watch.changed()
    path.write_text("a: 1")
    assert watch.changed()


def test_a_change_of_any_of_the_files_counts(path: Path) -> None:
    second = path.with_name(".env")
    watch = FileWatch([path, second])
    second.write_text("KEY=1")
    assert watch.changed()


def test_a_path_that_cannot_be_looked_at_is_a_missing_file(path: Path) -> None:
    watch = FileWatch([path / "below a file"])
    assert not watch.changed()


def test_without_files_nothing_changes() -> None:
    assert not FileWatch().changed()
