"""Files are laid out as an RPM distribution has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.sandbox.distro import staging
from kojid.sandbox.distro.dpkg import InstalledFile
from kojid.sandbox.distro.staging import Stage, Staged


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage", ["/usr", "/usr/bin"])


@pytest.mark.parametrize(
    ("path", "merged"),
    [("/bin/sh", "/usr/bin/sh"), ("/lib64", "/usr/lib64"), ("/usr/bin/x", "/usr/bin/x"), ("/etc/", "/etc"),
     ("/library/x", "/library/x")],
)  # fmt: skip
def test_top_directories_are_merged_into_usr(path: str, merged: str) -> None:
    assert staging.merged_path(path) == merged


@pytest.mark.parametrize(
    ("path", "dropped"),
    [("/usr/share/doc", True), ("/usr/share/doc/x/copyright", True), ("/usr/share/docs", False),
     ("/usr/lib/gcc/x86_64-linux-gnu/12/libasan.a", True), ("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", False),
     ("/usr/lib/gcc/x86_64-linux-gnu/12/lto1", True), ("/usr/bin/gprof", False),
     ("/usr/bin/x86_64-linux-gnu-gp-archive", True)],
)  # fmt: skip
def test_documentation_and_large_extras_are_dropped(path: str, dropped: bool) -> None:
    assert staging.is_dropped(path) is dropped


def test_files_are_copied_without_set_uid_and_owned_once(stage: Stage, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("content")
    program.chmod(0o4755)
    gone = InstalledFile("/usr/bin/gone", str(tmp_path / "gone"))
    staged = stage.add([InstalledFile("/usr/bin", str(tmp_path)), InstalledFile("/bin/tool", str(program)), gone])
    assert staged == Staged([], ["/usr/bin/tool"])
    assert (stage.root / "usr/bin/tool").stat().st_mode & 0o7777 == 0o755
    assert stage.add([InstalledFile("/usr/bin/tool", str(program))]) == Staged()


def test_links_stay_links_and_alternatives_become_ones(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "mawk").write_text("")
    staged = {"mawk": stage.add([InstalledFile("/usr/bin/mawk", str(tmp_path / "mawk"))])}
    links = [("/usr/bin/awk", "/usr/bin/mawk"), ("/usr/bin/pager", "/usr/bin/less"), ("/usr/bin/mawk", "/usr/bin/mawk")]
    staging.add_alternatives(stage, staged, links)
    assert staged["mawk"].files == ["/usr/bin/mawk", "/usr/bin/awk"]
    assert (stage.root / "usr/bin/awk").is_symlink()
