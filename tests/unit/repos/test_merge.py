from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.errors import HostFault
from kojid.repos import createrepo, merge, metadata
from kojid.repos.merge import Target
from kojid.repos.origins import External
from tests.support import options
from tests.support.fakebuildroot import make_rpm
from tests.unit.repos.conftest import HubRepo

NEW, OLD = (1, 1, 0), (0, 15, 10)


@pytest.mark.parametrize(("mode", "version", "expected"), [
    ("koji", NEW, "--koji -b {arch}/blocklist -a x86_64 -o {out} --arch-expand -g {comps}"),
    ("koji", OLD, "--koji -b {arch}/blocklist -a x86_64 -o {out} -g {comps}"),
    ("simple", NEW, "--koji --simple -b {arch}/blocklist -a x86_64 -o {out} --arch-expand -g {comps}"),
    ("bare", NEW, "--pkgorigins --all -a x86_64 -o {out} --arch-expand -g {comps}"),
])  # fmt: skip
def test_command_lines(tmp_path: Path, repo: HubRepo, mode: str, version: Any, expected: str) -> None:
    repo.has_groups()
    target = Target("x86_64", 4, repo.arch_dir, tmp_path, tmp_path / "repo")
    argv = merge.command(target, External(mode, ("http://a/", "http://b/")), version)
    words = expected.format(
        arch=repo.arch_dir, out=tmp_path / "repo", comps=repo.directory / "groups/comps.xml"
    ).split()
    sources = ["-r", f"file://{tmp_path}/repo_4_premerge/", "-r", "http://a/", "-r", "http://b/"]
    assert argv == ["/usr/bin/mergerepo_c", *words, *sources]


def test_a_tool_too_old_for_the_mode_is_the_hosts_fault(tmp_path: Path, repo: HubRepo) -> None:
    target = Target("x86_64", 4, repo.arch_dir, tmp_path, tmp_path / "repo")
    with pytest.raises(HostFault, match="too old"):
        merge.command(target, External("simple", ()), (0, 12, 9))


@pytest.fixture
def local(tmp_path: Path, repo: HubRepo, rpms: list[Path], mergerepo_c: None) -> Target:
    """A repo with its own metadata made, ready to be merged."""
    repo.lists(rpms[0])
    createrepo.create(options(), repo.arch_dir, tmp_path / "repo", log=tmp_path / "createrepo.log")
    return Target("x86_64", 4, repo.arch_dir, tmp_path, tmp_path / "repo")


def outside(tmp_path: Path, *rpms: Path) -> str:
    """A repo of somebody else's; its URL."""
    directory = tmp_path / "outside"
    directory.mkdir()
    for rpm in rpms:
        (directory / rpm.name).write_bytes(rpm.read_bytes())
    subprocess.run(["/usr/bin/createrepo_c", "-q", str(directory)], check=True, capture_output=True)
    return f"file://{directory}/"


def origins(repodata: Path) -> dict[str, str]:
    (name,) = [name for name in metadata.files(repodata) if "pkgorigins" in name]
    lines = gzip.decompress((repodata / name).read_bytes()).decode().splitlines()
    return dict(line.split("\t")[:2] for line in lines)  # type: ignore[misc]


@pytest.mark.parametrize("mode", ["koji", "simple", "bare"])
def test_each_package_gets_its_origin(tmp_path: Path, local: Target, rpms: list[Path], mode: str) -> None:
    url = outside(tmp_path, rpms[1])
    repodata = merge.merge(local, External(mode, (url,)), log=tmp_path / "mergerepos.log", timeout=60.0)
    assert metadata.package_count(repodata) == 2
    assert origins(repodata) == {
        "alpha-1-1.noarch": f"file://{tmp_path}/repo_4_premerge/",
        "beta-1-1.noarch": url,
    }


def test_the_repos_own_version_of_a_package_wins(tmp_path: Path, local: Target) -> None:
    url = outside(tmp_path, make_rpm(tmp_path / "made", "alpha", "9"))
    repodata = merge.merge(local, External("koji", (url,)), log=tmp_path / "mergerepos.log", timeout=60.0)
    assert list(origins(repodata)) == ["alpha-1-1.noarch"]


def test_without_any_for_this_arch_origins_are_noted_all_the_same(tmp_path: Path, local: Target) -> None:
    repodata = merge.merge(local, External("koji", ()), log=tmp_path / "mergerepos.log", timeout=60.0)
    assert list(origins(repodata)) == ["alpha-1-1.noarch"]


def test_a_repo_that_is_not_there_fails_it(tmp_path: Path, local: Target) -> None:
    missing = External("koji", (f"file://{tmp_path}/nowhere/",))
    with pytest.raises(koji.GenericError, match=r"failed to merge repos: mergerepo_c exited with status \d+"):
        merge.merge(local, missing, log=tmp_path / "mergerepos.log", timeout=60.0)


def test_without_the_program_the_host_is_at_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "MERGEREPO_C", str(tmp_path / "none"))
    with pytest.raises(HostFault, match="not installed"):
        merge.installed_version()
