"""What the tests of the plugins kiwi and dud need in a sandbox: their tools as packages, a second arch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojid.sandbox import content, distro
from kojid.sandbox.distro import DistributionError
from kojid.sandbox.layout import BUILDER
from tests.support.sandbox import Daemon, Sandbox

ARCH = content.machine_arch()
#: An arch that the build tag has and for which there are no packages: whatever is made for it fails.
BARE = "i386" if ARCH == "x86_64" else "x86_64"
CHANNEL = "image"
MORE_TAG = "tools"
#: Debian packages of this machine that the image tools come in.
DEBIAN_PACKAGES = ("createrepo-c", "dnf", "dnf-plugins-core", "kiwi", "mount", "python3", "rsync", "xorriso")
GROUPS = {
    "kiwi-build": ["dnf", "kiwi", "mount", "rsync"],
    "dud-build": ["createrepo-c", "dnf", "dnf-plugins-core", "xorriso"],
}


def furnish(box: Sandbox, **options: object) -> Daemon:
    """Have the sandbox's builder make images, with a repository that has their tools; skips where there are none.

    Args:
        box: the sandbox.
        options: of the builder.
    """
    try:
        more = distro.make_more(Path(f"/var/tmp/kojid-test-kiwi-{os.geteuid()}"), DEBIAN_PACKAGES)
    except DistributionError as error:
        pytest.skip(str(error))
    session = box.admin
    content.add_tag(session, MORE_TAG)
    content.import_distribution(session, more, MORE_TAG)
    content.inherit(session, content.BUILD_TAG, [content.DEST_TAG, content.BOOTSTRAP, MORE_TAG])
    (base,) = (group for group in session.getTagGroups(content.BUILD_TAG) if group["name"] == "srpm-build")
    common = [row["package"] for row in base["packagelist"]]
    content.set_groups(session, content.BUILD_TAG, {name: [*common, *own] for name, own in GROUPS.items()})
    session.editTag2(content.BUILD_TAG, arches=f"{ARCH} {BARE}")
    session.editHost(BUILDER, arches=f"{ARCH} {BARE}")
    session.addHostToChannel(BUILDER, CHANNEL)
    daemon = box.daemon(BUILDER, plugin="kiwi dud", **options).start()
    box.regenerate(180)
    return daemon
