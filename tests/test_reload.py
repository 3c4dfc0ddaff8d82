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


def test_a_change_between_the_look_and_the_next_watch_is_noticed(path: Path) -> None:
    """A configuration is read after the look; what is saved meanwhile has not been read."""
    first = FileWatch([path])
    path.write_text("a: 22")
    assert first.changed()
    path.write_text("a: 333")
    second = FileWatch([path], first)
    assert second.changed()
    assert not second.changed()


def test_what_was_seen_before_counts_only_for_the_paths_that_are_watched_now(path: Path) -> None:
    other = path.with_name("other.yaml")
    before = FileWatch([path])
    path.unlink()
    watch = FileWatch([other], before)
    assert not watch.changed()
    other.write_text("b: 1")
    assert watch.changed()


def test_a_file_that_was_taken_as_seen_is_no_change(path: Path) -> None:
    before = FileWatch([path])
    path.write_text("a: 22")
    assert before.changed()
    assert not FileWatch([path], before).changed()
