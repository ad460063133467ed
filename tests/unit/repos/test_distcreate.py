from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Dict, List

import koji
import pytest

from kojid.errors import HostFault
from kojid.repos import distcreate, metadata
from kojid.repos.distcreate import Wishes
from kojid.system.process import ExitStatus
from tests.support import options

DIR, COMPS, OLD = Path("/work/repo"), Path("/repo/comps.xml"), Path("/old/repodata")
CALL = "/usr/bin/createrepo_c --error-exit-val -vd -i /work/repo/pkglist"


@pytest.mark.parametrize(("asked", "more", "expected"), [
    (Wishes(), {}, f"{CALL} /work/repo"),
    (Wishes(), {"comps": COMPS}, f"{CALL} -g {COMPS} /work/repo"),
    (Wishes(), {"old_repodata": OLD}, f"{CALL} --update /work/repo"),
    (Wishes(skip_stat=True), {"old_repodata": OLD}, f"{CALL} --update --skip-stat /work/repo"),
    (Wishes(skip_stat=True), {}, f"{CALL} /work/repo"),
    (Wishes(deltas=[Path("/a"), Path("/b")]), {},
     f"{CALL} --deltas --oldpackagedirs /a --oldpackagedirs /b /work/repo"),
    (Wishes(zchunk=True, dictionaries=Path("/d")), {}, f"{CALL} --zck --zck-dict-dir /d /work/repo"),
])  # fmt: skip
def test_command_lines(asked: Wishes, more: Dict[str, Any], expected: str) -> None:
    argv = distcreate.command(options(), DIR, asked, **{"comps": None, "old_repodata": None, **more})
    assert argv == expected.split()


def test_the_python_createrepo_is_used_where_the_host_says_so() -> None:
    argv = distcreate.command(options(use_createrepo_c=False), DIR, Wishes(), comps=None, old_repodata=None)
    assert argv == "/usr/bin/createrepo -vd -i /work/repo/pkglist /work/repo".split()


@pytest.mark.parametrize(("settings", "task", "skip"), [
    ({}, {}, False),
    ({"distrepo_skip_stat": True}, {}, True),
    ({"distrepo_skip_stat": True}, {"createrepo_skip_stat": False}, False),
    ({"createrepo_skip_stat": True}, {"createrepo_skip_stat": None}, False),
    ({}, {"createrepo_skip_stat": True}, True),
])  # fmt: skip
def test_who_says_whether_packages_are_looked_at(settings: Dict[str, Any], task: Dict[str, Any], skip: bool) -> None:
    assert distcreate.wishes(options(**settings), task, []).skip_stat is skip


@pytest.mark.parametrize(("settings", "task", "words"), [
    ({}, {"zck_dict_dir": "/tmp"}, "zck_dict_dir is for zck only"),
    ({"use_createrepo_c": False}, {"zck": True}, "createrepo makes no zchunk files"),
    ({}, {"zck": True, "zck_dict_dir": "/nowhere"}, "no directory on this host: /nowhere"),
    ({}, {"zck": True, "zck_dict_dir": "/dev/null"}, "no directory on this host: /dev/null"),
])  # fmt: skip
def test_options_that_contradict_each_other(settings: Dict[str, Any], task: Dict[str, Any], words: str) -> None:
    with pytest.raises(koji.GenericError, match=words):
        distcreate.wishes(options(**settings), task, [])


@pytest.mark.parametrize(("task", "deltas", "option"), [({"zck": True}, [], "--zck"), ({}, [Path("/a")], "--deltas")])
def test_a_host_whose_createrepo_can_not_do_it_leaves_it_to_another(
    monkeypatch: pytest.MonkeyPatch, task: Dict[str, Any], deltas: List[Path], option: str
) -> None:
    text = b"  --zck-dict-dir=DIR   Directory\n  --no-deltas  \n"
    monkeypatch.setattr(distcreate, "capture", lambda *_args, **_more: (ExitStatus(0), text))
    with pytest.raises(HostFault, match=option):
        distcreate.wishes(options(), task, deltas)
    monkeypatch.setattr(distcreate, "capture", lambda *_a, **_m: (ExitStatus(0), f"  {option}   Yes\n".encode()))
    distcreate.wishes(options(), task, deltas)


@pytest.fixture
def repo(tmp_path: Path, rpms: List[Path], createrepo_c: None) -> Path:
    """A repository with two packages."""
    top = tmp_path / "repo"
    (top / "Packages").mkdir(parents=True)
    for rpm in rpms:
        shutil.copy(rpm, top / "Packages")
    (top / "pkglist").write_text("".join(f"Packages/{rpm.name}\n" for rpm in rpms))
    return top


def test_metadata_is_made_and_used_again(tmp_path: Path, repo: Path) -> None:
    log = tmp_path / "log"
    distcreate.create(options(), repo, Wishes(), log=log)
    assert metadata.package_count(repo / "repodata") == 2
    old = tmp_path / "old"
    (repo / "repodata").rename(old)
    (old / "EMPTY_REPO").touch()
    (old / "1-pkgorigins.gz").touch()
    distcreate.create(options(), repo, Wishes(), log=log, old_repodata=old)
    assert "--update" in log.read_text()
    assert metadata.package_count(repo / "repodata") == 2
    assert not {"EMPTY_REPO", "1-pkgorigins.gz"}.intersection(metadata.files(repo / "repodata"))


def test_older_metadata_that_is_gone_is_done_without(tmp_path: Path, repo: Path) -> None:
    log = tmp_path / "log"
    distcreate.create(options(), repo, Wishes(), log=log, old_repodata=tmp_path / "gone")
    assert "--update" not in log.read_text()
    distcreate.create(options(createrepo_update=False), repo, Wishes(), log=log, old_repodata=repo / "repodata")
    assert "--update" not in log.read_text()


def test_zchunk_comes_beside_the_usual_files(tmp_path: Path, repo: Path) -> None:
    try:
        asked = distcreate.wishes(options(), {"zck": True}, [])
    except HostFault as fault:
        pytest.skip(str(fault))
    distcreate.create(options(), repo, asked, log=tmp_path / "log")
    assert any(name.endswith("primary.xml.zck") for name in metadata.files(repo / "repodata"))
    assert metadata.package_count(repo / "repodata") == 2


def test_a_repository_of_nothing(tmp_path: Path, createrepo_c: None) -> None:
    (tmp_path / "pkglist").touch()
    distcreate.create(options(), tmp_path, Wishes(), log=tmp_path / "log", comps=tmp_path / "none.xml")
    distcreate.mark_empty(tmp_path)
    assert (tmp_path / "repodata/EMPTY_REPO").is_file()


def test_a_package_that_is_left_out_is_noticed(tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "package_count", lambda _repodata: 1)
    with pytest.raises(koji.GenericError, match="it has 1 packages instead of 2"):
        distcreate.create(options(), repo, Wishes(), log=tmp_path / "log")
