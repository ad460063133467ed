"""Which warm roots go: of repos that are over, not used for long, too many, or when space is short."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any, Iterator
from unittest.mock import Mock

import koji
import pytest

from kojid.buildroot.warmstore import FORMAT, Store
from kojid.config.options import Options
from kojid.daemon import offline, warmroots
from kojid.daemon.ledger import Ledger
from kojid.daemon.warmroots import WarmRoots
from kojid.system import processes
from tests.support import options

MIB = 1024 * 1024


class Hub:
    """A session that answers `repoInfo` in a multicall."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}
        self.asked: list[list[int]] = []
        self.fault: Any = None

    @contextlib.contextmanager
    def multicall(self, *, strict: bool) -> Iterator[Any]:
        asked: list[int] = []
        calls = Mock()
        calls.repoInfo.side_effect = lambda number: asked.append(number) or Mock(result=self.row(number))
        yield calls
        self.asked.append(asked)
        if self.fault is not None:
            raise self.fault

    def row(self, number: int) -> Any:
        state = self.states.get(number, "READY")
        return None if state == "GONE" else {"id": number, "state": koji.REPO_STATES[state]}


class Site:
    def __init__(self, top: Path) -> None:
        self.top = top
        (top / "mock").mkdir()
        self.hub = Hub()
        self.set()

    def set(self, **settings: Any) -> None:
        self.options: Options = options(
            **{"mockdir": str(self.top / "mock"), "mock_config_dir": str(self.top / "etc"),
               "workdir": str(self.top / "work"), "task_log_dir": "", "warm_buildroots": True, **settings}
        )  # fmt: skip
        self.roots = WarmRoots(self.hub, self.options)

    @property
    def store(self) -> Store:
        return Store(self.top / "mock" / ".warm")

    def root(self, repo: int, *, unused: float = 0.0, megabytes: int = 100, **fields: Any) -> Path:
        self.store.prepare()
        path = self.store.directory / f"{repo}-x86_64-abc"
        (path / "root").mkdir(parents=True)
        about = {
            "name": path.name, "digest": "abc", "repo_id": repo, "what": "tag x86_64 build", "task_id": 1,
            "buildroot_id": 2, "made": 0.0, "bytes": megabytes * MIB, "owners": {"base": [0, 0, 0o775]},
            "boot_id": processes.boot_id(), "format": FORMAT, **fields,
        }  # fmt: skip
        (path / "about.json").write_text(json.dumps(about))
        os.utime(path, (time.time() - unused, time.time() - unused))
        return path

    def due(self, **arguments: Any) -> dict[str, str]:
        return {chore.key: chore.why for chore in self.roots.chores(early=False, **arguments)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_where_there_is_none_the_hub_is_not_asked(site: Site) -> None:
    assert site.due() == {}
    assert site.hub.asked == []


def test_one_of_a_repo_that_is_there_stays(site: Site) -> None:
    site.root(4)
    assert site.due() == {}
    assert site.hub.asked == [[4]]


@pytest.mark.parametrize(
    ("state", "why"), [("EXPIRED", "repo 4 is expired"), ("DELETED", "repo 4 is deleted"),
                       ("PROBLEM", "repo 4 is problem"), ("GONE", "repo 4 is unknown to the hub")],
)  # fmt: skip
def test_one_of_a_repo_that_is_over_goes_and_the_hub_is_asked_once(site: Site, state: str, why: str) -> None:
    path = site.root(4)
    site.root(5)
    site.hub.states[4] = state
    assert site.due() == {f"warm root {path.name} (tag x86_64 build)": why}
    assert site.due() == {f"warm root {path.name} (tag x86_64 build)": why}
    assert site.hub.asked == [[4, 5]]


def test_an_answer_that_is_lost_is_asked_for_later(site: Site) -> None:
    site.root(4)
    site.hub.states[4] = "EXPIRED"
    site.hub.fault = koji.RetryError("lost")
    assert site.due() == {}


def test_one_that_was_not_used_for_long_goes(site: Site) -> None:
    site.set(warm_buildroots_lifetime=100)
    site.root(4, unused=50)
    path = site.root(5, unused=150)
    assert list(site.due()) == [f"warm root {path.name} (tag x86_64 build)"]
    site.set(warm_buildroots_lifetime=0)
    assert site.due() == {}


def test_of_too_many_the_one_goes_first_that_was_not_used_for_the_longest_time(site: Site) -> None:
    site.set(warm_buildroots_max_mb=250)
    old = site.root(4, unused=500)
    site.root(5, unused=10)
    site.root(6, unused=20)
    assert site.due() == {f"warm root {old.name} (tag x86_64 build)": "together they take more than 250 MB"}


@pytest.mark.parametrize("fields", [{"boot_id": "of yesterday"}, {"format": 0}, {"name": "other"}, {"more": 1}])
def test_one_that_can_not_be_used_goes(site: Site, fields: Any) -> None:
    site.root(4, **fields)
    assert list(site.due().values()) == ["it is damaged, or from before the last start of the machine"]


def test_without_the_option_all_go_and_the_hub_is_not_asked(site: Site) -> None:
    site.root(4)
    site.set(warm_buildroots=False)
    assert list(site.due().values()) == ["warm_buildroots is off"]
    assert site.hub.asked == []


def test_what_killed_processes_have_left_goes(site: Site) -> None:
    site.store.prepare()
    (site.store.directory / "4-x86_64-abc.making" / "root").mkdir(parents=True)
    (site.store.directory / "4-x86_64-def.gone-77" / "root").mkdir(parents=True)
    chores = site.roots.chores(early=False)
    assert [chore.key for chore in chores] == ["half a warm root 4-x86_64-abc.making",
                                               "half a warm root 4-x86_64-def.gone-77"]  # fmt: skip
    for chore in chores:
        chore.work()
    assert os.listdir(site.store.directory) == []


def test_all_go_when_all_is_asked_for_and_each_is_removed(site: Site) -> None:
    site.root(4)
    site.root(5)
    chores = site.roots.chores(early=True)
    assert [chore.why for chore in chores] == ["it can be made again"] * 2
    for chore in chores:
        chore.work()
    assert os.listdir(site.store.directory) == []


def test_when_space_is_short_the_one_comes_first_that_was_not_used_for_the_longest_time(site: Site) -> None:
    new, old = site.root(4, unused=10), site.root(5, unused=1000)
    assert [list(chore.paths) for chore in site.roots.oldest()] == [[old], [new]]


def test_without_a_daemon_they_go_by_their_age_or_when_all_is_asked_for(site: Site) -> None:
    site.set(warm_buildroots_lifetime=100)
    (site.top / "etc").mkdir()
    old, new = site.root(4, unused=150), site.root(5)
    ledger = Ledger(site.top / "state")

    def keys(*, everything: bool) -> list[str]:
        return [chore.key for chore in offline.chores(site.options, ledger, everything=everything)]

    assert keys(everything=False) == [f"warm root {old.name}"]
    assert sorted(keys(everything=True)) == [f"warm root {old.name}", f"warm root {new.name}"]
    assert site.hub.asked == []


def test_a_spare_copy_is_made_of_a_root_that_is_in_use_once_for_each_use(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmroots, "shares_blocks", lambda _one, _other: False)
    site.set(minspace=0)
    path = site.root(4)
    (path / "root/file").touch()
    site.root(5, unused=7200)
    (chore,) = site.roots.spares()
    assert chore.key == f"a spare copy of warm root {path.name}" and chore.age < 0
    chore.work()
    chore.done()
    assert site.roots.spares() == []
    found = {one.path: one for one in site.store.found()}
    spare = found[path].spare
    assert spare is not None and (spare / "root/file").exists()
    assert found[path].bytes == 200 * MIB
    site.store.remove(spare)
    assert site.roots.spares() == []  # not again before it has been used
    site.store.touch(path.name)
    assert len(site.roots.spares()) == 1


@pytest.mark.parametrize(
    ("settings", "fields"),
    [({"warm_buildroots": False}, {}), ({"warm_buildroots_max_mb": 150}, {}), ({}, {"boot_id": "of yesterday"})],
)  # fmt: skip
def test_no_spare_copy_is_made_without_need_or_room(
    site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any, fields: Any
) -> None:
    monkeypatch.setattr(warmroots, "shares_blocks", lambda _one, _other: False)
    site.set(**settings)
    site.root(4, **fields)
    assert site.roots.spares() == []


def test_no_spare_copy_is_made_where_copies_are_cheap(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmroots, "shares_blocks", lambda _one, _other: True)
    site.root(4)
    assert site.roots.spares() == []


def test_the_helper_makes_none_when_space_is_short(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmroots, "shares_blocks", lambda _one, _other: False)
    site.set(minspace=2**40)
    site.root(4)
    (chore,) = site.roots.spares()
    chore.work()
    assert [one.spare for one in site.store.found()] == [None]
