"""What is planted in a chroot or a result directory: it is not read, it does not hold up anything, nothing fails by it.

Design, decision 9; contract 11, items 18 to 20.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, Callable, ClassVar, Iterator, List

import koji
import pytest

from kojid.buildroot.buildroot import BuildRoot
from kojid.buildroot.logs import LogStreamer, Watch
from kojid.system.files import UnsafeFile, open_for_upload
from kojid.tasks.base import BaseTaskHandler
from tests.support.fakebuildroot import FakeMock, FakeSession

SECRET = b"none-of-the-hub's-business"

PLANT = """\
import socket
secret = {secret!r}
places = (root / "var/log", "dnf", ".log"), (result, "x", ".log"), (result, "y", ".noarch.rpm")
for directory, prefix, suffix in places:
    directory.mkdir(parents=True, exist_ok=True)
    os.symlink(secret, directory / (prefix + "link" + suffix))
    os.mkfifo(directory / (prefix + "pipe" + suffix))
    os.link(secret, directory / (prefix + "second" + suffix))
    os.mkdir(directory / (prefix + "directory" + suffix))
    (directory / (prefix + "honest" + suffix)).write_text("honest")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(directory)
        listener.bind(prefix + "socket" + suffix)
log("build.log", "built\\n")
"""


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """A read that waits for a writer ends the test instead of the test run."""

    def late(*_signal: Any) -> None:
        raise TimeoutError("something waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def broot(make: Callable[..., BuildRoot], mock: FakeMock, secret: Path) -> BuildRoot:
    mock.does(PLANT.format(secret=str(secret)))
    made = make()
    made.mock(["--rebuild", "/x.src.rpm"])
    return made


class Task(BaseTaskHandler):
    Methods: ClassVar[List[str]] = ["uploads"]


def task(broot: BuildRoot) -> Task:
    return Task(306, "uploads", [], broot.session, broot.options)


def test_nothing_planted_is_streamed(broot: BuildRoot, session: FakeSession) -> None:
    sent = {name.rpartition("/")[2]: bytes(data) for name, data in session.files.items()}
    assert set(sent) == {"mock_config.log", "build.log", "dnfhonest.log", "xhonest.log"}
    assert not [name for name, data in sent.items() if SECRET in data]


def test_nothing_planted_is_a_result(broot: BuildRoot) -> None:
    assert broot.results().rpms == ["yhonest.noarch.rpm"]
    assert set(broot.results().logs) == {"build.log", "xhonest.log"}


@pytest.mark.parametrize("kind", ["link", "pipe", "second", "directory", "socket"])
def test_nothing_planted_can_be_uploaded_or_quoted(broot: BuildRoot, session: FakeSession, kind: str) -> None:
    session.files.clear()
    handler = task(broot)
    with pytest.raises(UnsafeFile):
        handler.uploadFile(f"{broot.resultdir()}/y{kind}.noarch.rpm")
    with pytest.raises(UnsafeFile):
        broot.single_log(f"{broot.resultdir()}/x{kind}.log")
    with pytest.raises(UnsafeFile):
        broot.open_log(f"x{kind}.log")
    assert session.files == {}


def test_a_whole_tree_is_uploaded_without_what_is_planted(broot: BuildRoot, session: FakeSession, secret: Path) -> None:
    session.files.clear()
    handler = task(broot)
    tree = Path(broot.rootdir(), "output")
    tree.mkdir()
    (tree / "image").write_text("image")
    (tree / "link").symlink_to(secret)
    (tree / "directory").symlink_to(secret.parent)
    os.mkfifo(tree / "pipe")
    handler.uploadTree(str(tree))
    assert [name.rpartition("/")[2] for name in session.files] == ["image"]


def rounds(something: Callable[[], Any]) -> Iterator[int]:
    """So many rounds, and more until something has come through; 20 seconds at most."""
    deadline = time.monotonic() + 20
    count = 0
    while count < 1000 or (not something() and time.monotonic() < deadline):
        yield count
        count += 1


class TestRaces:
    """A name that changes its meaning again and again while it is read."""

    @pytest.fixture
    def swapped(self, tmp_path: Path, secret: Path) -> Iterator[Path]:
        """`log/dnf.log`: in turn an honest log, a link to the secret, and nothing; its directory sometimes a link."""
        directory = tmp_path / "root" / "log"
        directory.mkdir(parents=True)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "dnf.log").write_bytes(SECRET)
        ended = threading.Event()

        def swap() -> None:
            log, spare = directory / "dnf.log", directory / "spare"
            while not ended.is_set():
                spare.write_bytes(b"honest " * 1000)
                spare.replace(log)
                spare.symlink_to(secret)
                spare.replace(log)
                directory.rename(tmp_path / "root" / "aside")
                directory.symlink_to(elsewhere)
                directory.unlink()
                (tmp_path / "root" / "aside").rename(directory)

        thread = threading.Thread(target=swap)
        thread.start()
        yield directory / "dnf.log"
        ended.set()
        thread.join()

    def test_streaming_never_sends_the_secret(self, swapped: Path, tmp_path: Path) -> None:
        sent: list[bytes] = []
        names: set[str] = set()
        streamer = LogStreamer(lambda _name, data, _offset: sent.append(data), names)
        streamer.watch([Watch(str(tmp_path / "root"), "log", "dnf*.log")])
        for _ in rounds(lambda: sent):
            streamer.sync()
        assert sent and not [data for data in sent if SECRET in data]

    def test_an_upload_never_opens_the_secret(self, swapped: Path, tmp_path: Path) -> None:
        opened: List[int] = []
        for _ in rounds(lambda: opened):
            with (
                contextlib.suppress(UnsafeFile, OSError),
                open_for_upload(str(swapped), str(tmp_path / "root"), "/nowhere") as source,
            ):
                assert SECRET not in source.read()
                opened.append(1)
        assert opened


class TestUploadPlaces:
    def read(self, path: Path, tmp_path: Path) -> bytes:
        with open_for_upload(str(path), str(tmp_path / "mock"), str(tmp_path / "work")) as source:
            return source.read()

    @pytest.fixture(autouse=True)
    def _places(self, tmp_path: Path) -> None:
        for place in ("mock/a/root", "mock/a/result", "work/tasks/1/checkout"):
            (tmp_path / place).mkdir(parents=True)

    def test_a_link_within_the_working_directory_counts(self, tmp_path: Path) -> None:
        (tmp_path / "work/tasks/1/real").write_bytes(b"real")
        link = tmp_path / "work/tasks/1/checkout/link"
        link.symlink_to("../real")
        try:
            assert self.read(link, tmp_path) == b"real"
        except UnsafeFile:
            pytest.skip("this kernel can't tell where a link leads: none is followed")

    @pytest.mark.parametrize("target", ["secret", "../../../../secret"])
    def test_a_checkouts_link_out_of_it_does_not(self, tmp_path: Path, secret: Path, target: str) -> None:
        link = tmp_path / "work/tasks/1/checkout/link"
        link.symlink_to(secret if target == "secret" else target)
        with pytest.raises(UnsafeFile):
            self.read(link, tmp_path)

    def test_dots_do_not_hide_a_chroots_file(self, tmp_path: Path, secret: Path) -> None:
        (tmp_path / "mock/a/root/link").symlink_to(secret)
        with pytest.raises(UnsafeFile):
            self.read(tmp_path / "work/../mock/a/./root/link", tmp_path)

    def test_images_of_a_chroot_may_have_two_names_and_results_may_not(self, tmp_path: Path) -> None:
        for place in ("root", "result"):
            (tmp_path / "mock/a" / place / "one").write_bytes(b"twice")
            os.link(tmp_path / "mock/a" / place / "one", tmp_path / "mock/a" / place / "two")
        assert self.read(tmp_path / "mock/a/root/one", tmp_path) == b"twice"
        with pytest.raises(UnsafeFile, match="2 names"):
            self.read(tmp_path / "mock/a/result/one", tmp_path)


@pytest.mark.parametrize("name", ["rpmdb.sqlite-wal", "Index.db", ".rpm.lock"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_rpm_is_not_let_near_a_database_with_links_or_pipes(
    broot: BuildRoot, secret: Path, name: str, kind: str
) -> None:
    planted = Path(broot.rootdir(), "var/lib/rpm", name)
    planted.unlink(missing_ok=True)
    if kind == "link":
        planted.symlink_to(secret)
    else:
        os.mkfifo(planted)
    with pytest.raises(koji.BuildrootError, match="is no regular file"):
        broot.getPackageList()
    assert secret.read_bytes() == SECRET


def test_passwords_of_the_configuration_are_not_in_its_log(
    make: Callable[..., BuildRoot], session: FakeSession
) -> None:
    broot = make(yum_proxy="http://me:s3cret@proxy:3128")
    assert "s3cret" in Path(broot.options.mock_config_dir, f"{broot.name}.cfg").read_text()
    uploaded = session.uploaded("mock_config.log")
    assert uploaded and b"s3cret" not in uploaded and b"http://me:***@proxy" in uploaded
