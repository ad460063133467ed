"""Dist-repos, signatures and volumes of the hub: what it takes, what it checks, where it keeps things."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List

import koji
import pytest

from kojid.sandbox.hub.content import bootstrap
from kojid.sandbox.hub.kernel import Kernel, Request, Session
from tests.support import signing
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

NAME = "tiny-1.0-1.x86_64"
FILE = f"{NAME}.rpm"


@pytest.fixture
def stocked(kernel: Kernel, admin: Caller, tiny: TinyRpms) -> Caller:
    """The hub with the build tiny-1.0-1 in the tag demo."""
    session = Session(0, 1, "admin", koji.AUTHTYPES["SSL"], permissions=["admin"])
    with kernel.transaction(Request(), session) as ctx:
        bootstrap.import_distribution(ctx, [tiny.srpm, *tiny.rpms], "demo", {})
    return admin


@pytest.fixture(scope="module")
def signature(tiny: TinyRpms, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """A signature header of the x86_64 package, and its key."""
    path = tmp_path_factory.mktemp("signed") / FILE
    path.write_bytes(next(rpm for rpm in tiny.rpms if rpm.name == FILE).read_bytes())
    with signing.keyring() as keys:
        key = keys.make("release")
        keys.sign(key, [path])
    return {"key": key, "header": koji.rip_rpm_sighdr(str(path)), "content": path.read_bytes()}


def add(caller: Caller, signature: Dict[str, Any], rpm: str = NAME) -> None:
    caller("addRPMSig", rpm, base64.b64encode(signature["header"]).decode())


class TestSignatures:
    def test_come_with_imported_packages(self, kernel: Kernel, stocked: Caller, tiny: TinyRpms) -> None:
        (row,) = stocked("queryRPMSigs", NAME)
        path = next(rpm for rpm in tiny.rpms if rpm.name == FILE)
        header = koji.rip_rpm_sighdr(str(path))
        assert (row["sigkey"], row["sighash"]) == ("", hashlib.md5(header).hexdigest())
        cache = kernel.settings.topdir / "packages/tiny/1.0/1/data/sigcache"
        assert (cache / f"x86_64/{FILE}.sig").read_bytes() == header

    def test_are_added_once_and_written_as_copies(
        self, kernel: Kernel, stocked: Caller, builder: Caller, signature: Dict[str, Any]
    ) -> None:
        add(stocked, signature)
        with pytest.raises(koji.GenericError, match="Signature already exists"):
            add(stocked, signature)
        assert builder("host.writeSignedRPM", NAME, signature["key"].upper()) is None
        home = kernel.settings.topdir / "packages/tiny/1.0/1/data/signed" / signature["key"]
        assert (home / f"x86_64/{FILE}").read_bytes() == signature["content"]
        stocked("writeSignedRPM", NAME, signature["key"], force=True)
        with pytest.raises(koji.GenericError, match="No cached signature"):
            stocked("writeSignedRPM", NAME, "ffffffff")

    def test_of_other_packages_are_refused(self, stocked: Caller, signature: Dict[str, Any]) -> None:
        with pytest.raises(koji.GenericError, match="wrong md5 for tiny-data"):
            add(stocked, signature, "tiny-data-1.0-1.noarch")

    def test_need_a_permission(self, kernel: Kernel, stocked: Caller, signature: Dict[str, Any]) -> None:
        user = Caller(kernel, "user")
        with pytest.raises(koji.ActionNotAllowed):
            add(user, signature)
        stocked("grantPermission", "user", "sign")
        add(user, signature)
        with pytest.raises(koji.ActionNotAllowed):
            user("deleteRPMSig", NAME, all_sigs=True)

    def test_are_deleted_with_their_copies(self, kernel: Kernel, stocked: Caller, signature: Dict[str, Any]) -> None:
        add(stocked, signature)
        stocked("writeSignedRPM", NAME, signature["key"])
        stocked("deleteRPMSig", NAME, sigkey=signature["key"])
        home = kernel.settings.topdir / "packages/tiny/1.0/1/data"
        assert not (home / "signed" / signature["key"] / "x86_64" / FILE).exists()
        assert [row["sigkey"] for row in stocked("queryRPMSigs", NAME)] == [""]
        assert list(home.glob(f"sigcache/{signature['key']}/x86_64/*.save"))
        with pytest.raises(koji.GenericError, match="no matching signatures"):
            stocked("deleteRPMSig", NAME, sigkey=signature["key"])
        with pytest.raises(koji.GenericError, match="No signature specified"):
            stocked("deleteRPMSig", NAME)

    def test_are_listed_with_the_packages_of_a_tag(self, stocked: Caller, signature: Dict[str, Any]) -> None:
        add(stocked, signature)
        rpms, _builds = stocked("listTaggedRPMS", "demo", arch=["x86_64", "noarch"], rpmsigs=True)
        assert sorted((rpm["arch"], rpm["sigkey"]) for rpm in rpms) == [
            ("noarch", ""), ("x86_64", ""), ("x86_64", signature["key"])
        ]  # fmt: skip


class Made:
    """A dist-repo in the making, the builder played by the test."""

    def __init__(self, kernel: Kernel, admin: Caller, builder: Caller, **opts: Any) -> None:
        self.builder = builder
        self.task = admin("distRepo", "demo", ["aaaa"], **{"arch": ["x86_64", "src"], **opts})
        self.request: List[Any] = admin("getTaskRequest", self.task)
        self.id = self.request[1]
        self.path = Path(kernel.settings.pathinfo.distrepo(self.id, "demo"))
        self.upload = koji.pathinfo.taskrelpath(self.task)
        self.work = Path(kernel.settings.pathinfo.work(), self.upload)
        (self.work / "repodata").mkdir(parents=True)

    def uploads(self, packages: Dict[str, Any], *more: str) -> None:
        (self.work / "kojipkgs").write_text(json.dumps(packages))
        (self.work / "repodata/repomd.xml").write_text("<repomd/>")
        (self.work / "repo_manifest").write_text(json.dumps(["./kojipkgs", "repodata/repomd.xml", *more]))

    def move(self, arch: str = "x86_64") -> None:
        self.builder("host.distRepoMove", self.id, self.upload, arch)


@pytest.fixture
def made(kernel: Kernel, stocked: Caller, builder: Caller) -> Made:
    return Made(kernel, stocked, builder)


def packages_of(caller: Caller) -> Dict[str, Any]:
    rpms, _builds = caller("listTaggedRPMS", "demo", arch="x86_64", rpmsigs=True)
    return {f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{rpm['arch']}.rpm": rpm for rpm in rpms}


class TestDistRepo:
    def test_is_laid_out_and_a_task_made(self, stocked: Caller, made: Made) -> None:
        repo = stocked("repoInfo", made.id)
        assert (repo["dist"], repo["state"], repo["opts"], repo["task_id"]) == (True, koji.REPO_INIT, None, None)
        assert sorted(path.name for path in made.path.iterdir()) == ["repo.json", "src", "x86_64"]
        assert made.request[3]["event"] == repo["create_event"]
        assert stocked("getTaskInfo", made.task)["method"] == "distRepo"

    def test_takes_groups_and_lies_on_the_volume_that_is_named(
        self, kernel: Kernel, stocked: Caller, builder: Caller
    ) -> None:
        comps = Path(kernel.settings.pathinfo.work(), "cli/comps.xml")
        comps.parent.mkdir(parents=True)
        comps.write_text("<comps/>")
        Path(kernel.settings.pathinfo.volumedir("far")).mkdir(parents=True)
        stocked("addVolume", "far")
        made = Made(kernel, stocked, builder, comps="cli/comps.xml", volume="far")
        assert (made.path / "groups/comps.xml").read_text() == "<comps/>"
        assert "/vol/far/repos-dist/demo/" in str(made.path.resolve())

    def test_is_moved_with_links_to_its_packages_and_becomes_the_latest(
        self, kernel: Kernel, stocked: Caller, made: Made
    ) -> None:
        made.uploads(packages_of(stocked))
        made.move()
        package = kernel.settings.topdir / "packages/tiny/1.0/1/x86_64" / FILE
        assert (made.path / "x86_64/Packages/t" / FILE).samefile(package)
        assert (made.path / "x86_64/repodata/repomd.xml").is_file()
        assert not (made.work / "kojipkgs").exists()
        made.builder("host.repoDone", made.id, {})
        assert os.readlink(made.path.parent / "latest") == str(made.id)
        assert stocked("getRepo", "demo", dist=True)["id"] == made.id
        assert stocked("getRepo", "demo") is None

    @pytest.mark.parametrize("key", ["size", "payloadhash", "build_id", "epoch"])
    def test_is_refused_when_a_package_is_not_what_the_hub_knows(self, stocked: Caller, made: Made, key: str) -> None:
        packages = packages_of(stocked)
        packages[FILE][key] = 99
        made.uploads(packages)
        with pytest.raises(koji.GenericError, match=f"does not match db: file {FILE}, key {key}"):
            made.move()
        assert (made.work / "kojipkgs").exists()

    def test_is_refused_when_files_are_missing(self, stocked: Caller, made: Made) -> None:
        with pytest.raises(koji.GenericError, match="Missing repo manifest"):
            made.move()
        made.uploads(packages_of(stocked), "repodata/other.xml")
        with pytest.raises(koji.GenericError, match="No such file"):
            made.move()
        with pytest.raises(koji.GenericError, match="Repo arch directory missing"):
            made.move("aarch64")

    def test_is_refused_when_it_is_done(self, stocked: Caller, made: Made) -> None:
        made.uploads(packages_of(stocked))
        made.builder("host.repoDone", made.id, {})
        with pytest.raises(koji.GenericError, match="Repo is in state: READY"):
            made.move()


class TestVolumes:
    def test_builds_are_moved_and_a_link_stays(self, kernel: Kernel, stocked: Caller) -> None:
        with pytest.raises(koji.GenericError, match="please create the volume directory first"):
            stocked("addVolume", "far")
        Path(kernel.settings.pathinfo.volumedir("far")).mkdir(parents=True)
        assert stocked("addVolume", "far") == {"id": 1, "name": "far"}
        with pytest.raises(koji.GenericError, match="already exists"):
            stocked("addVolume", "far")
        event = stocked("getLastEvent")["id"]
        stocked("changeBuildVolume", "tiny-1.0-1", "far")
        assert stocked("getBuild", "tiny-1.0-1")["volume_name"] == "far"
        assert stocked("tagChangedSinceEvent", event, [stocked("getTag", "demo")["id"]])
        usual = kernel.settings.topdir / "packages/tiny/1.0/1"
        assert usual.is_symlink()
        assert (usual / "x86_64" / FILE).is_file()
        with pytest.raises(koji.GenericError, match="already on volume far"):
            stocked("changeBuildVolume", "tiny-1.0-1", "far")
        stocked("changeBuildVolume", "tiny-1.0-1", "DEFAULT")
        assert (usual / "x86_64" / FILE).is_file()
        assert not usual.is_symlink()
        assert not (kernel.settings.topdir / "vol/far/packages/tiny/1.0/1").exists()
