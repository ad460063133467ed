"""Dist-repos asked for with the real `koji` client: packages of two arches, signed; a builder makes, the hub keeps."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set

import koji
import pytest

from kojid.repos import metadata
from kojid.sandbox import client
from kojid.sandbox.hub.settings import HostSetting
from tests.support import signing
from tests.support.fleet import Fleet, running_fleet
from tests.support.sandbox import wait_for

pytestmark = pytest.mark.e2e

ARCHES = ("--arch", "x86_64", "--arch", "i686")
COMPS = """<?xml version="1.0"?>
<comps><group><id>core</id><name>Core</name><packagelist><packagereq>gizmo</packagereq></packagelist></group></comps>
"""
MULTILIB = "[runtime]\nwhite = none-such\nblack = none-such\n[devel]\nwhite = none-such\nblack = none-such\n"


class Made(NamedTuple):
    """A dist-repo: the task and where the hub keeps it."""

    task: int
    path: Path


class Site:
    """A hub with builds signed by two keys, and the client to ask it.

    Args:
        fleet: hub and builders.
        keys: what the packages are signed with.
        directory: for the packages.
    """

    def __init__(self, fleet: Fleet, keys: signing.Keyring, directory: Path) -> None:
        self.fleet = fleet
        self.admin = fleet.admin
        self.keyring = keys
        self.release, self.beta = keys.make("release"), keys.make("beta")
        self.dir = directory

    def koji(self, *words: str, status: int = 0) -> str:
        """Run the client; returns what it printed."""
        done = self.fleet.hub.koji(*words)
        assert done.returncode == status, f"koji {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def tag(self, name: str, arches: str = "x86_64", parent: Optional[str] = None, **extra: Any) -> None:
        """Make a tag."""
        self.admin.createTag(name, parent=parent, arches=arches, extra=extra)

    def add(self, tag: str, name: str, *keys: str, version: str = "1.0") -> None:
        """Build a package, import it unsigned and then its signatures, and tag it."""
        rpms = self.imported(tag, name, version)
        for key in keys:
            self.keyring.sign(key, rpms)
            for rpm in rpms:
                self.admin.addRPMSig(rpm.name[: -len(".rpm")], _base64(koji.rip_rpm_sighdr(str(rpm))))
                self.admin.writeSignedRPM(rpm.name[: -len(".rpm")], key)

    def imported(self, tag: str, name: str, version: str = "1.0") -> List[Path]:
        """Build a package, import it unsigned and tag it; returns its files."""
        rpms = signing.build(self.dir, name, version)
        for rpm in rpms:
            client.upload(self.admin, rpm, "cli-import/test")
            self.admin.importRPM("cli-import/test", rpm.name)
        self.admin.packageListAdd(tag, name, owner="admin")
        self.admin.tagBuildBypass(tag, f"{name}-{version}-1")
        return rpms

    def ask(self, *words: str, status: int = 0) -> int:
        """Run `koji dist-repo` to its end; returns the task."""
        printed = self.koji("dist-repo", "--wait", *words, status=status)
        found = re.search(r"(\d+) distRepo ", printed)
        assert found, printed
        return int(found[1])

    def make(self, tag: str, *words: str) -> Made:
        """Have a dist-repo made; returns it."""
        task = self.ask(tag, *words)
        repo = self.admin.getTaskRequest(task)[1]
        assert self.admin.getTaskResult(task) == f"Dist repository #{repo} successfully generated"
        assert self.admin.repoInfo(repo)["state"] == koji.REPO_READY
        return Made(task, Path(self.fleet.hub.settings.pathinfo.distrepo(repo, tag)))

    def fail(self, tag: str, *words: str) -> Dict[str, Any]:
        """Ask for a dist-repo that can't be made; returns fault and logs of the first arch that failed."""
        task = self.ask(tag, *words, status=1)
        failed = [row for row in self.children(task) if row["state"] == koji.TASK_STATES["FAILED"]]
        with pytest.raises(koji.GenericError) as fault:
            self.admin.getTaskResult(failed[0]["id"])
        return {"task": failed[0]["id"], "fault": fault.value, "logs": self.logs(failed[0]["id"])}

    def children(self, task: int) -> List[Dict[str, Any]]:
        """The subtasks of a task."""
        return list(self.admin.getTaskChildren(task))

    def logs(self, task: int) -> Dict[str, str]:
        """The logs of a task."""
        names = [name for name in self.admin.listTaskOutput(task) if name.endswith(".log")]
        return {name: self.admin.downloadTaskOutput(task, name).decode() for name in names}

    def arch_logs(self, task: int, arch: str) -> Dict[str, str]:
        """The logs of one arch of a dist-repo."""
        return self.logs(next(row["id"] for row in self.children(task) if row["label"] == arch))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = (HostSetting("builder"), HostSetting("other"))
    policies = {"dist_repo": "all :: deny for the release team only"}
    place = tmp_path_factory.mktemp("site")
    with running_fleet(place, hosts=hosts, policies=policies) as fleet, signing.keyring() as keys:
        made = Site(fleet, keys, tmp_path_factory.mktemp("rpms"))
        made.tag("base", "x86_64 i686")
        made.tag("dist", "x86_64 i686", "base")
        made.add("base", "gizmo", made.release, made.beta)
        made.add("dist", "widget", made.beta)
        fleet.builder("builder").start()
        yield made


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def names(directory: Path) -> Set[str]:
    return {path.name for path in directory.glob("Packages/*/*.rpm")}


def listed(directory: Path) -> int:
    """How many packages the metadata is about."""
    count = metadata.package_count(directory / "repodata")
    assert count is not None
    return count


def copies(made: Made, arch: str) -> Dict[str, str]:
    """The key of each package's copy in an arch, by file name."""
    packages = json.loads((made.path / arch / "kojipkgs").read_text())
    return {name: rpm["sigkey"] for name, rpm in packages.items()}


@pytest.fixture(scope="module")
def full(site: Site) -> Made:
    """A dist-repo with everything at once, asked for with keys in upper case."""
    comps, config = site.dir / "comps.xml", site.dir / "multilib.conf"
    comps.write_text(COMPS)
    config.write_text(MULTILIB)
    pytest.importorskip("dnf", reason="needs dnf's Python bindings")
    pytest.importorskip("multilib", reason="needs python-multilib")
    extras = ("--with-src", "--split-debuginfo", "--comps", str(comps), "--multilib", str(config))
    return site.make("dist", site.release.upper(), site.beta.upper(), *ARCHES, *extras)


def test_each_package_is_the_copy_signed_by_the_first_key_that_there_is(site: Site, full: Made) -> None:
    found = copies(full, "i386")
    assert found["gizmo-1.0-1.i686.rpm"] == found["gizmo-data-1.0-1.noarch.rpm"] == site.release
    assert found["widget-1.0-1.i686.rpm"] == site.beta
    copy = next(full.path.glob("i386/Packages/g/gizmo-1.0-1.i686.rpm"))
    assert koji.get_sighdr_key(koji.rip_rpm_sighdr(str(copy))) == site.release


def test_the_hub_links_the_packages(site: Site, full: Made) -> None:
    build = Path(site.fleet.hub.topdir) / "packages/gizmo/1.0/1"
    signed = build / f"data/signed/{site.release}/x86_64/gizmo-1.0-1.x86_64.rpm"
    assert (full.path / "x86_64/Packages/g/gizmo-1.0-1.x86_64.rpm").samefile(signed)
    assert (full.path.parent / "latest").resolve() == full.path
    assert site.admin.getRepo("dist", dist=True)["id"] == int(full.path.name)


def test_multilib_brings_devel_packages_with_what_they_need(full: Made) -> None:
    packages = json.loads((full.path / "x86_64/kojipkgs").read_text())
    brought = {name for name, rpm in packages.items() if rpm.get("_multilib")}
    assert brought == {f"{name}-{part}-1.0-1.i686.rpm" for name in ("gizmo", "widget") for part in ("devel", "libs")}
    assert brought < names(full.path / "x86_64")
    first, *others = (full.path / arch / "repodata/repomd.xml" for arch in ("i386", "src", "x86_64"))
    assert first.stat().st_mtime <= others[-1].stat().st_mtime  # its packages are taken from there


def test_debuginfo_has_a_repository_of_its_own(full: Made) -> None:
    lines = (full.path / "x86_64/debug/pkglist").read_text().split()
    assert lines == [f"../Packages/{name[0]}/{name}-debuginfo-1.0-1.x86_64.rpm" for name in ("gizmo", "widget")]
    assert listed(full.path / "x86_64/debug") == 2
    assert listed(full.path / "x86_64") == 12
    assert len(names(full.path / "x86_64")) == 14


def test_groups_and_sources_are_there_when_asked_for(full: Made) -> None:
    for arch in ("i386", "src", "x86_64"):
        assert "comps" in (full.path / arch / "repodata/repomd.xml").read_text()
    assert names(full.path / "src") == {"gizmo-1.0-1.src.rpm", "widget-1.0-1.src.rpm"}


def test_signatures_are_imported_and_removed_by_the_client(site: Site) -> None:
    site.tag("apart")
    rpms = site.imported("apart", "lever")
    site.keyring.sign(site.release, rpms)
    printed = site.koji("import-sig", *map(str, rpms))
    assert printed.count(f"Importing signature [key {site.release}]") == len(rpms)
    assert "Signature already imported" in site.koji("import-sig", str(rpms[0]))
    copy = Path(site.fleet.hub.topdir) / f"packages/lever/1.0/1/data/signed/{site.release}/x86_64"
    assert len(list(copy.iterdir())) == 4
    site.koji("remove-sig", "--sigkey", site.release, "lever-1.0-1.x86_64")
    assert len(list(copy.iterdir())) == 3


def test_older_metadata_is_used_again(site: Site, full: Made) -> None:
    again = site.make(str(site.admin.getTag("dist")["name"]), site.release, site.beta, "--arch", "i686", "--skip-stat")
    command = site.arch_logs(again.task, "i386")["createrepo.log"].splitlines()[0]
    assert "--update --skip-stat" in command
    assert listed(again.path / "i386") == 10


def test_packages_without_the_signature_end_it(site: Site) -> None:
    failed = site.fail("dist", site.release, "--arch", "x86_64")
    assert "Unsigned packages found. See missing_signatures.log" in str(failed["fault"])
    assert f"widget-1.0-1.x86_64: {site.beta}\n" in failed["logs"]["missing_signatures.log"]
    assert "gizmo" not in failed["logs"]["missing_signatures.log"]


def test_packages_without_the_signature_are_skipped(site: Site) -> None:
    made = site.make("dist", site.release, "--arch", "x86_64", "--skip-missing-signatures")
    assert {name.split("-")[0] for name in names(made.path / "x86_64")} == {"gizmo"}
    assert "left out" in site.arch_logs(made.task, "x86_64")["missing_signatures.log"]


def test_packages_without_the_signature_come_unsigned(site: Site) -> None:
    made = site.make("dist", "ABCD0123", "--arch", "x86_64", "--allow-missing-signatures", "--noinherit")
    assert set(copies(made, "x86_64").values()) == {None}
    assert {name.split("-")[0] for name in names(made.path / "x86_64")} == {"widget"}


def test_a_signed_copy_that_is_not_there_is_named_and_can_be_written(site: Site) -> None:
    home = Path(site.fleet.hub.topdir) / f"packages/widget/1.0/1/data/signed/{site.beta}"
    copy = home / "x86_64/widget-1.0-1.x86_64.rpm"
    copy.unlink()
    failed = site.fail("dist", site.beta, "--arch", "x86_64", "--noinherit")
    assert "See missing_files.log" in str(failed["fault"])
    assert failed["logs"]["missing_files.log"].splitlines()[-1] == str(copy)

    made = site.make("dist", site.beta.upper(), "--arch", "x86_64", "--noinherit", "--write-signed-rpms")
    assert copy.exists()
    log = site.arch_logs(made.task, "x86_64")["written_signed_rpms.log"]
    assert f"written: widget-1.0-1.x86_64 with key {site.beta}\n" in log

    copy.unlink()
    assert "widget-1.0-1.x86_64" in site.koji("write-signed-rpm", site.beta, "widget-1.0-1")
    assert copy.exists()


def test_older_builds_and_an_older_tag(site: Site) -> None:
    site.tag("old")
    event = site.admin.getLastEvent()["id"]
    for version in ("1.0", "2.0"):
        site.add("old", "sprocket", site.release, version=version)
    latest = site.make("old", site.release)
    assert {name.split("-")[-2] for name in names(latest.path / "x86_64")} == {"2.0"}
    both = site.make("old", site.release, "--non-latest")
    assert {name.split("-")[-2] for name in names(both.path / "x86_64")} == {"1.0", "2.0"}
    empty = site.make("old", site.release, "--event", str(event))
    assert (empty.path / "x86_64/repodata/EMPTY_REPO").is_file()
    assert names(empty.path / "x86_64") == set()


def test_deltas_and_zchunk(site: Site) -> None:
    site.tag("thin")
    site.add("thin", "cog", site.release, version="1.0")
    older = site.make("thin", site.release)
    site.add("thin", "cog", site.release, version="2.0")
    made = site.make("thin", site.release, "--delta-rpms", "thin", "--zck")
    task = made.task
    command = site.arch_logs(task, "x86_64")["createrepo.log"].splitlines()[0]
    assert f"--deltas --oldpackagedirs {older.path}/x86_64/Packages/c --zck" in command
    files = {path.name.split("-", 1)[-1] for path in (made.path / "x86_64/repodata").iterdir()}
    assert "primary.xml.zck" in files
    assert any(name.startswith("prestodelta") for name in files)
    assert list((made.path / "x86_64/drpms").glob("cog-*.drpm"))


def test_builds_and_repositories_on_other_volumes(site: Site) -> None:
    Path(site.fleet.hub.settings.pathinfo.volumedir("far")).mkdir(parents=True)
    site.koji("add-volume", "far")
    assert "far" in site.koji("list-volumes").split()
    site.tag("spread")
    site.add("spread", "bolt", site.release)
    site.add("spread", "nut", site.release)
    site.koji("set-build-volume", "far", "bolt-1.0-1")
    assert (Path(site.fleet.hub.topdir) / "packages/bolt/1.0/1").is_symlink()
    made = site.make("spread", site.release, "--volume", "far")
    packages = json.loads((made.path / "x86_64/kojipkgs").read_text())
    assert "/vol/far/packages/" in packages["bolt-1.0-1.x86_64.rpm"]["_pkgpath"]
    assert made.path.is_symlink()
    assert {"bolt-1.0-1.x86_64.rpm", "nut-1.0-1.x86_64.rpm"} < names(made.path / "x86_64")


def test_draft_builds_are_refused(site: Site) -> None:
    site.tag("drafts")
    site.admin.packageListAdd("drafts", "sketch", owner="admin")
    build = site.admin.createEmptyBuild("sketch", "1.0", "1", None, draft=True)
    site.admin.tagBuildBypass("drafts", build)
    failed = site.fail("drafts", site.release)
    assert failed["fault"].faultCode == koji.BuildError.faultCode
    assert f"Draft build: sketch-1.0-1,draft_{build}" in str(failed["fault"])


def test_a_package_that_can_not_be_read_is_told_with_the_log(site: Site) -> None:
    site.tag("broken")
    site.add("broken", "crack", site.release)
    home = Path(site.fleet.hub.topdir) / f"packages/crack/1.0/1/data/signed/{site.release}"
    (home / "x86_64/crack-1.0-1.x86_64.rpm").write_bytes(b"no package")
    failed = site.fail("broken", site.release)
    assert "failed to create repo: createrepo_c" in str(failed["fault"])
    assert "crack-1.0-1.x86_64.rpm" in failed["logs"]["createrepo.log"]


def test_multilib_without_the_partner_packages_is_told(site: Site) -> None:
    pytest.importorskip("dnf", reason="needs dnf's Python bindings")
    pytest.importorskip("multilib", reason="needs python-multilib")
    site.tag("lonely", "x86_64 i686")
    site.add("lonely", "hermit", site.release)
    rpm = site.admin.getRPM("hermit-devel-1.0-1.i686")
    site.admin.deleteRPMSig("hermit-devel-1.0-1.i686", all_sigs=True)
    assert site.admin.queryRPMSigs(rpm["id"]) == []
    config = site.dir / "lonely.conf"
    config.write_text(MULTILIB)
    failed = site.fail("lonely", site.release, *ARCHES, "--skip-missing-signatures", "--multilib", str(config))
    assert "multilib packages missing. See missing_multilib.log" in str(failed["fault"])
    assert (
        failed["logs"]["missing_multilib.log"].splitlines()[1].endswith("i386/Packages/h/hermit-devel-1.0-1.i686.rpm")
    )


def test_who_may_ask(site: Site) -> None:
    before = len(site.fleet.hub.calls())
    done = site.fleet.hub.koji("dist-repo", "dist", site.release, user="user")
    assert done.returncode and "policy violation (dist_repo): for the release team only" in done.stdout + done.stderr
    assert any(call.method == "distRepo" and call.fault for call in site.fleet.hub.calls(before))


def test_a_new_one_takes_the_place_of_those_under_way_where_the_tag_says_so(site: Site) -> None:
    site.tag("hasty", **{"distrepo.cancel_others": True})
    site.admin.disableHost("builder")
    try:
        first = site.admin.distRepo("hasty", [site.release], **OPTIONS)
        second = site.admin.distRepo("hasty", [site.release], **OPTIONS)
    finally:
        site.admin.enableHost("builder")
    wait_for(lambda: site.admin.taskFinished(second), 120)
    assert [koji.TASK_STATES[site.admin.getTaskInfo(task)["state"]] for task in (first, second)] == [
        "CANCELED",
        "CLOSED",
    ]


OPTIONS: Dict[str, Any] = {
    "arch": ["x86_64"], "comps": None, "delta": [], "event": None, "volume": None, "inherit": True, "latest": True,
    "multilib": None, "split_debuginfo": False, "skip_missing_signatures": False, "allow_missing_signatures": False,
    "zck": False, "zck_dict_dir": None, "write_signed_rpms": False,
}  # fmt: skip


def _closed_by(site: Site, task: int, host: str) -> bool:
    wait_for(lambda: site.admin.taskFinished(task), 120)
    (child,) = site.children(task)
    assert koji.TASK_STATES[child["state"]] == "CLOSED", site.fleet.builders[-1].log[-3000:]
    return bool(child["host_id"] == site.admin.getHost(host)["id"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"topdir": "/nonexistent"}, "No access to dist-repos dir /nonexistent/repos-dist"),
        ({"use_createrepo_c": False}, "createrepo is not installed"),
    ],
)
def test_a_host_that_can_not_do_it_leaves_it_to_another(site: Site, options: Dict[str, Any], words: str) -> None:
    if "use_createrepo_c" in options and Path("/usr/bin/createrepo").exists():
        pytest.skip("this machine has createrepo")
    site.admin.disableHost("builder")
    poor = site.fleet.builder("other", **options).start()
    try:
        task = site.admin.distRepo("dist", [site.beta], **OPTIONS)
        wait_for(lambda: words in poor.log, 90, words)
        site.admin.enableHost("builder")
        assert _closed_by(site, task, "builder")
    finally:
        site.admin.enableHost("builder")
        poor.stop()
