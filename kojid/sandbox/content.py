"""What the sandbox's hub holds from its first start: tags, a target, groups, packages and the distribution.

All of it goes through the hub's own calls, as an admin would do it; what is there already is left as it is.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Sequence

import koji

from kojid.sandbox import client
from kojid.sandbox.distro import Distribution
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import ADMIN

BOOTSTRAP = "bootstrap"
BUILD_TAG = "demo-build"
DEST_TAG = "demo"
TARGET = "demo"
PACKAGES = ("hello",)

# mock on Debian can't make a bootstrap chroot; the packages come through dnf everywhere.
_EXTRA = {"mock.use_bootstrap": False, "mock.package_manager": "dnf"}


def machine_arch() -> str:
    """The architecture that this machine builds for, as tags name it."""
    return str(koji.canonArch(os.uname().machine))


def lay_out(session: Any) -> None:
    """Make the tags, their inheritance, the target and the package list."""
    add_tag(session, BOOTSTRAP)
    add_tag(session, DEST_TAG)
    add_tag(session, BUILD_TAG, arches=machine_arch(), extra=_EXTRA)
    inherit(session, BUILD_TAG, [DEST_TAG, BOOTSTRAP])
    if session.getBuildTarget(TARGET) is None:
        session.createBuildTarget(TARGET, BUILD_TAG, DEST_TAG)
    add_packages(session, DEST_TAG, PACKAGES)


def add_tag(session: Any, name: str, **options: Any) -> None:
    """Make a tag if it is missing."""
    if session.getTag(name) is None:
        session.createTag(name, **options)


def inherit(session: Any, tag: str, parents: Sequence[str]) -> None:
    """Have a tag inherit others, the first with the highest priority, unless it inherits them already."""
    known = {row["name"] for row in session.getInheritanceData(tag)}
    if known.issuperset(parents):
        return
    rows = [
        {
            "parent_id": session.getTag(parent, strict=True)["id"],
            "priority": 10 * place,
            "maxdepth": None,
            "intransitive": False,
            "noconfig": False,
            "pkg_filter": "",
        }
        for place, parent in enumerate(parents)
    ]
    session.setInheritanceData(tag, rows)


def add_packages(session: Any, tag: str, names: Sequence[str]) -> None:
    """Put packages on a tag's list."""
    known = {row["package_name"] for row in session.listPackages(tagID=tag)}
    for name in names:
        if name not in known:
            session.packageListAdd(tag, name, owner=ADMIN)


def set_groups(session: Any, tag: str, groups: Dict[str, List[str]]) -> None:
    """Give a tag package groups; what a group holds already stays."""
    known = {group["name"]: {row["package"] for row in group["packagelist"]} for group in session.getTagGroups(tag)}
    with session.multicall(strict=True) as calls:
        for name, packages in sorted(groups.items()):
            if name not in known:
                calls.groupListAdd(tag, name)
            for package in sorted(set(packages) - known.get(name, set())):
                calls.groupPackageListAdd(tag, name, package)


def imported_distribution(session: Any) -> Optional[str]:
    """The name-version-release of the distribution that was imported to its end, None before that."""
    rows = session.listTagged(BOOTSTRAP, latest=True)
    return str(rows[0]["nvr"]) if rows else None


def import_distribution(session: Any, distribution: Distribution, tag: str = BOOTSTRAP) -> str:
    """Import the distribution as a build and tag it at last; returns its name-version-release.

    Args:
        session: an admin's.
        distribution: one source package with its binary packages.
        tag: where it goes.

    Raises:
        SandboxError: it has no source package or more than one, or the hub has a part of another one.
    """
    if len(distribution.srpms) != 1:
        raise SandboxError(f"the distribution has {len(distribution.srpms)} source packages instead of one")
    source = distribution.srpms[0]
    nvr = source.name[: -len(".src.rpm")]
    add_packages(session, tag, [koji.parse_NVR(nvr)["name"]])
    present = {_file_name(rpm) for rpm in session.listBuildRPMs(nvr)} if session.getBuild(nvr) else set()
    try:
        for path in [source, *distribution.rpms]:
            if path.name not in present:
                client.upload(session, path, f"sandbox-import/{nvr}")
                session.importRPM(f"sandbox-import/{nvr}", path.name)
    except koji.GenericError as error:
        raise SandboxError(f"{path.name} can't be imported: {error}", "begin anew with: kojid sandbox reset") from error
    session.tagBuildBypass(tag, nvr)
    return nvr


def _file_name(rpm: Dict[str, Any]) -> str:
    return "{name}-{version}-{release}.{arch}.rpm".format(**rpm)
