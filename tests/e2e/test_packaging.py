"""The RPM of kojid: built by this builder, installed in a chroot, and started there."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any, Dict, List, Set

import koji
import pytest

from kojid import __version__
from kojid.sandbox import content
from kojid.sandbox.distro import DistributionError
from tests.support import packagingscene
from tests.support.packagingscene import BUILD_TAG, CHECKOUT, TAG
from tests.support.sandbox import Daemon, Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.root]
_INSTALLED = """\
kojid --version
rpm -q kojid
rpm -V kojid && echo as packaged
getent passwd kojibuilder
id -Gn kojibuilder
stat -c '%U %n' /etc/mock/koji
kojid sandbox status || echo no sandbox
"""


@pytest.fixture(scope="module")
def built(box: Sandbox, builder: Daemon, repository: int, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """The finished build of kojid."""
    directory = tmp_path_factory.mktemp("packaging")
    if not shutil.which("git") or not (CHECKOUT / ".git").exists():
        pytest.skip("needs a git checkout: the source package is made of one")
    try:
        packagingscene.furnish(box, directory)
    except DistributionError as error:
        pytest.skip(str(error))
    source = packagingscene.own_source_package(directory, __version__)
    task = int(box.admin.build(box.upload(source), TAG, {}))
    box.closed(task, 400)
    (row,) = box.admin.listBuilds(taskID=task)
    assert koji.BUILD_STATES[row["state"]] == "COMPLETE"
    return dict(row)


def test_the_packages_hold_what_the_stock_ones_do(box: Sandbox, built: Dict[str, Any]) -> None:
    names = {row["name"] for row in box.admin.listBuildRPMs(built["build_id"]) if row["arch"] != "src"}
    assert names == {
        f"kojid{extra}" for extra in ("", "-sandbox", "-top", "-wrapper", "-multilib", "-images", "-metrics")
    }
    main = files(box, built, "kojid")
    wanted = {
        "/usr/sbin/kojid", "/etc/kojid/kojid.conf", "/etc/kojid/plugins", "/usr/lib/koji-builder-plugins",
        "/etc/mock/koji", "/usr/lib/systemd/system/kojid.service", "/usr/lib/sysusers.d/kojid.conf",
        "/usr/lib/tmpfiles.d/kojid.conf", "/etc/logrotate.d/kojid", "/etc/kojid/plugins/runroot.conf",
        "/usr/share/bash-completion/completions/kojid", "/usr/share/zsh/site-functions/_kojid",
    }  # fmt: skip
    assert wanted - main == set()
    assert any(path.startswith("/usr/share/man/man8/kojid.8") for path in main)
    assert any(path.startswith("/usr/share/man/man5/kojid.conf.5") for path in main)
    assert not any("/kojid/sandbox/" in path for path in main)
    assert any(path.endswith("/kojid/sandbox/cli.py") for path in files(box, built, "kojid-sandbox"))
    assert query(box, built, "kojid", "--configfiles") >= {"/etc/kojid/kojid.conf", "/etc/kojid/plugins/runroot.conf"}
    assert "koji-builder" in query(box, built, "kojid", "--conflicts")
    assert "koji-builder = 1.36.1" in query(box, built, "kojid", "--provides")


def query(box: Sandbox, build: Dict[str, Any], name: str, what: str) -> Set[str]:
    (path,) = (box.build_dir(build) / "noarch").glob(f"{name}-{build['version']}-*.rpm")
    done = subprocess.run(["rpm", "-qp", what, str(path)], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def files(box: Sandbox, build: Dict[str, Any], name: str) -> Set[str]:
    return query(box, build, name, "--list")


def test_it_installs_in_a_chroot_and_runs_there(box: Sandbox, built: Dict[str, Any]) -> None:
    packagingscene.regenerate(box)
    command = ["bash", "-c", _INSTALLED]
    task = int(box.admin.runroot(BUILD_TAG, content.machine_arch(), command, packages=["kojid"], channel="default"))
    box.closed(task, 180)
    lines: List[str] = box.log(task, "runroot.log").splitlines()
    assert lines[:3] == [f"kojid {__version__}", f"kojid-{__version__}-1.sandbox.noarch", "as packaged"], lines
    assert lines[3].endswith(":/builddir:/sbin/nologin")
    # of the group mock in a chroot mock itself writes the line, without members
    assert lines[4].split()[0] == "kojibuilder"
    assert lines[5] == "kojibuilder /etc/mock/koji"
    assert lines[-1] == "no sandbox"


def test_the_spec_file_has_the_version_of_the_program() -> None:
    lines = (CHECKOUT / "packaging/kojid.spec").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("Version:")] == [__version__]
