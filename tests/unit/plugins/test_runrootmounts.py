"""runroot.conf: what a task may mount, and what is said when the file is wrong (contract 6.13, 2.3)."""

from __future__ import annotations

from pathlib import Path

import koji
import pytest

from kojid.errors import ConfigError
from kojid.plugins import runrootmounts
from kojid.plugins.runrootmounts import RunrootConfig

WHOLE = """\
[runroot]
internal_dev_setup = yes
[paths]
default_mounts = /mnt/archive, /mnt/workdir/
safe_roots = /mnt/workdir/tmp,/mnt/prehistoric
path_subs =
    /mnt/prehistoric/,/mnt/archive/prehistoric
[path10]
mountpoint = /mnt/archive
path = archive.example.com:/
fstype = nfs
options = ro,hard,100%%
[path2]
mountpoint = /mnt/workdir
path = /srv/workdir
fstype = none
options = bind,ro
"""


def read(directory: Path, text: str, *, warn: bool = False) -> RunrootConfig:
    directory.joinpath("runroot.conf").write_text(text)
    return runrootmounts.read(str(directory), warn=warn)


def test_without_a_file_nothing_is_mounted_and_nothing_allowed(tmp_path: Path) -> None:
    config = runrootmounts.read(str(tmp_path))
    assert config.defaults() == [] and config.internal_dev_setup is None
    with pytest.raises(koji.GenericError, match="not safe"):
        config.requested(["/mnt/x"])


def test_default_mounts_come_from_the_first_section_that_fits(tmp_path: Path) -> None:
    config = read(tmp_path, WHOLE)
    assert config.internal_dev_setup is True
    archive, workdir = config.defaults()
    assert str(archive) == "mount -t nfs -o ro,hard,100% archive.example.com:/ /mnt/archive"
    assert not archive.is_bind
    assert str(workdir) == "mount -t none -o bind,ro /srv/workdir /mnt/workdir"
    assert workdir.is_bind and workdir.trusted == "/srv/workdir"


def test_requested_mounts_are_writable_and_trusted_up_to_the_safe_root(tmp_path: Path) -> None:
    config = read(tmp_path, WHOLE)
    (mount,) = config.requested(["/mnt/workdir//tmp/./mine/"])
    assert str(mount) == "mount -t none -o bind,rw /srv/workdir/tmp/mine /mnt/workdir/tmp/mine"
    assert mount.trusted == "/srv/workdir/tmp"
    (moved,) = config.requested(["/mnt/prehistoric/dig"])
    assert (moved.device, moved.inside) == ("archive.example.com:/prehistoric/dig", "/mnt/archive/prehistoric/dig")


@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "/mnt/workdir",
        "/mnt/workdir/tmp2",
        "/mnt/workdir/tmp/../x",
        "mnt/workdir/tmp",
        "/mnt/workdir/tmp/a\nb",
        "",
    ],
)
def test_what_is_not_below_a_safe_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(koji.GenericError, match="read-write mount point is not safe"):
        read(tmp_path, WHOLE).requested([path])


def test_a_safe_path_without_a_source_is_refused(tmp_path: Path) -> None:
    config = read(tmp_path, "[paths]\nsafe_roots = /mnt/elsewhere\n")
    with pytest.raises(koji.GenericError, match=r"no section of runroot\.conf fits"):
        config.requested(["/mnt/elsewhere/x"])


SECTION = "[path1]\nmountpoint = /m\npath = {}\nfstype = none\noptions = {}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mountpoint = /x\n", "is no INI file"),
        ("[paths]\ndefault_mounts = /nowhere\n", r"\[paths\] default_mounts: no section \[pathN\] has a mountpoint"),
        ("[paths]\nsafe_roots = relative\n", r"\[paths\] safe_roots: 'relative' is no absolute path"),
        ("[paths]\nsafe_roots = /a/../b\n", "has '..' in it"),
        ("[paths]\npath_subs = /only-one\n", "is not BEFORE,AFTER"),
        ("[path1]\nmountpoint = /m\nfstype = nfs\n", r"\[path1\]: path and options must be set"),
        (SECTION.format("/m", "bind,bg"), r"\[path1\] options: a mount in the background"),
        (SECTION.format("host:/m", "bind"), r"\[path1\] path: 'host:/m' is no absolute path"),
        ("[runroot]\ninternal_dev_setup = maybe\n", "'maybe' is neither yes nor no"),
        ("[paths]\nsafe_roots = %(nothing)s\n", r"\[paths\] safe_roots: Bad value substitution"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_the_place_and_what_to_do(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        read(tmp_path, text)
    assert caught.value.message.startswith(f"{tmp_path}/runroot.conf:")
    assert "\n" not in str(caught.value) and "take runroot out of the plugin option" in caught.value.hint


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    tmp_path.joinpath("runroot.conf").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        runrootmounts.read(str(tmp_path))
    tmp_path.joinpath("runroot.conf").rmdir()
    tmp_path.joinpath("runroot.conf").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no INI file"):
        runrootmounts.read(str(tmp_path))


def test_what_nothing_reads_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, WHOLE + "typ = nfs\n[pathes]\nsafe_root = /x\n")
    assert not caplog.records
    read(tmp_path, WHOLE + "typ = nfs\n[pathes]\nsafe_root = /x\n", warn=True)
    assert [record.getMessage().partition("conf: ")[2] for record in caplog.records] == [
        "[path2] typ is not known and ignored",
        "[pathes] safe_root is not known and ignored",
    ]


def test_the_sample_is_right_as_it_is_and_with_its_comments_taken_away(tmp_path: Path) -> None:
    sample = Path(__file__).parents[3].joinpath("etc/plugins/runroot.conf").read_text()
    assert read(tmp_path, sample, warn=True).defaults() == []
    lines = [line[2:] if line.startswith("; ") and (" =" in line or "[" in line or ",/" in line) else line
             for line in sample.splitlines()]  # fmt: skip
    config = read(tmp_path, "\n".join(line for line in lines if not line.startswith(";")))
    assert [mount.inside for mount in config.defaults()] == ["/mnt/archive", "/mnt/workdir"]
    assert config.path_subs == (("/mnt/archive/prehistory", "/mnt/prehistoric_disk/archive/prehistory"),)
