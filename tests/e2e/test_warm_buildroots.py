"""Warm buildroots with real packages: the second buildroot of a kind is a copy, and nobody can tell but by the time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.system.treecopy import shares_blocks
from tests.support import operator
from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

ARCH = content.machine_arch()


@pytest.fixture(scope="module")
def host(box: Sandbox) -> Iterator[Daemon]:
    daemon = box.daemon("warm", warm_buildroots=True, minspace=64, buildroot_basic_cleanup_delay=86400).start()
    yield daemon
    daemon.stop()


class Built:
    """A package built for one arch on the host of these tests."""

    def __init__(self, box: Sandbox, host: Daemon, repo_id: int, srpm: Path) -> None:
        arguments = (box.upload(srpm), content.BUILD_TAG, ARCH, True, {"repo_id": repo_id})
        self.box = box
        self.task = box.task("buildArch", *arguments, channel=host.host, arch=ARCH)
        self.result: Dict[str, Any] = box.closed(self.task, 600)
        self.row: Dict[str, Any] = box.admin.listBuildroots(taskID=self.task)[0]
        self.name = f"{self.row['tag_name']}-{self.row['id']}-{self.row['repo_id']}"
        self.directory = Path(host.options["mockdir"], self.name)
        self.root = self.directory / "root"
        self.calls = [line.split(" -r ")[1] for line in host.lines(rf"\[INFO\].*mock -r \S*{self.name}\S* --")]

    def packages(self) -> List[Tuple[str, ...]]:
        """What the hub has on record: what init installed, and what the build added."""
        rows = self.box.admin.listRPMs(componentBuildrootID=self.row["id"])
        return sorted((row["nvr"], row["arch"], str(row["id"]), str(row["is_update"])) for row in rows)

    def log(self, name: str) -> str:
        return self.box.log(self.task, name)


def tree(root: Path) -> Dict[str, Tuple[Any, ...]]:
    """What a directory holds: kind, mode, owner and content of each thing in it, and when files were changed."""
    found: Dict[str, Tuple[Any, ...]] = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(directory, name)
            status = path.lstat()
            told: Tuple[Any, ...] = (oct(status.st_mode), status.st_uid, status.st_gid)
            if stat.S_ISLNK(status.st_mode):
                told = (*told, os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                told = (*told, status.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            found[str(path.relative_to(root))] = told
    return found


def inodes(root: Path) -> Set[Tuple[int, int]]:
    return {(one.st_dev, one.st_ino) for one in (path.lstat() for path in root.rglob("*"))}


def deface(root: Path) -> None:
    """What a build that has become root in its chroot might do to it."""
    with (root / "etc/passwd").open("a") as passwd:
        passwd.write("evil:x:0:0::/:/bin/sh\n")
    with (root / "usr/bin/bash").open("r+b") as shell:
        shell.write(b"#!/bin/evil\n")
    (root / "usr/bin/evil").write_bytes(b"evil")
    (root / "usr/bin/evil").chmod(0o6755)
    os.link(root / "usr/bin/cat", root / "usr/bin/kept-cat")
    os.truncate(root / "usr/bin/cat", 0)
    (root / "etc/system-release").unlink()
    (root / "etc/system-release").symlink_to("/etc/passwd")
    (root / "usr").chmod(0o777)


@pytest.fixture(scope="module")
def first(box: Sandbox, host: Daemon, repository: int, srpms: Path) -> Built:
    return Built(box, host, repository, samples.c_program(srpms, "warm-one"))


@pytest.fixture(scope="module")
def kept(host: Daemon, first: Built) -> Path:
    """The warm root that the first build has left."""
    there = [path for path in Path(host.options["mockdir"], ".warm").iterdir() if path.is_dir()]
    (found,) = [path for path in there if ".spare" not in path.name]
    assert ".making" not in found.name
    return found


@pytest.fixture(scope="module")
def pristine(first: Built, kept: Path) -> Dict[str, Tuple[Any, ...]]:
    """What was in it before anybody used it; the first build's own root is defaced then."""
    found = tree(kept / "root")
    own = tree(first.root)
    # The build has changed /builddir, /etc and /var, as builds do.
    assert {name: told for name, told in found.items() if name.startswith("usr/")} == {
        name: told for name, told in own.items() if name.startswith("usr/")
    }
    deface(first.root)
    return found


@pytest.fixture(scope="module")
def second(box: Sandbox, host: Daemon, repository: int, srpms: Path, pristine: Dict[str, Tuple[Any, ...]]) -> Built:
    return Built(box, host, repository, samples.c_program(srpms, "warm-two"))


def test_the_first_build_starts_mock_twice_and_the_second_once(first: Built, second: Built) -> None:
    assert [call.split(" --", 1)[1].split()[0] for call in first.calls] == ["init", "no-clean"]
    assert [call.split(" --", 1)[1].split()[0] for call in second.calls] == ["no-clean"]
    assert "--rebuild" in second.calls[0]


def test_the_hub_has_the_same_on_record_of_both(first: Built, second: Built) -> None:
    assert first.packages() == second.packages()
    assert len(first.packages()) > 50
    assert first.row["state"] == second.row["state"]
    assert first.row["arch"] == second.row["arch"]
    assert {name.replace("one", "two") for name in map(os.path.basename, first.result["rpms"])} == set(
        map(os.path.basename, second.result["rpms"])
    )


def test_both_have_the_same_logs_and_the_second_says_where_its_root_is_from(first: Built, second: Built) -> None:
    assert set(map(os.path.basename, first.result["logs"])) == set(map(os.path.basename, second.result["logs"]))
    assert f"a copy of the one that it made in task {first.task}, buildroot {first.row['id']}" in second.log(
        "mock_output.log"
    )


def test_the_second_build_sees_nothing_that_the_first_one_did(first: Built, second: Built) -> None:
    found, left = tree(second.root), tree(first.root)
    assert "evil" not in (second.root / "etc/passwd").read_text()
    assert "usr/bin/evil" in left and "usr/bin/evil" not in found
    assert "usr/bin/kept-cat" not in found
    for name in ("usr", "usr/bin/bash", "usr/bin/cat", "etc/system-release"):
        assert found[name] != left[name], name


def test_a_copy_shares_no_file_with_the_warm_root_or_another_copy(first: Built, second: Built, kept: Path) -> None:
    trees = [inodes(first.root), inodes(second.root), inodes(kept / "root")]
    assert not trees[0] & trees[1] and not trees[0] & trees[2] and not trees[1] & trees[2]


def test_the_warm_root_is_as_it_was(second: Built, kept: Path, pristine: Dict[str, Tuple[Any, ...]]) -> None:
    assert tree(kept / "root") == pristine
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_a_copy_is_made_beforehand_for_the_next_one(
    box: Sandbox, host: Daemon, repository: int, srpms: Path, second: Built, kept: Path
) -> None:
    if shares_blocks(kept.parent, second.directory.parent):
        pytest.skip("copies take no time on this file system")
    spare = kept.with_name(f"{kept.name}.spare")
    wait_for(spare.is_dir, 600, f"a spare copy of {kept.name}")
    inode = (spare / "root").stat().st_ino
    moved = Built(box, host, repository, samples.c_program(srpms, "warm-moved"))
    assert moved.root.stat().st_ino == inode
    assert len(moved.calls) == 1
    assert moved.packages() == second.packages()


def test_a_damaged_warm_root_is_thrown_away_and_mock_makes_the_root(
    box: Sandbox, host: Daemon, repository: int, srpms: Path, second: Built, kept: Path
) -> None:
    packages = json.loads((kept / "packages.json").read_text())
    (kept / "packages.json").write_text(json.dumps(packages[1:]))
    third = Built(box, host, repository, samples.c_program(srpms, "warm-three"))
    assert [call.split(" --", 1)[1].split()[0] for call in third.calls] == ["init", "no-clean"]
    assert host.lines(rf"Warm root {kept.name} can't be used, mock makes {third.name}: ")
    assert json.loads((kept / "about.json").read_text())["task_id"] == third.task


def test_kojid_status_shows_them_and_kojid_clean_removes_them(host: Daemon, second: Built, kept: Path) -> None:
    shown = operator.picture(host.conf)["warm_buildroots"]
    assert shown["count"] == 1 and shown["bytes"] > 10_000_000
    assert shown["roots"][0]["what"] == f"{content.BUILD_TAG} {ARCH} build"
    assert "warm roots   1, " in operator.run(host.conf, "status").stdout
    asked = operator.start(host.conf, "clean", "--all")
    try:
        # It goes with everything else, at the lowest priority: what this waits for is that it goes at all.
        wait_for(lambda: not kept.exists(), 600, "the warm root is removed")
    finally:
        asked.kill()
        asked.communicate()
