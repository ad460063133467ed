from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.errors import HostFault
from kojid.repos import createrepo, metadata
from tests.support import options
from tests.unit.repos.conftest import HubRepo

ARCH, OUT, LIST, COMPS = map(Path, ("/repo/x86_64", "/work/repo", "/repo/x86_64/pkglist", "/repo/groups/comps.xml"))
CALL = f"/usr/bin/createrepo_c --error-exit-val -vd -o {OUT}"


@pytest.mark.parametrize(("settings", "pkglist", "comps", "update", "expected"), [
    ({}, LIST, COMPS, True, f"{CALL} -i {LIST} -g {COMPS} --update --skip-stat {ARCH}"),
    ({"createrepo_skip_stat": False}, LIST, None, True, f"{CALL} -i {LIST} --update {ARCH}"),
    ({}, LIST, None, False, f"{CALL} -i {LIST} {ARCH}"),
    ({}, None, COMPS, False, f"{CALL} -g {COMPS} {OUT}"),
    ({"use_createrepo_c": False}, LIST, None, False, f"/usr/bin/createrepo -vd -o {OUT} -i {LIST} {ARCH}"),
])  # fmt: skip
def test_command_lines(settings: Any, pkglist: Any, comps: Any, update: bool, expected: str) -> None:
    argv = createrepo.command(options(**settings), ARCH, OUT, pkglist=pkglist, comps=comps, updated=update)
    assert argv == expected.split()


def test_databases_are_left_out_where_nobody_reads_them() -> None:
    argv = createrepo.command(options(), ARCH, OUT, pkglist=LIST, comps=None, databases=False)
    assert argv == f"{CALL} -i {LIST} {ARCH}".replace("-vd", "-v --no-database").split()
    older = createrepo.command(options(use_createrepo_c=False), ARCH, OUT, pkglist=LIST, comps=None, databases=False)
    assert older[1] == "-vd"


@pytest.mark.parametrize(("setting", "manager", "wanted"), [
    ("auto", None, False), ("auto", "dnf", False), ("auto", "dnf5", False), ("auto", "yum", True),
    ("yes", "dnf", True), ("no", "yum", False),
])  # fmt: skip
def test_databases_are_for_yum(setting: str, manager: Any, wanted: bool) -> None:
    extra = {} if manager is None else {"mock.package_manager": manager}
    assert createrepo.wants_databases(options(createrepo_databases=setting), extra) is wanted


@pytest.fixture
def create(tmp_path: Path, repo: HubRepo, createrepo_c: None) -> Any:
    def run(old: Any = None, on_tick: Any = None, **settings: Any) -> Path:
        return createrepo.create(
            options(**settings), repo.arch_dir, tmp_path / "work/repo", log=tmp_path / "createrepo.log",
            old_repodata=old, on_tick=on_tick,
        )  # fmt: skip

    return run


def test_metadata_of_real_packages(repo: HubRepo, rpms: list[Path], create: Any, tmp_path: Path) -> None:
    repo.lists(*rpms)
    repo.has_groups()
    ticks: list[int] = []
    repodata = create(on_tick=lambda: ticks.append(1))
    assert metadata.package_count(repodata) == 2
    assert any("comps" in name for name in metadata.files(repodata))
    assert ticks
    assert (tmp_path / "createrepo.log").read_text().startswith("$ /usr/bin/createrepo_c --error-exit-val -vd")


def test_an_empty_repo_is_made_and_marked(repo: HubRepo, create: Any) -> None:
    assert createrepo.is_empty(repo.arch_dir)
    repodata = create()
    createrepo.mark_empty(repodata)
    assert metadata.package_count(repodata) == 0
    assert (repodata / "EMPTY_REPO").read_text().count("\n") == 1


def test_older_metadata_is_used_again(repo: HubRepo, rpms: list[Path], create: Any, tmp_path: Path) -> None:
    repo.lists(*rpms)
    old = create()
    old = old.rename(tmp_path / "old")
    (old / "x-pkgorigins.gz").touch()
    (old / "EMPTY_REPO").touch()
    repodata = create(old=old)
    assert metadata.package_count(repodata) == 2
    assert "x-pkgorigins.gz" not in metadata.files(repodata)
    assert "EMPTY_REPO" not in metadata.files(repodata)
    last = (tmp_path / "createrepo.log").read_text().split("\n$ ")[-1]
    assert "--update --skip-stat" in last.splitlines()[0]


def test_older_metadata_is_not_trusted_for_a_package_made_anew(
    repo: HubRepo, rpms: list[Path], create: Any, tmp_path: Path
) -> None:
    repo.lists(*rpms)
    old = create().rename(tmp_path / "repodata")
    rpm = {"name": "alpha", "version": "1", "release": "1", "arch": "noarch"}
    (tmp_path / "rpmlist.jsonl").write_text(json.dumps({**rpm, "id": 1, "payloadhash": "aa"}))
    (repo.arch_dir / "rpmlist.jsonl").write_text(json.dumps({**rpm, "id": 2, "payloadhash": "bb"}))
    create(old=old)
    last = (tmp_path / "createrepo.log").read_text().split("\n$ ")[-1].splitlines()[0]
    assert "--update" in last
    assert "--skip-stat" not in last


@pytest.mark.parametrize("settings", [{"createrepo_update": False}, {}])
def test_it_is_not_when_it_is_not_wanted_or_not_there(
    repo: HubRepo, rpms: list[Path], create: Any, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    repo.lists(*rpms)
    create(old=tmp_path / "none", **settings)
    assert "--update" not in (tmp_path / "createrepo.log").read_text().splitlines()[0]
    assert ("Old repodata is missing" in caplog.text) is not bool(settings)


def test_a_package_that_is_missing_fails_it_and_is_named(repo: HubRepo, rpms: list[Path], create: Any) -> None:
    repo.lists(*rpms)
    next((repo.arch_dir / "rpms").glob("beta*")).unlink()
    with pytest.raises(koji.GenericError, match="failed to create repo: createrepo_c exited with status 2") as caught:
        create()
    assert "beta-1-1.noarch.rpm" in str(caught.value)


def test_a_package_left_out_without_an_error_fails_it_too(
    tmp_path: Path, repo: HubRepo, rpms: list[Path], create: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "createrepo_c"
    # What was seen in the field: the tool drops a package and ends with status 0.
    program.write_text(f'#!/bin/sh\nsed -i "/beta/d" {repo.arch_dir}/pkglist\n/usr/bin/createrepo_c "$@"\n'
                       f"echo rpms/beta-1-1.noarch.rpm >> {repo.arch_dir}/pkglist\n")  # fmt: skip
    program.chmod(0o755)
    monkeypatch.setattr(createrepo, "CREATEREPO_C", str(program))
    repo.lists(*rpms)
    with pytest.raises(koji.GenericError, match="it has 1 packages instead of 2"):
        create()


def test_a_package_listed_twice_is_no_trouble(repo: HubRepo, rpms: list[Path], create: Any) -> None:
    repo.lists(rpms[0], rpms[0], rpms[1])
    create()


def test_without_the_program_the_host_is_at_fault(
    tmp_path: Path, repo: HubRepo, create: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(createrepo, "CREATEREPO_C", str(tmp_path / "none"))
    with pytest.raises(HostFault, match="not installed"):
        create()
