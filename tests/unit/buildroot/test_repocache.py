"""Files of repos are fetched once by a host, and what a crash or another task leaves is never taken for a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import List

import koji
import pytest

from kojid.buildroot import repocache
from kojid.buildroot.repocache import NAME, RepoCache

DEADLINE = 60.0


class Source:
    """Something to fetch, and how often it was."""

    def __init__(self, content: bytes = b"content") -> None:
        self.content = content
        self.fetched = 0

    def __call__(self) -> bytes:
        self.fetched += 1
        return self.content


def kept(tmp_path: Path) -> List[Path]:
    """The files that are kept, without locks."""
    return sorted(path for path in (tmp_path / NAME).iterdir() if path.suffix != ".lock")


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    source = Source()
    assert [RepoCache(str(tmp_path)).get("a", source) for _ in range(3)] == [b"content"] * 3
    assert source.fetched == 1
    assert RepoCache(str(tmp_path)).get("b", Source(b"")) == b""
    assert len(kept(tmp_path)) == 2


def test_a_file_that_can_not_be_fetched_is_asked_for_again(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise koji.GenericError("no such file")

    cache = RepoCache(str(tmp_path))
    with pytest.raises(koji.GenericError, match="no such file"):
        cache.get("a", fail)
    assert cache.get("a", Source()) == b"content"


@pytest.mark.parametrize("damage", [b"", b"x" * 20, b"x" * 100])
def test_half_a_file_does_not_count(tmp_path: Path, damage: bytes) -> None:
    cache, source = RepoCache(str(tmp_path)), Source()
    cache.get("a", source)
    (path,) = kept(tmp_path)
    path.write_bytes(damage)
    assert cache.get("a", source) == b"content"
    assert source.fetched == 2
    assert cache.get("a", source) == b"content"
    assert source.fetched == 2


def test_what_is_not_asked_for_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repocache, "MOST_FILES", 3)
    cache = RepoCache(str(tmp_path))
    sources = [Source(b"%d" % number) for number in range(5)]
    for number, source in enumerate(sources[:3]):
        cache.get(str(number), source)
        for path in kept(tmp_path):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    cache.get("0", sources[0])
    cache.get("3", sources[3])
    assert len(kept(tmp_path)) == 3
    for number in (0, 2, 3, 1):
        assert cache.get(str(number), sources[number]) == b"%d" % number
    assert [source.fetched for source in sources] == [1, 2, 1, 1, 0]


def test_there_is_an_end_to_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repocache, "MOST_BYTES", 1000)
    cache = RepoCache(str(tmp_path))
    for number in range(20):
        cache.get(str(number), Source(bytes(200)))
    assert sum(path.stat().st_size for path in kept(tmp_path)) <= 1000
    large = Source(bytes(251))
    for _ in range(2):
        assert cache.get("large", large) == large.content
    assert large.fetched == 2, "one file is not to drive out all others"


def test_what_was_left_half_done_is_removed_in_time(tmp_path: Path) -> None:
    cache = RepoCache(str(tmp_path))
    cache.get("a", Source())
    old, new = tmp_path / NAME / ".new-old", tmp_path / NAME / ".new-new"
    for path in (old, new):
        path.touch()
    os.utime(old, (1, 1))
    cache.get("b", Source())
    assert (old.exists(), new.exists()) == (False, True)


def test_two_at_once_fetch_it_once(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()
    source = Source()

    def slow() -> bytes:
        begun.set()
        assert go.wait(DEADLINE)
        return source()

    found: List[bytes] = []
    threads = [
        threading.Thread(target=lambda fetch=fetch: found.append(RepoCache(str(tmp_path)).get("a", fetch)))
        for fetch in (slow, source)
    ]
    threads[0].start()
    assert begun.wait(DEADLINE)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert found == [b"content"] * 2
    assert source.fetched == 1


def test_who_waits_too_long_for_another_fetches_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repocache, "_LOCK_SECONDS", 0.0)
    cache, inner, outer = RepoCache(str(tmp_path)), Source(), Source()

    def nested() -> bytes:
        cache.get("a", inner)
        return outer()

    assert cache.get("a", nested) == b"content"
    assert (inner.fetched, outer.fetched) == (1, 1)


@pytest.mark.parametrize("obstacle", ["file", "link", "others"])
def test_a_place_that_is_not_ours_alone_is_not_used(tmp_path: Path, obstacle: str) -> None:
    place = tmp_path / NAME
    if obstacle == "file":
        place.touch()
    elif obstacle == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777)
    source = Source()
    for _ in range(2):
        assert RepoCache(str(tmp_path)).get("a", source) == b"content"
    assert source.fetched == 2
    assert obstacle == "file" or not list(place.iterdir())


def test_a_full_disk_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(repocache.os, "replace", full)
    source = Source()
    for _ in range(2):
        assert RepoCache(str(tmp_path)).get("a", source) == b"content"
    assert kept(tmp_path) == []
