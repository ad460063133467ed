from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable

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
    without = merge.command(target._replace(databases=False), External(mode, ("http://a/", "http://b/")), version)
    assert [word for word in without if word not in argv] == ["--no-database"]


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
    return {nvra: f"{url}/" for nvra, (url,) in metadata.origins(repodata).items()}


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


def test_a_proxy_of_the_daemon_is_used(
    tmp_path: Path, local: Target, rpms: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(outside(tmp_path, rpms[1])[len("file://") :])

    class Proxy(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.path = self.path[len("http://far.example") :]
            super().do_GET()

        def log_message(self, *_args: Any) -> None:
            pass

    serve = functools.partial(Proxy, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("no_proxy", "")
        external = External("koji", ("http://far.example/",))
        repodata = merge.merge(local, external, log=tmp_path / "mergerepos.log", timeout=60.0)
        server.shutdown()
        thread.join()
    assert origins(repodata)["beta-1-1.noarch"] == "http://far.example/"


def test_a_repo_that_is_not_there_fails_it(tmp_path: Path, local: Target) -> None:
    missing = External("koji", (f"file://{tmp_path}/nowhere/",))
    with pytest.raises(koji.GenericError, match=r"failed to merge repos: mergerepo_c exited with status \d+"):
        merge.merge(local, missing, log=tmp_path / "mergerepos.log", timeout=60.0)


def test_a_repo_that_can_not_be_read_fails_it_although_the_program_goes_on(
    tmp_path: Path, local: Target, rpms: list[Path]
) -> None:
    url = outside(tmp_path, rpms[1])
    (primary,) = (tmp_path / "outside/repodata").glob("*-primary.xml.*")
    primary.write_bytes(primary.read_bytes()[:200])
    with pytest.raises(koji.GenericError, match="one can't be read; see mergerepos.log(.|\n)*Cannot load repo"):
        merge.merge(local, External("koji", (url,)), log=tmp_path / "mergerepos.log", timeout=60.0)


class TestPackagesLeftOut:
    """What the program may leave out, and what it may not."""

    @pytest.fixture
    def make(self, tmp_path: Path, repo: HubRepo, mergerepo_c: None) -> Callable[..., Target]:
        def made(*rpms: Path, build: str = "{name}") -> Target:
            lines = []
            for rpm in rpms:
                name, version, _release = rpm.name.rsplit("-", 2)
                place = f"packages/{build.format(name=name)}/{version}/1/noarch"
                (repo.arch_dir / place).mkdir(parents=True, exist_ok=True)
                shutil.copy(rpm, repo.arch_dir / place)
                lines.append(f"{place}/{rpm.name}\n")
            (repo.arch_dir / "pkglist").write_text("".join(lines))
            createrepo.create(options(), repo.arch_dir, tmp_path / "repo", log=tmp_path / "createrepo.log")
            return Target("x86_64", 4, repo.arch_dir, tmp_path, tmp_path / "repo")

        return made

    def merged(self, target: Target, mode: str) -> set[str]:
        repodata = merge.merge(target, External(mode, ()), log=target.workdir / "mergerepos.log", timeout=60.0)
        return set(origins(repodata))

    @pytest.mark.parametrize("build", ["{name}", "other-{name}"])
    def test_older_builds_may_be_missing_in_the_mode_koji(
        self, tmp_path: Path, make: Callable[..., Target], rpms: list[Path], build: str
    ) -> None:
        newer = make_rpm(tmp_path / "made", "alpha", "2")
        assert self.merged(make(rpms[0], newer, build=build), "koji") == {"alpha-2-1.noarch"}

    def test_a_wrapper_of_the_same_source_may_be_missing_too(
        self, tmp_path: Path, make: Callable[..., Target], rpms: list[Path]
    ) -> None:
        target = make(rpms[0], make_rpm(tmp_path / "made", "alpha", "2"))
        pkglist = target.arch_dir / "pkglist"
        pkglist.write_text(pkglist.read_text().replace("packages/alpha/1/", "packages/wrapper/1/"))
        (target.arch_dir / "packages/wrapper").symlink_to("alpha")
        assert self.merged(target, "koji") == {"alpha-2-1.noarch"}

    @pytest.mark.parametrize("mode", ["simple", "bare"])
    def test_in_the_other_modes_all_stay(
        self, tmp_path: Path, make: Callable[..., Target], rpms: list[Path], mode: str
    ) -> None:
        target = make(rpms[0], make_rpm(tmp_path / "made", "alpha", "2"))
        assert self.merged(target, mode) == {"alpha-1-1.noarch", "alpha-2-1.noarch"}

    def test_blocked_packages_are_not_missed(self, make: Callable[..., Target], rpms: list[Path]) -> None:
        target = make(*rpms)
        (target.arch_dir / "blocklist").write_text("alpha\n")
        assert self.merged(target, "koji") == {"beta-1-1.noarch"}

    @pytest.mark.parametrize("mode", ["koji", "bare"])
    def test_anything_else_is_missed_by_name(
        self, make: Callable[..., Target], rpms: list[Path], monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        target = make(*rpms)
        before = merge.metadata.origins

        def lossy(repodata: Path) -> Any:
            return {nvra: urls for nvra, urls in before(repodata).items() if not nvra.startswith("beta")}

        monkeypatch.setattr(merge.metadata, "origins", lossy)
        with pytest.raises(koji.GenericError, match="1 packages of the tag are missing afterwards: beta-1-1.noarch; "):
            self.merged(target, mode)


def test_without_the_program_the_host_is_at_fault(tmp_path: Path) -> None:
    with pytest.raises(HostFault, match="not installed"):
        merge.installed_version(str(tmp_path / "none"))
