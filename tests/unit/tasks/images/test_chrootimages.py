"""Image tools in buildroots: what they leave is taken if it is what it has to be, and nothing of the host is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List, Type

import koji
import pytest

from kojid.errors import HostFault
from kojid.tasks import chroots
from kojid.tasks.images import isomanifest, outputs
from kojid.tasks.images.appliance import ApplianceTask
from kojid.tasks.images.livecd import LiveCDTask
from kojid.tasks.images.livemedia import LiveMediaTask
from tests.support.faketask import REPO, TARGET, FakeBuildRoot, ScriptedSession, make_handler

pytest.importorskip("pykickstart", reason="needs pykickstart, the extra images")

KICKSTART = "lang en_US.UTF-8\npart / --size=1024 --ondisk=vda\n%packages\nbash\n%end\n"
SECRET = "a secret of the host\n"


class Evidence:
    trouble = ""

    def disk_trouble(self) -> str:
        return self.trouble

    def tail(self, name: str) -> List[str]:
        return [f"the end of {name}"]


class Broot(FakeBuildRoot):
    """A buildroot whose mock does what the test says."""

    tool: ClassVar[Callable[[Path], int]]
    trouble: ClassVar[str] = ""

    @property
    def evidence(self) -> Evidence:
        found = Evidence()
        found.trouble = self.trouble
        return found

    def make_tmpdir(self, name: str = "") -> str:
        path = Path(self.tmpdir(), name)
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def follow_log(self, path: str) -> None:
        self._call("follow_log", path)

    def markExternalRPMs(self, rpms: List[Dict[str, Any]]) -> None:
        for rpm in rpms:
            rpm["external_repo_id"] = 0

    def mock(self, args: List[str]) -> int:
        self._call("mock", *args)
        Path(self.tmpdir()).mkdir(exist_ok=True)
        return type(self).tool(Path(self.tmpdir()))


@pytest.fixture
def broots(monkeypatch: pytest.MonkeyPatch) -> Type[Broot]:
    class Fresh(Broot):
        made: ClassVar[List[FakeBuildRoot]] = []
        tool: ClassVar[Callable[[Path], int]] = staticmethod(lambda top: 0)

    monkeypatch.setattr(chroots, "BuildRoot", Fresh)
    monkeypatch.setattr(isomanifest, "manifest", lambda image: f"{len(image.read())} bytes\n")
    return Fresh


def run(options: Any, cls: Any, session: Any, **opts: Any) -> Any:
    kickstart = Path(options.topdir, "work/cli-image/it.ks")
    kickstart.parent.mkdir(parents=True, exist_ok=True)
    kickstart.write_text(KICKSTART)
    params = ["it", "1", "2", "x86_64", TARGET, 2, REPO, "cli-image/it.ks", {"scratch": True, **opts}]
    return make_handler(cls, cls.Methods[0], params, session, options).run()


def uploaded(session: ScriptedSession) -> List[str]:
    return sorted(path.rpartition("/")[2] for path in session.uploads)


def writes(**files: str) -> Callable[[Path], int]:
    def tool(top: Path) -> int:
        for name, text in files.items():
            path = top / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0

    return tool


def test_the_documented_command_line_is_used_and_the_image_taken(options: Any, broots: Type[Broot]) -> None:
    broots.tool = staticmethod(writes(**{"it-1-2.iso": "image"}))
    session = ScriptedSession()
    result = run(options, LiveCDTask, session)
    (broot,) = broots.made
    call = next(call for call in broot.calls if call[0] == "mock")
    top = "/chroot_tmpdir"
    kickstart = f"{top}/koji-image-demo-build-305.ks"
    assert list(call[1:]) == [
        "--cwd", top, "--chroot", "--", "/usr/bin/livecd-creator", "-c", kickstart, "-d", "-v",
        "--logfile", f"{top}/livecd.log", "--cache", f"{top}/koji-livecd", "-f", "it-1-2",
    ]  # fmt: skip
    assert broot.more == {
        "install_group": "livecd-build", "setup_dns": True, "repo_id": 4, "bind_opts": {"dirs": {"/dev": "/dev"}},
    }  # fmt: skip
    assert result["files"] == ["it-1-2.iso"] and "manifest.log" in result["logs"] and broot.expired
    assert "repos/demo-build/4/x86_64" in Path(broot.rootdir() + kickstart).read_text()
    assert {"it.ks", "it-1-2.iso", "manifest.log", "koji-image-demo-build-305.ks"} <= set(uploaded(session))


def test_live_media_mount_nothing_of_the_host(options: Any, broots: Type[Broot]) -> None:
    broots.tool = staticmethod(
        writes(**{"lmc__it.iso": "image", "lmc-logs__root.log": "x", "lmc-logs__program.log": "x"})
    )
    session = ScriptedSession()
    result = run(options, LiveMediaTask, session, nomacboot=True, compress_arg=["-a", "-b"])
    (broot,) = broots.made
    assert "bind_opts" not in broot.more
    call = next(call for call in broot.calls if call[0] == "mock")
    assert "--nomacboot" in call and call[-4:] == ("--compress-arg", "-a", "--compress-arg", "-b")
    assert {"program.log", "livemedia-root.log"} <= set(result["logs"]) & set(uploaded(session))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "could not find iso file"),
        ({"a.iso": "", "b.iso": ""}, "multiple .iso files found: a.iso and b.iso"),
        ({"sub__a.iso": ""}, "could not find iso file"),
    ],
)
def test_there_has_to_be_one_image(options: Any, broots: Type[Broot], files: Dict[str, str], words: str) -> None:
    broots.tool = staticmethod(writes(**files))
    with pytest.raises(koji.LiveCDError, match=words):
        run(options, LiveCDTask, ScriptedSession())
    assert broots.made[0].expired


def test_a_link_to_a_file_of_the_host_is_no_image(options: Any, broots: Type[Broot], tmp_path: Path) -> None:
    (tmp_path / "secret.iso").write_text(SECRET)

    def tool(top: Path) -> int:
        (top / "it.iso").symlink_to(tmp_path / "secret.iso")
        (top / "app-output/it").mkdir(parents=True)
        (top / "app-output/it/disk.raw").symlink_to(tmp_path / "secret.iso")
        return 0

    broots.tool = staticmethod(tool)
    session = ScriptedSession()
    with pytest.raises(koji.LiveCDError, match="could not find iso file"):
        run(options, LiveCDTask, session)
    os.rename(broots.made[0].top, tmp_path / "away")
    with pytest.raises(koji.ApplianceError, match="Could not find image build results"):
        run(options, ApplianceTask, session)
    assert SECRET.encode() not in b"".join(bytes(data) for data in session.uploads.values())


def test_files_of_one_name_do_not_take_each_others_place(options: Any, broots: Type[Broot]) -> None:
    broots.tool = staticmethod(writes(**{"app-output__a__disk.raw": "1", "app-output__b__disk.raw": "2"}))
    with pytest.raises(koji.ApplianceError, match=r"several files have the same name: disk\.raw"):
        run(options, ApplianceTask, ScriptedSession())


def test_a_failing_tool_is_quoted(options: Any, broots: Type[Broot]) -> None:
    def tool(top: Path) -> int:
        writes(**{"appliance.log": "one\nthe cause\n"})(top)
        return 1 << 8

    broots.tool = staticmethod(tool)
    words = "Could not create appliance: appliance-creator exited with status 1; see root.log or appliance.log"
    with pytest.raises(koji.ApplianceError, match=words) as fault:
        run(options, ApplianceTask, ScriptedSession())
    assert str(fault.value).endswith("The last lines of appliance.log:\n  one\n  the cause")


def test_a_tool_that_is_killed_without_a_log_is_told_from_mocks(options: Any, broots: Type[Broot]) -> None:
    broots.tool = staticmethod(lambda top: 9)
    with pytest.raises(koji.LiveMediaError, match=r"(?s)was killed by signal 9.*the end of root\.log"):
        run(options, LiveMediaTask, ScriptedSession())


def test_a_full_disk_is_the_hosts_fault(options: Any, broots: Type[Broot]) -> None:
    broots.tool = staticmethod(lambda top: 1 << 8)
    broots.trouble = "/var/lib/mock has 0 MB left"
    with pytest.raises(HostFault, match="/var/lib/mock has 0 MB left"):
        run(options, LiveCDTask, ScriptedSession())


def test_a_wrong_kickstart_file_costs_no_buildroot(options: Any, broots: Type[Broot]) -> None:
    with pytest.raises(koji.LiveCDError, match="volume ID is longer"):
        run(options, LiveCDTask, ScriptedSession(), volid="x" * 33)
    with pytest.raises(koji.ApplianceError, match="Failed to parse kickstart file"):
        run(options, ApplianceTask, ScriptedSession(), ksversion="NONESUCH")
    assert broots.made == []


def test_packages_in_a_cache_are_told_once(packages: Dict[str, Path], tmp_path: Path) -> None:
    name, path = next((name, path) for name, path in packages.items() if name.endswith(".noarch.rpm"))
    for place in ("a", "b/c"):
        (tmp_path / "cache" / place).mkdir(parents=True)
        (tmp_path / "cache" / place / name).write_bytes(path.read_bytes())
    (tmp_path / "cache/link.rpm").symlink_to(path)
    (found,) = outputs.packages(str(tmp_path), "/cache")
    assert set(found) == {"name", "version", "release", "epoch", "arch", "buildtime", "size", "payloadhash"}
    assert (f"{found['name']}-1.0-1.noarch.rpm", found["size"]) == (name, path.stat().st_size)


def test_a_file_that_is_no_package_is_a_fault(tmp_path: Path, packages: Dict[str, Path]) -> None:
    (tmp_path / "x.rpm").write_text("no package")
    with pytest.raises(koji.BuildError, match=r"x\.rpm is not an rpm package"):
        outputs.packages(str(tmp_path), "")


def test_a_directory_that_is_a_link_has_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to("/etc")
    assert outputs.below(str(tmp_path), "cache") == outputs.Found([], [])
    assert outputs.logs(str(tmp_path), "cache") == []
