"""Mounts in a chroot: where they were asked for and nowhere else, whatever lies in the chroot or in what is mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from kojid.buildroot.chrootmounts import ChrootMounts, Mount, MountFailed
from kojid.errors import HostFault
from kojid.system import mounts, syscalls

pytestmark = pytest.mark.root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    try:
        syscalls.mount(str(tmp_path), str(tmp_path), syscalls.MS_BIND)
    except OSError as error:
        pytest.skip(f"mounting is not allowed here: {error}")
    mounts.unmount_under(tmp_path)
    root = tmp_path / "root"
    (root / "tmp").mkdir(parents=True)
    yield root
    mounts.unmount_under(tmp_path)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    (tmp_path / "share" / "sub").mkdir(parents=True)
    (tmp_path / "share" / "file").write_text("shared")
    return tmp_path / "share"


@pytest.fixture
def chroot(root: Path, tmp_path: Path) -> ChrootMounts:
    return ChrootMounts(str(root), tmp_path / "do_mounts.log", 10)


def bind(share: Path, *options: str, below: str = "", inside: str = "/mnt/share") -> Mount:
    device = f"{share}/{below}" if below else str(share)
    return Mount(device, inside, "none", ("bind", *options), trusted=str(share))


def test_a_directory_is_shown_with_its_options_and_taken_away(
    chroot: ChrootMounts, root: Path, share: Path, tmp_path: Path
) -> None:
    chroot.add(bind(share, "ro", "nodev", "hard"))
    chroot.add(bind(share, "rw", below="sub", inside="/mnt/share/sub"))
    assert (root / "mnt/share/file").read_text() == "shared"
    with pytest.raises(OSError, match="Read-only"):
        (root / "mnt/share/new").touch()
    (root / "mnt/share/sub/new").touch()
    assert (share / "sub" / "new").exists()
    assert (root / "tmp/runroot_mounts").read_text() == f"{root}/mnt/share\n{root}/mnt/share/sub\n"
    assert (
        (tmp_path / "do_mounts.log")
        .read_text()
        .startswith(f"$ mount -t none -o bind,ro,nodev,hard {share} /mnt/share\n")
    )
    assert chroot.remove() is None
    assert mounts.mounts_under(tmp_path) == []
    assert (share / "file").exists()


def test_another_file_system_goes_through_mount(chroot: ChrootMounts, root: Path, tmp_path: Path) -> None:
    if shutil.which("mount") is None:
        pytest.skip("there is no mount(8)")
    chroot.add(Mount("nothing", "/mnt/tmp", "tmpfs", ("size=1M", "ro")))
    assert mounts.mounts_under(root) == [f"{root}/mnt/tmp"]
    with pytest.raises(MountFailed, match=r"Unable to mount /mnt/x: mount exited with status \d+"):
        chroot.add(Mount("/nowhere", "/mnt/x", "no-such-type", ("ro",)))
    assert "no-such-type" in (tmp_path / "do_mounts.log").read_text()


@pytest.mark.parametrize("planted", ["mnt", "mnt/share"])
def test_a_link_in_the_chroot_is_not_followed(
    chroot: ChrootMounts, root: Path, share: Path, tmp_path: Path, planted: str
) -> None:
    victim = tmp_path / "victim"
    (victim / "share").mkdir(parents=True)
    (root / planted).parent.mkdir(exist_ok=True)
    (root / planted).symlink_to(victim)
    with pytest.raises(MountFailed, match="Unable to mount /mnt/share"):
        chroot.add(bind(share))
    assert mounts.mounts_under(tmp_path) == []


def test_a_link_in_what_is_mounted_is_only_followed_where_the_admin_put_it(
    chroot: ChrootMounts, root: Path, share: Path, tmp_path: Path
) -> None:
    (tmp_path / "private").mkdir()
    (share / "sub" / "trap").symlink_to(tmp_path / "private")
    with pytest.raises(MountFailed, match="Unable to mount"):
        chroot.add(bind(share, below="sub/trap"))
    (tmp_path / "by-link").symlink_to(share)
    chroot.add(bind(tmp_path / "by-link", below="sub"))
    assert mounts.mounts_under(root) == [f"{root}/mnt/share"]


def test_a_missing_directory_is_named(chroot: ChrootMounts, share: Path) -> None:
    with pytest.raises(MountFailed, match=f"No such directory or mount.*{share}/absent"):
        chroot.add(bind(share, below="absent"))


def test_a_mount_that_does_not_answer_is_the_hosts_fault(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "mount"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(
        "kojid.system.process.clean_environment", lambda _user=None: {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    )
    with pytest.raises(HostFault, match="did not end within"):
        ChrootMounts(str(root), tmp_path / "log", 0.2).add(Mount("server:/x", "/mnt/x", "nfs", ("ro",)))


def test_a_list_that_is_a_link_or_a_pipe_is_left_alone(
    chroot: ChrootMounts, root: Path, share: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (root / "tmp/runroot_mounts").symlink_to(victim)
    chroot.add(bind(share))
    os.unlink(root / "tmp/runroot_mounts")
    os.mkfifo(root / "tmp/runroot_mounts")
    chroot.add(bind(share, inside="/mnt/again"))
    assert victim.read_text() == "untouched"


def test_mounts_can_be_taken_away_by_who_did_not_make_them(chroot: ChrootMounts, root: Path, share: Path) -> None:
    chroot.add(bind(share))
    subprocess.run(["mount", "-t", "tmpfs", "none", str(root / "mnt/share/sub")], check=True)
    assert ChrootMounts(str(root), Path("/dev/null")).remove() is None
    assert mounts.mounts_under(root) == []
