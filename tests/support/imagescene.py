"""A sandbox in which images can be made: stand-ins for their tools in a build tag of its own, kickstart files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Sequence

from kojid.sandbox import content, distro
from kojid.sandbox.distro import imagetools
from tests.support.sandbox import Sandbox

TAG, BUILD_TAG, MORE_TAG, TARGET = "img", "img-build", "img-more", "img"
CHANNELS = ("livecd", "appliance", "livemedia", "image")
ARCH = content.machine_arch()
#: An arch of the build tag for which there is nothing to install: images for it fail.
BARE_ARCH = "i386"
KICKSTART = """\
lang en_US.UTF-8
repo --name=theirs --baseurl=http://127.0.0.1:1/nothing
part / --size 1024 --ondisk {disk}
bootloader --location=mbr --append="quiet rhgb"
%packages
{packages}
%end
"""


def furnish(box: Sandbox, host: str) -> None:
    """Make the tags and the target, import the tools and xorriso, and have a repository made.

    Args:
        box: the sandbox; `host` is at work.
        host: the build host that is to do image tasks, for both arches of the tag.
    """
    session = box.admin
    session.editHost(host, arches=f"{ARCH} {BARE_ARCH}")
    for channel in CHANNELS:
        session.addHostToChannel(host, channel)
    for name in (TAG, MORE_TAG):
        content.add_tag(session, name)
    content.add_tag(session, BUILD_TAG, arches=f"{ARCH} {BARE_ARCH}", extra={"mock.use_bootstrap": False})
    content.inherit(session, BUILD_TAG, [TAG, MORE_TAG, content.BUILD_TAG])
    session.createBuildTarget(TARGET, BUILD_TAG, TAG)
    more = distro.make_more(Path(f"/var/tmp/kojid-test-images-{os.geteuid()}"), [imagetools.REQUIRES])
    for one in (more, imagetools.make(box.layout.dir / "imagetools")):
        content.import_distribution(session, one, MORE_TAG)
    content.set_groups(session, BUILD_TAG, groups(box))
    regenerate(box)


def groups(box: Sandbox) -> Dict[str, List[str]]:
    """The package groups of images: those of source packages, with the tool."""
    (base,) = [group for group in box.admin.getTagGroups(content.BUILD_TAG) if group["name"] == "srpm-build"]
    names = [row["package"] for row in base["packagelist"]]
    return {name: [*names, *tools] for name, tools in imagetools.GROUPS.items()}


def regenerate(box: Sandbox) -> int:
    """Have the build tag's repository made anew; returns its id."""
    return int(box.closed(box.admin.newRepo(BUILD_TAG), 240)[0])


def kickstart(directory: Path, name: str, packages: Sequence[str] = ("bash", "grep"), disk: str = "vda") -> Path:
    """A kickstart file that names these packages."""
    path = directory / name
    path.write_text(KICKSTART.format(packages="\n".join(packages), disk=disk))
    return path


def built(box: Sandbox, nvr: str) -> Dict[str, Any]:
    """A build, complete and tagged, with its image archives as `archives` (name to row) and its logs' names."""
    build: Dict[str, Any] = box.admin.getBuild(nvr, strict=True)
    assert box.admin.listTagged(TAG, package=build["name"])[0]["nvr"] == nvr
    rows = box.admin.listArchives(buildID=build["id"], type="image")
    logs = {row["name"] for row in box.admin.getBuildLogs(build["id"])}
    return {**build, "archives": {row["filename"]: row for row in rows}, "logs": logs}
