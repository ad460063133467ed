"""Warm buildroots: made once, copied for the next one that is the same, and never in the way when they can't be."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import koji
import pytest

from kojid.buildroot import warm, warmstore, warmtrees
from kojid.buildroot.buildroot import BuildRoot
from kojid.errors import HostFault
from kojid.system.treecopy import copy_tree, shares_blocks
from tests.support import needs_rpm
from tests.support.fakebuildroot import REPO, FakeMock, FakeSession, buildroot_options, install_rpms

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root can copy roots"),
    needs_rpm,
]

ROOT = Path(__file__).parents[3]

INIT = """
import shutil
if "--init" in args:
    shutil.copytree({made!r}, root, symlinks=True)
    (root / ".initialized").touch()
    log("root.log", "installed\\n")
"""


class Site:
    """A host whose mock installs one package, and makes a root that has a few things worth copying."""

    def __init__(self, top: Path, session: FakeSession, mock: FakeMock, tiny: Path) -> None:
        self.top, self.session, self.mock = top, session, mock
        made = top / "made"
        install_rpms(made, tiny)
        (made / "etc").mkdir()
        (made / "etc/machine-id").write_text("0" * 32 + "\n")
        (made / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
        cache = made / "var/cache/dnf/build-1234"
        (cache / "packages").mkdir(parents=True)
        (cache / "packages/tiny.rpm").write_bytes(b"rpm")
        (cache / "repodata").mkdir()
        mock.does(INIT.format(made=str(made)))
        repo = top / "mnt/repos/demo-build/4/x86_64"
        repo.mkdir(parents=True)
        (repo / "rpmlist.jsonl").touch()
        (top / "mockdir").mkdir(mode=0o2775)
        (top / "mockdir").chmod(0o2775)
        (top / "work").mkdir()
        self.options = buildroot_options(top, warm_buildroots=True, minspace=0)
        self.store = warmstore.Store(warmstore.directory_of(self.options))

    def buildroot(self, number: int = 16, **arguments: Any) -> BuildRoot:
        self.session.answers["host.newBuildRoot"] = number
        broot = BuildRoot(self.session, self.options, "demo-build", "x86_64", 306, repo_id=4, **arguments)
        broot.workdir = str(self.top / "work")
        return broot

    def init(self, number: int = 16, **arguments: Any) -> BuildRoot:
        broot = self.buildroot(number, **arguments)
        broot.init()
        return broot

    @property
    def inits(self) -> int:
        """How often mock has made a root."""
        return sum("--init" in call for call in self.mock.calls)

    def recorded(self) -> List[Any]:
        """What the hub got for each buildroot."""
        return [packages for _, packages in self.session.named("host.setBuildRootList")]

    def root(self) -> Path:
        (found,) = self.store.found()
        return found.path


@pytest.fixture
def site(tmp_path: Path, session: FakeSession, mock: FakeMock, tiny: Path) -> Site:
    return Site(tmp_path, session, mock, tiny)


def test_without_the_option_nothing_is_kept(site: Site) -> None:
    site.options.warm_buildroots = False
    site.init(16)
    site.init(17)
    assert site.inits == 2
    assert not site.store.directory.exists()


def test_the_second_buildroot_is_a_copy_and_the_hub_gets_the_same_list(site: Site) -> None:
    site.init(16)
    second = site.init(17)
    assert site.inits == 1
    first_list, second_list = site.recorded()
    assert first_list == second_list and [one["name"] for one in second_list] == ["tiny"]
    assert Path(second.rootdir(), ".initialized").exists()
    assert Path(second.resultdir()).is_dir()
    told = Path(site.top, "work/mock_output.log").read_text()
    assert "a copy of the one that it made in task 306, buildroot 16" in told


def test_what_mock_would_make_anew_is_anew_and_downloads_are_left_out(site: Site) -> None:
    site.init(16)
    second = Path(site.init(17).rootdir())
    third = Path(site.init(18).rootdir())
    ids = {(root / "etc/machine-id").read_text() for root in (site.root() / "root", second, third)}
    assert len(ids) == 3
    assert (second / "var/cache/dnf/build-1234/repodata").is_dir()
    assert not (second / "var/cache/dnf/build-1234/packages").exists()


def test_what_happens_in_one_is_not_seen_in_another(site: Site) -> None:
    first, second = Path(site.init(16).rootdir()), Path(site.init(17).rootdir())
    for root in (first, second):
        with (root / "etc/passwd").open("r+") as passwd:
            passwd.write("evil:x:0:0::/:/bin/sh\n")
        (root / "usr").mkdir()
        (root / "usr/evil").touch()
        (root / "usr/evil").chmod(0o4755)
    third = Path(site.init(18).rootdir())
    assert (third / "etc/passwd").read_text() == "root:x:0:0::/:/bin/sh\n"
    assert not (third / "usr").exists()


def test_directories_are_as_mock_makes_them_even_below_one_that_passes_its_group_on(site: Site) -> None:
    first, second = Path(site.init(16).rootdir()), Path(site.init(17).rootdir())
    for one, other in [(first, second), (first.parent, second.parent), (first / "etc", second / "etc")]:
        assert (one.stat().st_mode, one.stat().st_uid, one.stat().st_gid) == (
            other.stat().st_mode, other.stat().st_uid, other.stat().st_gid,
        )  # fmt: skip
    assert not stat.S_IMODE((second / "etc").stat().st_mode) & stat.S_ISGID


def test_a_bootstrap_chroot_is_copied_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    body = INIT.format(made=str(site.top / "made")) + (
        "    boot = base.with_name(base.name + '-bootstrap') / 'root'\n"
        "    (boot / 'usr').mkdir(parents=True)\n"
        "    (boot / '.initialized').touch()\n"
    )
    site.mock.does(body)
    site.init(16)
    second = site.init(17)
    assert site.inits == 1
    assert Path(f"{second.options.mockdir}/{second.name}-bootstrap/root/usr").is_dir()


@pytest.mark.parametrize(
    "arguments",
    [{"install_group": "srpm-build"}, {"setup_dns": True}, {"bind_opts": {"dirs": {"/srv/keys": "/keys"}}},
     {"maven_envs": {"JAVA_HOME": "/usr"}}],
)  # fmt: skip
def test_a_buildroot_that_is_otherwise_gets_a_root_of_its_own(site: Site, arguments: Any) -> None:
    site.init(16)
    site.init(17, **arguments)
    assert site.inits == 2
    site.init(18, **arguments)
    assert site.inits == 2
    assert len(site.store.found()) == 2


def test_another_repo_another_mock_or_other_words_of_the_tag_are_otherwise_too(site: Site) -> None:
    site.init(16)
    site.session.answers["repoInfo"] = {**REPO, "id": 5}
    repo = site.top / "mnt/repos/demo-build/5/x86_64"
    repo.mkdir(parents=True)
    (repo / "rpmlist.jsonl").touch()
    site.init(17)
    assert site.inits == 2
    os.utime(site.mock.path, (1, 1))
    site.init(18)
    assert site.inits == 3
    config = {**site.session.answers["getBuildConfig"]}
    config["extra"] = {**config["extra"], "mock.new_chroot": 1}
    site.session.answers["getBuildConfig"] = config
    site.init(19)
    assert site.inits == 4


def test_what_has_the_tasks_own_directory_in_its_configuration_is_not_kept(site: Site) -> None:
    site.init(16, bind_opts={"dirs": {f"{site.options.workdir}/tasks/6/306": "/mnt"}})
    assert site.inits == 1
    assert site.store.found() == []


def test_of_an_expired_repo_nothing_is_kept_but_what_is_there_is_used(site: Site) -> None:
    expired = {**REPO, "state": koji.REPO_STATES["EXPIRED"]}
    site.session.answers["repoInfo"] = expired
    site.init(16)
    assert site.store.found() == []
    site.session.answers["repoInfo"] = REPO
    site.init(17)
    site.session.answers["repoInfo"] = expired
    site.init(18)
    assert site.inits == 2


def lose_a_package(root: Path) -> None:
    shutil.rmtree(root / "root/var/lib/rpm")
    (root / "root/var/lib/rpm").mkdir()


def forge_the_list(root: Path) -> None:
    packages = json.loads((root / "packages.json").read_text())
    packages[0]["version"] = "2"
    (root / "packages.json").write_text(json.dumps(packages))


def age(root: Path) -> None:
    about = json.loads((root / "about.json").read_text())
    (root / "about.json").write_text(json.dumps({**about, "boot_id": "of yesterday"}))


def cut_off(root: Path) -> None:
    (root / "about.json").write_text('{"name": ')


def lose_the_root(root: Path) -> None:
    shutil.rmtree(root / "root")


@pytest.mark.parametrize("harm", [lose_a_package, forge_the_list, age, cut_off, lose_the_root])
def test_one_that_is_not_as_recorded_is_thrown_away_and_mock_makes_the_root(
    site: Site, harm: Callable[[Path], None]
) -> None:
    site.init(16)
    harm(site.root())
    second = site.init(17)
    assert site.inits == 2
    assert [one["name"] for one in site.recorded()[1]] == ["tiny"]
    (kept,) = site.store.found()
    assert kept.usable and kept.about is not None and kept.about.buildroot_id == second.id


def test_a_copy_that_fails_leaves_nothing_in_mocks_way(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.init(16)

    def fail(source: Path, target: Path, **_options: Any) -> None:
        target.mkdir()
        raise HostFault("no space left on device")

    monkeypatch.setattr(warm, "copy_tree", fail)
    site.init(17)  # mock's stand-in fails when there is something in the root's place
    assert site.inits == 2
    assert "can't be used, mock makes demo-build-17-4: no space left on device" in caplog.text
    (kept,) = site.store.found()
    assert kept.about is not None and kept.about.buildroot_id == 17
    assert site.store.remains() == []


def test_that_one_can_not_be_set_aside_fails_no_build(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise HostFault("no space left on device")

    monkeypatch.setattr(warmtrees, "copy_tree", fail)
    site.init(16)
    assert "No warm root is made of demo-build-16-4: no space left on device" in caplog.text
    assert site.store.found() == [] and site.store.remains() == []


@pytest.mark.parametrize(
    ("settings", "told"), [({"minspace": 2**40}, "too little space"), ({"warm_buildroots_max_mb": -1}, "")]
)
def test_space_that_builds_need_is_not_taken(
    site: Site, caplog: pytest.LogCaptureFixture, settings: Any, told: str
) -> None:
    caplog.set_level(logging.INFO)
    for name, value in settings.items():
        setattr(site.options, name, value)
    site.init(16)
    assert told in caplog.text
    assert bool(site.store.found()) == (not told)


def test_a_root_that_mock_would_not_use_again_is_not_kept(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.mock.does(INIT.format(made=str(site.top / "made")).replace(".initialized", ".other"))
    site.init(16)
    assert site.store.found() == []
    assert "mock has not left a root that it would use again" in caplog.text


def test_a_failed_init_leaves_nothing_behind(site: Site) -> None:
    site.mock.does('log("root.log", "Error: no group\\n"); sys.exit(30)')
    with pytest.raises(koji.BuildrootError):
        site.init(16)
    assert site.store.found() == [] and not site.store.directory.exists()


def test_somebody_elses_directory_is_not_trusted(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.store.directory.mkdir(mode=0o777)
    site.store.directory.chmod(0o777)
    site.init(16)
    site.init(17)
    assert site.inits == 2
    assert "is not the daemon's alone" in caplog.text


# Copies made beforehand


def make_spare(site: Site) -> Path:
    name = site.root().name
    site.store.make_spare(name, lambda source, place, lock: warmtrees.copy_trees(source, place, 60, lock))
    (found,) = site.store.found()
    assert found.spare is not None
    return found.spare


def test_a_spare_copy_is_moved_to_its_place_and_only_once(site: Site) -> None:
    site.init(16)
    inode = (make_spare(site) / "root").stat().st_ino
    second, third = Path(site.init(17).rootdir()), Path(site.init(18).rootdir())
    assert site.inits == 1
    assert second.stat().st_ino == inode and third.stat().st_ino != inode
    assert site.recorded()[0] == site.recorded()[1] == site.recorded()[2]
    (kept,) = site.store.found()
    assert kept.spare is None and site.store.remains() == []
    mode, owner = kept.path.parent.stat().st_mode, second.parent.stat()
    assert stat.S_IMODE(mode) == 0o700 and (owner.st_mode, owner.st_gid) == (
        third.parent.stat().st_mode, third.parent.stat().st_gid,
    )  # fmt: skip


def test_a_spare_copy_that_is_not_as_recorded_is_thrown_away(site: Site) -> None:
    site.init(16)
    lose_a_package(make_spare(site))
    site.init(17)
    assert site.inits == 2
    assert [one["name"] for one in site.recorded()[1]] == ["tiny"]


def test_where_a_spare_copy_can_not_be_moved_it_is_copied(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.init(16)
    make_spare(site)
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if str(target).startswith(str(site.top / "mockdir/demo-build-17")):
            raise OSError(18, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    site.init(17)
    assert site.inits == 1
    (kept,) = site.store.found()
    assert kept.spare is None and site.store.remains() == []


def test_a_spare_copy_goes_with_its_root(site: Site) -> None:
    site.init(16)
    make_spare(site)
    site.store.remove(site.root())
    assert os.listdir(site.store.directory) == []


def test_a_spare_copy_without_its_root_is_garbage(site: Site) -> None:
    site.init(16)
    spare = make_spare(site)
    shutil.rmtree(site.root())
    assert site.store.remains() == [spare]


# Several tasks at once, and killed ones


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.02)


@pytest.fixture
def locked() -> Iterator[Callable[[Path, int], None]]:
    descriptors: List[int] = []

    def lock(path: Path, kind: int) -> None:
        descriptors.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
        fcntl.flock(descriptors[-1], kind | fcntl.LOCK_NB)

    yield lock
    for descriptor in descriptors:
        os.close(descriptor)


def test_while_another_task_makes_it_the_others_go_cold(site: Site, locked: Callable[[Path, int], None]) -> None:
    broot = site.buildroot(16)
    root = warm.of(broot, broot._mock_config)
    assert root is not None
    site.store.prepare()
    making = site.store.directory / f"{root._name}.making"
    making.mkdir()
    locked(making, fcntl.LOCK_EX)
    broot.init()
    site.init(17)
    assert site.inits == 2
    assert site.store.found() == [] and making.is_dir()


def test_what_a_killed_task_has_left_half_made_is_never_used_and_made_anew(site: Site) -> None:
    broot = site.buildroot(16)
    root = warm.of(broot, broot._mock_config)
    assert root is not None
    site.store.prepare()
    making = site.store.directory / f"{root._name}.making"
    (making / "root/etc").mkdir(parents=True)
    (making / "root/half").touch()
    assert site.store.remains() == [making]
    broot.init()
    second = site.init(17)
    assert site.inits == 1
    assert not Path(second.rootdir(), "half").exists()
    assert site.store.remains() == []


KILLED = """
import os, subprocess, sys
from pathlib import Path
from kojid.buildroot.warmstore import Store
with Store(Path(sys.argv[1])).making("4-x86_64-abc") as (place, lock):
    (place / "half").touch()
    copying = subprocess.Popen(["sleep", "600"], stdin=lock, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(copying.pid, flush=True)
    os._exit(9)
"""


def test_what_a_killed_task_has_begun_is_left_alone_as_long_as_something_is_still_copied(tmp_path: Path) -> None:
    store = warmstore.Store(tmp_path / "store")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(store.directory)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    copying = int(done.stdout)
    try:
        with store.making("4-x86_64-abc") as place:
            assert place is None
        assert store.remains() == []
    finally:
        os.kill(copying, signal.SIGKILL)
    wait_for(lambda: bool(store.remains()), 60, "the lock goes with the process that copied")
    with store.making("4-x86_64-abc") as place:
        assert place is not None and os.listdir(place[0]) == []


def test_one_that_is_copied_is_not_removed_and_one_that_is_removed_is_not_copied(
    site: Site, locked: Callable[[Path, int], None]
) -> None:
    site.init(16)
    path = site.root()
    with site.store.using(path.name) as found:
        assert found is not None
        with pytest.raises(HostFault, match="in use"):
            site.store.remove(path)
    locked(path, fcntl.LOCK_EX)
    site.init(17)
    assert site.inits == 2 and path.is_dir()


def test_a_removal_that_is_broken_off_leaves_nothing_that_looks_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.init(16)
    path = site.root()

    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(warmstore, "remove_tree", killed)
        with pytest.raises(KeyboardInterrupt):
            site.store.remove(path)
    assert site.store.found() == []
    (left,) = site.store.remains()
    site.store.remove(left)
    assert os.listdir(site.store.directory) == []


# Copying


def test_a_copy_is_the_same_to_the_last_attribute(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "dir").mkdir(parents=True)
    (source / "dir").chmod(0o1777)
    (source / "program").write_bytes(b"\x7fELF")
    os.chown(source / "program", 12, 34)
    (source / "program").chmod(0o4755)
    os.utime(source / "program", (1, 2))
    os.link(source / "program", source / "dir/same")
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    os.mknod(source / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    target = tmp_path / "target"
    lock = os.open(source, os.O_RDONLY)
    try:
        copy_tree(source, target, timeout=60, lock=lock)
    finally:
        os.close(lock)
    for name in ("", "dir", "program", "dir/same", "link", "pipe", "null"):
        one, other = (source / name).lstat(), (target / name).lstat()
        assert (one.st_mode, one.st_uid, one.st_gid, one.st_rdev) == (
            other.st_mode, other.st_uid, other.st_gid, other.st_rdev,
        ), name  # fmt: skip
        assert one.st_ino != other.st_ino
    assert (target / "program").stat().st_mtime == 2
    assert (target / "program").stat().st_ino == (target / "dir/same").stat().st_ino
    assert os.readlink(target / "link") == "/etc/passwd"


def test_a_copy_with_other_permissions_is_none(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir(mode=0o755)
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(0o2775)
    lock = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(HostFault, match="the copy has other permissions"):
            copy_tree(tmp_path / "source", parent / "target", timeout=60, lock=lock)
        with pytest.raises(HostFault, match="can't be copied"):
            copy_tree(tmp_path / "missing", tmp_path / "target", timeout=60, lock=lock)
    finally:
        os.close(lock)


def test_whether_blocks_are_shared_can_be_told(tmp_path: Path) -> None:
    assert shares_blocks(tmp_path, tmp_path) in (True, False)
    assert os.listdir(tmp_path) == []
    elsewhere = Path("/dev/shm")
    if os.access(elsewhere, os.W_OK) and elsewhere.stat().st_dev != tmp_path.stat().st_dev:
        assert not shares_blocks(tmp_path, elsewhere)
